"""Stored answers: the same question to the same model, answered from Prefect's result storage instead of paid again."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from pricing import identity, record
from tasks.providers.messages import ModelRequest
from tasks.providers.reasoning_fields import level_of
from tasks.routing.target import Target

if TYPE_CHECKING:
    from prefect.results import ResultStore

    from pricing import Nano


@record(frozen=True, slots=True)
class StoredAnswer:
    """An answer as it was given, and what it cost then."""

    text: str
    target: str
    cost_nano: Nano


def answer_key(prompt_version: str, request: ModelRequest, first: Target) -> str:
    """What makes two questions the same: prompt version, every part that is asked, the schema, the model asked first
    and how much that is to reason.

    Images and documents count by their digest.

    Never a run, a time or a key: two runs share an answer, and that is the point.
    """
    asked = [
        prompt_version,
        request.system.text,
        [(message.role, [identity(part) for part in message.parts]) for message in request.messages],
        request.schema.definition if request.schema else None,
        request.max_tokens,
        level_of(first, request),
        first.provider,
        first.model,
        first.stand_in,
    ]
    return "farebox-" + hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


async def find(key: str) -> StoredAnswer | None:
    """The stored answer, unless it has expired or cannot be read."""
    return await asyncio.to_thread(_find, key)


async def keep(key: str, answer: StoredAnswer, lifetime: timedelta) -> None:
    """Store an answer for a time."""
    await asyncio.to_thread(_keep, key, answer, lifetime)


def _find(key: str) -> StoredAnswer | None:
    store = _store()
    if not store.exists(key):
        return None
    record = store.read(key)
    if record.expiration is not None and record.expiration < datetime.now(UTC):
        return None
    found: dict[str, Any] = record.result
    return StoredAnswer(**found)


def _keep(key: str, answer: StoredAnswer, lifetime: timedelta) -> None:
    _store().write(asdict(answer), key=key, expiration=cast("Any", datetime.now(UTC) + lifetime))


def _store() -> ResultStore:
    """The result storage of the flow that is under way; JSON, since it may be shared and is read back as data."""
    from prefect.results import get_result_store
    from prefect.serializers import JSONSerializer

    return get_result_store().model_copy(update={"serializer": JSONSerializer(), "cache_result_in_memory": False})
