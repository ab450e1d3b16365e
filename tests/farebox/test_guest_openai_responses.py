"""Code written with the Responses API of OpenAI's SDK: bare against the sandbox, and inside a priced run."""

import asyncio
import json
import os
import signal
import uuid
from typing import Any

import openai
import pytest

from farebox import Budget, automation, plan, spend
from farebox.integrations.chat_completions import ChatRequest
from farebox.integrations.openai import async_client, client
from farebox.integrations.openai_responses import read_response_request, response
from farebox.testing import TestProject
from pricing import ImagePart, ProviderStatePart, TextPart, ToolCallPart, ToolResultPart, Usage, UsageError
from tasks import ProviderStates
from tasks.providers import ModelReply
from tasks.turn import Answer
from tests.support.guests import City, same_bare_and_inside_a_run, script, stopped_by_its_budget
from tests.support.runs import riding

TOOLS: Any = [
    {
        "type": "function",
        "name": "look_up",
        "description": "What plan an account has.",
        "parameters": {"type": "object", "properties": {"account": {"type": "string"}}, "required": ["account"]},
        "strict": False,
    }
]
PNG = "data:image/png;base64,iVBORw0KGgoAAAAA"


def agent(llm: Any, calls: list[str], pays: str = "") -> str:
    """An agent as teams write it, without us."""
    items: list[Any] = [{"role": "user", "content": "Which plan has a1?"}]
    while True:
        said = llm.responses.create(
            model="gpt-6-luna", instructions="Be terse.", input=items, tools=TOOLS, store=False,
            reasoning={"effort": "none"},
        )  # fmt: skip
        items += [item.model_dump(exclude_none=True) for item in said.output]
        asked = [item for item in said.output if item.type == "function_call"]
        if not asked:
            return str(said.output_text)
        for call in asked:
            calls.append(json.loads(call.arguments)["account"])
            if calls == ["broken"]:
                raise RuntimeError("the tool's server is gone")
            if pays:
                with spend(pays, operation="directory"):
                    pass
            items.append({"type": "function_call_output", "call_id": call.call_id, "output": '{"plan": "gold"}'})


llm = client(operation="chat", models={"gpt-6-luna": "light"}, max_tokens=200)


@automation(
    price="1 credit",
    budget=Budget(per_run="0.05 USD"),
    plan=plan(llm, calls=2, max_calls=6, input_tokens=200, output_tokens=50),
)
def guest_responses() -> str:
    return agent(llm, [])


def test_the_same_code_bare_and_inside_a_run_asks_and_gets_the_same(farebox_project: TestProject):
    same_bare_and_inside_a_run(farebox_project, agent, guest_responses, llm)


def test_a_budget_stops_it_in_the_middle_and_it_survives(farebox_project: TestProject):
    stopped_by_its_budget(farebox_project, agent, guest_responses, llm)


def test_a_run_whose_process_was_killed_goes_on_with_what_it_paid_for(farebox_project: TestProject):
    script(farebox_project, "broken")
    run_id, calls = str(uuid.uuid4()), ["a call before, so that the tool works"]
    child = os.fork()
    if child == 0:
        try:
            with riding(farebox_project.runtime, guest_responses, {}, run_id):
                try:
                    agent(llm, [])
                except RuntimeError:
                    os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    with riding(farebox_project.runtime, guest_responses, {}, run_id):
        assert agent(llm, calls) == "Gold it is."
    turns = farebox_project.turns()
    assert [(turn.outcome, turn.attempts) for turn in turns] == [("answered", 1), ("replayed", 0), ("answered", 1)]
    assert len(farebox_project.answers.asked) == 2


def test_what_was_paid_for_is_replayed_when_the_run_goes_on(farebox_project: TestProject):
    script(farebox_project, "broken")
    calls: list[str] = []
    run_id = str(uuid.uuid4())
    with pytest.raises(RuntimeError), riding(farebox_project.runtime, guest_responses, {}, run_id):
        agent(llm, calls)
    with riding(farebox_project.runtime, guest_responses, {}, run_id):
        assert agent(llm, calls) == "Gold it is."
    assert [turn.outcome for turn in farebox_project.turns()] == ["answered", "replayed", "answered"]


def test_streams_have_the_events_that_the_sdk_reads(farebox_project: TestProject):
    script(farebox_project)
    with llm.responses.stream(model="light", input="Which plan has a1?", tools=TOOLS) as stream:
        kinds = [event.type for event in stream]
        first = stream.get_final_response()
    assert kinds[0] == "response.created"
    assert kinds[-3:] == ["response.function_call_arguments.done", "response.output_item.done", "response.completed"]
    assert [item.type for item in first.output] == ["function_call"]
    with llm.responses.stream(model="light", input="Which plan has a1?") as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text == "Gold it is."
    assert final.usage is not None
    assert final.usage.total_tokens > 0
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(pieces) == "Gold it is."
    raw = list(llm.responses.create(model="light", input="And b2?", stream=True))
    assert [event.sequence_number for event in raw] == list(range(len(raw)))

    async def streamed() -> str:
        said = ""
        async for event in await async_client(operation="chat").responses.create(model="light", input="?", stream=True):
            said += event.delta if event.type == "response.output_text.delta" else ""
        return said

    farebox_project.answers.add("Silver.")
    assert asyncio.run(streamed()) == "Silver."


def test_answers_of_a_type(farebox_project: TestProject):
    farebox_project.answers.add(City(name="Rome", people=3))
    said = llm.responses.parse(model="light", input="?", text_format=City)
    assert said.output_parsed == City(name="Rome", people=3)


def test_any_object_is_an_answer_of_both_apis(farebox_project: TestProject):
    farebox_project.answers.add({"anything": [1, 2]})
    chat = llm.chat.completions.create(
        model="light", messages=[{"role": "user", "content": "JSON?"}], response_format={"type": "json_object"}
    )
    assert json.loads(chat.choices[0].message.content or "") == {"anything": [1, 2]}
    farebox_project.answers.add({"anything": [3]})
    said = llm.responses.create(model="light", input="JSON?", text={"format": {"type": "json_object"}})
    assert json.loads(said.output_text) == {"anything": [3]}
    farebox_project.answers.fail("invalid_output")
    farebox_project.answers.add({"mended": True})
    said = llm.responses.create(model="light", input="JSON again?", text={"format": {"type": "json_object"}})
    assert json.loads(said.output_text) == {"mended": True}


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"previous_response_id": "resp_1"}, "stores no responses, so previous_response_id cannot be used"),
        ({"conversation": "conv_1"}, "stores no responses, so conversation"),
        ({"background": True}, "does not support 'background'"),
        ({"truncation": "auto"}, "does not support 'truncation'"),
        ({"tools": [{"type": "web_search"}]}, "does not support 'web_search' tools"),
        ({"tool_choice": {"type": "file_search"}}, "does not support this tool_choice"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "not support items of type 'item_reference'"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
            "does not support message parts",
        ),
        ({"input": 3}, "is not a valid Responses request"),
        ({"max_tool_calls": 3}, "does not support 'max_tool_calls'"),
    ],
)
def test_what_a_turn_cannot_do_is_refused(farebox_project: TestProject, more: dict[str, Any], why: str):
    with pytest.raises(openai.BadRequestError, match=why):
        llm.responses.create(**{"model": "light", "input": "?", **more})
    with pytest.raises(openai.NotFoundError, match="does not answer GET"):
        llm.responses.retrieve("resp_1")
    assert farebox_project.turns() == []


def test_models_are_mapped_by_farebox_toml(farebox_project: TestProject):
    settings = farebox_project.runtime.settings
    bridge = settings.integrations.openai.model_copy(update={"models": {"gpt-5": "premium", "odd": "nowhere"}})
    mapped = settings.model_copy(update={"integrations": settings.integrations.model_copy(update={"openai": bridge})})
    farebox_project.runtime.settings = mapped
    farebox_project.answers.add("Hi.", "Hi.")
    llm.responses.create(model="gpt-5", input="?")
    assert [turn.target for turn in farebox_project.turns()] == ["sonnet"]
    own = client(operation="chat", models={"gpt-5": "haiku"})
    own.responses.create(model="gpt-5", input="?")
    assert farebox_project.turns()[-1].target == "haiku"
    with pytest.raises(
        openai.NotFoundError, match=r"'odd' is mapped to 'nowhere', which is neither a tier nor a target"
    ):
        llm.responses.create(model="odd", input="?")
    with pytest.raises(
        openai.NotFoundError, match=r"\[integrations\.openai\.models\], or ask for one of .*gpt-5.*haiku"
    ):
        llm.responses.create(model="gpt-9", input="?")


def read(*items: Any, states: ProviderStates | None = None) -> ChatRequest:
    body = {"model": "light", "input": items[0] if isinstance(items[0], str) else list(items)}
    return read_response_request(json.dumps(body).encode(), states or ProviderStates())


def test_items_become_messages():
    asked = read(
        {"role": "developer", "content": "Be terse."},
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "Look."}, {"type": "input_image", "image_url": PNG}],
        },
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"role": "assistant", "type": "message", "content": [{"type": "output_text", "text": "I look."}]},
        {"type": "function_call", "call_id": "c1", "name": "a", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "b", "arguments": '{"x": 1}'},
        {"type": "function_call_output", "call_id": "c1", "output": '{"y": 2}'},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "fine"}]},
    ).asked
    assert asked.system == "Be terse."
    assert [message.role for message in asked.messages] == ["user", "assistant", "tool"]
    assert [type(part) for part in asked.messages[0].parts] == [TextPart, ImagePart]
    assert [type(part) for part in asked.messages[1].parts] == [TextPart, ToolCallPart, ToolCallPart]
    assert asked.messages[2].parts == (ToolResultPart("c1", {"y": 2}), ToolResultPart("c2", "fine"))


def test_what_a_model_thought_goes_back_to_it():
    states = ProviderStates()
    asked = read("Think.", states=states)
    thought = ProviderStatePart("anthropic", {"signature": "s"})
    reply = ModelReply((thought, ToolCallPart("c1", "a", {})), "tool_calls", Usage(1, 1))
    made = response(Answer("", reply, "sonnet", stand_in=True), asked, states)
    again = read(
        {"role": "user", "content": "Think."},
        *made["output"],
        {"type": "function_call_output", "call_id": "c1", "output": "done"},
        states=states,
    )
    assert again.asked.messages[1].parts[0] == thought


def test_what_is_no_request_is_refused():
    for body in (b"", b"[]", b"{}", b'{"input": []}', b'{"model": "m", "input": [{"role": "tool"}]}'):
        with pytest.raises(UsageError):
            read_response_request(body, ProviderStates())
