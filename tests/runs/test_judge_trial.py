"""The judge tried on labelled answers: a run of its own, quoted and held, and what it shows of the sandbox."""

import json
from pathlib import Path

import pytest

from benchmarks import judge_labels
from farebox.judging.trial import NAME, try_judge
from farebox.runtime import Runtime
from guardrails.agreement import Labelled, measure_agreement, pairs_of
from pricing.db import schema
from pricing.errors import ConfigError, OverBudget
from tasks.sandbox import Sandbox, read_journal
from tests.support.books import assert_ledger_equals_journal, rows
from tests.support.command import farebox
from tests.support.project import Project, make_project

JUDGE = """
[guards.judge]
mode = "off"
criteria = { grounded = "States nothing that the facts do not say.", polite = "Is polite." }
"""
LABELS = [Labelled(**line) for line in judge_labels.labelled(110, seed=11)]


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox) -> Project:
    return make_project(tmp_path / "project", sandbox.url, more=JUDGE)


def test_a_trial_is_a_run_and_tells_right_from_wrong(runtime: Runtime, tmp_path: Path):
    assert [row.label for row in LABELS].count("fail") == 110
    judged = try_judge(runtime, LABELS)
    assert [(row.label, row.answer) for row in judged] == [(row.label, row.answer) for row in LABELS]
    found = measure_agreement(pairs_of(judged))
    assert (found.tpr.of, found.tnr.of) == (110, 110)
    assert found.tpr.share >= 0.9
    assert found.tnr.share >= 0.9
    assert found.tpr.share + found.tnr.share < 2, "a rule is fooled by some of them"
    attempts = assert_ledger_equals_journal(runtime, tmp_path / "journal.jsonl")
    assert {attempt["operation"] for attempt in attempts} == {"judge"}
    [settled] = rows(runtime.ledger, schema.settlements)
    assert (settled["automation"], settled["outcome"]) == (NAME, "completed")
    assert 0 < settled["spent_nano"] <= settled["held_nano"], "the quote held"


def test_a_trial_that_fits_no_budget_asks_nothing(tmp_path: Path, sandbox: Sandbox):
    budget = '[[budgets]]\nscope = "operation"\nkey = "judge"\nwindow = "day"\nlimit = "0.001 USD"\n'
    with make_project(tmp_path / "poor", sandbox.url, more=budget + JUDGE).runtime_here() as runtime:
        with pytest.raises(OverBudget):
            try_judge(runtime, LABELS)
        journal = tmp_path / "journal.jsonl"
        assert not journal.exists() or read_journal(journal) == []


def test_without_a_judge_there_is_no_trial(tmp_path: Path, sandbox: Sandbox):
    with (
        make_project(tmp_path / "none", sandbox.url).runtime_here() as runtime,
        pytest.raises(ConfigError, match="No judge is declared"),
    ):
        try_judge(runtime, LABELS)


def test_the_command_judges_what_has_no_verdict_and_keeps_what_it_paid_for(project: Project, tmp_path: Path):
    path, saved = tmp_path / "labels.jsonl", tmp_path / "judged.jsonl"
    lines = [*judge_labels.labelled(4, seed=2), {"label": "pass", "judged": "fail"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    told = farebox(project.root, "guards", "agreement", "--labels", str(path), "--save", str(saved))
    assert told.code == 0, told.all
    said = " ".join(told.out.split())
    assert f"Quote {NAME}" in said
    assert "The sandbox judged, by a fixed rule" in said
    assert "Fewer than 100 labels" in said
    assert all(json.loads(line)["judged"] in {"pass", "fail"} for line in saved.read_text().splitlines())
    again = farebox(project.root, "guards", "agreement", "--labels", str(saved), "--json")
    assert json.loads(again.out)["tnr"]["of"] == 5
    assert "Quote" not in again.all, "nothing is asked twice"
