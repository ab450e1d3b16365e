"""What a continued run replays: stored and judged answers, calibrations, thoughts, images, and replies of every kind."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from farebox import Agent, Image, ask, automation, llm_task, plan, spend, tool
from farebox.calibration.bench import Chosen
from farebox.calibration.run import Asked, calibrate_operation, may_go_on
from farebox.runtime import Runtime
from flows.calibrate import calibrate, try_one
from pricing import (
    DocumentPart,
    ImagePart,
    InvalidArguments,
    Part,
    ProviderStatePart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from pricing.db import schema
from pricing.errors import BudgetClosed, JournalUnreadable
from tasks.context import current_run, use_run
from tasks.providers.messages import HttpRequest, ModelReply
from tasks.providers.transport import HttpReply, Transport
from tasks.run_context import RunContext
from tasks.sandbox import Latency, Sandbox, read_journal
from tasks.sandbox.protocol import SandboxRequest
from tasks.sandbox.script import ScriptedCalls, ScriptedValue
from tasks.turn.answers import read_reply, write_reply
from tests.support.books import assert_ledger_adds_up, assert_ledger_equals_journal, rows
from tests.support.echo import TARGET, Echo
from tests.support.media_tokens import png
from tests.support.project import TARGETS, Project, make_project
from tests.support.runs import riding

PAGE = Image.from_bytes(png(40, 30))
JUDGE = """
[guards.judge]
mode = "enforce"
every = true
share = 1.0
criteria = { grounded = "States nothing that the facts do not say." }
"""


class Broken(Exception):
    """What an automation's own code raises."""


class Gone(BaseException):
    """A process that ends while a tool is under way."""


looked: list[str] = []
PLACES = "shelf", "drawer"


@llm_task(operation="remember", stored_for=timedelta(days=1), max_turns=9)
def remember(text: str) -> str:
    return ask("say.j2", text=text)


@llm_task(operation="say", max_tokens=60, max_turns=9)
def say(text: str) -> str:
    return ask("say.j2", text=text)


@llm_task(operation="tell", max_tokens=60, max_turns=9)
def tell(text: str) -> str:
    return ask("tell.j2", text=text)


@tool(interrupted="retry")
def look(where: str) -> str:
    """Looks somewhere."""
    looked.append(where)
    if looked == [*PLACES]:
        raise Gone
    return "the key" if where == "drawer" else "nothing"


finder = Agent(prompt="say.j2", tools=[look], reasoning="high", max_tokens=300)
scored_so_far: list[str] = []


def scored(answer: str, expected: object) -> float:
    """Fails once, at an answer that was paid for."""
    scored_so_far.append(answer)
    if len(scored_so_far) == 7:
        raise Gone
    return 1.0


viewer = Agent(prompt="look.j2", tools=[look], max_turns=2)


@llm_task(operation="find", max_turns=4)
def find(text: str) -> str:
    return finder.run(text=text)


@llm_task(operation="view", unmasked_media=True, max_turns=9)
def view(page: Image) -> str:
    return viewer.run(page=page)


@automation(
    price="1 credit",
    plan=plan(say, calls=4, input_tokens=300, output_tokens=60)
    + plan(tell, calls=2, input_tokens=300, output_tokens=60)
    + plan(remember, calls=2, input_tokens=300, output_tokens=60)
    + plan(find, calls=3, input_tokens=300, output_tokens=300)
    + plan(view, calls=2, input_tokens=300, output_tokens=60),
)
def replaying() -> None:
    """Never called: the tests run inside it."""


@contextmanager
def failing(
    runtime: Runtime, error: type[BaseException] = Broken, flow: Any = replaying, **given: Any
) -> Iterator[None]:
    """An execution of the run that ends by an exception, after the block."""
    try:
        with riding(runtime, flow, given, "a"):
            yield
            raise error
    except error:
        return


def outcomes(runtime: Runtime, execution: int) -> Counter[str]:
    found = [turn for turn in rows(runtime.ledger, schema.turns) if turn["execution"] == execution]
    return Counter(turn["outcome"] for turn in found)


@pytest.mark.usefixtures("result_storage")
def test_answers_that_are_stored_are_not_asked_again(project: Project, sandbox: Sandbox):
    with project.runtime_here() as runtime:
        with failing(runtime):
            first = [remember.fn(text) for text in ("One.", "Two.", "One.")]
        assert outcomes(runtime, 1) == {"answered": 2, "stored": 1}
        with riding(runtime, replaying, {}, "a"):
            assert [remember.fn(text) for text in ("Two.", "One.", "One.")] == [first[1], first[0], first[2]]
        assert outcomes(runtime, 2).keys() <= {"stored", "replayed"}
        assert len(read_journal(sandbox.journal)) == 2
        assert_ledger_equals_journal(runtime, sandbox.journal)
        assert_ledger_adds_up(runtime)


def test_of_several_prompts_only_the_changed_one_is_asked_again(project: Project, sandbox: Sandbox):
    """Each execution has a runtime of its own, as another process has after an edit."""
    prompts = project.root / "prompts"
    (prompts / "tell.j2").write_text("Tell somebody about this:\n{{ text }}\n")
    notes = ["The importer stopped.", "The importer works again."]
    with project.runtime_here() as runtime, failing(runtime):
        said = [(say.fn(note), tell.fn(note)) for note in notes]
    assert len(read_journal(sandbox.journal)) == 4
    (prompts / "tell.j2").write_text("Tell somebody about this, in one sentence:\n{{ text }}\n")
    with project.runtime_here() as runtime:
        with riding(runtime, replaying, {}, "a"):
            again = [(say.fn(note), tell.fn(note)) for note in notes]
        turns = [turn for turn in rows(runtime.ledger, schema.turns) if turn["execution"] == 2]
        found = Counter((turn["operation"], turn["outcome"]) for turn in turns)
        assert found == {("say", "replayed"): 2, ("tell", "answered"): 2}
        assert [one for one, _ in again] == [one for one, _ in said]
        assert_ledger_equals_journal(runtime, sandbox.journal)
        assert_ledger_adds_up(runtime)


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as running:
        yield running


def test_a_judged_answer_and_its_judge_are_not_asked_again(tmp_path: Path, echo: Echo):
    found = [{"evidence": "it says so", "criterion": "grounded", "outcome": "pass"}]
    echo.say = lambda asked: "The moon is far." if "<answer>" not in asked else asked
    echo.fill = lambda schema, said: {"criteria": found, "outcome": "pass"}
    with make_project(tmp_path / "project", echo.url, targets=TARGET, more=JUDGE).runtime_here() as runtime:
        for run in (failing(runtime), riding(runtime, replaying, {}, "a")):
            with run:
                assert say.fn("Well?") == "The moon is far."
        assert len(echo.seen) == 2
        assert (outcomes(runtime, 1), outcomes(runtime, 2)) == ({"answered": 2}, {"replayed": 2})
        decided = [row for row in rows(runtime.ledger, schema.guard_decisions) if row["guard"] == "judge"]
        assert [row["cost_nano"] > 0 for row in decided] == [True, False]
        assert_ledger_adds_up(runtime)


def test_images_of_an_agent_are_not_sent_again(tmp_path: Path, echo: Echo):
    looked.clear()
    project = make_project(tmp_path / "project", echo.url, targets=TARGET)
    (project.root / "prompts" / "look.j2").write_text("Look for ada@example.org.")
    with project.runtime_here() as runtime:
        with failing(runtime):
            first = view.fn(PAGE)
        sent = len(echo.seen)
        assert sent > 1
        with riding(runtime, replaying, {}, "a"):
            view.fn(PAGE)
            assert len(echo.seen) == sent
            view.fn(Image.from_bytes(png(41, 30)))
        assert len(echo.seen) == 2 * sent
        assert first
        assert outcomes(runtime, 2)["replayed"] == outcomes(runtime, 1)["answered"] == sent
        assert_ledger_adds_up(runtime)


def test_a_calibration_that_goes_on_asks_each_case_once(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    two = "[[targets]]" + "[[targets]]".join(TARGETS.split("[[targets]]")[at] for at in (2, 4))
    project = make_project(tmp_path / "calibrated", sandbox.url, targets=two)
    (project.root / "flows").mkdir()
    (project.root / "flows" / "replaying.py").write_text(
        "from farebox import automation\n\n\n@automation()\ndef replaying(): ...\n"
    )
    monkeypatch.setitem(sys.modules, "flows.replaying", sys.modules[__name__])
    cases = [{"id": str(n), "inputs": {"text": f"The importer stopped {n} times."}, "expected": "x"} for n in range(20)]
    (project.root / "cases.jsonl").write_text("\n".join(map(json.dumps, cases)))
    what = Chosen("say", "cases.jsonl", scorer=f"{__name__}.scored")
    given = {"operation": "say", "cases": "cases.jsonl", "margin": 0.5, "scorer": what.scorer}

    def ask_all(asked: Asked) -> bool:
        for one in asked:
            try_one.fn(*one, what)
        return may_go_on([])

    scored_so_far.clear()
    with project.runtime_here() as runtime:
        with pytest.raises(Gone), riding(runtime, calibrate, given, "a"):
            calibrate_operation(what, 0.5, 0.95, ask_all, replace=False)
        paid = len(read_journal(sandbox.journal))
        assert paid == 7
        with riding(runtime, calibrate, given, "a"):
            calibrate_operation(what, 0.5, 0.95, ask_all, replace=False)
        asked = [(row["target"], row["outcome"]) for row in rows(runtime.ledger, schema.attempts)]
        assert Counter(asked) == {("gpt-oss", "ok"): 20, ("sonnet", "ok"): 20}, "each case once, of each target"
        assert_ledger_equals_journal(runtime, sandbox.journal)
        assert_ledger_adds_up(runtime)


def test_a_run_within_one_that_finishes_may_spend_nothing_either(project: Project, sandbox: Sandbox):
    with project.runtime_here() as runtime:
        with use_run(RunContext("parent", closed=True)), riding(runtime, replaying, {}, "child") as ride:
            assert (ride.closed, ride.run.held_nano) == (True, 0)
            with use_run(RunContext.from_json(current_run().to_json())):  # as in another process
                with pytest.raises(BudgetClosed, match="say was not asked"):
                    say.fn("One.")
                with pytest.raises(BudgetClosed, match="search was not asked") as refused:
                    spend("0.001 USD", operation="search")
        assert refused.value.fields["closed"] is True
        assert read_journal(sandbox.journal) == []
        assert runtime.ledger.spent("child") == 0
        assert_ledger_adds_up(runtime)


THINKING = """
[[targets]]
name = "thinker"
provider = "{provider}"
model = "{model}"
tier = "light"
"""


def script(target: str, asked: SandboxRequest, /) -> ScriptedValue | ScriptedCalls | None:
    """Two calls, one after the other, then the answer."""
    del target
    if not asked.tools:
        return None
    done = sum(len(message.tool_calls) for message in asked.messages)
    return ScriptedCalls((("look", {"where": PLACES[done]}),)) if done < 2 else ScriptedValue("It is in the drawer.")


@pytest.mark.parametrize(
    ("provider", "model", "field"),
    [("bedrock", "global.anthropic.claude-opus-5-5", "signature"), ("openai", "gpt-6.1-terra", "encrypted_content")],
)
def test_thoughts_survive_the_journal_and_go_back_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str, model: str, field: str
):
    looked.clear()
    send, sent, received = Transport.send, list[list[str]](), list[list[str]]()

    async def recorded(self: Transport, asked: HttpRequest, **settings: Any) -> HttpReply:
        reply = await send(self, asked, **settings)
        for seals, body in ((sent, asked.body), (received, reply.body)):
            seals.append(re.findall(rf'"{field}":"([^"]+)"', body.decode()))
        return reply

    monkeypatch.setattr(Transport, "send", recorded)
    targets = THINKING.format(provider=provider, model=model)
    with Sandbox(tmp_path / "sandbox.jsonl", latency=Latency(0, 0), script=script) as sandbox:
        project = make_project(tmp_path / "project", sandbox.url, targets=targets, retries=0)
        with project.runtime_here() as runtime:
            with failing(runtime, Gone):
                find.fn("Where is the key?")
            assert [len(seals) for seals in received] == [1, 1]
            with failing(runtime):
                assert find.fn("Where is the key?") == "It is in the drawer."
            assert looked == ["shelf", "drawer", "drawer"]
            assert sent == [[], received[0], received[0] + received[1]]
            assert outcomes(runtime, 2) == {"replayed": 2, "answered": 1}
            assert runtime.journal.size("a") > 0
    for file in project.root.rglob("*"):
        assert not file.is_file() or not any(seal.encode() in file.read_bytes() for seal in sent[-1]), file


def kept(part: Any) -> Part:
    reply = ModelReply((part,), "end", Usage(), "a-model")
    [again] = read_reply(write_reply(reply, None), None).parts
    return again


CASES: list[Part] = [
    TextPart("Good morning. \ud83d"),
    ToolCallPart("1", "look", {"where": "here", "n": [1, None]}),
    ToolCallPart("2", "look", InvalidArguments("{where")),
    ProviderStatePart("claude", {"signature": "abc", "thinking": ""}, "5f2c"),
    ProviderStatePart("gemini", [["a", 1.5], None]),
]


@pytest.mark.parametrize("part", CASES, ids=lambda part: type(part).__name__)
def test_each_part_of_a_reply_comes_back_with_all_that_it_has(part: Part):
    again = kept(part)
    assert type(again) is type(part)
    for one in fields(part):
        assert getattr(again, one.name) == getattr(part, one.name), one.name


NEVER_SAID: list[Part] = [
    ImagePart("image/png", png(2, 2)),
    DocumentPart("application/pdf", url="https://example.org/a.pdf"),
    ToolResultPart("1", "nothing"),
]


@pytest.mark.parametrize("part", NEVER_SAID, ids=lambda part: type(part).__name__)
def test_a_part_that_no_model_says_is_an_error_not_a_loss(part: Part):
    with pytest.raises(TypeError, match=type(part).__name__):
        kept(part)


def test_every_kind_of_part_has_a_case():
    assert {type(part) for part in (*CASES, *NEVER_SAID)} == set(get_args(Part))
    with pytest.raises(AssertionError):
        kept(object())


@pytest.mark.parametrize("part", [["sound", "abc"], ["state", "claude"], [], ["text"]])
def test_a_part_that_this_version_does_not_know_is_told(part: list[Any]):
    written = json.dumps({"stop": "end", "model": "a-model", "parts": [part]}).encode()
    with pytest.raises(JournalUnreadable, match="does not know"):
        read_reply(written, None)
