"""What calibrations have paid for, in the ledger: a row that claims each case before it is asked, its score after.

Whoever shares the ledger shares it, so that no case is paid twice. A case that was asked and has no score was lost with
its run: it may have been paid, so it is not asked again. No content.
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.engine import Connection, Row

from farebox.calibration.deciding import Outcome
from pricing.clock import now_us
from pricing.schema import calibration_scores, holds
from pricing.store import Store
from pricing.upsert import insert_into

FRESH_DAYS = 90
"""How long evidence counts; then a case is asked anew."""
_FRESH_US = FRESH_DAYS * 86_400_000_000
_S = calibration_scores.c


class Tried(BaseModel):
    """How one target answered one case; ``score`` is ``None`` where no answer says anything about its quality.

    ``run_id`` is of the calibration that asked, ``asked_at`` when (microseconds); ``operations`` are others than the
    step's own that its turns were attributed to: an agent's.
    """

    key: str = ""
    run_id: str = ""
    asked_at: int = 0
    ended: bool = False
    score: float | None = None
    cost_nano: int = 0
    seconds: float = 0.0
    verified: bool | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    operations: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome | None:
        """As decisions take it."""
        if self.score is None:
            return None
        return Outcome(self.score, self.cost_nano, self.seconds, self.verified)


class Results:
    """The results of one operation, as ``automation/operation``."""

    def __init__(self, store: Store, subject: str) -> None:
        self._store = store
        self._subject = subject

    def read(self) -> dict[str, Tried]:
        """By key; what is too old to count is left out."""
        query = sa.select(calibration_scores).where(_S.subject == self._subject, _S.asked_at >= now_us() - _FRESH_US)
        with self._store.read() as connection:
            return {row.score_key: _tried(row) for row in connection.execute(query)}

    def claim(self, tried: Tried) -> Tried | None:
        """Note that a case is asked now; what is known of it if it was asked before, and may have been paid.

        Of two who claim at once one gets it, whatever machine they are on.
        """
        while True:
            mine, known = self._store.transact(lambda connection: self._claim(connection, tried))
            if mine or known is not None:
                return known

    def _claim(self, connection: Connection, tried: Tried) -> tuple[bool, Tried | None]:
        same, now = _S.score_key == tried.key, now_us()
        connection.execute(sa.delete(calibration_scores).where(same, _S.asked_at < now - _FRESH_US))
        row = _row(tried) | {"subject": self._subject, "asked_at": now, "ended_at": None}
        insert = insert_into(connection.dialect.name, calibration_scores).values(row).on_conflict_do_nothing()
        if connection.execute(insert.returning(_S.score_key)).first() is not None:
            return True, None
        found = connection.execute(sa.select(calibration_scores).where(same)).one_or_none()
        return False, None if found is None else _tried(found)

    def note(self, tried: Tried) -> None:
        """Note what came of a case that was claimed."""
        row = _row(tried) | {"ended_at": now_us()}
        mine = (_S.score_key == tried.key, _S.run_id == tried.run_id)
        update = sa.update(calibration_scores).where(*mine).values(row)
        self._store.transact(lambda connection: connection.execute(update))

    def give_back(self, tried: Tried) -> None:
        """Nothing was paid for a case that was claimed: it may be asked again."""
        mine = (_S.score_key == tried.key, _S.run_id == tried.run_id)
        delete = sa.delete(calibration_scores).where(*mine)
        self._store.transact(lambda connection: connection.execute(delete))

    def under_way(self, tried: Tried) -> bool:
        """Whether a case may still get its score: the run that asks about it lives."""
        alive = sa.select(holds.c.run_id).where(holds.c.run_id == tried.run_id, holds.c.lease_until > now_us())
        with self._store.read() as connection:
            return not tried.ended and connection.execute(alive).first() is not None


def _row(tried: Tried) -> dict[str, object]:
    return {
        "score_key": tried.key,
        "run_id": tried.run_id,
        "score": tried.score,
        "cost_nano": tried.cost_nano,
        "duration_us": round(tried.seconds * 1e6),
        "verified": tried.verified,
        "input_tokens": tried.input_tokens,
        "output_tokens": tried.output_tokens,
        "operations": json.dumps(tried.operations),
    }


def _tried(row: Row[tuple[object, ...]]) -> Tried:
    return Tried(
        key=row.score_key,
        run_id=row.run_id,
        asked_at=row.asked_at,
        ended=row.ended_at is not None,
        score=row.score,
        cost_nano=row.cost_nano,
        seconds=row.duration_us / 1e6,
        verified=row.verified,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        operations=tuple(json.loads(row.operations)),
    )
