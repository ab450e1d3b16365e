"""Bills with planted differences, beside the ledger: all found, each with its class, sums exact to the cent."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa

from pricing.db import schema
from pricing.db.database import Store
from pricing.errors import UsageError
from pricing.money import USD
from pricing.rates import OwnRate, RateCard
from pricing.reconciliation import (
    Reconciliation,
    accept,
    cause_grid,
    difference_grid,
    reconcile,
    reconciliation_sentences,
)
from pricing.replica.replica import Replica
from pricing.reports import overview
from pricing.reports.overview.page import overview_page
from tests.support.bills import FIRST, PRICES, World, accounts_of

CENT = USD // 100


def card(world: World) -> RateCard:
    provider = "bedrock" if world.provider == "aws" else world.provider
    return RateCard.load(
        [
            OwnRate(
                provider=provider, model=model, input_per_mtok=Decimal(PRICES["input"] * times) / 1000,
                output_per_mtok=Decimal(PRICES["output"] * times) / 1000,
                cache_read_per_mtok=Decimal(PRICES["cache_read"] * times) / 1000,
            )
            for model, _, times in world.models
        ]
    )  # fmt: skip


def replica_of(folder: Path, store: Store, world: World) -> Replica:
    world.write_ledger(store)
    replica = Replica(folder / "replica.duckdb", store)
    replica.sync(wait=60)
    return replica


def planted(provider: str) -> World:
    world = World(provider)
    world.plant(discounts=provider == "aws", tiers=provider != "openrouter", prices=True)
    return world


def compared(replica: Replica, world: World, files: list[Path]) -> Reconciliation:
    return reconcile(replica, card(world), world.provider, files, accounts=accounts_of(world))


@pytest.mark.parametrize("provider", ["openai", "anthropic", "aws", "openrouter"])
def test_each_planted_difference_is_found_in_its_class(tmp_path: Path, provider: str) -> None:
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    world = planted(provider)
    replica = replica_of(tmp_path, store, world)
    found = compared(replica, world, world.write_export(tmp_path))
    billed = sum(world.bill.nano.values()) + sum(other[-1] for other in world.bill.others)
    assert abs(found.billed_nano - billed) < CENT // 100
    assert found.recorded_nano == sum(row["cost_nano"] for row in world.rows)
    assert sum(found.causes.values()) == found.billed_nano - found.recorded_nano
    for cause, nano in world.bill.planted.items():
        assert abs(found.causes.get(cause, 0) - nano) < CENT // 2, (cause, found.causes, dict(world.bill.planted))
    assert found.causes.keys() - world.bill.planted.keys() <= {"rounding"}
    assert abs(found.causes.get("rounding", 0)) < CENT // 2
    assert found.unexplained_nano == 0
    assert found.explained == 1.0
    moved = {
        one.day: reason for one in found.differences for reason in one.reasons if reason.cause == "midnight"
    }  # fmt: skip
    assert moved[FIRST].nano == pytest.approx(-world.midnight, abs=CENT // 2)
    assert moved[FIRST + timedelta(days=1)].nano == -moved[FIRST].nano
    assert moved[FIRST].attempts
    for one in found.beyond:
        assert sum(reason.nano for reason in one.reasons) == one.difference_nano
        assert all(reason.lines or reason.attempts for reason in one.reasons), one


def test_what_agrees_has_no_difference_and_lines_may_be_rounded(tmp_path: Path) -> None:
    """Rounding each line to a ten-thousandth of a dollar is recognised as not a price."""
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    world = World("aws")
    replica = replica_of(tmp_path, store, world)
    exact = compared(replica, world, world.write_export(tmp_path, places=12))
    assert exact.causes == {}
    assert exact.beyond == ()
    rounded = compared(replica, world, world.write_export(tmp_path, parts=9, places=4))
    assert world.bill.rounded != 0
    assert rounded.causes == {"rounding": pytest.approx(world.bill.rounded, abs=9)}


def test_as_many_requests_with_more_tokens_remain_unexplained(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    world = World("openai")
    more = world.charge(FIRST, "default", 0, {"input": 250_000}, requests=0)
    never = FIRST + timedelta(days=2)
    gone = 0
    for cell in [cell for cell in world.bill.nano if cell[0] == never and cell[1] == "second"]:
        gone += world.bill.nano.pop(cell)
        del world.bill.tokens[cell]
    for key in [key for key in world.bill.requests if key[0] == never and key[1] == "second"]:
        del world.bill.requests[key]
    replica = replica_of(tmp_path, store, world)
    found = compared(replica, world, world.write_export(tmp_path))
    assert found.unexplained_nano == pytest.approx(more + gone, abs=CENT)
    assert found.causes["unexplained"] == pytest.approx(more - gone, abs=CENT)
    assert 0 < found.explained < 1
    assert "remains unexplained" in " ".join(reconciliation_sentences(found))


def test_accepting_makes_estimates_what_was_billed(tmp_path: Path, store: Store) -> None:
    world = planted("aws")
    replica = replica_of(tmp_path, store, world)
    files = world.write_export(tmp_path)
    found = compared(replica, world, files)
    before = sum(row["cost_nano"] for row in world.rows)
    done = accept(store, found, now=10**15)
    assert done.attempts == 3
    expected = world.bill.planted["worst_case"] + world.bill.planted["unanswered_retry"]
    assert done.adjusted_nano == pytest.approx(expected, abs=CENT)
    with store.read() as connection:
        rows = connection.execute(sa.select(schema.adjustments)).all()
        budget = connection.execute(sa.select(schema.budgets.c.spent_nano)).scalar_one()
        [head] = connection.execute(sa.select(schema.reconciliations)).all()
        lines = connection.execute(
            sa.select(sa.func.sum(schema.reconciliation_lines.c.difference_nano))
        ).scalar_one()  # fmt: skip
    assert {row.reconciliation_id for row in rows} == {done.reconciliation_id}
    assert sum(row.cost_delta_nano for row in rows) == done.adjusted_nano == budget - before
    assert (head.billed_nano, head.recorded_nano, head.adjusted_nano) == (found.billed_nano, before, done.adjusted_nano)
    assert int(lines) == found.billed_nano - found.recorded_nano
    with pytest.raises(UsageError, match="accepted before"):
        accept(store, found)
    replica.sync(wait=60)
    shown = overview(replica)
    [bill] = shown.bills
    assert (bill.provider, bill.billed_nano, bill.unexplained_nano) == ("aws", found.billed_nano, 0)
    [figure] = [one for one in overview_page(shown).figures if one.name == "Explained against bills"]
    assert figure.value == "100 %"
    again = compared(replica, world, files)
    assert again.recorded_nano == before + done.adjusted_nano
    assert set(again.causes) & {"worst_case", "unanswered_retry"} == set()
    assert again.corrections == ()
    with replica.read() as duck:
        [(priced,)] = duck.execute("SELECT count(*) FILTER (WHERE priced = 'worst_case') FROM costs").fetchall()
    assert priced == 0


def test_invoice_totals_are_compared_over_their_period(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    world = World("openai")
    for row in world.rows:
        row["provider"] = "groq"
    replica = replica_of(tmp_path, store, world)
    recorded = sum(row["cost_nano"] for row in world.rows)
    bill = tmp_path / "groq.csv"
    last = FIRST + timedelta(days=13)
    bill.write_text(f"start,end,amount,model\n{FIRST},{last},{recorded / 10**9 + 1:.9f},\n{FIRST},{last},-0.25,\n")
    found = reconcile(replica, RateCard.load(), "groq", [bill])
    [one] = found.differences
    assert (one.days, one.recorded_nano) == (14, recorded)
    assert found.causes["credit"] == -USD // 4
    assert found.causes["unexplained"] == pytest.approx(USD, abs=CENT)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("costs.json", "not json"), ("costs.json", '{"data": []}'), ("costs.json", '{"other": 1}'), ("costs.xlsx", "x"),
        ("costs.csv", "a,b\n1,2\n"), ("costs.csv", ""),
        ("costs.json", '{"data": [{"start_time": 1793491200, "end_time": 1793577600, "results": [{"amount": {"value": 1, "currency": "eur"}, "line_item": "gpt-4.1, input"}]}]}'),
    ],
)  # fmt: skip
def test_what_is_no_export_says_so(tmp_path: Path, name: str, text: str) -> None:
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    replica = Replica(tmp_path / "replica.duckdb", store)
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UsageError) as said:
        reconcile(replica, RateCard.load(), "openai", [path])
    assert said.value.next_step
    with pytest.raises(UsageError, match="no reader"):
        reconcile(replica, RateCard.load(), "other", [path])


def test_tables_say_the_rows_behind(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    world = planted("openai")
    replica = replica_of(tmp_path, store, world)
    found = compared(replica, world, world.write_export(tmp_path))
    causes = {row[0] for row in cause_grid(found).rows}
    assert {"worst_case", "price", "late_export", "past_farebox"} <= causes
    told = "\n".join(row[-1] for row in difference_grid(found, 50).rows)
    assert "attempts at-" in told
    assert "lines " in told
    assert "billed per million tokens" in told
    assert found.to_json()["first"] == date(2026, 11, 2).isoformat()


def test_without_token_counts_nothing_is_claimed_of_retries(tmp_path: Path) -> None:
    """An invoice total that is higher may be a rate: the attempts without an answer stay at nothing."""
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    world = World("openai", days=3)
    worst = world.cost(0, {"input": 900_000})
    world.record(FIRST, "default", 0, None, outcome="connection", priced="unbilled", cost_nano=0, worst_nano=worst)
    for row in world.rows:
        row["provider"] = "groq"
    replica = replica_of(tmp_path, store, world)
    recorded = sum(row["cost_nano"] for row in world.rows)
    bill = tmp_path / "groq.csv"
    bill.write_text(f"start,end,amount,model\n{FIRST},{FIRST + timedelta(days=9)},{recorded * 1.1 / 10**9:.9f},\n")
    found = reconcile(replica, RateCard.load(), "groq", [bill])
    assert found.causes.keys() == {"unexplained"}
    assert found.corrections == ()


def test_as_many_requests_as_answers_leave_no_room_for_a_retry(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    world = World("openai", days=3)
    tokens = {"input": 80_000, "cache_read": 0, "output": 9_000}
    day, model = FIRST + timedelta(days=1), 0
    world.record(day, "default", model, None, outcome="timeout", priced="unbilled", cost_nano=0, worst_nano=10**9)
    more = world.charge(day, "default", model, tokens, requests=0)
    found = compared(replica_of(tmp_path, store, world), world, world.write_export(tmp_path))
    assert found.causes["unexplained"] == pytest.approx(more, abs=CENT)


def test_the_default_workspace_has_a_name_and_fees_are_no_tokens(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    world = World("anthropic", days=4)
    replica = replica_of(tmp_path, store, world)
    files = world.write_export(tmp_path)
    for path in files:
        path.write_text(path.read_text().replace('"proj_a"', "null"))
    costs = files[0].read_text()
    fee = '{"amount": "250", "currency": "USD", "description": "Web search", "cost_type": "web_search", "workspace_id": null}'
    files[0].write_text(costs.replace('"results": [', f'"results": [{fee}, ', 1))
    names = {"default": "default", "proj_b": "second"}
    found = reconcile(replica, card(world), "anthropic", files, accounts=names)
    assert found.causes.keys() - {"rounding"} == {"past_farebox"}
    [fees] = [reason for one in found.beyond for reason in one.reasons]
    assert (fees.nano, "a tool or a fee" in fees.note) == (2_500_000_000, True)
