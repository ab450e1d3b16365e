"""Whose a run is, what pays for it, and what is said of prices: real runs against the sandbox, and the command line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farebox.cli.quote import compare
from farebox.price_review import ReviewQuery, make_review, reviewed_version, write_review
from farebox.runs.context import RunOwner, starter_context
from farebox.runtime import Runtime
from flows.daily_digest import daily_digest
from pricing.db import schema
from pricing.errors import OutOfCredits, OverBudget, UsageError
from tasks.context import use_run
from tasks.sandbox import Sandbox
from tests.support.books import rows
from tests.support.command import farebox
from tests.support.project import Project, make_project
from tests.support.runs import digest_run

MORE = """
[credits]
value = "0.01 USD"

[[budgets]]
scope = "user"
key = "*"
window = "day"
limit = "1 USD"

[[budgets]]
scope = "operation"
key = "summarize"
window = "day"
limit = "0.5 USD"
soft = "none"
"""


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox) -> Project:
    return make_project(tmp_path / "project", sandbox.url, documents=1, more=MORE)


@pytest.fixture
def anas() -> Iterator[None]:
    with use_run(starter_context(RunOwner("ana", "acme", ("nightly",)))):
        yield


def run(runtime: Runtime, project: Project) -> None:
    digest_run(runtime, str(project.documents), 1)


def asked(project: Project, *arguments: str) -> Any:
    said = farebox(project.root, *arguments, "--json", HOME=str(project.root))
    return json.loads(said.out) if said.code == 0 else said


@pytest.mark.usefixtures("anas")
def test_a_run_is_held_to_the_budgets_of_whom_it_is_for_and_paid_by_their_wallet(runtime: Runtime, project: Project):
    runtime.wallets.grant("org:acme", 5)
    run(runtime, project)
    [written] = rows(runtime.ledger, schema.runs)
    assert (written["user_id"], written["org_id"], written["tags"]) == ("ana", "acme", '["nightly"]')
    assert (written["price_credits"], written["price_nano"]) == (3, 30_000_000)
    spent = {(b.scope, b.key): b.spent for b in runtime.ledger.budgets()}
    [settled] = rows(runtime.ledger, schema.settlements)
    assert spent["user", "ana"] == spent["automation", "daily-digest"] == settled["spent_nano"]
    attempts = rows(runtime.ledger, schema.attempts)
    assert spent["operation", "summarize"] == sum(a["cost_nano"] for a in attempts if a["operation"] == "summarize")
    assert (settled["wallet"], settled["charged_credits"]) == ("org:acme", 3)
    with pytest.raises(OutOfCredits, match="2 left"):
        run(runtime, project)
    assert len(rows(runtime.ledger, schema.attempts)) == len(attempts)


@pytest.mark.usefixtures("anas")
def test_a_limit_that_was_set_counts_in_place_of_the_one_in_the_file(runtime: Runtime, project: Project):
    assert asked(project, "budgets", "list") == []
    assert farebox(project.root, "budgets", "set", "user", "*", "day", "0.000001 USD").code == 0
    with pytest.raises(OverBudget, match="ana per day"):
        run(runtime, project)
    history = asked(project, "budgets", "history", "user", "*")
    assert [change["origin"] for change in history["changes"]] == ["set"]
    [window] = asked(project, "budgets", "history", "user", "ana")["windows"]
    assert (window["limit"], window["spent"]) == (1000, 0)


def test_an_operations_budget_refuses_a_run_that_it_could_not_see_through(tmp_path: Path, sandbox: Sandbox):
    tight = '[[budgets]]\nscope = "operation"\nkey = "summarize"\nwindow = "day"\nlimit = "0.000001 USD"\n'
    project = make_project(tmp_path / "tight", sandbox.url, documents=1, more=tight)
    with project.runtime_here() as runtime, pytest.raises(OverBudget, match="summarize per day"):
        run(runtime, project)
    assert not sandbox.journal.read_bytes()


def test_what_runs_earned_and_what_other_prices_would_do(runtime: Runtime, project: Project):
    run(runtime, project)
    runtime.replica.sync()
    [audit] = asked(project, "quotes", "audit")
    assert (audit["automation"], audit["p95"]["runs"], audit["stand_in"]) == ("daily-digest", 1, True)
    quoted = compare(runtime, daily_digest, {"source": str(project.documents)})
    assert {one["name"] for one in quoted.to_json()["budgets"]} == {"daily-digest per day", "summarize per day"}
    theirs = compare(runtime, daily_digest, {"source": str(project.documents)}, RunOwner("ana", "acme"))
    assert "ana per day" in {one["name"] for one in theirs.to_json()["budgets"]}
    [path] = quoted.to_json()["path"]
    assert (path["runs"], path["turns"], path["shares"]["fell_back"]) == (1, 3, 0)
    question = ReviewQuery(moved={"haiku": "sonnet"}, inflation=1.3, margin=0.999)
    found = make_review(runtime, question)
    [line] = found.lines
    assert line.billed_nano == line.before_nano < line.after_nano
    assert line.revenue_nano == 30_000_000
    assert line.below_target
    page = write_review(runtime, question, found).read_text()
    assert "haiku → sonnet, 1.3 tokens for one" in page
    assert "daily-digest" in page
    assert reviewed_version(runtime) == runtime.rates.version
    with pytest.raises(UsageError, match="no target 'haikoo'"):
        make_review(runtime, ReviewQuery(moved={"haikoo": "sonnet"}))


def test_the_command_line_grants_and_states(project: Project):
    assert asked(project, "credits", "grant", "org:acme", "5")["available"] == 5
    assert [line["kind"] for line in asked(project, "credits", "statement", "org:acme")] == ["granted"]
    assert [(one["wallet_id"], one["available"]) for one in asked(project, "credits", "balance")] == [("org:acme", 5)]
    assert asked(project, "credits", "balance", "org:other").code == 2
    assert asked(project, "rates", "diff", "2026-11-23", "2026-11-24") == []
