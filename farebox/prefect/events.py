"""Events for Prefect: what its automations can react to. An event never holds content."""

from __future__ import annotations

import contextvars
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

from pricing import format_money, from_us

if TYPE_CHECKING:
    from pricing.ledger import BudgetState, Intent, Unsettled
    from pricing.reports import RunReport
    from tasks.routing import BreakerEvent
    from tasks.turn import TurnEvent

_logger = logging.getLogger(__name__)
_REMEMBERED = 1_024
_published: dict[tuple[str, str], None] = {}
_publishing = threading.Lock()


def emit_breaker_event(event: BreakerEvent) -> None:
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


def emit_soft_threshold(state: BudgetState) -> None:
    """Emit ``farebox.budget.soft-threshold`` about ``farebox.budget.{id}``, and log it."""
    _logger.warning(
        "Budget %r has reached its soft threshold of %s: %s spent and %s held of %s.",
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


def emit_unsettled(found: Unsettled) -> None:
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


def emit_blocked(event: TurnEvent) -> None:
    """Emit ``farebox.guard.blocked``, of a leak ``farebox.guard.leak``, about ``farebox.operation.{name}``."""
    _start(
        "farebox.guard.leak" if event.reason == "leak" else "farebox.guard.blocked",
        resource={
            "prefect.resource.id": f"farebox.operation.{event.operation}",
            "prefect.resource.name": event.operation,
        },
        payload={"reason": event.reason, "run_id": event.run_id},
    )


def emit_implausible_usage(intent: Intent, fault: str) -> None:
    """Emit ``farebox.usage.implausible`` about ``farebox.target.{name}``, and log it: once per run and target."""
    if not _first_in_run(intent.run_id, intent.target):
        return
    _logger.warning(
        "Target %r reported token counts that its request cannot have (%s): the attempt is charged at its worst case. "
        "Check the provider, or the proxy in front of it; `farebox doctor` counts such attempts.",
        intent.target,
        fault,
    )
    _start(
        "farebox.usage.implausible",
        resource={"prefect.resource.id": f"farebox.target.{intent.target}", "prefect.resource.name": intent.target},
        payload={"reason": fault, "run_id": intent.run_id, "operation": intent.operation, "model": intent.model},
    )


def emit_unpriced_tier(intent: Intent, service_tier: str) -> None:
    """Emit ``farebox.service_tier.unpriced`` about ``farebox.target.{name}``, and log it: once per run, target and
    service tier.
    """
    if not _first_in_run(intent.run_id, f"{intent.target} {service_tier}"):
        return
    _logger.warning(
        "Target %r was served at the service tier %r, for which %r has no known price: the attempt is charged at its "
        "worst case. Give it a price in farebox.toml: [[rates]] with service_tier = %r.",
        intent.target,
        service_tier,
        intent.model,
        service_tier,
    )
    _start(
        "farebox.service_tier.unpriced",
        resource={"prefect.resource.id": f"farebox.target.{intent.target}", "prefect.resource.name": intent.target},
        payload={
            "run_id": intent.run_id,
            "operation": intent.operation,
            "model": intent.model,
            "asked": intent.service_tier_asked or "",
            "served": service_tier,
        },
    )


def emit_other_model(intent: Intent, model: str) -> None:
    """Emit ``farebox.model.other`` about ``farebox.target.{name}``, and log it: once per run, target and model."""
    if not _first_in_run(intent.run_id, f"{intent.target} {model}"):
        return
    _logger.warning(
        "Target %r was asked for %r and %r answered: the attempt is charged at the rates of %r. "
        "Check the provider, or the proxy in front of it.",
        intent.target,
        intent.model,
        model,
        model,
    )
    _start(
        "farebox.model.other",
        resource={"prefect.resource.id": f"farebox.target.{intent.target}", "prefect.resource.name": intent.target},
        payload={"run_id": intent.run_id, "operation": intent.operation, "asked": intent.model, "answered": model},
    )


def _first_in_run(run_id: str, target: str) -> bool:
    """Whether this is the first report of this kind about a target in a run; the last 1,024 are remembered."""
    with _publishing:
        known = (run_id, target) in _published
        _published[run_id, target] = None
        while len(_published) > _REMEMBERED:
            del _published[next(iter(_published))]
    return not known


def emit_cache_drops(report: RunReport) -> None:
    """Emit ``farebox.cache.drop`` about ``farebox.operation.{name}``, and log it: with the first run that shows it."""
    from pricing.reports import drop_sentence

    for drop in report.cache_drops:
        if not drop.new:
            continue
        _logger.warning("%s", drop_sentence(drop))
        _start(
            "farebox.cache.drop",
            resource={
                "prefect.resource.id": f"farebox.operation.{drop.operation}",
                "prefect.resource.name": drop.operation,
            },
            payload={
                "automation": report.run.automation,
                "since_run": drop.since_run,
                "runs": drop.runs,
                "before": drop.before,
                "now": drop.now,
                "cause": drop.cause,
                "explanation": drop.explanation,
            },
        )


def emit_rates_changed(before: str, now: str) -> None:
    """Emit ``farebox.rates.changed`` about ``farebox.rates``: the rate card is another than at the last review."""
    _start(
        "farebox.rates.changed",
        resource={"prefect.resource.id": "farebox.rates", "prefect.resource.name": "rate card"},
        payload={"before": before, "now": now},
    )


def _start(name: str, *, resource: dict[str, str], payload: dict[str, Any]) -> None:
    """Start emitting an event, if a flow or task run is active. It returns at once; a thread of Prefect sends the
    event.
    """
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
