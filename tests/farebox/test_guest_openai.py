"""Code written with OpenAI's SDK: bare against the sandbox, and inside a priced run."""

import asyncio
import json
import os
import pickle
import signal
import uuid
from base64 import b64encode
from typing import Any

import openai
import pytest

from farebox import Budget, automation, plan, spend
from farebox.integrations.chat_completions import completion, read_request
from farebox.integrations.openai import async_client, client
from farebox.testing import TestProject
from pricing import DocumentPart, ImagePart, OverBudget, ProviderStatePart, ToolCallPart, Usage, UsageError
from tasks import ProviderStates
from tasks.providers import ModelReply
from tasks.turn import Answer
from tests.support.guests import City, same_bare_and_inside_a_run, script, stopped_by_its_budget
from tests.support.runs import riding

TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "look_up",
            "description": "What plan an account has.",
            "parameters": {"type": "object", "properties": {"account": {"type": "string"}}, "required": ["account"]},
        },
    }
]
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


def agent(llm: Any, calls: list[str], pays: str = "") -> str:
    """An agent as teams write it, without us."""
    messages: list[Any] = [
        {"role": "system", "content": "Be terse."},
        {"role": "user", "content": "Which plan has a1?"},
    ]
    while True:
        said = llm.chat.completions.create(model="gpt-6-luna", messages=messages, tools=TOOLS).choices[0].message
        if not said.tool_calls:
            return str(said.content)
        messages.append(said.model_dump(exclude_none=True))
        for call in said.tool_calls:
            calls.append(json.loads(call.function.arguments)["account"])
            if calls == ["broken"]:
                raise RuntimeError("the tool's server is gone")
            if pays:
                with spend(pays, operation="directory"):
                    pass
            messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps({"plan": "gold"})})


llm = client(operation="chat", models={"gpt-6-luna": "light", "gpt-4o": "premium", "mine": "sonnet"}, max_tokens=200)


@automation(
    price="1 credit",
    budget=Budget(per_run="0.05 USD"),
    plan=plan(llm, calls=2, max_calls=6, input_tokens=200, output_tokens=50),
)
def guest_chat() -> str:
    return agent(llm, [])


def test_the_same_code_bare_and_inside_a_run_asks_and_gets_the_same(farebox_project: TestProject):
    same_bare_and_inside_a_run(farebox_project, agent, guest_chat, llm)


def test_a_budget_stops_it_in_the_middle_and_it_survives(farebox_project: TestProject):
    error = stopped_by_its_budget(farebox_project, agent, guest_chat, llm)
    assert isinstance(error, OverBudget)
    assert isinstance(error, openai.APIStatusError)
    assert error.status_code == 402
    assert error.fields["operation"] == "chat"
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(again), str(again)) == (OverBudget, str(error))


def test_a_run_whose_process_was_killed_goes_on_with_what_it_paid_for(farebox_project: TestProject):
    script(farebox_project, "broken")
    run_id, calls = str(uuid.uuid4()), ["a call before, so that the tool works"]
    child = os.fork()
    if child == 0:
        try:
            with riding(farebox_project.runtime, guest_chat, {}, run_id):
                try:
                    agent(llm, [])
                except RuntimeError:
                    os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    with riding(farebox_project.runtime, guest_chat, {}, run_id):
        assert agent(llm, calls) == "Gold it is."
    turns = farebox_project.turns()
    assert [(turn.outcome, turn.attempts) for turn in turns] == [("answered", 1), ("replayed", 0), ("answered", 1)]
    assert len(farebox_project.answers.asked) == 2


def test_what_was_paid_for_is_replayed_when_the_run_goes_on(farebox_project: TestProject):
    script(farebox_project, "broken")
    calls: list[str] = []
    run_id = str(uuid.uuid4())
    with pytest.raises(RuntimeError), riding(farebox_project.runtime, guest_chat, {}, run_id):
        agent(llm, calls)
    with riding(farebox_project.runtime, guest_chat, {}, run_id):
        assert agent(llm, calls) == "Gold it is."
    turns = farebox_project.turns()
    assert [(turn.outcome, turn.attempts) for turn in turns] == [("answered", 1), ("replayed", 0), ("answered", 1)]


def ask(model: str = "light", text: Any = "Hello?", **more: Any) -> Any:
    return llm.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **more)


@pytest.mark.parametrize(
    ("model", "target"), [("gpt-4o", "sonnet"), ("gpt-6-luna", "haiku"), ("mine", "sonnet"), ("gpt-oss", "gpt-oss")]
)
def test_models_are_tiers_and_targets(farebox_project: TestProject, model: str, target: str):
    farebox_project.answers.add("Hi.")
    assert ask(model).choices[0].message.content == "Hi."
    assert [turn.target for turn in farebox_project.turns()] == [target]


def test_an_unknown_model_is_an_error_that_names_what_is_known(farebox_project: TestProject):
    with pytest.raises(openai.NotFoundError, match=r"'gpt-9' matches no tier and no target.*gpt-4o.*haiku"):
        ask("gpt-9")
    farebox_project.answers.add("Hi.")
    every = client(operation="chat", models={"*": "light"})
    every.chat.completions.create(model="gpt-9", messages=[{"role": "user", "content": "Hello?"}])
    assert len(farebox_project.turns()) == 1


def test_answers_of_a_type(farebox_project: TestProject):
    farebox_project.answers.add(City(name="Rome", people=3))
    said = llm.chat.completions.parse(model="light", messages=[{"role": "user", "content": "?"}], response_format=City)
    assert said.choices[0].message.parsed == City(name="Rome", people=3)
    assert said.usage is not None
    assert said.usage.prompt_tokens > 0


def test_streams_of_text_and_calls(farebox_project: TestProject):
    farebox_project.answers.add("One two three four five six.")
    chunks = list(ask(stream=True, stream_options={"include_usage": True}))
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert "".join(pieces) == "One two three four five six."
    assert len(pieces) > 1
    assert chunks[-1].usage.completion_tokens > 0
    farebox_project.answers.call("look_up", account="a1")
    with llm.chat.completions.stream(model="light", messages=[{"role": "user", "content": "?"}], tools=TOOLS) as stream:
        message = stream.get_final_completion().choices[0]
    assert message.finish_reason == "tool_calls"
    assert message.message.tool_calls is not None
    assert message.message.tool_calls[0].function.arguments == '{"account":"a1"}'


def test_async_code_and_streams_that_are_left(farebox_project: TestProject):
    other = async_client(operation="chat", max_tokens=2_000)

    async def run() -> None:
        farebox_project.answers.add("Hi.", " ".join(f"word{n}" for n in range(400)))
        messages: Any = [{"role": "user", "content": "Hello?"}]
        said = await other.chat.completions.create(model="light", messages=messages)
        assert said.choices[0].message.content == "Hi."
        stream = await other.chat.completions.create(model="light", messages=messages, stream=True)
        async for _ in stream:
            break
        await stream.close()

    asyncio.run(run())
    assert len(farebox_project.turns()) == 2


def test_failures_are_statuses_and_asked_once(farebox_project: TestProject):
    farebox_project.answers.fail("server_error", times=40)
    with pytest.raises(openai.APIStatusError) as raised:
        ask()
    assert raised.value.status_code == 503
    assert raised.value.code == "no_target"
    assert len(farebox_project.turns()) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"n": 2},
        {"logprobs": True},
        {"frequency_penalty": 0.5},
        {"response_format": {"type": "grammar"}},
        {"tools": [{"type": "custom", "custom": {"name": "x"}}]},
        {"messages": [{"role": "function", "name": "x", "content": "y"}]},
        {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://a/b.png"}}]}]},
        {"messages": [{"role": "user"}]},
        {"messages": 3},
        {"temperature": 0.1, "tool_choice": {"type": "allowed_tools"}},
        {"reasoning_effort": "enormous"},
        {"top_p": 7},
    ],
)
def test_what_turns_cannot_do_is_refused(more: Any):
    body = {"model": "light", "messages": [{"role": "user", "content": "?"}], **more}
    with pytest.raises(UsageError) as raised:
        read_request(json.dumps(body).encode(), ProviderStates())
    assert raised.value.next_step


def test_nothing_else_is_answered(farebox_project: TestProject):
    with pytest.raises(openai.NotFoundError, match="does not answer GET /v1/models"):
        llm.models.list()


def test_media_and_thoughts_go_along():
    states, state = ProviderStates(), ProviderStatePart("anthropic", {"thought": 1})
    image, pdf = b64encode(PNG).decode(), b64encode(b"%PDF-1.7").decode()
    body: Any = {
        "model": "light",
        "user": "u1",
        "n": 1,
        "stop": "END",
        "messages": [
            {"role": "developer", "content": [{"type": "text", "text": "Be terse."}]},
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}},
                    {"type": "image_url", "image_url": {"url": "https://a.example/b.jpg?x=1"}},
                    {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{pdf}"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "a", "arguments": "{}"}},
                    {"id": "c2", "type": "function", "function": {"name": "a", "arguments": "{broken"}},
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": '{"x": 1}'},
            {"role": "tool", "tool_call_id": "c2", "content": "no"},
        ],
    }
    first = read_request(json.dumps(body | {"messages": body["messages"][:2]}).encode(), states)
    reply = ModelReply((state, ToolCallPart("c1", "a", {}), ToolCallPart("c2", "a", {})), "tool_calls", Usage())
    completion(Answer(None, reply, "sonnet", stand_in=True), first, states)
    read = read_request(json.dumps(body).encode(), states).asked
    assert read.system == "Be terse."
    assert read.options.stop == ("END",)
    user, said, results = read.messages
    assert [type(part) for part in user.parts] == [ImagePart, ImagePart, DocumentPart]
    assert said.parts[0] is state
    assert len(said.tool_calls) == 2
    assert [result.value for result in results.results] == [{"x": 1}, "no"]
    other = json.dumps(body | {"messages": [{"role": "user", "content": "of somebody else"}, *body["messages"][2:]]})
    assert read_request(other.encode(), states).asked.messages[1].parts[0] is not state, "ids alone are not unique"
