"""Pages of one statement against transactions: the same values come to the same rows, or to the same error."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest
import sqlalchemy as sa
from psycopg import OperationalError

from pricing.db import journal_table, schema
from pricing.db.database import Store
from pricing.errors import LedgerAway, RunTakenOver
from pricing.ledger import settlement
from pricing.ledger.budgets import BudgetRule
from pricing.ledger.entries import AppendToJournal
from pricing.ledger.facts import Completion, Run, Turn
from pricing.ledger.ledger import Ledger
from pricing.money import USD
from pricing.usage import Usage
from tests.support.ledger import NOON, RULES, a_run, an_intent, ok, rows
from tests.support.postgres import Postgres
from tests.support.waiting import until

WRITTEN = (schema.attempts, schema.turns, schema.guard_decisions, schema.inflight, schema.holds, journal_table.entries)
SECRET = "the patient's name"


def opened(url: str) -> Ledger:
    return Ledger(Store(url), lease_seconds=3600, clock=lambda: NOON)


@pytest.fixture(scope="module")
def pair(postgres: Postgres) -> Iterator[tuple[Ledger, Ledger]]:
    """A ledger that writes pages with one statement, and one that does not."""
    one, other = opened(postgres.ledger()), opened(postgres.ledger())
    other.store._writer._page = None
    with closing(one), closing(other):
        yield one, other


def admitted(ledger: Ledger, held: int = USD) -> Run:
    run = a_run(held=held)
    assert ledger.admit(run, RULES) == []
    return run


def a_turn(run: Run, **values: Any) -> Turn:
    said: dict[str, Any] = {"turn_id": run.run_id, "run_id": run.run_id, "operation": "o", "prompt": "p"}
    said |= {"prompt_version": "1", "route": "[]", "outcome": "answered", "reason": None, "target": "light"}
    said |= {"attempts": 1, "repaired": False, "started_at": NOON, "duration_us": 1}
    return Turn(**(said | values))


def a_completion(**values: Any) -> Completion:
    said: dict[str, Any] = {"outcome": "ok", "usage": Usage(1, 1), "cost_nano": 1, "priced": "usage", "duration_us": 1}
    return Completion(**(said | values))


def an_answer(run: Run, **values: Any) -> AppendToJournal:
    row = dict.fromkeys(("key", "operation", "target", "holder"), "x")
    row |= {"entry_id": run.run_id, "run_id": run.run_id, "kind": "answer", "state": "done"}
    return AppendToJournal({**row, "claimed": 1, "cost": 1, "value": None, "written_at": NOON, **values})


def ended(**values: Any) -> Callable[[Ledger, Run], Any]:
    def write(ledger: Ledger, run: Run) -> Any:
        intent = an_intent(run)
        assert ledger.begin(intent).result() == []
        return ledger.end(intent, a_completion(**values)).result()

    return write


def begun(**values: Any) -> Callable[[Ledger, Run], Any]:
    return lambda ledger, run: ledger.begin(replace(an_intent(run), **values)).result()


def turned(**values: Any) -> Callable[[Ledger, Run], Any]:
    return lambda ledger, run: ledger.record_turn(a_turn(run, **values)).result()


def kept(**values: Any) -> Callable[[Ledger, Run], Any]:
    return lambda ledger, run: ledger.store.submit(an_answer(run, **values)).result()


VALUES = [
    *(ended(units=units) for units in (inf, -inf, nan, 0.1, -0.0, 5e-324, 1.7976931348623157e308, 2**53 + 1, 2**70)),
    *(turned(complexity=complexity) for complexity in (nan, inf, 1 / 3, 2**63)),
    *(ended(usage=Usage(count, None)) for count in (2**53 + 1, 2**63 - 1, 2**63, 2**64, 2**64 - 1)),
    *(ended(cost_nano=cost) for cost in (2**53 + 1, 10**18 + 1, 2**63, 2**70, 0)),
    *(begun(worst_nano=worst) for worst in (2**53 + 1, 10**18 + 1, 2**63, 2**70, 0)),
    *(ended(code=f"{SECRET}{odd}") for odd in ("\0", "\ud800", "\udfff\ud800", "\\u0000", "\\", '"', "\x1f", "\u2028")),
    *(turned(reason=f"{SECRET}{odd}") for odd in ("\0", "\ud800", "\ufffe", "\U0010ffff", "'", "%s %(run)s", "\\x00")),
    *(turned(prompt=None), turned(turn_id=None), turned(operation="")),
    *(kept(value=value) for value in (b"", b"\\x00", bytes(range(256)), b"\0")),
    *(kept(key="\0"), kept(cost=2**63), kept(cost=2**53 + 1), kept(kind=None)),
]


@pytest.mark.parametrize("write", VALUES)
def test_a_value_comes_to_the_same(pair: tuple[Ledger, Ledger], write: Callable[[Ledger, Run], Any]):
    found = []
    for ledger in pair:
        run = admitted(ledger)
        try:
            said = repr(write(ledger, run))
        except Exception as error:  # noqa: BLE001 - it is compared
            said = f"{type(error).__name__}: {error}".replace(ledger.store.place, "")
            assert SECRET not in said
        found.append((said.replace(run.run_id, ""), written(ledger, run)))
    assert found[0] == found[1]


def written(ledger: Ledger, run: Run) -> str:
    """What there is of a run, without the ids that are drawn; as text, so that values like NaN are equal."""
    drawn = {"seq", "xid", "attempt_id", "turn_id", "intent"}
    with ledger.store.read() as connection:
        said = [
            [
                {key: value for key, value in row._mapping.items() if key not in drawn}
                for row in connection.execute(sa.select(table).where(table.c.run_id == run.run_id))
            ]
            for table in WRITTEN
        ]
    return repr(said).replace(run.run_id, "")


def test_prepared_statements_that_are_gone_lose_and_double_nothing(pair: tuple[Ledger, Ledger]):
    """A pooler in transaction mode may give a connection another backend, which has not prepared them."""
    ledger = pair[0]
    run = admitted(ledger, held=100 * USD)
    for _ in range(8):  # the driver prepares what it is given some times
        assert ended()(ledger, run) < 1
    writer = ledger.store._pages
    assert writer is not None
    connection = writer._connection
    assert list(connection.execute("SELECT name FROM pg_prepared_statements"))
    connection.execute("DO 'BEGIN EXECUTE ''DEALLOCATE ALL''; END'")  # said so that the driver does not notice
    for _ in range(3):
        assert ended()(ledger, run) < 1
    assert writer._connection is not connection
    assert list(writer._connection.execute("SELECT 1")), "pages are written with one statement again"
    with ledger.store.read() as reader:
        mine = sa.select(sa.func.count()).where(schema.attempts.c.run_id == run.run_id)
        assert reader.execute(mine).scalar_one() == 11


def waiters(ledger: Ledger) -> int:
    with ledger.store.write() as connection:
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return int(connection.exec_driver_sql(waiting).scalar_one())


def test_an_older_execution_writes_nothing(pair: tuple[Ledger, Ledger]):
    ledger = pair[0]
    run = a_run()
    first = ledger.start(run.run_id)
    assert ledger.admit(run, RULES, execution=first) == []
    intent = an_intent(run)
    assert ledger.begin(intent, first.number).result() == []
    second = ledger.start(run.run_id)
    assert ledger.admit(run, RULES, execution=second) == []
    before = written(ledger, run)

    async def page() -> list[Any]:
        """Its end and another beginning, on one page."""
        ends = ledger.end(intent, ok(USD // 50)), ledger.begin(an_intent(run), first.number)
        return list(await asyncio.gather(*map(_awaited, ends), return_exceptions=True))

    share, refused = asyncio.run(page())
    assert share == 1.0
    assert isinstance(refused, RunTakenOver)
    assert written(ledger, run) == before, "it was written off at its worst case, and is corrected beside that"
    with ledger.store.read() as connection:
        found = sa.select(schema.adjustments.c.cost_delta_nano).where(schema.adjustments.c.run_id == run.run_id)
        assert connection.execute(found).scalars().all() == [USD // 50 - USD // 10]


async def _awaited(pending: Any) -> Any:
    return await pending


def test_a_page_that_waited_for_a_settlement_corrects_it(postgres: Postgres):
    """The page's view of the tables is from before the settlement, which it waits for."""
    with closing(opened(postgres.ledger())) as ledger:
        run = admitted(ledger)
        intent = an_intent(run)
        assert ledger.begin(intent).result() == []
        with ledger.store.write() as connection:
            connection.execute(sa.select(schema.holds).with_for_update())
            end = ledger.end(intent, ok(USD // 50))
            until("the page waits", lambda: waiters(ledger) == 1)
            assert settlement.close(connection, run.run_id, "lost", None, NOON) is not None
        assert end.result() == 1.0
        assert [row["cost_nano"] for row in rows(ledger, schema.attempts)] == [USD // 10]
        assert [row["cost_delta_nano"] for row in rows(ledger, schema.adjustments)] == [USD // 50 - USD // 10]
        assert rows(ledger, schema.holds) == rows(ledger, schema.inflight) == []


def test_two_processes_do_not_exceed_one_hold(postgres: Postgres):
    url = postgres.ledger()
    with closing(opened(url)) as ledger, closing(opened(url)) as other:
        run = a_run()
        assert ledger.admit(run, [BudgetRule("run", run.run_id, "run", USD)]) == []
        assert other.budgets() == []
        with ledger.store.write() as connection:
            connection.execute(sa.select(schema.holds).with_for_update())
            asked = [one.begin(an_intent(run, worst=USD * 6 // 10)) for one in (ledger, other)]
            until("both wait", lambda: waiters(ledger) == 2)
        assert sorted(len(one.result()) for one in asked) == [0, 1], "one has it, the other is refused"
        [hold] = rows(ledger, schema.holds)
        assert (hold["amount_nano"], hold["inflight_nano"]) == (USD, USD * 6 // 10)
        assert len(rows(ledger, schema.inflight)) == 1


class _Lost:
    """A cursor whose connection ends after the server has committed a page."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def execute(self, text: str, values: dict[str, Any]) -> None:
        self._cursor.execute(text, values)
        raise OperationalError


@pytest.mark.parametrize("times", [1, 2])
def test_a_server_that_goes_away_again_is_asked_again_what_it_committed(
    pair: tuple[Ledger, Ledger], monkeypatch: pytest.MonkeyPatch, times: int
):
    """Once its reply to a page was lost: else the page would count as failed, though it is written."""
    ledger = pair[0]
    run = admitted(ledger)
    intent = an_intent(run)
    assert ledger.begin(intent).result() == []
    writer = ledger.store._pages
    assert writer is not None
    writer._cursor = _Lost(writer._cursor)
    real, away = ledger.store.write, list(range(times))

    def write(**options: Any) -> Any:
        if away:
            away.pop()
            raise LedgerAway("The server is gone.")
        return real(**options)

    monkeypatch.setattr(ledger.store, "write", write)
    assert ledger.end(intent, ok(USD // 4)).result() == 0.25
    assert away == []
    with ledger.store.read() as connection:
        mine = sa.select(schema.attempts.c.cost_nano).where(schema.attempts.c.run_id == run.run_id)
        assert connection.execute(mine).scalars().all() == [USD // 4]
