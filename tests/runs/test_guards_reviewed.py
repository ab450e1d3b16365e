"""Guards looked over: what they did, whether that was right, and from shadow to enforce."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from farebox import ask, automation, llm_task, plan
from farebox.config.guards import enforce, missing_evidence
from farebox.config.settings import load_settings
from pricing.errors import Blocked, ConfigError, UsageError
from pricing.ledger.block_reviews import Reviews
from pricing.reports.guards import guard_report, review_queue
from tests.support.command import farebox
from tests.support.echo import TARGET, Echo
from tests.support.project import Project, make_project
from tests.support.runs import riding

USE = "tests.guardrails.test_registry"
TONE = f"""
[guards.tone]    # ours
use = "{USE}"
mode = "shadow"  # for now
most = 2

[guards.policy]
mode = "enforce"
canaries = ["zebra-quartz"]
"""


@llm_task(operation="chat", max_turns=99)
def chat(text: str) -> str:
    return ask("say.j2", text=text)


@automation(price="1 credit", plan=plan(chat, input_tokens=900, output_tokens=90, calls=9))
def talk() -> None:
    """Never called: the tests run inside it."""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A quiet turn, two loud ones, and a leak."""
    with Echo() as echo:
        project = make_project(tmp_path / "project", echo.url, targets=TARGET, more=TONE)
        with project.runtime_here() as runtime:
            with riding(runtime, talk, {}):
                for text in ("Hi!", "Private words!!!", "Louder words!!!!"):
                    chat.fn(text)
                with pytest.raises(Blocked):
                    chat.fn("zebra-quartz")
            runtime.replica.sync()
        yield project


def test_the_report_counts_and_the_queue_holds_no_text(project: Project):
    runtime = project.runtime()
    report = guard_report(runtime.replica)
    assert (report.turns, report.stopped) == (4, {"leak": 1})
    lines = {line.guard: line for line in report.guards}
    assert (lines["tone"].decisions, lines["tone"].blocked, lines["tone"].mode) == (4, 2, "shadow")
    assert (lines["policy"].blocked, lines["secrets"].blocked) == (1, 0)
    [leak] = report.leaks
    assert (leak.guard, leak.found) == ("policy", {"canary": 1})
    queue = review_queue(runtime.replica)
    assert [entry.guard for entry in queue] == ["policy", "tone", "tone"]
    assert "words" not in json.dumps([entry.to_json() for entry in queue]) + json.dumps(report.to_json())
    runtime.close()


def test_findings_are_facts_and_the_latest_counts(project: Project):
    runtime = project.runtime()
    first, second = review_queue(runtime.replica, "tone")
    reviews = Reviews(runtime.ledger.store)
    for decision, finding in ((first, "wrong"), (second, "wrong"), (second, "right")):
        reviews.mark(decision.decision, finding)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no decision 1 "):
        reviews.mark(1, "right")
    runtime.replica.sync()
    [line] = [line for line in guard_report(runtime.replica).guards if line.guard == "tone"]
    assert (line.reviewed, line.wrong, line.wrong_share) == (2, 1, 0.5)
    assert line.wrong_low < 0.1
    assert line.wrong_high > 0.9
    assert review_queue(runtime.replica, "tone") == []
    missing = missing_evidence("tone", USE, guard_report(runtime.replica).guards)
    assert missing == ["2 of 200 decisions of version 1 are reviewed", "1 of 2 were wrong (50.0%, at most 2% may be)"]
    runtime.close()


def test_promotion_changes_one_line_of_the_settings(project: Project):
    before = (project.root / "farebox.toml").read_text()
    enforce(project.root, "tone")
    after = (project.root / "farebox.toml").read_text()
    assert after == before.replace('mode = "shadow"  # for now', 'mode = "enforce"  # for now')
    assert load_settings(project.root).guards.declared("", "")["tone"]["mode"] == "enforce"
    with pytest.raises(UsageError, match="enforced already"):
        enforce(project.root, "tone")
    enforce(project.root, "injection")
    assert load_settings(project.root).guards.declared("", "")["injection"]["mode"] == "enforce"


def test_a_table_in_another_form_is_left_to_a_person(tmp_path: Path):
    path = tmp_path / "farebox.toml"
    path.write_text('[guards]\ninjection = { mode = "shadow" }\n')
    with pytest.raises(ConfigError, match="cannot be changed"):
        enforce(tmp_path, "injection")
    assert path.read_text() == '[guards]\ninjection = { mode = "shadow" }\n'


def test_a_person_reads_what_was_kept_and_says_whether_it_was_right(tmp_path: Path):
    with Echo() as echo:
        project = make_project(tmp_path / "kept", echo.url, targets=TARGET, more=TONE + '[content]\nkeep = ["talk"]\n')
        with project.runtime_here() as runtime, riding(runtime, talk, {}):
            chat.fn("Write to ada@example.com!!!")
            with pytest.raises(Blocked):
                chat.fn("say [b]zebra-quartz[/b], please")
    shown = farebox(project.root, "guards", "review", typed="t\nr\nx\nw\nq\n")
    assert shown.code == 0, shown.all
    said = shown.out.replace("\n", " ")
    assert "policy block (leak, enforce)" in said
    assert "say [b]zebra-quartz[/b], please" in said, "read with its place, whatever it looks like"
    assert "answer: Say something about this:" in said, "the whole turn"
    assert "pii redact (pii, enforce)" in said
    assert "Write to [EMAIL_1_" in said
    assert "ada@example.com" not in shown.all
    assert "1 right, 1 wrong" in said
    told = json.loads(farebox(project.root, "guards", "--json").out)
    assert {line["guard"]: (line["reviewed"], line["wrong"]) for line in told["guards"] if line["reviewed"]} == {
        "policy": (1, 0),
        "pii": (1, 1),
    }
    [tone] = json.loads(farebox(project.root, "guards", "review", "--json").out)
    assert (tone["guard"], "Write to [EMAIL_1_" in tone["text"][0]) == ("tone", True)


def test_the_commands_say_it(project: Project, tmp_path: Path):
    shown = farebox(project.root, "guards")
    assert shown.code == 0, shown.all
    assert "4 turns, 1 stopped: leak 25 %" in shown.out
    assert "leak incidents: 1" in shown.out
    assert "policy block (leak, enforce)" in shown.out
    queue = json.loads(farebox(project.root, "guards", "review", "--json").out)
    done = farebox(project.root, "guards", "review", "--wrong", str(queue[0]["decision"]))
    assert done.code == 0, done.all
    refused = farebox(project.root, "guards", "promote", "tone")
    assert refused.code == 2
    assert "0 of 200 decisions" in refused.err
    forced = farebox(project.root, "guards", "promote", "tone", "--force")
    assert forced.code == 0, forced.all
    assert "Missing: 0 of 200" in " ".join(forced.out.split())
    labels = tmp_path / "labels.jsonl"
    labels.write_text('{"label": "fail", "judged": "fail"}\n{"label": "pass", "judged": "pass"}\n')
    told = farebox(project.root, "guards", "agreement", "--labels", str(labels))
    assert "TPR  1.00" in told.out
