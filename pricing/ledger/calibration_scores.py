"""What calibrations rest on, in the ledger: what cases cost and scored, and what the judge has found since.

A row claims each case before it is asked, and gets its score after. All users of the ledger share it, so that no
case is paid twice. A case that was asked and has no score was lost with its run: it may have been paid, so it is not
asked again. No content.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from pricing.clock import now_us
from pricing.db.database import Store
from pricing.db.schema import attempts, calibration_scores, guard_decisions, holds, runs, turns
from pricing.db.upsert import insert_into
from pricing.money import Nano

CALIBRATION = "calibrate"
"""The automation that calibrates. It asks every target on purpose: where its turns went says nothing of routing."""
FRESH_DAYS = 90
"""How long evidence counts; then a case is tried again."""
_FRESH_US = FRESH_DAYS * 86_400_000_000
_S, _A, _T, _D = calibration_scores.c, attempts.c, turns.c, guard_decisions.c


@dataclass(frozen=True, slots=True)
class CaseScore:
    """How one target answered one case; ``score`` is ``None`` where no answer says anything about its quality.

    ``run_id`` is of the calibration that asked, ``asked_at`` when (microseconds); ``operations`` are others than the
    step's own that its turns were attributed to: an agent's. Tokens are ``None`` where an attempt's usage is missing.
    """

    key: str = ""
    run_id: str = ""
    asked_at: int = 0
    ended: bool = False
    score: float | None = None
    cost_nano: Nano = 0
    seconds: float = 0.0
    verified: bool | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    operations: tuple[str, ...] = ()


class Results:
    """The calibration results of one operation, ``automation/operation``."""

    def __init__(self, store: Store, subject: str) -> None:
        self._store = store
        self._subject = subject

    def read(self) -> dict[str, CaseScore]:
        """The scores by key; those that are too old are left out."""
        query = sa.select(calibration_scores).where(_S.subject == self._subject, _S.asked_at >= now_us() - _FRESH_US)
        with self._store.read() as connection:
            return {row.score_key: _case_score(row) for row in connection.execute(query)}

    def claim(self, tried: CaseScore) -> CaseScore | None:
        """Claim a case before it is asked; returns its score if it was asked before, and may have been paid. Of two
        concurrent claims one succeeds, on any machine.
        """
        while True:
            mine, known = self._store.transact(lambda connection: self._claim(connection, tried))
            if mine or known is not None:
                return known

    def _claim(self, connection: Connection, tried: CaseScore) -> tuple[bool, CaseScore | None]:
        same, now = _S.score_key == tried.key, now_us()
        connection.execute(sa.delete(calibration_scores).where(same, _S.asked_at < now - _FRESH_US))
        row = _row(tried) | {"subject": self._subject, "asked_at": now, "ended_at": None}
        insert = insert_into(connection.dialect.name, calibration_scores).values(row).on_conflict_do_nothing()
        if connection.execute(insert.returning(_S.score_key)).first() is not None:
            return True, None
        found = connection.execute(sa.select(calibration_scores).where(same)).one_or_none()
        return False, None if found is None else _case_score(found)

    def note(self, tried: CaseScore) -> None:
        """Record the score of a claimed case."""
        row = _row(tried) | {"ended_at": now_us()}
        mine = (_S.score_key == tried.key, _S.run_id == tried.run_id)
        update = sa.update(calibration_scores).where(*mine).values(row)
        self._store.transact(lambda connection: connection.execute(update))

    def give_back(self, tried: CaseScore) -> None:
        """Release a claimed case that cost nothing, so that it may be asked again."""
        mine = (_S.score_key == tried.key, _S.run_id == tried.run_id)
        delete = sa.delete(calibration_scores).where(*mine)
        self._store.transact(lambda connection: connection.execute(delete))

    def under_way(self, tried: CaseScore) -> bool:
        """Whether a case may still get its score: the run that asked it is alive."""
        alive = sa.select(holds.c.run_id).where(holds.c.run_id == tried.run_id, holds.c.lease_until > now_us())
        with self._store.read() as connection:
            return not tried.ended and connection.execute(alive).first() is not None


def _row(tried: CaseScore) -> dict[str, object]:
    known = tried.input_tokens is not None and tried.output_tokens is not None
    return {
        "score_key": tried.key,
        "run_id": tried.run_id,
        "score": tried.score,
        "cost_nano": tried.cost_nano,
        "duration_us": round(tried.seconds * 1e6),
        "verified": tried.verified,
        "input_tokens": tried.input_tokens if known else 0,
        "output_tokens": tried.output_tokens if known else 0,
        "usage_known": known,
        "operations": json.dumps(tried.operations),
    }


def _case_score(row: Row[tuple[object, ...]]) -> CaseScore:
    known = row.input_tokens > 0 if row.usage_known is None else row.usage_known
    return CaseScore(
        key=row.score_key,
        run_id=row.run_id,
        asked_at=row.asked_at,
        ended=row.ended_at is not None,
        score=row.score,
        cost_nano=row.cost_nano,
        seconds=row.duration_us / 1e6,
        verified=row.verified,
        input_tokens=row.input_tokens if known else None,
        output_tokens=row.output_tokens if known else None,
        operations=tuple(json.loads(row.operations)),
    )


class Ended(NamedTuple):
    """The end of a turn, after ``attempts`` attempts."""

    outcome: str
    reason: str | None
    attempts: int


def paid_for(store: Store, turn_ids: Sequence[str], operation: str) -> CaseScore:
    """The cost and usage of turns of a step, with the other operations that they were attributed to."""
    counts, mine = sa.func.count, (_A.turn_id.in_(turn_ids), _A.priced != "unbilled")
    cost_nano = sa.func.coalesce(sa.func.sum(_A.cost_nano), 0)
    tokens = (
        sa.case((counts() == counts(one), sa.func.sum(one))).cast(sa.BigInteger)
        for one in (_A.input_tokens, _A.output_tokens)
    )
    with store.read() as connection:
        cost, read, written = connection.execute(sa.select(cost_nano, *tokens).where(*mine)).one()
        operations = connection.execute(sa.select(_A.operation).distinct().where(_A.turn_id.in_(turn_ids))).scalars()
        others = tuple(sorted(set(operations) - {operation}))
    return CaseScore(cost_nano=int(cost), input_tokens=read, output_tokens=written, operations=others)


def ends_of(store: Store, turn_ids: Sequence[str]) -> list[Ended]:
    """The ends of turns, by their ids."""
    query = sa.select(_T.outcome, _T.reason, _T.attempts).where(_T.turn_id.in_(turn_ids))
    with store.read() as connection:
        return [Ended(*row) for row in connection.execute(query)]


def last_prompt(store: Store, automation: str, operation: str) -> str | None:
    """The last prompt of an operation; None where it never ran."""
    query = (
        sa.select(_T.prompt)
        .join_from(turns, runs, runs.c.run_id == _T.run_id)
        .where(runs.c.automation == automation, _T.operation == operation)
        .order_by(_T.seq.desc())
        .limit(1)
    )
    with store.read() as connection:
        return connection.execute(query).scalar()


def passed_since(store: Store, automation: str, operation: str, judge: str, since: int) -> tuple[int, int]:
    """How many randomly sampled answers since then (microseconds) the judge passed, and how many it was shown."""
    query = (
        sa.select(_D.action, sa.func.count())
        .join_from(guard_decisions, turns, _T.turn_id == _D.turn_id)
        .join(runs, runs.c.run_id == _T.run_id)
        .where(_D.guard == judge, _D.mode == "audit", _D.decided_at >= since)
        .where(runs.c.automation == automation, _T.operation == operation)
        .where(_D.facts.contains('"audited": "sample"'))
        .group_by(_D.action)
    )
    with store.read() as connection:
        counted = {str(row[0]): int(row[1]) for row in connection.execute(query)}
    return counted.get("allow", 0), sum(counted.values())
