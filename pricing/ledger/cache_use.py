"""How much of their input runs read from prompt caches, and what their requests shared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from pricing.db import schema
from pricing.db.database import Store
from pricing.db.prepared import PreparedStatement

NEWEST_RUNS = 100
"""Runs of an automation that are looked at."""
_NEWEST_PROMPTS = 3
MOST_REQUESTS = 4_000
"""Of one operation, the newest."""

_A, _S = schema.attempts.c, schema.settlements.c
_COUNTED = (_A.kind == "model", _A.priced == "usage", _A.input_tokens > 0)
"""What was answered, and counted by its provider."""
_READ = sa.func.coalesce(_A.cache_read_tokens, 0)
_CACHED = _READ + sa.func.coalesce(_A.cache_write_tokens, 0)
_NEWEST = (
    sa.select(_S.run_id)
    .where(
        _S.automation == sa.bindparam("automation"),
        _S.quality == sa.bindparam("quality"),
        _S.stand_in == sa.bindparam("stand_in"),
    )
    .order_by(_S.seq.desc())
    .limit(_NEWEST_PROMPTS)
    .subquery()
)
_PROMPTS = PreparedStatement(
    sa.select(_A.operation, _A.provider, _A.model, sa.func.count(), sa.func.sum(_CACHED), sa.func.sum(_READ))
    .where(_A.run_id.in_(sa.select(_NEWEST.c.run_id)), _CACHED > 0, *_COUNTED)
    .group_by(_A.operation, _A.provider, _A.model)
)


@dataclass(frozen=True, slots=True)
class RunCacheUse:
    """One operation in one run: tokens that its requests read, and how many of these came from a cache.

    ``first_input_tokens`` and ``first_read_tokens`` are those of its first request. ``started_at`` and ``ended_at``,
    of its first request and of its last, are microseconds UTC.
    """

    run_id: str
    operation: str
    input_tokens: int
    read_tokens: int
    first_input_tokens: int
    first_read_tokens: int
    started_at: int
    ended_at: int

    @property
    def share(self) -> float:
        """The share of input that was read from a cache, 0 to 1."""
        return self.read_tokens / self.input_tokens

    @property
    def later_share(self) -> float | None:
        """The same share without the first request; None if there was only one."""
        tokens = self.input_tokens - self.first_input_tokens
        return (self.read_tokens - self.first_read_tokens) / tokens if tokens else None


@dataclass(frozen=True, slots=True)
class CachedRequest:
    """One request that was answered; ``prompt_parts`` as in ``schema.attempts``, None where its model caches nothing.

    ``started_at`` and ``ended_at`` are microseconds UTC.
    """

    run_id: str
    started_at: int
    ended_at: int
    target: str
    account: str
    model: str
    input_tokens: int
    read_tokens: int
    prompt_parts: str | None


@dataclass(frozen=True, slots=True)
class PromptInCache:
    """The cached part of an operation's requests to a model: mean tokens, and whether any were read."""

    operation: str
    provider: str
    model: str
    tokens: int
    was_read: bool


class CacheUse:
    """Reads the ledger.

    Args:
        store: its database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def runs(
        self, automation: str, quality: str, *, stand_in: bool, until: str | None = None
    ) -> dict[str, list[RunCacheUse]]:
        """By operation the newest runs of an automation at one quality, in the order in which they ended.

        Args:
            automation: its name.
            quality: likewise.
            stand_in: whether the sandbox answered.
            until: the id of the newest run to look at; the newest of all, if left out.
        """
        table = schema.settlements.c
        mine = sa.and_(table.automation == automation, table.quality == quality, table.stand_in == stand_in)
        ends = sa.select(table.run_id, table.seq).where(mine)
        if until is not None:
            ends = ends.where(
                table.seq <= sa.select(sa.func.max(table.seq)).where(table.run_id == until).scalar_subquery()
            )
        with self._store.read() as connection:
            settled = connection.execute(ends.order_by(table.seq.desc()).limit(2 * NEWEST_RUNS)).all()
            order = list(dict.fromkeys(row.run_id for row in settled))[:NEWEST_RUNS]
            used = connection.execute(_used(order)).all() if order else []
        places = {run_id: place for place, run_id in enumerate(reversed(order))}
        found: dict[str, list[RunCacheUse]] = {}
        for row in sorted(used, key=lambda row: places[row.run_id]):
            use = RunCacheUse(row.run_id, row.operation, *map(int, row[2:]))
            found.setdefault(row.operation, []).append(use)
        return found

    def prompts(self, automation: str, quality: str, *, stand_in: bool) -> list[PromptInCache]:
        """What the newest runs of an automation at one quality had in caches, by operation and model."""
        asked = {"automation": automation, "quality": quality, "stand_in": stand_in}
        with self._store.read() as connection:
            rows = _PROMPTS.run(connection, asked).fetchall()
        return [
            PromptInCache(operation, provider, model, int(tokens) // requests, read > 0)
            for operation, provider, model, requests, tokens, read in rows
        ]

    def requests(self, operation: str, run_ids: Sequence[str]) -> list[CachedRequest]:
        """The newest requests of an operation in some runs, in the order in which they were sent."""
        table = schema.attempts.c
        query = (
            sa.select(
                table.run_id,
                table.started_at,
                (table.started_at + table.duration_us).label("ended_at"),
                table.target,
                table.account,
                table.model,
                table.input_tokens,
                sa.func.coalesce(table.cache_read_tokens, 0).label("read_tokens"),
                table.prompt_parts,
            )
            .where(table.run_id.in_(run_ids), table.operation == operation, *_COUNTED)
            .order_by(table.started_at.desc(), table.seq.desc())
            .limit(MOST_REQUESTS)
        )
        with self._store.read() as connection:
            rows = connection.execute(query).all()
        return [CachedRequest(*row) for row in reversed(rows)]


def _used(run_ids: Sequence[str]) -> sa.Select[tuple[str, str, int, int, int, int, int, int]]:
    place = sa.func.row_number().over(partition_by=(_A.run_id, _A.operation), order_by=(_A.started_at, _A.seq))
    sent = (
        sa.select(
            _A.run_id,
            _A.operation,
            _A.input_tokens,
            sa.func.coalesce(_A.cache_read_tokens, 0).label("read_tokens"),
            _A.started_at,
            (_A.started_at + _A.duration_us).label("ended_at"),
            place.label("place"),
        )
        .where(_A.run_id.in_(run_ids), *_COUNTED)
        .subquery()
        .c
    )
    first = sent.place == 1
    return sa.select(
        sent.run_id,
        sent.operation,
        sa.func.sum(sent.input_tokens),
        sa.func.sum(sent.read_tokens),
        sa.func.sum(sa.case((first, sent.input_tokens), else_=0)),
        sa.func.sum(sa.case((first, sent.read_tokens), else_=0)),
        sa.func.min(sent.started_at),
        sa.func.max(sent.ended_at),
    ).group_by(sent.run_id, sent.operation)
