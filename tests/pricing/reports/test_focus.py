"""FOCUS rows: each column by its rules, sums equal to the ledger's, in CSV and in Parquet."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa

from pricing.clock import to_us
from pricing.db import schema
from pricing.db.database import Store
from pricing.errors import UsageError
from pricing.rates import OwnRate, RateCard
from pricing.replica.replica import Replica
from pricing.reports import FocusRates, RunSelection, write_focus
from pricing.reports.focus import COLUMNS
from tests.support.business import write_business

ROOT = Path(__file__).parents[3]
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:00:00Z")
_NEVER_NULL = [
    "BilledCost",
    "EffectiveCost",
    "ListCost",
    "ContractedCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ChargeCategory",
    "ChargeDescription",
    "InvoiceIssuerName",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "Tags",
]
_OF_USAGE = [
    "ConsumedQuantity",
    "ConsumedUnit",
    "PricingQuantity",
    "PricingUnit",
    "PricingCategory",
    "ListUnitPrice",
    "ContractedUnitPrice",
    "SkuId",
    "SkuPriceId",
    "ChargeFrequency",
]


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Replica]:
    folder = tmp_path_factory.mktemp("focus")
    store = Store(f"sqlite:///{folder / 'ledger.db'}")
    write_business(store, days=12)  # until 6 November
    with store.write() as connection:
        table = schema.attempts
        [one, two, three] = connection.execute(sa.select(table).where(table.c.priced == "usage").limit(3)).all()
        values = {"priced": "worst_case", "input_tokens": None, "output_tokens": None, "outcome": "timeout"}
        connection.execute(table.update().where(table.c.attempt_id == one.attempt_id).values(**values))
        tool = dict(two._mapping) | {
            "attempt_id": "tool-1", "kind": "tool", "units": 3.0, "priced": "stated", "cost_nano": 15_000_000,
            "input_tokens": None, "output_tokens": None, "cache_read_tokens": None, "provider": "serper",
            "model": "search", "operation": "search", "tier": "tool",
        }  # fmt: skip
        del tool["seq"], tool["xid"]
        connection.execute(table.insert().values(**tool))
        connection.execute(
            schema.adjustments.insert().values(
                attempt_id=three.attempt_id, run_id=three.run_id, reason="billed", cost_delta_nano=-1234,
                recorded_at=to_us(datetime(2026, 11, 5, 10, 30, tzinfo=UTC)), reconciliation_id="r1",
            )
        )  # fmt: skip
        runs = schema.runs.c
        connection.execute(
            schema.runs.update().where(runs.run_id == three.run_id).values(tags='["night", "a=\\"b\\""]')
        )
    replica = Replica(folder / "replica.duckdb", store)
    replica.sync(wait=60)
    return store, replica


def own_rates() -> RateCard:
    """Of the business' models, as it was written; one is half the published price."""

    def rate(provider: str, model: str, read: str, write: str, cached: str | None = None) -> OwnRate:
        cheaper = None if cached is None else Decimal(cached)
        return OwnRate(
            provider=provider, model=model, input_per_mtok=Decimal(read), output_per_mtok=Decimal(write),
            cache_read_per_mtok=cheaper,
        )  # fmt: skip

    return RateCard.load(
        [
            rate("bedrock", "claude-haiku-4-5", "1", "5", "0.1"),
            rate("bedrock", "claude-sonnet-4-5", "3", "15", "0.3"),
            rate("groq", "openai/gpt-oss-120b", "0.15", "0.6"),
        ]
    )


def written(replica: Replica, path: Path, choice: RunSelection | None = None, **more: Any) -> list[dict[str, Any]]:
    rates = FocusRates(RateCard.load(), own_rates(), {"haiku": "us-east-1", "gpt-oss": ""})
    count = write_focus(replica, rates, path, choice or RunSelection(), **more)
    source = f"read_csv('{path}', all_varchar = true)" if path.suffix == ".csv" else f"read_parquet('{path}')"
    with duckdb.connect() as duck:
        found = duck.execute(f"FROM {source}")
        names = [column[0] for column in found.description or []]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    assert len(rows) == count
    assert names == [column.name for column in COLUMNS]
    return rows


@pytest.fixture(scope="module")
def rows(books: tuple[Store, Replica], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return written(books[1], tmp_path_factory.mktemp("rows") / "focus.parquet")


def test_sums_are_the_ledgers(books: tuple[Store, Replica], rows: list[dict[str, Any]]) -> None:
    with books[0].read() as connection:
        spent = connection.execute(sa.select(sa.func.sum(schema.attempts.c.cost_nano))).scalar_one()
        by_attempt = {
            row.attempt_id: row.cost_nano
            for row in connection.execute(sa.select(schema.attempts.c.attempt_id, schema.attempts.c.cost_nano))
        }
    assert sum(row["BilledCost"] for row in rows) * 10**9 == spent - 1234
    found: dict[str, Decimal] = {}
    for row in rows:
        if row["ChargeCategory"] == "Usage":
            found[row["x_FareboxAttemptId"]] = found.get(row["x_FareboxAttemptId"], Decimal(0)) + row["BilledCost"]
    assert {key: value * 10**9 for key, value in found.items()} == {k: v for k, v in by_attempt.items() if v}


def test_each_column_keeps_its_rules(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert all(row[name] is not None for name in _NEVER_NULL), row
        assert row["ChargeCategory"] in {"Usage", "Adjustment"}
        for name in ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"):
            assert _TIME.fullmatch(row[name])
        assert row["BillingPeriodStart"] <= row["ChargePeriodStart"] < row["ChargePeriodEnd"] <= row["BillingPeriodEnd"]
        assert isinstance(json.loads(row["Tags"]), dict)
        assert row["ServiceCategory"] == "AI and Machine Learning"
        if row["ChargeCategory"] == "Usage":
            assert all(row[name] is not None for name in _OF_USAGE), row
            assert row["ChargeClass"] is None
            assert row["PricingUnit"] == {"Tokens": "1000000 Tokens"}.get(row["ConsumedUnit"], row["ConsumedUnit"])
            for cost, price in (("ListCost", "ListUnitPrice"), ("ContractedCost", "ContractedUnitPrice")):
                assert abs(row[cost] - row[price] * row["PricingQuantity"]) < Decimal("1e-9")
            if row["x_FareboxPriced"] == "usage":
                assert abs(row["ContractedCost"] - row["BilledCost"]) < Decimal("3e-9")  # rounded up once per attempt


def test_kinds_of_tokens_are_rows_of_their_own(rows: list[dict[str, Any]]) -> None:
    meters = {row["SkuMeter"] for row in rows}
    assert meters == {"input", "cache read", "output", "not reported", "tool", None}
    [tool] = [row for row in rows if row["SkuMeter"] == "tool"]
    assert (tool["ConsumedQuantity"], tool["ConsumedUnit"], tool["BilledCost"]) == (3, "Units", Decimal("0.015"))
    [unknown] = [row for row in rows if row["SkuMeter"] == "not reported"]
    assert (unknown["x_FareboxPriced"], unknown["ConsumedUnit"]) == ("worst_case", "Requests")
    [adjusted] = [row for row in rows if row["ChargeCategory"] == "Adjustment"]
    assert (adjusted["ChargeClass"], adjusted["x_FareboxCorrectsMonth"]) == ("Correction", "2026-10")
    assert (adjusted["BillingPeriodStart"], adjusted["x_FareboxPriced"]) == ("2026-11-01T00:00:00Z", "billed")
    assert json.loads(adjusted["Tags"]).keys() == {"night", 'a="b"', "automation", "quality", "organisation", "user"}
    regions = {(row["x_FareboxTarget"], row["RegionId"]) for row in rows}
    assert ("haiku", "us-east-1") in regions
    assert ("gpt-oss", None) in regions


def test_csv_says_the_same_and_a_choice_is_kept(
    books: tuple[Store, Replica], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    told = written(books[1], tmp_path / "focus.csv")
    assert [row["x_FareboxAttemptId"] for row in told] == [row["x_FareboxAttemptId"] for row in rows]
    assert sum(Decimal(row["BilledCost"]) for row in told) == sum(row["BilledCost"] for row in rows)
    mine = written(books[1], tmp_path / "acme.csv", RunSelection(org="acme"))
    assert {row["SubAccountId"] for row in mine} == {"acme"}
    since = datetime(2026, 11, 1, tzinfo=UTC)
    november = written(books[1], tmp_path / "november.csv", RunSelection(since=since))
    assert {row["BillingPeriodStart"] for row in november} == {"2026-11-01T00:00:00Z"}
    first = rows[0]["x_FareboxRunId"]
    assert {row["x_FareboxRunId"] for row in written(books[1], tmp_path / "one.csv", run_id=first)} == {first}
    with pytest.raises(UsageError, match="neither"):
        written(books[1], tmp_path / "focus.xlsx")
    with pytest.raises(UsageError, match="cannot be written"):
        written(books[1], tmp_path / "nowhere" / "focus.csv")


def test_the_sandbox_is_left_out(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    write_business(store, days=1, stand_in=True)
    replica = Replica(tmp_path / "replica.duckdb", store)
    replica.sync(wait=60)
    assert written(replica, tmp_path / "focus.csv", replace(RunSelection())) == []


def test_every_column_is_documented() -> None:
    told = (ROOT / "docs" / "billing.md").read_text("utf-8")
    for column in COLUMNS:
        assert f"| `{column.name}` | {column.meaning} |" in told
