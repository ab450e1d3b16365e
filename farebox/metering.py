"""Outcomes as usage events of metered-billing services: Stripe meters, OpenMeter and Lago. Off unless switched on."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode

from farebox.config.settings import MeteringSettings
from farebox.runtime import Runtime
from pricing import ConfigError, UsageError, from_us, now_us, to_us
from pricing.ledger import UsageEvent, UsageOutbox
from tasks.providers import HttpRequest, Transport, WireFailed

_READ_SECONDS = 30.0
_PAGE = 50
_GIVE_UP = 5
"""Events that fail one after the other until sending stops."""
_REFUSED = frozenset({401, 403})
_CODE = re.compile(r"[a-z0-9_.]{1,60}")
_SOURCE = "farebox"


class MeteringSink(NamedTuple):
    """A service: its address, the variable of its key, how an event is put, and which refusals mean it has it."""

    url: str
    variable: str
    request: Callable[[UsageEvent, MeteringSettings, str, str], HttpRequest]
    known: Callable[[int, Any], bool]
    by_name: bool


@dataclass(frozen=True, slots=True)
class Sent:
    """What a round of sending did."""

    collected: int
    delivered: int
    failed: int


def _stripe(event: UsageEvent, settings: MeteringSettings, base: str, key: str) -> HttpRequest:
    form = {
        "event_name": settings.event,
        "payload[stripe_customer_id]": event.customer,
        "payload[value]": event.value,
        "identifier": event.event_id,
        "timestamp": str(event.happened_at // 1_000_000),
    }
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/x-www-form-urlencoded",
        "Idempotency-Key": event.event_id,
    }
    return HttpRequest(f"{base}/v1/billing/meter_events", headers, urlencode(form).encode())


def _openmeter(event: UsageEvent, settings: MeteringSettings, base: str, key: str) -> HttpRequest:
    moment = from_us(event.happened_at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = {
        "specversion": "1.0",
        "id": event.event_id,
        "source": _SOURCE,
        "type": settings.event,
        "subject": event.customer,
        "time": moment,
        "datacontenttype": "application/json",
        "data": {"value": event.value, "automation": event.automation, "quality": event.quality},
    }
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/cloudevents+json"}
    return HttpRequest(f"{base}/api/v1/events", headers, json.dumps(body).encode())


def _lago(event: UsageEvent, settings: MeteringSettings, base: str, key: str) -> HttpRequest:
    body = {
        "event": {
            "transaction_id": event.event_id,
            "external_subscription_id": event.customer,
            "code": settings.event,
            "timestamp": event.happened_at // 1_000_000,
            "properties": {"value": event.value, "automation": event.automation, "quality": event.quality},
        }
    }
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    return HttpRequest(f"{base}/api/v1/events", headers, json.dumps(body).encode())


def _known_to_lago(status: int, body: Any) -> bool:
    """It answers an id that it has with 422 and ``value_already_exist``."""
    details = body.get("error_details") if isinstance(body, dict) else None
    transaction_id = details.get("transaction_id") if isinstance(details, dict) else None
    return status == 422 and isinstance(transaction_id, list) and "value_already_exist" in transaction_id  # noqa: PLR2004 - HTTP


SINKS = {
    "stripe": MeteringSink("https://api.stripe.com", "STRIPE_API_KEY", _stripe, lambda *_: False, by_name=False),
    "openmeter": MeteringSink(
        "https://openmeter.cloud", "OPENMETER_API_KEY", _openmeter, lambda *_: False, by_name=True
    ),
    "lago": MeteringSink("https://api.getlago.com", "LAGO_API_KEY", _lago, _known_to_lago, by_name=False),
}


def outbox_of(runtime: Runtime) -> tuple[MeteringSink, MeteringSettings, UsageOutbox]:
    """The service that is switched on, and the outbox of events for it.

    Raises:
        UsageError: none is.
    """
    settings = runtime.settings.metering
    if not settings.enabled or settings.sink is None or settings.since is None:
        raise UsageError(
            "Metering is switched off.",
            next_step='Set enabled = true, sink = "stripe" (or openmeter, lago) and since under [metering].',
        )
    sink = SINKS[settings.sink]
    since = to_us(settings.begins(runtime.settings.zone))
    outbox = UsageOutbox(
        runtime.ledger.store, settings.customers, settings.value, since, by_name=sink.by_name
    )  # fmt: skip
    return sink, settings, outbox


def send_usage(runtime: Runtime) -> Sent:
    """Put new outcomes into the outbox, and send what waits there.

    An event counts as sent once the service has confirmed it. Else it stays, and is sent again under the same id.

    Raises:
        UsageError: metering is switched off, or the service refuses the key.
        ConfigError: there is no key.
    """
    sink, settings, outbox = outbox_of(runtime)
    variable = settings.key_env or sink.variable
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(
            f"There is no key for {settings.sink}; tried: environment variable {variable}.",
            next_step=f"Set {variable}, or name another variable with key_env under [metering].",
        )
    collected = outbox.collect()
    delivered, failed = asyncio.run(_send_all(sink, settings, outbox, key))
    return Sent(collected, delivered, failed)


async def _send_all(sink: MeteringSink, settings: MeteringSettings, outbox: UsageOutbox, key: str) -> tuple[int, int]:
    transport, base, began = Transport(), (settings.url or sink.url).rstrip("/"), now_us()
    delivered = failed = in_a_row = 0
    try:
        while events := outbox.claim(_PAGE, began):  # what fails now waits for a later round
            for place, event in enumerate(events):
                fault = await _send(transport, sink, sink.request(event, settings, base, key))
                if fault is None:
                    outbox.delivered([event.event_id], now_us())
                    delivered, in_a_row = delivered + 1, 0
                    continue
                outbox.failed(event, fault, now_us())
                failed, in_a_row = failed + 1, in_a_row + 1
                refused = fault in {f"HTTP {status}" for status in _REFUSED}
                if refused or in_a_row >= _GIVE_UP:
                    outbox.release(events[place + 1 :])
                    if refused:
                        raise UsageError(
                            f"{settings.sink} refused the key ({fault}).",
                            next_step="Use a key that may write usage events; nothing is lost meanwhile.",
                        )
                    return delivered, failed
    finally:
        await transport.close()
    return delivered, failed


async def _send(transport: Transport, sink: MeteringSink, request: HttpRequest) -> str | None:
    """Why the service did not take it; ``None`` where it has it."""
    try:
        reply = await transport.send(request, read_timeout=_READ_SECONDS)
    except WireFailed as error:
        return type(error.__cause__ or error).__name__
    if 200 <= reply.status < 300 or reply.status == 409:  # noqa: PLR2004 - HTTP
        return None
    try:
        body: Any = json.loads(reply.body)
    except ValueError:
        body = None
    if sink.known(reply.status, body):
        return None
    return f"HTTP {reply.status}{_code(body)}" if reply.status not in _REFUSED else f"HTTP {reply.status}"


def _code(body: Any) -> str:
    """The code of an error, never its text: that may repeat what was sent."""
    error = body.get("error") if isinstance(body, dict) else None
    code = error.get("code") if isinstance(error, dict) else body.get("code") if isinstance(body, dict) else None
    return f" {code}" if isinstance(code, str) and _CODE.fullmatch(code) else ""
