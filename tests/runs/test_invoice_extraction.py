"""The invoice automation: samples of our own, records whose totals add up, and the rest left to a person."""

import inspect
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from farebox.automations import automation_of
from farebox.runs.admission import price_run
from farebox.testing import TestProject, project_apart
from flows.invoice_extraction import Invoice, Line, Record, adds_up, invoice_extraction, largest, read_invoice
from flows.sources import media_file, media_files
from pricing import SourceError, TurnFailed, UsageError
from pricing.db import schema
from tests.support.books import rows
from tests.support.invoice_samples import SAMPLES
from tests.support.project import REPOSITORY, make_project

FOLDER = REPOSITORY / "flows" / "data" / "invoices"
TARGETS = """
[[targets]]
name = "light"
provider = "openai"
model = "gpt-6-luna"
tier = "light"
[[targets]]
name = "premium"
provider = "anthropic"
model = "claude-sonnet-4-5"
tier = "premium"
"""
RIGHT = Invoice(
    number="AI-2026-041",
    supplier="Ashby Ironworks Ltd",
    issued=date(2026, 10, 2),
    currency="EUR",
    lines=[
        Line(description=name, amount=Decimal(amount))
        for name, amount in (("hinges", "48.00"), ("bolts", "21.50"), ("delivery", "9.50"))
    ],
    tax=Decimal("15.80"),
    total=Decimal("94.80"),
)
WRONG = RIGHT.model_copy(update={"total": Decimal("94.00")})


@pytest.fixture
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    project = make_project(tmp_path / "project", "", targets=TARGETS)
    for name in ("invoice.j2", "invoice_summary.j2"):
        (project.root / "prompts" / name).write_text((REPOSITORY / "flows" / "prompts" / name).read_text())
    monkeypatch.chdir(project.root)
    with project_apart(project.root, tmp_path / "apart", monkeypatch) as found:
        yield found


def test_the_samples_are_those_that_our_script_makes():
    assert {file.name: file.read_bytes() for file in FOLDER.iterdir()} == SAMPLES
    assert [Path(file).name for file in media_files(str(FOLDER), 50)] == sorted(SAMPLES)
    assert {media_file(file).media_type for file in media_files(str(FOLDER), 50)} == {"application/pdf", "image/png"}


@pytest.mark.parametrize(("change", "right"), [
    ({}, True), ({"total": Decimal("94.8")}, True), ({"total": Decimal("94.81")}, False), ({"tax": Decimal(0)}, False),
    ({"lines": []}, False), ({"lines": [Line(description="credit", amount=Decimal("-15.80"))], "total": Decimal(0)}, True),
])  # fmt: skip
def test_totals_are_checked_to_the_cent(change: dict[str, object], right: bool):
    assert adds_up(RIGHT.model_copy(update=change)) is right


def test_an_invoice_that_does_not_add_up_is_asked_for_again_and_then_given_up(apart: TestProject):
    file = str(FOLDER / "ashby-041.pdf")
    apart.answers.add(WRONG, RIGHT)
    assert read_invoice.fn(file) == RIGHT
    assert {row["target"] for row in rows(apart.runtime.ledger, schema.attempts)} == {"light", "premium"}
    apart.answers.add(*[WRONG] * 8)
    with pytest.raises(TurnFailed) as failed:
        read_invoice.fn(file)
    assert failed.value.fields["kind"] == "unverified"


def test_the_quote_counts_the_files(apart: TestProject, tmp_path: Path):
    empty = tmp_path / "empty"
    empty.mkdir()
    spec = automation_of(invoice_extraction)
    none = price_run(apart.runtime, spec, {"folder": str(empty), "limit": 50, "quality": "fast"})
    all_three = price_run(apart.runtime, spec, {"folder": str(FOLDER), "limit": 50, "quality": "fast"})
    assert all_three.quote.point > none.quote.point
    assert largest(str(FOLDER), 50) == [media_file(str(FOLDER / "receipt-118.png"))]
    with pytest.raises(SourceError, match="cannot be listed"):
        media_files(str(tmp_path / "none"), 5)
    (empty / "a.pdf").write_bytes(b"no pdf")
    with pytest.raises(UsageError, match="is no PDF"):
        media_file(str(empty / "a.pdf"))


def test_records_and_files_to_check_come_of_a_run(apart: TestProject, monkeypatch: pytest.MonkeyPatch):
    from flows import invoice_extraction as flow

    known = {"ashby-041.pdf": RIGHT, "receipt-118.png": RIGHT}

    class Futures:
        def result(self, *, raise_on_failure: bool) -> list[object]:
            assert not raise_on_failure
            failed = TurnFailed("x", next_step="y", kind="unverified")
            return [known.get(name, failed) for name in sorted(SAMPLES)]

    monkeypatch.setattr(flow.read_invoice, "map", lambda files: Futures())
    monkeypatch.setattr(flow, "summarize_invoices", lambda records, to_check: f"{len(records)} and {to_check}")
    found = inspect.unwrap(invoice_extraction.fn)(str(FOLDER))
    assert (found.summary, found.to_check) == ("2 and 1", ["fen-7731.pdf"])
    assert all(isinstance(record, Record) for record in found.invoices)
    assert [record.file for record in found.invoices] == ["ashby-041.pdf", "receipt-118.png"]
