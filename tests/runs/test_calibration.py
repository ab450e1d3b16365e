"""Calibration as a run: quoted, paid once, locked; and resumed after a kill without paying a case again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest
from prefect.settings import PREFECT_API_URL

from farebox.calibration.bench import AT_ONCE
from farebox.calibration.lockfile import LOCK_FILE, read_lock_file
from pricing.db import schema
from tasks.sandbox import Latency, Sandbox, read_journal
from tests.support.books import assert_ledger_equals_journal, rows
from tests.support.command import Call, Said
from tests.support.project import REPOSITORY, TARGETS, Project, make_project
from tests.support.waiting import until

COUNT = 40
THREE = "[[targets]]" + "[[targets]]".join(TARGETS.split("[[targets]]")[i] for i in (1, 2, 4))
"""Haiku, Sonnet and gpt-oss."""


@pytest.fixture
def slow(tmp_path: Path):
    with Sandbox(tmp_path / "journal.jsonl", latency=Latency(0.25, 0)) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, slow: Sandbox) -> Project:
    project = make_project(tmp_path / "project", slow.url, lease_seconds=1, targets=THREE)
    (project.root / "flows").symlink_to(REPOSITORY / "flows")
    cases = (REPOSITORY / "flows" / "cases" / "classify.jsonl").read_text("utf-8").splitlines()
    (project.root / "cases.jsonl").write_text("\n".join(cases[:COUNT]) + "\n", "utf-8")
    return project


def scores(project: Project) -> dict[str, dict[str, Any]]:
    with project.runtime_here() as runtime:
        return {row["score_key"]: row for row in rows(runtime.ledger, schema.calibration_scores)}


COMMAND = ("calibrate", "classify", "--cases", "cases.jsonl", "--margin", "0.5")


@pytest.fixture
def farebox(project: Project, call: Call) -> Call:
    """The command in the project, each time with a runtime of its own."""

    def called(*arguments: str) -> Said:
        with project.runtime_here():
            return call(*arguments)

    return called


def test_a_calibration_that_is_killed_and_resumed_pays_no_case_twice(
    project: Project, slow: Sandbox, farebox: Call, prefect: None
):
    script = "from farebox.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PREFECT_API_URL": PREFECT_API_URL.value()}
    with (project.root / "killed.txt").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", script, *COMMAND], cwd=project.root, env=environment, stdout=said, stderr=said
        )
        until("ten answers", lambda: slow.journal.exists() and len(read_journal(slow.journal)) >= 10)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert not (project.root / LOCK_FILE).exists(), "it was to be killed before its end"
    before = scores(project)
    assert before
    time.sleep(1.2)  # the killed run's lease

    told = farebox(*COMMAND)
    assert told.code == 0, told.all
    after = scores(project)
    assert {key: after[key] for key in before if before[key]["ended_at"]} == {
        key: row for key, row in before.items() if row["ended_at"]
    }, "what was known is kept as it was"
    lost = [row for row in after.values() if row["ended_at"] is None]
    assert {row["run_id"] for row in lost} <= {row["run_id"] for row in before.values()}
    assert len(lost) <= AT_ONCE
    assert len(read_journal(slow.journal)) <= len(after), "each case is asked once, killed or not"
    with project.runtime_here() as runtime:
        runtime.ledger.reap()
        assert_ledger_equals_journal(runtime, slow.journal)

    lock = read_lock_file(project.root / LOCK_FILE)["daily-digest/classify"]
    assert lock.sandbox
    assert lock.route == ("gpt-oss",), told.all
    assert " ".join(told.out.split()).count("daily-digest/classify is locked on gpt-oss") == 1, "it is said once"
    assert "it does not apply to real targets" in " ".join(told.out.split())
    explained = farebox("routes", "explain", "classify").out
    assert "locked, light" in " ".join(explained.split())

    served = len(read_journal(slow.journal))
    again = farebox(*COMMAND, "--json")
    assert len(read_journal(slow.journal)) == served, "what is known is not asked again"
    said = json.loads(again.out)
    assert (again.code, said["run"]["spent_nano"], said["run"]["held_nano"]) == (0, 0, 0)
    assert said["lock"]["route"] == ["gpt-oss"]
    assert Path(said["page"]).exists()
    verified = farebox("routes", "verify", "--json")
    assert verified.code == 0, verified.all
    assert json.loads(verified.out)[0] | {"expires": ""} == {
        "operation": "daily-digest/classify", "route": ["gpt-oss"], "expires": "", "stale": [],
    }  # fmt: skip


def test_outcomes_are_decided_by_the_same_code_and_nobody_is_asked(project: Project, slow: Sandbox, farebox: Call):
    lines = ["case,model,score,cost,latency"]
    for number in range(400):
        lines.append(f"{number},sonnet,{int(number % 10 > 0)},0.002,1.5")
        lines.append(f"{number},haiku,{int(number % 10 > 0)},0.0005,0.8")
        lines.append(f"{number},gpt-oss,{int(number % 10 > 2)},0.0001,0.5")
    (project.root / "outcomes.csv").write_text("\n".join(lines), "utf-8")
    told = farebox("calibrate", "classify", "--outcomes", "outcomes.csv")
    assert told.code == 0, told.all
    said = " ".join(told.out.split())
    assert "Page: .farebox/reports/calibration-daily-digest-classify.html Written to routes.lock.toml" in said
    assert (project.home / "reports" / "calibration-daily-digest-classify.html").exists()
    verified = farebox("routes", "verify")
    assert (verified.code, "unless its prompt has changed" in " ".join(verified.out.split())) == (0, True), verified.all
    lock = read_lock_file(project.root / LOCK_FILE)["daily-digest/classify"]
    assert lock.prompts == {}, "the step has never run here"
    assert {one.route: one.verdict for one in lock.candidates}[("gpt-oss",)] == "worse"
    assert not slow.journal.exists() or read_journal(slow.journal) == []
    told = farebox("calibrate", "classify", "--outcomes", "outcomes.csv", "--best", "haiku", "--json")
    assert json.loads(told.out)["lock"]["best"] == "haiku"
    (project.root / "bad.csv").write_text("case,model\n1,haiku\n", "utf-8")
    refused = farebox("calibrate", "classify", "--outcomes", "bad.csv")
    assert refused.code == 2
    assert "It needs the columns" in refused.err
    assert "Traceback" not in refused.all


def test_outcomes_in_parquet_of_models_that_nobody_declared_are_told_and_not_locked(project: Project, farebox: Call):
    duckdb.sql(
        'SELECT i::VARCHAR AS "case", m AS model, (i % 10 > 0)::INT AS score, c AS cost, 1.0 AS latency '
        "FROM range(400) t(i), (VALUES ('mistral', 0.002), ('qwen', 0.0005)) v(m, c)"
    ).write_parquet(str(project.root / "outcomes.parquet"))
    told = farebox("calibrate", "classify", "--outcomes", "outcomes.parquet")
    said = " ".join(told.out.split())
    assert told.code == 0, told.all
    assert "was used as the best because its mean is the highest" in said
    assert "Nothing was written: mistral is not a target here." in said
    assert not (project.root / LOCK_FILE).exists()
    wrong = farebox("calibrate", "classify", "--outcomes", "outcomes.parquet", "--best", "opus")
    assert (wrong.code, "has no outcomes of 'opus'" in wrong.err) == (2, True)


def test_a_budget_that_is_too_small_is_told(project: Project, farebox: Call):
    told = farebox(*COMMAND, "--budget", "0.000001 USD")
    assert told.code == 2
    assert "is not enough for one case" in " ".join(told.err.split())
    assert "Traceback" not in told.all


def test_the_budget_of_an_operation_holds_its_calibration_back_too(
    project: Project, slow: Sandbox, farebox: Call, prefect: None
):
    assert farebox("budgets", "set", "operation", "classify", "day", "0.005 USD").code == 0
    told = farebox(*COMMAND)
    assert (told.code, "The budget was spent after" in " ".join(told.out.split())) == (0, True), told.all
    with project.runtime_here() as runtime:
        [budget] = [row for row in rows(runtime.ledger, schema.budgets) if row["scope"] == "operation"]
        assert_ledger_equals_journal(runtime, slow.journal)
        spent = sum(row["cost_nano"] for row in rows(runtime.ledger, schema.attempts))
    assert (budget["spent_nano"], budget["held_nano"]) == (spent, 0)
    assert 0 < spent <= budget["limit_nano"] == 5_000_000


def test_what_is_wrong_with_cases_is_one_line(project: Project, farebox: Call):
    for text, message in (
        ('{"id": "1"}\n', "line 1 is not a valid case: inputs"),
        ('{"id": "1", "inputs": {"text": "x"}, "expected": 1}\n', "does not fit classify"),
    ):
        (project.root / "cases.jsonl").write_text(text, "utf-8")
        told = farebox(*COMMAND)
        assert told.code == 2
        assert message in " ".join(told.err.split())
        assert "Traceback" not in told.all
