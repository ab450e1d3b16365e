"""Signed notices that a batch has ended, by the Standard Webhooks specification, as OpenAI sends them.

The signature is HMAC-SHA256 over ``{id}.{timestamp}.{body}``; a header may hold several, and there may be several
secrets, while one is replaced by another.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tasks.providers.base import lower
from tasks.providers.json_fields import obj, parse, text

TOLERANCE_SECONDS: Final = 300
"""By which the notice's time may differ from ours, either way."""
LARGEST_NOTICE: Final = 64 * 1024
"""Bytes; a notice holds two ids."""
_PREFIX: Final = "whsec_"
_MOST_SIGNATURES: Final = 16
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_EVENT: Final = re.compile(r"batch\.[a-z_]{1,32}")
_BATCH_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


class WebhookRefused(Exception):
    """A webhook request that may not be the provider's. Its text names the reason and nothing of the request."""


@dataclass(frozen=True, slots=True)
class BatchNotice:
    """A notice about a batch.

    Args:
        notice_id: the same when a notice is sent again.
        event: such as ``batch.completed``, ``batch.failed``, ``batch.expired`` or ``batch.cancelled``.
        batch_id: the provider's. Ask for the batch: a notice says that there is something to see, and no more.
    """

    notice_id: str
    event: str
    batch_id: str


def verify_webhook(
    headers: Mapping[str, str],
    body: bytes,
    secrets: str | Sequence[str],
    *,
    now: float | None = None,
    tolerance: int = TOLERANCE_SECONDS,
) -> BatchNotice | None:
    """The notice in a request; ``None`` if it is genuine and not about a batch.

    Args:
        headers: of the request, in any letter case: ``webhook-id``, ``webhook-timestamp``, ``webhook-signature``.
        body: of the request, byte for byte as it came.
        secrets: one or several; those that begin with ``whsec_`` are base64 after that, others are taken as they are.
        now: seconds since 1970; this moment, if left out.
        tolerance: seconds by which the notice may be older or newer.

    Raises:
        WebhookRefused: no secret signed it, it is too old or too new, or it is not a notice.
        ValueError: there is no secret, or one is empty or no base64.

    Example:
        >>> secret, body = "s3cret", b'{"type": "batch.completed", "data": {"id": "batch_1"}}'
        >>> headers = signed_webhook("evt_1", 1_700_000_000, body, secret)
        >>> verify_webhook(headers, body, secret, now=1_700_000_100).batch_id
        'batch_1'
    """
    keys = [_key(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    if not keys:
        raise ValueError("verifying a webhook needs at least one secret")
    lowered = lower(headers)
    notice_id, timestamp, signatures = (lowered.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not notice_id or not signatures or not _TIMESTAMP.fullmatch(timestamp):
        raise WebhookRefused("webhook-id, webhook-timestamp or webhook-signature is missing or malformed")
    if len(body) > LARGEST_NOTICE:
        raise WebhookRefused(f"the body has more than {LARGEST_NOTICE:,} bytes")
    age = (time.time() if now is None else now) - int(timestamp)
    if abs(age) > tolerance:
        raise WebhookRefused(f"the timestamp differs from the local clock by more than {tolerance} s")
    given = list(_signatures(signatures))
    found = False
    for key in keys:  # all of them, so that how long it takes says nothing of which one fits
        expected = _signature(key, notice_id, timestamp, body)
        for signature in given:
            found |= hmac.compare_digest(expected, signature)
    if not found:
        raise WebhookRefused("the signature matches none of the secrets")
    return _notice(notice_id, body)


def signed_webhook(notice_id: str, timestamp: int, body: bytes, secret: str) -> dict[str, str]:
    """The headers that a sender puts on a notice."""
    signature = _signature(_key(secret), notice_id, str(timestamp), body).decode()
    return {
        "webhook-id": notice_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }


def _notice(notice_id: str, body: bytes) -> BatchNotice | None:
    notice = obj(parse(body))
    event, batch_id = text(notice.get("type")), text(obj(notice.get("data")).get("id"))
    if not event:
        raise WebhookRefused("the body is not an event")
    if not _EVENT.fullmatch(event):
        return None
    if not _BATCH_ID.fullmatch(batch_id):
        raise WebhookRefused("the event does not name a batch")
    return BatchNotice(notice_id, event, batch_id)


def _key(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        key = secret.encode()
    else:
        try:
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            raise ValueError("a webhook secret that begins with whsec_ must continue in base64") from None
    if not key:
        raise ValueError("the webhook secret is empty")
    return key


def _signatures(header: str) -> Iterator[bytes]:
    """Those of version 1, at most 16; signatures of other versions are left out."""
    for signature in header.split()[:_MOST_SIGNATURES]:
        version, comma, value = signature.partition(",")
        if comma and version == "v1":
            yield value.encode("utf-8", "replace")


def _signature(key: bytes, notice_id: str, timestamp: str, body: bytes) -> bytes:
    signed = b"%b.%b.%b" % (notice_id.encode("utf-8", "replace"), timestamp.encode(), body)
    return base64.b64encode(hmac.digest(key, signed, "sha256"))
