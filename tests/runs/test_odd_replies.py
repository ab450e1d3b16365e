"""Turns at servers that send odd replies: calls of tools that nobody offered, and models that refuse a feature."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from farebox import Agent, ask, automation, llm_task, plan
from farebox.runtime import get_runtime
from pricing.db import schema
from pricing.errors import FareboxError, NoTarget, TurnFailed
from tasks.context import current_step
from tasks.providers.messages import Message
from tasks.providers.options import RequestOptions
from tasks.structured_output import answer_type
from tasks.turn.request import TurnRequest
from tests.support.books import rows
from tests.support.playback import Playback
from tests.support.project import make_project
from tests.support.replies import said
from tests.support.runs import riding

TARGET = """
[[targets]]
name = "{name}"
provider = "{provider}"
model = "{model}"
tier = "light"
base_url = "{url}/{name}{path}"
key_env = "ODD_KEY"
"""
RATES = """
[[rates]]
provider = "openai_compatible"
model = "m"
input_per_mtok = 1
output_per_mtok = 1
"""


class Weather(BaseModel):
    city: str
    rain: bool


@llm_task(operation="say", max_tokens=100)
def say(text: str) -> str:
    return ask("say.j2", text=text)


@llm_task(operation="say", max_tokens=100)
def weather(text: str) -> Weather:
    return ask("say.j2", returns=Weather, text=text)


def look_up(city: str) -> str:
    """The weather in a city."""
    return f"It rains in {city}."


@llm_task(operation="say", max_tokens=100, max_turns=3)
def agent(text: str) -> str:
    return Agent(prompt="say.j2", tools=[look_up], max_turns=1).run(text=text)


@automation(price="1 credit", plan=plan(say, input_tokens=100, output_tokens=50))
def saying() -> None:
    """Never called: the tests run its steps."""


@pytest.fixture
async def playback() -> AsyncIterator[Playback]:
    playing = Playback()
    await playing.start()
    yield playing
    await playing.stop()


async def asked(playback: Playback, tmp_path: Path, step: Any, *names: str, **provider: str) -> tuple[Any, Any]:
    """What came of one call of a step, an answer or an error, and the attempts."""
    found: dict[str, str] = {"provider": "openai_compatible", "model": "m", "path": "/v1"} | provider
    targets = "".join(TARGET.format(name=name, url=playback.url, **found) for name in names or ("own",))
    project = make_project(tmp_path / "project", "http://127.0.0.1:9", targets=targets, more=RATES, retries=0)
    with project.runtime_here() as runtime:
        with riding(runtime, saying, {}):
            try:
                answer = await asyncio.to_thread(step.fn, "It rains in Bern.")
            except FareboxError as error:
                answer = error
        return answer, rows(runtime.ledger, schema.attempts)


def reply(content: str | None, *calls: tuple[str, Any]) -> Any:
    made = [{"id": f"c{n}", "type": "function", "function": {"name": name, "arguments": arguments}} for n, (name, arguments) in enumerate(calls)]  # fmt: skip
    message = {"role": "assistant", "content": content} | ({"tool_calls": made} if made else {})
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if made else "stop"}
    return said({"id": "1", "model": "m", "choices": [choice], "usage": {"prompt_tokens": 50, "completion_tokens": 9}})


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODD_KEY", "key")


@pytest.mark.parametrize("content", [None, "", "Let me look."])
async def test_a_call_that_nobody_offered_is_repaired(playback: Playback, tmp_path: Path, content: str | None):
    playback.put_on("own", reply(content, ("look_up", {"city": "Bern"})))
    playback.put_on("own", reply("It rains."))
    answer, attempts = await asked(playback, tmp_path, say)
    assert answer == "It rains."
    assert [attempt["reason"] for attempt in attempts][1] == "repair: it called a tool that was not offered"
    assert "You have no tools" in json.dumps(playback.bodies["own"][1])


async def test_nor_is_a_call_of_another_tool_than_was_offered(playback: Playback, tmp_path: Path):
    playback.put_on("own", reply(None, ("delete_all", "{}")))
    playback.put_on("own", reply(None, ("look_up", {"city": "Bern"}), ("delete_all", "{}")))
    playback.put_on("own", reply("It rains."))
    answer, attempts = await asked(playback, tmp_path, agent)
    assert answer == "It rains."
    assert attempts[1]["reason"] == "repair: it called a tool that was not offered"
    assert "You can only call look_up." in json.dumps(playback.bodies["own"][1])


@pytest.mark.parametrize("step", [say, weather])
async def test_a_model_that_insists_on_calling_gives_no_answer(playback: Playback, tmp_path: Path, step: Any):
    for _ in range(2):
        playback.put_on("own", reply(None, ("look_up", "{}")))
    error, _ = await asked(playback, tmp_path, step)
    assert isinstance(error, TurnFailed)
    assert error.fields["kind"] == "invalid_output"


async def test_nor_is_one_after_an_agent_s_last_turn(playback: Playback, tmp_path: Path):
    playback.put_on("own", reply(None, ("look_up", {"city": "Bern"})))
    playback.put_on("own", reply(None, ("look_up", {"city": "Basel"})))
    playback.put_on("own", reply("It rains."))
    answer, attempts = await asked(playback, tmp_path, agent)
    assert answer == "It rains."
    assert len(attempts) == 3


@pytest.mark.parametrize(
    "text",
    [
        '<think>{"city": "Basel", "rain": true}</think>\n{"city": "Bern", "rain": true}',
        'You said {"city": "Basel", "rain": false}. So:\n```json\n{"city": "Bern", "rain": true}\n```<|im_end|>',
        '\ufeff{"city": "Bern", "rain": true}',
    ],
)
async def test_an_answer_is_found_among_what_is_around_it(playback: Playback, tmp_path: Path, text: str):
    playback.put_on("own", reply(text))
    answer, attempts = await asked(playback, tmp_path, weather)
    assert answer == Weather(city="Bern", rain=True)
    assert len(attempts) == 1


def refuses(message: str, param: str | None = None, code: str | None = None) -> Any:
    return said({"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}, 400)


JSON = '{"city": "Bern", "rain": true}'


@pytest.mark.parametrize(
    ("refusals", "formats"),
    [
        ([refuses("This response_format type is unavailable now")], ["json_schema", "json_object"]),
        ([refuses("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.", "response_format")], ["json_schema", "json_object"]),
        ([refuses("response_format: unsupported"), refuses("response_format is not supported")], ["json_schema", "json_object", None]),
        ([said({"detail": [{"type": "extra_forbidden", "loc": ["body", "response_format"], "msg": "Extra inputs are not permitted"}]}, 422)], ["json_schema", "json_object"]),
        ([refuses("Invalid schema for response_format 'Weather': too many properties")], ["json_schema", "json_object"]),
        ([refuses("Failed to compile: the schema is too complex")], ["json_schema", "json_object"]),
        ([said({"object": "error", "message": "guided_json is not supported by this backend", "type": "BadRequestError", "code": 400}, 400)], ["json_schema", "json_object"]),
    ],
)  # fmt: skip
async def test_a_refused_schema_is_sent_in_its_next_form(
    playback: Playback, tmp_path: Path, refusals: Any, formats: Any
):
    for one in refusals:
        playback.put_on("own", one)
    playback.put_on("own", reply(JSON))
    playback.put_on("own", reply(JSON))

    class Twice:
        @staticmethod
        def fn(text: str) -> list[Weather]:
            return [weather.fn(text), weather.fn(text)]

    answer, attempts = await asked(playback, tmp_path, Twice)
    assert answer == [Weather(city="Bern", rain=True)] * 2
    sent = [body.get("response_format", {}).get("type") for body in playback.bodies["own"]]
    assert sent == [*formats, formats[-1]], "the second call knows"
    assert attempts[1]["reason"].startswith("retry without json_")
    assert attempts[0]["cost_nano"] == 0


async def test_bedrock_goes_from_schema_to_tool_to_prompt(playback: Playback, tmp_path: Path):
    for field in ("outputConfig.textFormat", "toolConfig.toolChoice"):
        playback.put_on("own", said({"message": f"This model doesn't support the {field} field. Remove {field} and try again."}, 400, {"x-amzn-errortype": "ValidationException"}))  # fmt: skip
    content = {"output": {"message": {"role": "assistant", "content": [{"text": JSON}]}}, "stopReason": "end_turn"}
    playback.put_on("own", said(content | {"usage": {"inputTokens": 5, "outputTokens": 3}}))
    bedrock = {"provider": "bedrock", "model": "global.anthropic.claude-haiku-4-5-20251001-v1:0", "path": ""}
    answer, _ = await asked(playback, tmp_path, weather, **bedrock)
    assert answer == Weather(city="Bern", rain=True)
    schema_sent, tool_sent, prompt_sent = playback.bodies["own"]
    assert "outputConfig" in schema_sent
    assert tool_sent["toolConfig"]["toolChoice"] == {"tool": {"name": "structured_answer"}}
    assert "outputConfig" not in prompt_sent
    assert "toolConfig" not in prompt_sent
    assert "JSON schema" in json.dumps(prompt_sent["system"])


async def test_what_never_went_out_is_not_charged(playback: Playback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    waiting = []

    async def never(*_: Any, **__: Any) -> None:
        waiting.append(asyncio.Event())
        await waiting[-1].wait()

    monkeypatch.setattr("tasks.providers.connections._Connector.connect", never)
    targets = TARGET.format(name="own", provider="openai_compatible", model="m", path="/v1", url=playback.url)
    settings: dict[str, Any] = {"targets": targets, "more": RATES, "retries": 0, "deadline_seconds": 0.3}
    project = make_project(tmp_path / "project", "http://127.0.0.1:9", **settings)
    with project.runtime_here() as runtime:
        with riding(runtime, saying, {}), pytest.raises(NoTarget):
            await asyncio.to_thread(say.fn, "It rains.")
        [attempt] = rows(runtime.ledger, schema.attempts)
    assert (attempt["outcome"], attempt["phase"], attempt["priced"]) == ("timeout", "connect", "unbilled")
    assert attempt["cost_nano"] == 0


async def test_a_400_that_names_nothing_is_not_repeated(playback: Playback, tmp_path: Path):
    playback.put_on("own", refuses("Bad request"))
    error, attempts = await asked(playback, tmp_path, weather)
    assert isinstance(error, TurnFailed)
    assert len(attempts) == 1


async def test_a_501_moves_on_and_quarantines_nobody(playback: Playback, tmp_path: Path):
    playback.put_on("one", said({"error": {"code": 501, "message": "no", "type": "not_supported_error"}}, 501))
    playback.put_on("two", reply("It rains."))
    answer, attempts = await asked(playback, tmp_path, say, "one", "two")
    assert answer == "It rains."
    assert [(attempt["target"], attempt["outcome"]) for attempt in attempts] == [
        ("one", "invalid_request"),
        ("two", "ok"),
    ]


async def test_a_refused_key_says_so_and_not_to_wait(playback: Playback, tmp_path: Path):
    playback.put_on("own", said({"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}, 401))
    error, _ = await asked(playback, tmp_path, say)
    assert isinstance(error, NoTarget)
    assert "The key of 'own' was refused" in str(error.next_step)
    assert "Wait" not in str(error.next_step)


@pytest.mark.parametrize(("counts", "cost"), [({"cost": 0.0123}, 12_300_000), ({"cost": 0}, 0), ({}, None)])
async def test_a_stated_cost_is_the_attempt_s(
    playback: Playback, tmp_path: Path, counts: dict[str, Any], cost: int | None
):
    choice = {"index": 0, "message": {"role": "assistant", "content": "It rains."}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 50, "completion_tokens": 9} | counts
    playback.put_on("own", said({"id": "1", "choices": [choice], "usage": usage}))
    _, [attempt] = await asked(playback, tmp_path, say, provider="openrouter", model="openai/gpt-oss-120b")
    assert (attempt["priced"], attempt["input_tokens"]) == ("usage", 50)
    if cost is not None:
        assert attempt["cost_nano"] == cost
    else:
        assert 0 < attempt["cost_nano"] <= attempt["worst_nano"]


@llm_task(operation="say", max_tokens=100)
def seeded(text: str) -> str:
    engine, place = get_runtime().engine, current_step()
    prompt = engine.render("say.j2", {"text": text})
    asked = TurnRequest.of(place.step, prompt, [Message("user", prompt.user)], answer_type(str))
    asked = replace(asked, options=RequestOptions(seed=7, stop=("END",)))
    return engine.loop.run(engine.turn(place, asked)).reply.text


async def test_a_target_that_cannot_do_what_is_asked_is_left_out(playback: Playback, tmp_path: Path):
    playback.put_on("able", reply("It rains."))
    claude = TARGET.format(name="claude", provider="anthropic", model="claude-haiku-4-5", path="", url=playback.url)
    able = TARGET.format(name="able", provider="openai_compatible", model="m", path="/v1", url=playback.url)
    project = make_project(tmp_path / "project", "http://127.0.0.1:9", targets=claude + able, more=RATES, retries=0)
    with project.runtime_here() as runtime:
        with riding(runtime, saying, {}):
            assert await asyncio.to_thread(seeded.fn, "It rains.") == "It rains."
        [attempt] = rows(runtime.ledger, schema.attempts)
        [turn] = rows(runtime.ledger, schema.turns)
    assert attempt["target"] == "able"
    assert "takes no seed" in turn["route"]
    assert (playback.bodies["able"][0]["seed"], playback.bodies["able"][0]["stop"]) == (7, ["END"])


async def test_where_no_target_can_the_turn_is_not_sent(playback: Playback, tmp_path: Path):
    error, attempts = await asked(playback, tmp_path, seeded, provider="anthropic", model="claude-haiku-4-5", path="")
    assert isinstance(error, TurnFailed)
    assert "takes no seed" in error.message
    assert attempts == []
