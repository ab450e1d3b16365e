"""The recent results of a target: how often it answered, how fast, and what its failures cost.

Read from the ledger's attempts, the newest of one target by one index. An observation counts half after a day, so
that a bad hour stops counting even if that target gets no more requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pricing.clock import now_us
from pricing.db import schema
from pricing.ledger.ledger import Ledger

WINDOW = 200
"""The newest attempts of a target that are looked at."""
HALF_LIFE_US = 24 * 3600 * 1_000_000
"""After so long an observation counts half: an automation that runs daily still knows yesterday."""
FORGOTTEN_US = 30 * HALF_LIFE_US
"""After a month it counts for nothing."""
CODED = 1_000
"""The newest attempts of a target whose codes are counted."""
RAN = 100
"""The newest runs of an automation whose turns tell how often complexity raises one."""

_NOT_ITS_OWN = frozenset(
    {
        "cancelled",
        "lost",
        "invalid_request",
        "request_too_large",
        "request_exceeds_quota_window",
        "context_overflow",
        "tier_capacity",
        "content_policy",
        "refusal",
    }
)
"""Outcomes that tell of the question, or of us, and nothing of the target."""

_PATIENT = frozenset({"flex", "batch"})
"""Service tiers whose answers take as long as they take: their times say nothing of the target's others."""

_VERIFIED = frozenset({"escalated", "unverified"})
"""Reasons of turns in which a verifier turned an answer down."""

_A, _T = schema.attempts.c, schema.turns.c
_NEWEST = (
    sa.select(
        _A.provider,
        _A.model,
        _A.stand_in,
        _A.outcome,
        _A.ordinal,
        _A.cost_nano,
        _A.started_at,
        _A.duration_us,
        _A.service_tier_asked,
        _T.outcome.label("turn"),
        _T.reason.label("turn_reason"),
        _T.target.label("answered_by"),
        _T.attempts,
    )
    .select_from(schema.attempts.outerjoin(schema.turns, _A.turn_id == _T.turn_id))
    .where(_A.target == sa.bindparam("name"))
    .order_by(_A.seq.desc())
    .limit(WINDOW)
)


@dataclass(frozen=True, slots=True)
class TargetStats:
    """One target's recent past.

    Args:
        n: observations, each by its age: one of yesterday is half a one.
        success: the share of attempts whose answer was accepted. One that its schema or a guard sent back was not.
        p50: seconds until an accepted answer, the median; ``None`` when there was none.
        p95: likewise, the 95th percentile.
        waste: money spent on attempts that came to nothing, per money spent on accepted answers; ``None`` when there
            were none.
    """

    n: float
    success: float
    p50: float | None
    p95: float | None
    waste: float | None


def observe(
    ledger: Ledger, name: str, *, provider: str, model: str, stand_in: bool, now: int | None = None
) -> TargetStats | None:
    """The recent results of a target; ``None`` without any. Attempts of another model under the same name do not count,
    nor answers of the sandbox for a real target.
    """
    with ledger.store.read() as connection:
        rows = connection.execute(_NEWEST, {"name": name}).all()
    same = [row for row in rows if (row.provider, row.model, row.stand_in) == (provider, model, stand_in)]
    now = now_us() if now is None else now
    recent = [row for row in same if _of_itself(row) and now - row.started_at < FORGOTTEN_US]
    return _summed(recent, now) if recent else None


def with_code(ledger: Ledger, name: str, code: str) -> int:
    """How many of a target's newest ``CODED`` attempts ended with a code.

    Raises:
        LedgerError: it cannot be read.
    """
    newest = sa.select(_A.code).where(_A.target == name).order_by(_A.seq.desc()).limit(CODED).subquery()
    with ledger.store.read() as connection:
        counted = sa.select(sa.func.count()).select_from(newest).where(newest.c.code == code)
        return int(connection.execute(counted).scalar_one())


def complexities(ledger: Ledger, automation: str, operation: str, *, stand_in: bool) -> list[float]:
    """The complexity of the turns of one operation in the newest runs of an automation; those that were scored."""
    table = schema.settlements.c
    recent = (
        sa.select(table.run_id)
        .where(table.automation == automation, table.quality == "fast", table.stand_in == stand_in)
        .order_by(table.seq.desc())
        .limit(RAN)
        .subquery()
    )
    query = sa.select(_T.complexity).where(
        _T.run_id.in_(sa.select(recent.c.run_id)), _T.operation == operation, _T.complexity.is_not(None)
    )
    with ledger.store.read() as connection:
        return list(connection.execute(query).scalars())


def _summed(rows: Sequence[Any], now: int) -> TargetStats:
    weights = [0.5 ** (max(0, now - row.started_at) / HALF_LIFE_US) for row in rows]
    accepted = [_accepted(row) for row in rows]
    n = sum(weights)
    answered = [
        (row.duration_us / 1e6, weight)
        for row, weight, ok in zip(rows, weights, accepted, strict=True)
        if ok and row.service_tier_asked not in _PATIENT
    ]
    spent = dict.fromkeys((True, False), 0.0)
    for row, weight, ok in zip(rows, weights, accepted, strict=True):
        spent[ok] += weight * row.cost_nano
    return TargetStats(
        n=n,
        success=sum(weight for weight, ok in zip(weights, accepted, strict=True) if ok) / n,
        p50=_quantile(answered, 0.5),
        p95=_quantile(answered, 0.95),
        waste=spent[False] / spent[True] if spent[True] else None,
    )


def _of_itself(row: Any) -> bool:
    """Whether an attempt says something about its target: an answer that a step's verifier rejected does not, since a
    cascade expects that.
    """
    refused = row.outcome == "ok" and row.turn_reason in _VERIFIED and not _accepted(row)
    of_batch = row.service_tier_asked == "batch" and row.outcome != "ok"  # its queue's, not the target's
    return not refused and not of_batch and row.outcome not in _NOT_ITS_OWN


def _accepted(row: Any) -> bool:
    """Whether the attempt's answer was accepted. Only the last attempt of an answered or failed turn can have been."""
    if row.outcome != "ok":
        return False
    if row.turn not in {"answered", "failed"}:  # still under way, or ended by a budget or a guard
        return True
    return bool(row.turn == "answered" and row.ordinal == row.attempts - 1)


def _quantile(weighted: Iterable[tuple[float, float]], level: float) -> float | None:
    ascending = sorted(weighted)
    wanted = level * sum(weight for _, weight in ascending)
    reached = 0.0
    for value, weight in ascending:
        reached += weight
        if reached >= wanted:
            return value
    return ascending[-1][0] if ascending else None
