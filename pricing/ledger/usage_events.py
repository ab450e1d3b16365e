"""The outbox of usage events: outcomes for a metered-billing service, each under an id that never changes.

An event is made of a settlement, which is a fact, and kept until the service has confirmed it. One whose confirmation
was lost is sent again under the same id, by which the service counts it once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import sqlalchemy as sa

from pricing.db import schema
from pricing.db.database import Store
from pricing.db.upsert import insert_into
from pricing.money import dollars

MeteredValue: TypeAlias = Literal["outcomes", "credits", "usd"]
_E, _S, _R = schema.usage_events.c, schema.settlements.c, schema.runs.c
_CLAIM_US = 120_000_000
_LONGEST_WAIT_US = 3_600_000_000
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """One outcome to report to a metered-billing service. ``value`` is a decimal number as text; ``happened_at`` is in
    microseconds UTC.
    """

    event_id: str
    run_id: str
    customer: str
    automation: str
    quality: str
    value: str
    happened_at: int
    tries: int = 0


@dataclass(frozen=True, slots=True)
class OutboxState:
    """The number of events that were confirmed, are pending, and failed at least once; and of outcomes without a
    customer to bill.
    """

    delivered: int
    waiting: int
    failing: int
    without_customer: int
    last_fault: str | None


class UsageOutbox:
    """The outbox of one ledger.

    Args:
        store: the database below.
        customers: what the service calls an organisation or a user.
        by_name: those that are not in ``customers`` are called as they are here.
        value: what is metered: each outcome as 1, its credits, or its price in US dollars.
        since: outcomes that ended from then on, in microseconds UTC.
    """

    def __init__(
        self, store: Store, customers: Mapping[str, str], value: MeteredValue, since: int, *, by_name: bool
    ) -> None:
        self._store = store
        self._customers = customers
        self._by_name = by_name
        self._value = value
        self._since = since

    def collect(self) -> int:
        """Add events for outcomes that have none; returns their number."""
        added = 0
        with self._store.write() as connection:
            rows = connection.execute(self._missing().order_by(_S.seq)).all()
            events = [event for row in rows if (event := self._event(row)) is not None]
            statement = insert_into(connection.dialect.name, schema.usage_events)
            for at in range(0, len(events), _CHUNK):
                values = [
                    {
                        "event_id": one.event_id, "run_id": one.run_id, "customer": one.customer,
                        "automation": one.automation, "quality": one.quality, "value": one.value,
                        "happened_at": one.happened_at, "tries": 0, "next_at": 0,
                    }
                    for one in events[at : at + _CHUNK]
                ]  # fmt: skip
                connection.execute(statement.on_conflict_do_nothing(index_elements=["event_id"]), values)
                added += len(values)
        return added

    def claim(self, most: int, now: int) -> list[UsageEvent]:
        """Claim pending events, oldest first. No other process sends them for two minutes."""
        due = sa.and_(_E.delivered_at.is_(None), _E.next_at <= now)
        names = [_E[name] for name in UsageEvent.__dataclass_fields__]
        with self._store.write() as connection:
            query = sa.select(*names).where(due).order_by(_E.happened_at, _E.event_id).limit(most)
            rows = connection.execute(query.with_for_update(skip_locked=True)).all()
            ids = [row.event_id for row in rows]
            connection.execute(
                sa.update(schema.usage_events).where(_E.event_id.in_(ids)).values(next_at=now + _CLAIM_US)
            )
        return [UsageEvent(*row) for row in rows]

    def delivered(self, event_ids: Sequence[str], now: int) -> None:
        """Mark events as confirmed by the service."""
        with self._store.write() as connection:
            table = sa.update(schema.usage_events).where(_E.event_id.in_(event_ids))
            connection.execute(table.values(delivered_at=now, fault=None))

    def failed(self, event: UsageEvent, fault: str, now: int) -> None:
        """Schedule events again that the service did not confirm, each time later."""
        wait = min(_LONGEST_WAIT_US, 1_000_000 * 2 ** min(event.tries, 12))
        with self._store.write() as connection:
            table = sa.update(schema.usage_events).where(_E.event_id == event.event_id)
            connection.execute(table.values(tries=_E.tries + 1, next_at=now + wait, fault=fault))

    def release(self, events: Sequence[UsageEvent]) -> None:
        """Release claimed events that were not sent."""
        ids = [one.event_id for one in events]
        with self._store.write() as connection:
            table = sa.update(schema.usage_events).where(_E.event_id.in_(ids), _E.delivered_at.is_(None))
            connection.execute(table.values(next_at=0))

    def state(self) -> OutboxState:
        """The current state of the outbox."""
        counted = sa.func.count
        waits = _E.delivered_at.is_(None)
        with self._store.read() as connection:
            delivered = connection.execute(sa.select(counted()).where(_E.delivered_at.is_not(None))).scalar_one()
            waiting = connection.execute(sa.select(counted()).where(waits)).scalar_one()
            failing = connection.execute(sa.select(counted()).where(waits, _E.tries > 0)).scalar_one()
            newest = sa.select(_E.fault).where(waits, _E.fault.is_not(None)).order_by(_E.next_at.desc()).limit(1)
            fault = connection.execute(newest).scalar_one_or_none()
            without_owner = sum(self._event(row) is None for row in connection.execute(self._missing()))
        return OutboxState(int(delivered), int(waiting), int(failing), without_owner, fault)

    def _missing(self) -> sa.Select[tuple[object, ...]]:
        """The query for outcomes without an event."""
        columns = (
            _S.run_id, _S.ordinal, _S.automation, _S.quality, _S.ended_at, _S.charged_credits, _S.charged_nano,
            _R.org_id, _R.user_id,
        )  # fmt: skip
        key = _S.run_id + ":" + sa.cast(_S.ordinal, sa.Text)
        return (
            sa.select(*columns)
            .join_from(schema.settlements, schema.runs, _S.run_id == _R.run_id)
            .join(schema.usage_events, _E.event_id == key, isouter=True)
            .where(
                _S.outcome == "completed",
                _S.stand_in.is_(sa.false()),
                _S.ended_at >= self._since,
                _E.event_id.is_(None),
            )
        )

    def _event(self, row: sa.Row[tuple[object, ...]]) -> UsageEvent | None:
        name = next(
            (one for one in (row.org_id, row.user_id) if one and (self._by_name or one in self._customers)), None
        )
        if name is None:
            return None
        values = {
            "outcomes": "1",
            "credits": str(row.charged_credits or 0),
            "usd": f"{dollars(row.charged_nano or 0):f}",
        }
        return UsageEvent(
            event_id=f"{row.run_id}:{row.ordinal}",
            run_id=row.run_id,
            customer=self._customers.get(name, name),
            automation=row.automation,
            quality=row.quality,
            value=values[self._value],
            happened_at=row.ended_at,
        )
