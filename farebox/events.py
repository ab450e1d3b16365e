"""Events for Prefect: what its automations can react to. An event never holds content."""

from __future__ import annotations

import contextvars
import logging
import sys
import threading
from typing import Any

from pricing.budgets import BudgetState
from pricing.clock import from_us
from pricing.holds import Unsettled
from pricing.money import format_money
from tasks.breaker import BreakerEvent
from tasks.turns import TurnEvent

_logger = logging.getLogger(__name__)


def tell_prefect(event: BreakerEvent) -> None:
    """Emit ``farebox.breaker.opened``, ``.closed`` or ``.alarm`` about ``farebox.target.{name}``."""
    _start(
        f"farebox.breaker.{event.kind}",
        resource={
            "prefect.resource.id": f"farebox.target.{event.target}",
            "prefect.resource.name": event.target,
            "farebox.failure-domain": event.failure_domain,
        },
        payload={"reason": event.reason, "level": event.level, "open_until": from_us(event.open_until).isoformat()},
    )


def tell_soft_threshold(state: BudgetState) -> None:
    """Emit ``farebox.budget.soft-threshold`` about ``farebox.budget.{id}``, and log it."""
    _logger.warning(
        "Budget %r has come to its soft threshold of %s: %s spent and %s held of %s.",
        state.name,
        *(format_money(amount) for amount in (state.soft or 0, state.spent, state.held, state.limit)),
    )
    _start(
        "farebox.budget.soft-threshold",
        resource={"prefect.resource.id": f"farebox.budget.{state.budget_id}", "prefect.resource.name": state.name},
        payload={
            **{f"{name}_nano": getattr(state, name) for name in ("soft", "limit", "spent", "held", "left")},
            "scope": state.scope,
            "window": state.window,
            "resets_at": state.resets_at.isoformat() if state.resets_at else None,
        },
    )


def tell_unsettled(found: Unsettled) -> None:
    """Emit ``farebox.hold.unsettled`` about ``farebox.run.{id}``, and log it."""
    _logger.error(
        "What run %s holds could not be settled (%s), and was put aside. Its budgets carry it until it is repaired; "
        "other runs go on. See `farebox doctor`.",
        found.run_id,
        found.fault,
    )
    _start(
        "farebox.hold.unsettled",
        resource={"prefect.resource.id": f"farebox.run.{found.run_id}", "prefect.resource.name": found.run_id},
        payload={"run_id": found.run_id, "fault": found.fault},
    )


def tell_blocked(event: TurnEvent) -> None:
    """Emit ``farebox.guard.blocked``, of a leak ``farebox.guard.leak``, about ``farebox.operation.{name}``."""
    _start(
        "farebox.guard.leak" if event.reason == "leak" else "farebox.guard.blocked",
        resource={
            "prefect.resource.id": f"farebox.operation.{event.operation}",
            "prefect.resource.name": event.operation,
        },
        payload={"reason": event.reason, "run_id": event.run_id},
    )


def tell_rates_changed(before: str, now: str) -> None:
    """Emit ``farebox.rates.changed`` about ``farebox.rates``: the rate card is another than at the last review."""
    _start(
        "farebox.rates.changed",
        resource={"prefect.resource.id": "farebox.rates", "prefect.resource.name": "rate card"},
        payload={"before": before, "now": now},
    )


def _start(name: str, *, resource: dict[str, str], payload: dict[str, Any]) -> None:
    """Only within a flow or task run. It returns at once, for sending can take long: that is another thread's."""
    if not _under_prefect():
        return
    context = contextvars.copy_context()  # Prefect finds the run that the event belongs to in it
    values = {"resource": resource, "payload": payload}
    threading.Thread(target=context.run, args=(_emit, name), kwargs=values, name="farebox-event", daemon=True).start()


def _under_prefect() -> bool:
    if "prefect.context" not in sys.modules:
        return False
    from prefect.context import FlowRunContext, TaskRunContext

    return FlowRunContext.get() is not None or TaskRunContext.get() is not None


def _emit(name: str, *, resource: dict[str, str], payload: dict[str, Any]) -> None:
    from prefect.events import emit_event

    try:
        emit_event(name, resource=resource, payload=payload)
    except Exception as error:  # noqa: BLE001 - an event that cannot be sent must not end anything
        _logger.warning("The event %s could not be sent: %s", name, type(error).__name__)
