"""Events for Prefect: what its automations can react to. An event never holds content."""

from __future__ import annotations

import contextvars
import logging
import sys
import threading

from pricing.clock import from_us
from tasks.breaker import BreakerEvent

_logger = logging.getLogger(__name__)


def tell_prefect(event: BreakerEvent) -> None:
    """Emit ``farebox.breaker.opened``, ``.closed`` or ``.alarm`` about ``farebox.target.{name}``.

    Only within a flow or task run. It returns at once, for sending can take long: that is another thread's.
    """
    if not _under_prefect():
        return
    context = contextvars.copy_context()  # Prefect finds the run that the event belongs to in it
    threading.Thread(target=context.run, args=(_emit, event), name="farebox-event", daemon=True).start()


def _under_prefect() -> bool:
    if "prefect.context" not in sys.modules:
        return False
    from prefect.context import FlowRunContext, TaskRunContext

    return FlowRunContext.get() is not None or TaskRunContext.get() is not None


def _emit(event: BreakerEvent) -> None:
    from prefect.events import emit_event

    try:
        emit_event(
            f"farebox.breaker.{event.kind}",
            resource={
                "prefect.resource.id": f"farebox.target.{event.target}",
                "prefect.resource.name": event.target,
                "farebox.failure-domain": event.failure_domain,
            },
            payload={
                "reason": event.reason,
                "level": event.level,
                "open_until": from_us(event.open_until).isoformat(),
            },
        )
    except Exception as error:  # noqa: BLE001 - an event that cannot be sent must not end anything
        _logger.warning("The event farebox.breaker.%s could not be sent: %s", event.kind, type(error).__name__)
