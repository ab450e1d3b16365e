"""How many tools one reply and one step may call, and for how long: over a real wire, with the message to the model."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from farebox.runtime import Runtime
from pricing.errors import PlanError
from tasks.agent import MOST_CALLS, Agent
from tasks.context import Step, inside
from tasks.run_context import RunContext
from tests.support.project import make_project
from tests.support.turns import admitted

TARGET = (
    '[[targets]]\nname = "own"\nprovider = "openai_compatible"\nmodel = "m"\ntier = "light"\nwindow = 1000000\n'
    'base_url = "{url}/v1"\n[[rates]]\nprovider = "openai_compatible"\nmodel = "m"\ninput_per_mtok = "1"\n'
    'output_per_mtok = "1"\n'
)


class Model:
    """Answers each request with the next of its replies (calls of tools, or a text), and keeps what it was sent."""

    def __init__(self) -> None:
        self.replies: list[list[dict[str, Any]] | str] = []
        self.heard: list[list[dict[str, Any]]] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
        body = json.loads(await reader.readexactly(int(length.split(":")[1])))
        self.heard.append(body["messages"])
        said = self.replies.pop(0)
        message = {"role": "assistant", "content": said} if isinstance(said, str) else {"tool_calls": said}
        usage = {"prompt_tokens": 50, "completion_tokens": 20}
        reply = json.dumps({"model": "m", "choices": [{"message": message, "finish_reason": "stop"}], "usage": usage})
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(reply)}\r\nconnection: close\r\n\r\n{reply}".encode())
        await writer.drain()
        writer.close()

    def told(self, turn: int) -> list[str]:
        """The results of tools that it was given last, at a turn."""
        messages = self.heard[turn]
        last = max(at for at, message in enumerate(messages) if message["role"] == "assistant")
        asked = [call["id"] for call in messages[last]["tool_calls"]]
        assert asked == [message["tool_call_id"] for message in messages[last + 1 :]]  # each call has its result
        return [message["content"] for message in messages[last + 1 :]]


def calls(name: str, count: int, first: int = 0) -> list[dict[str, Any]]:
    return [
        {"id": f"c{number}", "index": number, "type": "function", "function": {"name": name, "arguments": "{}"}}
        for number in range(first, first + count)
    ]


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def runtime(tmp_path: Path, model: Model, request: pytest.FixtureRequest) -> Iterator[Runtime]:
    ready, ended = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        server = await asyncio.start_server(model.serve, "127.0.0.1", 0)
        model.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await ended.wait()
        server.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(60)
    deadline = getattr(request, "param", 60.0)
    project = make_project(
        tmp_path, "", retries=0, deadline_seconds=deadline, targets=TARGET.replace("{url}", model.url)
    )
    built = project.runtime()
    yield built
    built.close()
    loop.call_soon_threadsafe(ended.set)
    thread.join(60)
    loop.close()


def run(runtime: Runtime, tools: list[Callable[..., Any]], max_turns: int = 6, **limits: Any) -> str:
    agent = Agent(lambda: runtime.engine, prompt="say.j2", tools=tools, max_turns=max_turns, **limits)
    with admitted(runtime) as run_id, inside(Step("triage", max_turns=max_turns + 1), run=RunContext(run_id)):
        return agent.run(text="Something happened.")


class Counted:
    """A tool that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def look(self) -> str:
        """Looks something up."""
        self.calls += 1
        return "found"


@pytest.mark.parametrize(("asked", "limit"), [(32, None), (33, None), (3_000, None), (5, 4), (4, 4), (2, 1)])
def test_a_reply_gets_so_many_calls_and_the_model_is_told_of_the_rest(
    runtime: Runtime, model: Model, asked: int, limit: int | None
):
    tool, most = Counted(), limit or MOST_CALLS
    model.replies = [calls("look", asked), "Done."]
    limits: dict[str, int] = {} if limit is None else {"calls_per_reply": limit, "calls_per_step": 10_000}
    assert run(runtime, [tool.look], **limits) == "Done."
    assert tool.calls == min(asked, most)
    told = model.told(1)
    assert told[:most] == ["found"] * min(asked, most)
    if asked > most:
        [beyond] = told[most:]
        assert beyond.startswith(f"Not called: at most {most} calls")
        assert f"{asked - most} of {asked} calls were left out" in beyond
    else:
        assert len(told) == asked


def test_a_step_gets_so_many_calls_over_all_its_turns(runtime: Runtime, model: Model):
    tool = Counted()
    model.replies = [calls("look", 4), calls("look", 4, 10), calls("look", 4, 20), "Done."]
    assert run(runtime, [tool.look], calls_per_reply=5, calls_per_step=6) == "Done."
    assert tool.calls == 6
    assert model.told(1) == ["found"] * 4
    assert model.told(2)[:2] == ["found"] * 2
    assert "at most 6 calls are made for one task, and they are used up. 2 of 4" in model.told(2)[2]
    assert len(model.told(3)) == 1
    assert "4 of 4 calls were left out. Answer now." in model.told(3)[0]


@pytest.mark.parametrize("runtime", [3.0], indirect=True)
@pytest.mark.parametrize("kind", ["plain", "async"])
def test_tools_run_within_the_deadline_of_their_turn(runtime: Runtime, model: Model, kind: str):
    """The first never ends; those after it are not made; the next turn has a deadline of its own."""
    begun, ended = [], threading.Event()

    def wait() -> str:
        begun.append(1)
        ended.wait(120)
        return "too late"

    async def wait_async() -> str:
        begun.append(1)
        await asyncio.sleep(120)
        return "too late"

    tool = wait if kind == "plain" else wait_async
    model.replies = [calls(tool.__name__, 5), "Done."]
    started = time.monotonic()
    try:
        assert run(runtime, [tool]) == "Done."
    finally:
        ended.set()
    assert time.monotonic() - started < 500  # of 5 x 120: a hang, not a measurement
    assert len(begun) == 1
    told = model.told(1)
    assert "was not done when the time for this turn was up" in told[0]
    assert all(result.startswith("Not called: the time for this turn is up") for result in told[1:])
    assert len(told) == 5


def test_a_timeout_of_the_tools_own_is_not_taken_for_the_deadline(runtime: Runtime, model: Model):
    def look() -> str:
        raise TimeoutError("the database is slow")

    model.replies = [calls("look", 1), "Done."]
    with pytest.raises(TimeoutError, match="the database is slow"):
        run(runtime, [look])


def test_a_tool_may_ask_where_it_runs(runtime: Runtime, model: Model):
    """On its thread it is in the same step, and has the same context variables."""

    def look() -> str:
        from tasks.context import current_step

        return current_step().step.operation

    model.replies = [calls("look", 1), "Done."]
    assert run(runtime, [look]) == "Done."
    assert model.told(1) == ["triage"]


def test_an_agent_that_never_stops_asking_ends_with_its_turns(runtime: Runtime, model: Model):
    tool = Counted()
    model.replies = [calls("look", 40, 100 * turn) for turn in range(3)] + ["The rest."]
    assert run(runtime, [tool.look], max_turns=3) == "The rest."
    assert tool.calls == MOST_CALLS


@pytest.mark.parametrize("limits", [{"calls_per_reply": 0}, {"calls_per_step": -1}])
def test_a_limit_below_one_is_refused(runtime: Runtime, limits: dict[str, Any]):
    with pytest.raises(PlanError, match="calls_per_"):
        Agent(lambda: runtime.engine, prompt="say.j2", tools=[], **limits)
