"""`farebox statement`: figures by SQL, a number without gaps, the same again, and no cost of ours unless asked."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from farebox.cli import statement as printed
from farebox.runtime import Runtime
from pricing.clock import to_us
from pricing.db import schema
from pricing.ledger import Statements
from pricing.money import USD
from tests.support.browser import MISSING
from tests.support.business import write_business
from tests.support.command import Call
from tests.support.project import make_project

OCTOBER, NOVEMBER = (to_us(datetime(2026, month, 1, tzinfo=UTC)) for month in (10, 11))


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    monkeypatch.setattr(printed, "_BROWSERS", ())
    project = make_project(tmp_path / "project", "http://127.0.0.1:9")
    with project.runtime_here() as here:
        write_business(here.ledger.store, days=6)  # 26 to 31 October
        movements = [
            ("issued", "available", 500, OCTOBER - 9), ("available", "held", 20, OCTOBER - 8),
            ("held", "charged", 20, OCTOBER - 7), ("issued", "available", 300, OCTOBER + 1),
            ("available", "held", 30, OCTOBER + 2), ("held", "available", 30, OCTOBER + 3),
            ("available", "held", 45, OCTOBER + 4), ("held", "charged", 45, OCTOBER + 5),
            ("available", "expired", 100, OCTOBER + 6), ("issued", "available", 7, NOVEMBER + 1),
        ]  # fmt: skip
        with here.ledger.store.write() as connection:
            connection.execute(schema.credit_entries.insert(), [
                {"wallet_id": "org:acme", "grant_id": "g", "debit": debit, "credit": credit, "credits": number, "recorded_at": at}
                for debit, credit, number, at in movements
            ])  # fmt: skip
        yield here


def by_sql(runtime: Runtime, org: str) -> tuple[int, int]:
    """Outcomes and what they were charged."""
    settled, runs = schema.settlements.c, schema.runs.c
    query = (
        sa.select(sa.func.count(), sa.func.sum(settled.charged_nano))
        .join_from(schema.settlements, schema.runs, runs.run_id == settled.run_id)
        .where(runs.org_id == org, settled.outcome == "completed", settled.ended_at < NOVEMBER)
    )
    with runtime.ledger.store.read() as connection:
        count, charged = connection.execute(query).one()
    return int(count), int(charged)


def issue(call: Call, *arguments: str) -> Any:
    said = call("statement", *arguments, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_a_statement_says_what_was_charged(runtime: Runtime, call: Call, tmp_path: Path) -> None:
    told = issue(call, "acme", "2026-10", "--folder", str(tmp_path / "out"))
    outcomes, charged = by_sql(runtime, "acme")
    assert sum(item["outcomes"] for item in told["items"]) == outcomes
    assert sum(item["charged_nano"] for item in told["items"]) == charged
    assert {item["cost_nano"] for item in told["items"]} == {None}
    credit = told["credits"]
    assert credit == {
        "opening": 480, "granted": 300, "carried_over": 0, "charged": 45, "given_back": 30, "expired": 100, "closing": 635,
    }  # fmt: skip
    html, table = (Path(name) for name in told["files"])
    page = html.read_text("utf-8")
    assert "Statement 2026-10-000001: acme" in page
    assert "our cost" not in page
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    dollars = sum(float(row["charged_usd"]) for row in rows if row["line"] == "automation")
    assert dollars == pytest.approx(charged / USD)
    assert {row["name"]: row["credits"] for row in rows if row["line"] == "credits"}["closing"] == "635"


def test_numbers_have_no_gaps_and_a_statement_stays(runtime: Runtime, call: Call, tmp_path: Path) -> None:
    folder = ("--folder", str(tmp_path / "out"))
    first = issue(call, "acme", "2026-10", *folder)
    second = issue(call, "delphi", "2026-10", *folder)
    assert (first["number"], second["number"], second["credits"]) == (1, 2, None)
    before = [Path(name).read_bytes() for name in first["files"]]
    with runtime.ledger.store.write() as connection:
        changed = schema.settlements.update().values(charged_nano=schema.settlements.c.charged_nano * 2)
        connection.execute(changed)
    again = issue(call, "acme", "2026-10", *folder)
    assert again == first
    assert [Path(name).read_bytes() for name in again["files"]] == before
    inside = issue(call, "acme", "2026-10", "--with-cost", *folder)
    assert inside["number"] == 3
    assert all(item["cost_nano"] > 0 for item in inside["items"])
    preview = issue(call, "acme", "2026-10", "--preview")
    assert (preview["number"], preview["files"]) == (None, [])


def test_what_cannot_be_issued_says_so(runtime: Runtime, call: Call) -> None:
    for arguments, words in (
        (("acme", "2199-01"), "is not over"),
        (("acme", "october"), "is not a month"),
        (("nobody", "2026-10"), "'nobody' has no runs"),
    ):
        said = call("statement", *arguments)
        assert said.code == 2
        assert words in said.err


@pytest.mark.skipif(MISSING is not None, reason=MISSING or "")
def test_a_pdf_is_printed_where_a_browser_is(
    runtime: Runtime, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    told = issue(call, "acme", "2026-10", "--folder", str(tmp_path / "out"))
    [pdf] = [Path(name) for name in told["files"] if name.endswith(".pdf")]
    assert pdf.read_bytes().startswith(b"%PDF-")


def test_an_issue_is_the_same_on_both_stores(store: Any) -> None:
    statements = Statements(store)
    assert statements.issue("acme", "2026-10", "{}", 1, with_cost=False).number == 1
    assert statements.issue("acme", "2026-10", "[]", 2, with_cost=False).figures == "{}"
    assert statements.issue("acme", "2026-10", "[]", 2, with_cost=True).number == 2
