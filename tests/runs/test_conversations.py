"""Conversations: what is said is kept as plain data, priced per message, and stops with a next step at the window."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from farebox import Conversation
from farebox.testing import TestProject, project_apart
from pricing import Blocked, PlanError, TurnFailed, UsageError
from tests.support.project import make_project

TARGET = """
[[targets]]
name = "mini"
provider = "openai"
model = "gpt-4.1-mini"
tier = "light"
window = {window}
[credits]
value = "0.01 USD"
"""


def look_up(account: str) -> dict[str, str]:
    """What plan an account has."""
    return {"plan": {"a1": "gold"}[account]}


@pytest.fixture
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest):
    window = getattr(request, "param", 50_000)
    project = make_project(tmp_path / "project", "", targets=TARGET.replace("{window}", str(window)))
    (project.root / "prompts" / "support.j2").write_text("{% block system %}You help {{ team }}.{% endblock %}")
    (project.root / "prompts" / "plain.j2").write_text("You are brief with {{ team }}.")
    monkeypatch.chdir(project.root)
    with project_apart(project.root, tmp_path / "apart", monkeypatch) as found:
        yield found


def test_each_message_is_a_turn_of_chat_with_all_that_was_said(apart: TestProject):
    apart.answers.add("Hello Ada.", "It is gold.")
    chat = Conversation(system="You help with {{ invoices }}.")
    before = chat.price("Hi")
    first = chat.say("Hi")
    second = chat.say("And my plan?")
    assert (str(first), second.text) == ("Hello Ada.", "It is gold.")
    assert [turn.operation for turn in apart.turns()] == ["chat", "chat"]
    assert [one.system for one in apart.answers.asked] == ["You help with {{ invoices }}."] * 2, "a text is no template"
    assert "Hello Ada." in apart.answers.asked[1].text
    assert [turn.cost_nano for turn in apart.turns()] == [first.cost_nano, second.cost_nano]
    assert first.credits == Decimal(first.cost_nano) / 10_000_000
    assert before.credits is not None
    assert 0 < before.cost_nano <= before.most_nano
    assert before.tokens + 1024 == round(before.share * before.window)
    assert second.warning is None
    assert not apart.runs()[0].quoted


def test_history_is_plain_data_to_go_on_from(apart: TestProject):
    apart.answers.call("look_up", account="a1")
    apart.answers.add("Gold.", "As I said: gold.")
    chat = Conversation(prompt="support.j2", tools=[look_up], team="invoices")
    answered = chat.say("Which plan has a1?")
    assert (answered.text, answered.turns) == ("Gold.", 2)
    kept = json.loads(json.dumps(chat.history))
    assert [entry["role"] for entry in kept] == ["user", "assistant", "tool", "assistant"]
    assert kept[2]["results"][0]["value"] == {"plan": "gold"}
    again = Conversation(prompt="support.j2", tools=[look_up], team="invoices", history=kept)
    assert again.history == kept
    assert again.say("Sure?").text == "As I said: gold."
    assert again.history[:4] == kept
    assert apart.answers.asked[-1].system == "You help invoices."
    assert "gold" in apart.answers.asked[-1].text


async def test_it_is_the_same_for_async_callers_and_with_a_template_without_blocks(apart: TestProject):
    apart.answers.add("Yes.")
    chat = Conversation(prompt="plain.j2", team="ops")
    assert (await chat.say.aio("Up?")).text == "Yes."
    assert apart.answers.asked[0].system == "You are brief with ops."
    assert apart.answers.asked[0].text == "Up?"


@pytest.mark.parametrize("apart", [2_000], indirect=True)
def test_it_warns_before_the_window_ends_and_says_what_to_do_at_its_end(apart: TestProject):
    chat = Conversation(system="Short.", max_tokens=100)
    warnings = []
    for _ in range(40):
        apart.answers.add("word " * 60)
        try:
            warnings.append(chat.say("word " * 60).warning)
        except Blocked as blocked:
            stopped = blocked
            break
    assert warnings[0] is None
    assert warnings[-1] is not None
    assert "Open a new conversation" in warnings[-1]
    assert "longer than any available model can read" in stopped.message
    assert "new conversation" in stopped.next_step
    assert chat.price("word " * 60).share > 1
    assert len(chat.history) == 2 * len(warnings), "what was not answered is not in the history"
    apart.answers._lines.clear()


def test_tools_without_end_and_wrong_input_are_clear_errors(apart: TestProject):
    chat = Conversation(system="x", tools=[look_up], max_turns=2)
    for _ in range(2):
        apart.answers.call("look_up", account="a1")
    with pytest.raises(TurnFailed, match="asked for tools 2 times"):
        chat.say("Which?")
    assert chat.history == []
    with pytest.raises(UsageError, match="empty"):
        chat.say("  ")
    with pytest.raises(PlanError, match="both"):
        Conversation(prompt="support.j2", system="x")
    for wrong in ({"role": "robot", "text": "x"}, {"text": "x"}, "x", {"role": "user", "text": 3}, {"role": "tool"}):
        with pytest.raises(UsageError, match="Message 1 of the history"):
            Conversation(system="x", history=[wrong])  # type: ignore[list-item]


def test_personal_data_in_the_history_is_masked_in_each_turn(apart: TestProject):
    apart.answers.add("Noted.", "Again.")
    chat = Conversation(system="x")
    chat.say("My address is ada@example.org.")
    chat.say("What was it?")
    for one in apart.answers.asked:
        assert "ada@example.org" not in one.text
    assert chat.history[0]["text"] == "My address is ada@example.org."


@pytest.mark.parametrize(("limit", "made"), [("calls_per_reply", 2), ("calls_per_message", 2), ("neither", 3)])
def test_tool_calls_of_a_message_are_limited(apart: TestProject, limit: str, made: int):
    calls: list[str] = []

    def note(text: str) -> str:
        """Note a text."""
        calls.append(text)
        return "noted"

    apart.answers.calls(*(("note", {"text": str(number)}) for number in range(3)))
    apart.answers.add("Done.")
    limits = {limit: 2} if limit != "neither" else {}
    chat = Conversation(system="You note.", tools=[note], **limits)  # type: ignore[arg-type]  # keywords as data
    assert chat.say("Note three things").text == "Done."
    assert len(calls) == made


@pytest.mark.parametrize("limit", ["calls_per_reply", "calls_per_message"])
def test_a_limit_of_tool_calls_below_one_is_refused(apart: TestProject, limit: str):
    del apart
    with pytest.raises(PlanError, match=f"{limit} = 0"):
        Conversation(tools=[look_up], **{limit: 0})  # type: ignore[arg-type]  # keywords as data
