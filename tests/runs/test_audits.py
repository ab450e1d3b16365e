"""Past answers judged by a flow: quoted, held, recorded, each once; found where guards are looked over."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client

from farebox import ask, automation, llm_task, plan
from farebox.discovery import automation_names
from farebox.judging.audit import Audit, due
from farebox.runtime import Runtime
from flows.audit_answers import audit_answers
from pricing.db import schema
from pricing.errors import ConfigError, UsageError
from pricing.reports.guards import guard_report, review_queue
from tests.support.books import rows
from tests.support.echo import TARGET, Echo
from tests.support.project import REPOSITORY, Project, make_project
from tests.support.runs import riding

pytestmark = pytest.mark.usefixtures("prefect")

KEEP = '[content]\nkeep = ["letters"]\n'
JUDGE = '[guards.judge]\nmode = "off"\ncriteria = { grounded = "States nothing that the facts do not say." }\n'
PROMISES = '[guards.policy]\nmode = "shadow"\nforbidden = { "no promises" = ["we guarantee"] }\n'


@llm_task(operation="chat", max_turns=99)
def chat(text: str) -> str:
    return ask("say.j2", text=text)


@automation(price="1 credit", plan=plan(chat, input_tokens=900, output_tokens=90, calls=9))
def letters() -> None:
    """Never called: the tests run inside it."""


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as running:
        running.fill = judging
        yield running


def judging(_: dict[str, Any], said: str) -> object:
    """Cheese fails."""
    outcome = "fail" if "cheese" in said.partition("<answer>")[2] else "pass"
    return {"criteria": [{"evidence": "says so", "criterion": "grounded", "outcome": outcome}], "outcome": outcome}


def project(folder: Path, echo: Echo, more: str) -> Project:
    return make_project(folder, echo.url, targets=TARGET, more=more)


def artifacts() -> list[str]:
    with get_client(sync_client=True) as client:
        return [str(artifact.data) for artifact in client.read_artifacts() if artifact.key == "answer-audit"]


def test_flagged_answers_and_a_share_are_judged_once(tmp_path: Path, echo: Echo):
    with project(tmp_path / "project", echo, KEEP + JUDGE + PROMISES).runtime_here() as runtime:
        with riding(runtime, letters, {}) as talk:
            for text in ("we guarantee cheese", "we guarantee bread", *(f"cheese {n}" for n in range(20))):
                chat.fn(text)
        flagged = due(0, 24)
        assert len(flagged) == 2
        drawn = due(0.5, 24)
        assert drawn[:2] == flagged
        assert 2 < len(drawn) < 22
        assert due(0.5, 24) == drawn, "the quote and the run see the same"

        found = audit_answers(share=0, hours=24)
        assert isinstance(found, Audit)
        assert (found.audited, found.failed, found.unknown, found.left_out) == (2, 1, 0, 0)
        _assert_recorded(runtime, talk.run.run_id, found)
        asked = [body for body in echo.seen if "You judge one answer" in body]
        assert [("we guarantee" in body, "Say something about this" in body) for body in asked] == [(True, True)] * 2
        assert due(0, 24) == []
        assert len(due(1, 24)) == 20
        again = audit_answers(share=1, hours=24, most=5)
        assert (again.audited, again.failed, again.left_out) == (5, 5, 15)
        pages = artifacts()
        assert "Of 5 drawn at random 5 failed" in pages[-1] or "Of 5 drawn at random 5 failed" in pages[0]
        assert not any("we guarantee" in page for page in pages)


def _assert_recorded(runtime: Runtime, talk: str, found: Audit) -> None:
    settlements = {row["automation"]: row for row in rows(runtime.ledger, schema.settlements)}
    audit = settlements["audit-answers"]
    attempts = [row for row in rows(runtime.ledger, schema.attempts) if row["run_id"] == audit["run_id"]]
    assert {row["operation"] for row in attempts} == {"judge"}
    assert audit["spent_nano"] == found.cost_nano == sum(row["cost_nano"] for row in attempts) > 0
    assert audit["held_nano"] > 0
    [good, bad] = sorted(
        (row for row in rows(runtime.ledger, schema.guard_decisions) if row["guard"] == "judge"), key=lambda r: r["action"]
    )  # fmt: skip
    assert (good["action"], bad["action"], bad["mode"], bad["reason"]) == ("allow", "block", "audit", "policy")
    assert {good["run_id"], bad["run_id"]} == {talk}
    assert json.loads(bad["facts"]) == {"judged": "fail", "audited": "flagged", "rule": "grounded"}
    runtime.replica.sync()
    report = guard_report(runtime.replica)
    [line] = [line for line in report.guards if line.guard == "judge"]
    assert (line.mode, line.decisions, line.blocked, line.cost_nano) == ("audit", 2, 1, found.cost_nano)
    assert report.stopped == {}, "no turn was stopped by an audit"
    assert [entry.decision for entry in review_queue(runtime.replica, "judge")] == [bad["seq"]]


def test_with_nothing_to_judge_nothing_is_asked(tmp_path: Path, echo: Echo):
    with project(tmp_path / "project", echo, KEEP + JUDGE).runtime_here():
        assert audit_answers() == Audit(audited=0, failed=0, unknown=0, left_out=0, cost_nano=0)
    assert echo.seen == []


def test_what_is_missing_is_told(tmp_path: Path, echo: Echo):
    with project(tmp_path / "off", echo, JUDGE).runtime_here(), pytest.raises(UsageError, match="No answers are kept"):
        audit_answers()
    with (
        project(tmp_path / "none", echo, KEEP).runtime_here(),
        pytest.raises(ConfigError, match="No judge is declared"),
    ):
        audit_answers()


def test_an_audit_that_cannot_judge_says_so(tmp_path: Path, echo: Echo):
    echo.fill = lambda schema, said: {"criteria": "no list", "outcome": "perhaps"}
    with project(tmp_path / "project", echo, KEEP + JUDGE).runtime_here() as runtime:
        with riding(runtime, letters, {}):
            chat.fn("hello")
        found = audit_answers(share=1)
        assert (found.audited, found.unknown) == (0, 1)
        assert len(due(1, 24)) == 1, "it is still to be judged"


def test_it_is_an_automation_like_any():
    assert "audit-answers" in automation_names(REPOSITORY)
