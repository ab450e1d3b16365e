"""What a provider's batch API takes, and how long it keeps what it gives."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pricing import frozen_record

BatchApi: TypeAlias = Literal["openai", "anthropic", "bedrock"]
"""Whose batch API is spoken; each has a client in ``tasks/batches``."""


@frozen_record(frozen=True, slots=True, kw_only=True)
class BatchRules:
    """The limits of one provider's batches.

    Args:
        api: whose batch API it speaks.
        paths: of the requests that a batch may hold, below the address of the target.
        lines: the most requests in one batch.
        whole: the most bytes of one batch, as it is sent.
        least: the fewest requests in one batch.
        window_hours: after which what has not run expires.
        kept_days: how long results can be had; ``None`` where that is not documented, or up to the user.
    """

    api: BatchApi
    paths: tuple[str, ...]
    lines: int
    whole: int
    least: int = 1
    window_hours: int = 24
    kept_days: int | None = None
