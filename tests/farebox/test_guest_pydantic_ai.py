"""pydantic-ai agents: bare against the sandbox, and inside a priced run."""

import asyncio
import json
import os
import signal
import uuid
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pydantic_ai", reason="pydantic-ai is not installed: pip install farebox[pydantic-ai]")

from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, ModelRetry, NativeOutput, PromptedOutput
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelMessagesTypeAdapter, ThinkingPart
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.settings import ModelSettings, ToolOrOutput

from farebox import Budget, automation, plan, spend
from farebox.integrations import pydantic_ai as integration
from farebox.integrations.pydantic_ai import FareboxModel, TargetsFailed
from farebox.testing import TestProject
from pricing import NoTarget, OverBudget, ProviderStatePart, TextPart, Usage, UsageError
from tasks.providers import ModelReply
from tests.support.runs import riding

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


class City(BaseModel):
    name: str
    people: int


def agent_of(model: Any, calls: list[str], pays: str = "") -> Any:
    agent = Agent(model, instructions="Be terse.", system_prompt="You know accounts.", retries=3)

    @agent.tool_plain
    def look_up(account: str) -> dict[str, str]:
        """What plan an account has."""
        calls.append(account)
        if account == "lost":
            raise ModelRetry("There is no such account.")
        if account == "broken" and len(calls) == 1:
            raise RuntimeError("the tool's server is gone")
        if pays:
            with spend(pays, operation="directory"):
                pass
        return {"plan": "gold"}

    return agent


model = FareboxModel(operation="triage", max_tokens=200)


@automation(
    price="1 credit",
    budget=Budget(per_run="0.05 USD"),
    plan=plan(model, calls=2, max_calls=6, input_tokens=200, output_tokens=50),
)
def guest_triage(question: str) -> str:
    return str(agent_of(model, []).run_sync(question).output)


def script(project: TestProject, account: str = "a1") -> None:
    project.answers.call("look_up", account=account)
    project.answers.add("Gold it is.")


def test_the_same_agent_bare_and_inside_a_run_asks_and_gets_the_same(farebox_project: TestProject):
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    url = f"{farebox_project.runtime.settings.sandbox.url}/t/bare~/v1"
    bare: list[str] = []
    inside: list[str] = []
    script(farebox_project)
    provider = OpenAIProvider(base_url=url, api_key="sandbox")
    there = agent_of(OpenAIChatModel("gpt-6-luna", provider=provider), bare).run_sync("Which plan has a1?")
    script(farebox_project)
    with riding(farebox_project.runtime, guest_triage, {"question": "Which plan has a1?"}) as ride:
        here = agent_of(model, inside).run_sync("Which plan has a1?")
    assert here.output == there.output == "Gold it is."
    assert bare == inside == ["a1"]
    asked = farebox_project.answers.asked
    assert [one.tools for one in asked] == [("look_up",)] * 4
    said = [(one.system.replace("\n\n", "\n"), one.text) for one in asked]
    assert said[2:] == [(system, text.replace('": "', '":"')) for system, text in said[:2]]
    turns = farebox_project.turns("triage")
    assert [turn.outcome for turn in turns] == ["answered", "answered"]
    assert {turn.run_id for turn in turns} == {ride.run.run_id}
    assert (
        int(here.usage.cost * 10**9) == sum(turn.cost_nano for turn in turns) == farebox_project.runs()[-1].spent_nano
    )
    assert farebox_project.runs()[-1].outcome == "completed"


def test_a_budget_stops_an_agent_in_the_middle_and_it_survives(farebox_project: TestProject):
    script(farebox_project)
    calls: list[str] = []
    with riding(farebox_project.runtime, guest_triage, {"question": "Which plan has a1?"}):
        with pytest.raises(OverBudget, match="stopped at triage"):
            agent_of(model, calls, pays="0.04998 USD").run_sync("Which plan has a1?")
        assert calls == ["a1"], "its work so far was done"
    [first, second] = farebox_project.turns("triage")
    assert (first.outcome, second.outcome, second.attempts) == ("answered", "stopped", 0)


def test_what_was_paid_for_is_replayed_when_the_run_goes_on(farebox_project: TestProject):
    script(farebox_project, "broken")
    calls: list[str] = []
    run_id = str(uuid.uuid4())
    for attempt in range(2):
        try:
            with riding(farebox_project.runtime, guest_triage, {"question": "Which plan?"}, run_id):
                said = agent_of(model, calls).run_sync("Which plan?").output
        except RuntimeError:
            assert attempt == 0
    assert said == "Gold it is."
    assert calls == ["broken", "broken"]
    assert [(turn.outcome, turn.attempts) for turn in farebox_project.turns()] == [
        ("answered", 1),
        ("replayed", 0),
        ("answered", 1),
    ]


def test_a_run_whose_process_was_killed_goes_on_with_what_it_paid_for(farebox_project: TestProject):
    script(farebox_project)
    run_id = str(uuid.uuid4())
    child = os.fork()
    if child == 0:
        try:
            with riding(farebox_project.runtime, guest_triage, {"question": "Which plan?"}, run_id):
                agent = Agent(model, instructions="Be terse.", system_prompt="You know accounts.")
                agent.tool_plain(name="look_up")(killed)
                agent.run_sync("Which plan?")
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    with riding(farebox_project.runtime, guest_triage, {"question": "Which plan?"}, run_id):
        agent = Agent(model, instructions="Be terse.", system_prompt="You know accounts.")
        agent.tool_plain(name="look_up")(living)
        assert agent.run_sync("Which plan?").output == "Gold it is."
    turns = farebox_project.turns()
    assert [(turn.outcome, turn.attempts) for turn in turns] == [("answered", 1), ("replayed", 0), ("answered", 1)]
    assert farebox_project.runs()[-1].outcome == "completed"
    assert len(farebox_project.answers.asked) == 2


def killed(account: str) -> str:
    """What plan an account has."""
    os.kill(os.getpid(), signal.SIGKILL)
    return account


def living(account: str) -> str:
    """What plan an account has."""
    return f"{account} has gold"


@pytest.mark.parametrize("mode", [City, NativeOutput(City), PromptedOutput(City)], ids=["tool", "native", "prompted"])
def test_every_output_mode(farebox_project: TestProject, mode: Any):
    if mode is City:
        farebox_project.answers.call("final_result", name="Rome", people=3)
    else:
        farebox_project.answers.add(City(name="Rome", people=3))
    agent = Agent(model, output_type=mode)
    assert agent.run_sync("Rome?").output == City(name="Rome", people=3)
    [asked] = farebox_project.answers.asked
    assert asked.tools == (("final_result",) if mode is City else ())
    assert ('"people"' in asked.system) == isinstance(mode, PromptedOutput)


def test_what_a_model_did_wrong_is_told_to_it_and_each_time_is_a_turn(farebox_project: TestProject):
    answers = farebox_project.answers
    answers.call("look_up", account="lost")
    answers.calls(("look_up", {"wrong": 1}), ("look_up", {"account": "a1"}))
    answers.add("Gold.")
    calls: list[str] = []
    assert agent_of(model, calls).run_sync("Which?").output == "Gold."
    assert calls == ["lost", "a1"]
    assert "There is no such account." in answers.asked[1].text
    assert "Field required" in answers.asked[2].text
    assert len(farebox_project.turns()) == 3


def test_text_is_streamed_and_calls_come_whole(farebox_project: TestProject):
    script(farebox_project)
    farebox_project.answers.add("One two three four five six.")

    async def run() -> tuple[list[str], Any]:
        async with agent_of(model, []).run_stream("Which?") as said:
            first = [piece async for piece in said.stream_text(delta=True, debounce_by=None)]
        async with Agent(model).run_stream("Count.") as said:
            pieces = [piece async for piece in said.stream_text(delta=True, debounce_by=None)]
        assert "".join(first) == "Gold it is."
        return pieces, said.usage

    pieces, usage = asyncio.run(run())
    assert "".join(pieces) == "One two three four five six."
    assert len(pieces) > 1
    assert usage.output_tokens > 0
    assert [turn.outcome for turn in farebox_project.turns()] == ["answered"] * 3


def test_a_stream_that_is_left_is_recorded(farebox_project: TestProject):
    farebox_project.answers.add(" ".join(f"word{n}" for n in range(400)))

    async def run() -> None:
        async with Agent(model).run_stream("Count.") as said:
            async for _ in said.stream_text(delta=True, debounce_by=None):
                return

    asyncio.run(run())
    assert len(farebox_project.turns()) == 1


def test_history_goes_to_json_and_back(farebox_project: TestProject):
    script(farebox_project)
    farebox_project.answers.add("Still gold.")
    agent = agent_of(model, [])
    first = agent.run_sync("Which plan has a1?")
    kept = ModelMessagesTypeAdapter.validate_json(first.all_messages_json())
    assert agent.run_sync("And now?", message_history=kept).output == "Still gold."
    assert "Gold it is." in farebox_project.answers.asked[-1].text
    assert '{"plan":"gold"}' in farebox_project.answers.asked[-1].text


def test_thoughts_go_back_to_their_family_and_never_into_messages():
    state = ProviderStatePart("anthropic", {"secret": "thought"})
    reply = ModelReply((state, TextPart("Hello.")), "end", Usage(1, 1))
    thinking, text = integration._parts(reply)
    assert isinstance(thinking, ThinkingPart)
    assert (thinking.content, thinking.signature) == ("", None)
    assert "secret" not in repr(thinking)
    from farebox.integrations.pydantic_ai_requests import _said

    assert _said(thinking, integration._STATES) == [state]
    assert _said(text, integration._STATES) == [TextPart("Hello.")]
    assert _said(ThinkingPart("of another", provider_name="openai"), integration._STATES) == []
    assert _said(ThinkingPart("", id="forgotten", provider_name="farebox"), integration._STATES) == []


def test_no_target_is_an_error_that_its_fallback_acts_on(farebox_project: TestProject):
    farebox_project.answers.fail("server_error", times=40)
    with pytest.raises(TargetsFailed) as raised:
        Agent(model).run_sync("Hello?")
    assert isinstance(raised.value, NoTarget)
    assert raised.value.next_step
    both = FallbackModel(model, TestModel(custom_output_text="from the other"))
    assert Agent(both).run_sync("Hello?").output == "from the other"


def test_images_go_along_and_what_cannot_is_refused(farebox_project: TestProject):
    farebox_project.answers.add("A cat.")
    seeing = FareboxModel(operation="see", unmasked_media=True)
    assert Agent(seeing).run_sync(["What is it?", BinaryContent(PNG, media_type="image/png")]).output == "A cat."
    for wrong in (BinaryContent(b"RIFF", media_type="audio/wav"), BinaryContent(b"no png", media_type="image/png")):
        with pytest.raises(UserError, match="does not support"):
            Agent(seeing).run_sync(["What is it?", wrong])
    assert len(farebox_project.turns()) == 1


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("none", ("final_result",)),
        (["look_up"], ("look_up",)),
        (ToolOrOutput(function_tools=["look_up"]), ("look_up", "final_result")),
        ("auto", ("look_up", "final_result")),
    ],
)
def test_choices_of_tools(farebox_project: TestProject, choice: Any, sent: tuple[str, ...]):
    farebox_project.answers.call(
        *sent[-1:], **({"name": "Rome", "people": 3} if sent[-1] != "look_up" else {"account": "a"})
    )
    agent = Agent(model, output_type=City)

    @agent.tool_plain
    def look_up(account: str) -> str:
        return account

    settings = ModelSettings(tool_choice=choice)
    if choice == ["look_up"]:
        with pytest.raises(UserError):
            agent.run_sync("Rome?", model_settings=settings)  # pydantic-ai: no output could ever come
        return
    agent.run_sync("Rome?", model_settings=settings)
    assert farebox_project.answers.asked[0].tools == sent


def test_max_tokens_of_settings_never_exceed_the_step(farebox_project: TestProject, monkeypatch: pytest.MonkeyPatch):
    seen: list[int] = []
    engine = type(farebox_project.runtime.engine)
    turn = engine.turn

    async def noted(self: Any, here: Any, asked: Any) -> Any:
        seen.append(asked.max_tokens)
        return await turn(self, here, asked)

    monkeypatch.setattr(engine, "turn", noted)
    for given in (50, 5_000):
        farebox_project.answers.add("Yes.")
        Agent(model).run_sync("?", model_settings=ModelSettings(max_tokens=given))
    assert seen == [50, 200]


def test_one_journal_only(monkeypatch: pytest.MonkeyPatch):
    import prefect.context

    class Within:
        @staticmethod
        def get() -> Any:
            return Within

        class task:  # noqa: N801
            @staticmethod
            def fn() -> None: ...

    Within.task.fn.__module__ = "pydantic_ai.durable_exec.prefect._model"
    monkeypatch.setattr(prefect.context, "TaskRunContext", Within)
    with pytest.raises(UsageError, match="durability"):
        Agent(model).run_sync("?")


def test_names_of_persons_stay_out_of_versions(farebox_project: TestProject, tmp_path: Path):
    from sqlalchemy import select

    from pricing.db import schema

    for name in ("Ada Lovelace", "Grace Hopper"):
        farebox_project.answers.add("Hello.")
        Agent(model, instructions=f"The customer is {name}.").run_sync("Hello?")
    with farebox_project.runtime.ledger.store.read() as connection:
        rows = connection.execute(select(schema.turns.c.prompt, schema.turns.c.prompt_version)).all()
    assert len(rows) == 2
    assert len(set(map(tuple, rows))) == 1
    assert rows[0].prompt == "pydantic-ai"
    json.dumps([list(row) for row in rows])
