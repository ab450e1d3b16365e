"""Imported runs: history of automations from before Farebox, of no budget, wallet, statement, bill or close."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pricing.db import ledger_file, schema
from pricing.db.database import Store
from pricing.db.prepared import PreparedStatement
from pricing.ledger.ledger import HISTORY, PastRun, RunUsage
from pricing.money import Nano
from pricing.usage import Usage

_R, _U, _I = schema.imported_runs.c, schema.imported_usage.c, schema.imports.c
_BEFORE: Final = -(2**62)
"""Where numbers of imported runs begin: below those of all settlements."""
_CHUNK: Final = 500
IMPORTED: Final = "imported:"
"""How ids of imported runs begin."""
_PAST = PreparedStatement(
    sa.select(_R.seq, _R.run_id, _R.cost_nano, _R.runs, _R.point_nano, _R.plan, _R.rate_version, _R.ended_at)
    .where(
        _R.automation == sa.bindparam("automation"),
        _R.quality == sa.bindparam("quality"),
        _R.seq > sa.bindparam("after"),
        _R.outcome == "completed",
        _R.point_nano > 0,
    )
    .order_by(_R.ended_at.desc(), _R.seq.desc())
    .limit(HISTORY)
)


@dataclass(frozen=True, slots=True)
class ImportedUsage:
    """What a run used of one model; ``priced`` by the rate card's ``usage``, or as ``stated`` by the source."""

    operation: str
    provider: str
    model: str
    requests: int
    usage: Usage
    cost_nano: Nano
    priced: Literal["usage", "stated"]
    started_at: int


@dataclass(frozen=True, slots=True)
class ImportedRun:
    """A run as it is imported, or the sum of ``runs`` of them. Amounts are nano-dollars of all of them, ``point_nano``
    is of one; times are microseconds since 1970 UTC.
    """

    run_id: str
    automation: str
    quality: str
    plan: str
    routes: str
    rate_version: str
    point_nano: Nano
    runs: int
    outcome: Literal["completed", "failed"]
    cost_nano: Nano
    user_id: str | None
    org_id: str | None
    started_at: int
    ended_at: int
    usage: tuple[ImportedUsage, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Import:
    """What one file added: rows of runs, the ``runs`` that they stand for, and what these cost. ``known`` rows were
    imported before; with ``again``, the very file was.
    """

    added: int
    runs: int
    requests: int
    cost_nano: Nano
    known: int
    again: bool = False


class ImportedRuns:
    """The imported runs of a ledger."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, found: Sequence[ImportedRun], source: str, digest: str, now: int) -> Import:
        """Write the runs of one file, all or none; those that are known already are left out.

        Args:
            found: of one automation at one quality.
            source: the format that they come from.
            digest: of the file.
            now: microseconds since 1970.
        """
        automation, quality = found[0].automation, found[0].quality
        with self._store.write(durable=True) as connection:
            same = (_I.automation == automation, _I.quality == quality, _I.digest == digest)
            if connection.execute(sa.select(_I.seq).where(*same)).first() is not None:
                return Import(0, 0, 0, 0, len(found), again=True)
            known: set[str] = set()
            for start in range(0, len(found), _CHUNK):
                ids = [run.run_id for run in found[start : start + _CHUNK]]
                known |= set(connection.execute(sa.select(_R.run_id).where(_R.run_id.in_(ids))).scalars())
            new = [run for run in found if run.run_id not in known]
            made = Import(
                len(new),
                sum(run.runs for run in new),
                sum(one.requests for run in new for one in run.usage),
                sum(run.cost_nano for run in new),
                len(known),
            )
            connection.execute(
                schema.imports.insert().values(
                    automation=automation, quality=quality, source=source, digest=digest, runs=made.runs,
                    requests=made.requests, cost_nano=made.cost_nano, imported_at=now,
                )
            )  # fmt: skip
            for start in range(0, len(new), _CHUNK):
                part = new[start : start + _CHUNK]
                connection.execute(schema.imported_runs.insert(), [_row(run) for run in part])
                connection.execute(schema.imported_usage.insert(), [row for run in part for row in _usage_rows(run)])
        return made

    def count(self, automation: str, quality: str) -> int:
        """How many runs of an automation were imported."""
        query = sa.select(sa.func.coalesce(sa.func.sum(_R.runs), 0))
        with self._store.read() as connection:
            found = connection.execute(query.where(_R.automation == automation, _R.quality == quality)).scalar_one()
        return int(found)

    def history(self, automation: str, quality: str, *, after: int = 0) -> list[PastRun]:
        """The newest ``HISTORY`` completed ones, oldest first, as quotes lean on them; only those after a number."""
        with self._store.read() as connection:
            return self.past_runs(ask_imported_history(connection, automation, quality, after=after))

    def past_runs(self, cursor: Any) -> list[PastRun]:
        """The answer to :func:`ask_imported_history`."""
        rows = cursor.fetchall()
        try:
            return [
                PastRun(
                    _BEFORE + seq,
                    run_id,
                    int(cost) / runs / int(point),
                    0.0,
                    int(point),
                    sum(step["calls"] for step in json.loads(plan)),
                    rate_version,
                    ended_at,
                )
                for seq, run_id, cost, runs, point, plan, rate_version, ended_at in reversed(rows)
            ]
        except (ValueError, TypeError, LookupError):
            raise ledger_file.corrupt(self._store.place, "a value in imported_runs.plan is damaged") from None

    def usage_of(self, run_ids: Sequence[str]) -> list[RunUsage]:
        """Per run, provider and model what one run used and what that cost."""
        names = Usage.__dataclass_fields__
        query = sa.select(_R.run_id, _R.runs, _U.provider, _U.model, _U.priced, _U.cost_nano, *(_U[n] for n in names))
        query = query.join_from(schema.imported_runs, schema.imported_usage, _R.run_id == _U.run_id)
        with self._store.read() as connection:
            rows = connection.execute(query.where(_R.run_id.in_(run_ids))).mappings().all()
        return [
            RunUsage(
                row["run_id"],
                row["provider"],
                row["model"],
                Usage(**{name: None if row[name] is None else round(row[name] / row["runs"]) for name in names}),
                round(int(row["cost_nano"]) / row["runs"]),
                row["priced"] == "usage",
            )
            for row in rows
        ]

    def shapes(self, run_ids: Sequence[str]) -> Mapping[str, tuple[str, str, Nano]]:
        """By run, its plan and its routes (JSON) and its point."""
        query = sa.select(_R.run_id, _R.plan, _R.routes, _R.point_nano).where(_R.run_id.in_(run_ids))
        with self._store.read() as connection:
            return {row.run_id: (row.plan, row.routes, int(row.point_nano)) for row in connection.execute(query)}


def ask_imported_history(connection: Connection, automation: str, quality: str, *, after: int) -> Any:
    """Ask for what :meth:`ImportedRuns.history` gives; the cursor is for :meth:`ImportedRuns.past_runs`."""
    asked = {"automation": automation, "quality": quality, "after": after - _BEFORE if after else 0}
    return _PAST.run(connection, asked)


def _row(run: ImportedRun) -> dict[str, Any]:
    return {name: getattr(run, name) for name in ImportedRun.__dataclass_fields__ if name != "usage"}


def _usage_rows(run: ImportedRun) -> list[dict[str, Any]]:
    names = [name for name in ImportedUsage.__dataclass_fields__ if name != "usage"]
    return [
        {"run_id": run.run_id}
        | {name: getattr(one, name) for name in names}
        | {name: getattr(one.usage, name) for name in Usage.__dataclass_fields__}
        for one in run.usage
    ]
