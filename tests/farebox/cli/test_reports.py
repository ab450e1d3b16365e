"""``farebox report``, ``runs`` and ``doctor --economics`` as people and programs call them, on a company's month."""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from farebox.runtime import Runtime
from pricing.db import schema
from pricing.db.database import Store
from tests.support.books import rows
from tests.support.business import write_business
from tests.support.command import Call
from tests.support.project import make_project

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """The process's runtime, with a month in its ledger."""
    with make_project(tmp_path_factory.mktemp("company"), NOWHERE).runtime_here() as runtime:
        write_business(runtime.ledger.store)
        yield runtime


def spent(store: Store) -> int:
    with store.read() as ledger:
        return sum(row.cost_nano for row in ledger.execute(schema.attempts.select()))


def test_a_table_is_the_same_in_json_csv_and_parquet(company: Runtime, call: Call, tmp_path: Path):
    files = {kind: tmp_path / f"out.{kind}" for kind in ("csv", "parquet")}
    asked = ("report", "all", "--since", "2026-10-01", "--by", "operation")
    told = json.loads(call(*asked, "--json").out)
    lines = {line["names"][0]: line for line in told["lines"]}
    assert set(lines) == {"summarize", "compose", "triage", "reply", "extract", "reason"}
    assert sum(line["cost_nano"] for line in lines.values()) == spent(company.ledger.store)
    written = call(*asked, "--csv", str(files["csv"]), "--parquet", str(files["parquet"]))
    assert (written.code, written.out) == (0, "")
    assert written.err.count("6 rows written to") == 2
    with files["csv"].open(encoding="utf-8") as file:
        read = {row["operation"]: row for row in csv.DictReader(file)}
    with duckdb.connect() as duck:
        found = duck.execute("FROM read_parquet(?)", [str(files["parquet"])])
        heads = [column[0] for column in found.description or ()]
        parquet = {row[heads.index("operation")]: dict(zip(heads, row, strict=True)) for row in found.fetchall()}
    for name, line in lines.items():
        for figure in ("cost_nano", "attempts", "failed", "input_tokens", "output_tokens"):
            assert int(read[name][figure]) == parquet[name][figure] == line[figure]


def test_a_page_is_written_of_all_and_of_one_run(company: Runtime, call: Call, tmp_path: Path):
    del company
    for what, title in (("all", "What runs cost"), ("last", "daily-digest")):
        path = tmp_path / f"{what}.html"
        said = call("report", what, "--html", str(path))
        assert (said.code, said.out) == (0, "")
        assert str(path) in said.err.replace("\n", "")
        page = path.read_text("utf-8")
        assert f"<h1>{title}" in page
        assert not re.search(r"""(src|href)=["']https?:""", page)


def test_what_runs_shows_report_takes(company: Runtime, call: Call):
    del company
    listed = call("runs", "--limit", "3")
    [_, second, _] = re.findall(r"^(\S+)  +(?:daily|support|contract)", listed.out, re.MULTILINE)
    told = json.loads(call("report", second, "--json").out)
    assert told["run"]["run_id"] == json.loads(call("runs", "--limit", "3", "--json").out)[1]["run_id"]
    assert told["run"]["run_id"].startswith(second), "a narrow terminal folds ids, and their beginning is enough"


@pytest.mark.parametrize(
    "asked, line",
    [
        (("all", "--since", "2026-13-01"), "error: '2026-13-01' is not a valid date or period."),
        (("weekly-digest", "--since", "30d"), "error: 'weekly-digest' is not an automation that has run, and "),
        (("weekly-digest",), "error: There is no run 'weekly-digest' in the reports."),
        (("all", "--by", "weather"), "error: "),
        (("all", "--csv", "/nowhere/at/all.csv"), "error: /nowhere/at/all.csv cannot be written"),
        (("all", "--html", "/nowhere/at/all.html"), "error: /nowhere/at/all.html cannot be written"),
    ],
)
def test_a_mistake_gets_one_line_and_a_next_step(company: Runtime, call: Call, asked: tuple[str, ...], line: str):
    del company
    said = call("report", *asked)
    assert (said.code, said.out) == (2, "")
    [told, step] = said.err.splitlines()
    assert told.startswith(line)
    assert step.startswith("  next: ")


def test_the_doctor_of_economics_says_so_in_its_exit_code(company: Runtime, call: Call):
    told = call("doctor", "--economics", "--since", "3650d")
    found = call("doctor", "--economics", "--since", "3650d", "--json")
    assert told.code == found.code == 1
    [one] = [symptom for symptom in json.loads(found.out) if symptom["check"] == "guards without review"]
    blocked = [row["run_id"] for row in rows(company.ledger, schema.settlements) if row["outcome"] == "blocked"]
    prices = {row["run_id"]: row["price_nano"] for row in rows(company.ledger, schema.runs)}
    assert one["found"]
    assert one["at_stake_nano"] == sum(prices[run_id] for run_id in blocked)  # outcomes that were not sold
    assert f"{one['message']}; at stake: $2.72" in re.sub(r"\s+", " ", told.out)


def test_nothing_is_found_where_nothing_ran(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from farebox.cli import doctor

    runtime = make_project(tmp_path, NOWHERE).runtime()
    monkeypatch.setattr(doctor, "get_runtime", lambda: runtime)
    try:
        told, plain = call("doctor", "--economics", "--since", "1d"), call("doctor", "--economics", "--json")
    finally:
        runtime.close()
    assert (told.code, plain.code, json.loads(plain.out)) == (0, 0, [])
    said = " ".join(told.out.split())
    assert said == "No run in this period. Use an earlier --since."
