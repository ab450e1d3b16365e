"""Images and documents in steps, agents and conversations: what of them reaches a provider."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from farebox import Agent, Conversation, Image, ask, llm_task
from farebox.runtime import Runtime
from pricing.errors import Blocked
from tests.support.echo import TARGET, Echo
from tests.support.media_tokens import png
from tests.support.project import make_project

PAGE = Image.from_bytes(png(40, 30))
SENT = "data:image/png;base64,"


def look_up(who: str) -> str:
    """The record of a person."""
    return f"none of {who}"


agent = Agent(prompt="look.j2", tools=[look_up], max_turns=2)


@llm_task(operation="look", unmasked_media=True, max_turns=9)
def look(page: object) -> str:
    return ask(prompt="What is on this page?", page=page)


@llm_task(operation="agent", unmasked_media=True, max_turns=9)
def ask_agent(page: object) -> str:
    return agent.run(page=page)


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as running:
        yield running


@pytest.fixture
def runtime(tmp_path: Path, echo: Echo) -> Iterator[Runtime]:
    project = make_project(tmp_path / "project", echo.url, targets=TARGET)
    (project.root / "prompts" / "look.j2").write_text("Look for ada@example.org.")
    with project.runtime_here() as runtime:
        yield runtime


def test_inline_prompts_agents_and_lists_send_them(runtime: Runtime, echo: Echo):
    look.fn(PAGE)
    assert echo.seen[-1].count(SENT) == 1
    look.fn([PAGE, Image.from_bytes(png(2, 2))])
    assert echo.seen[-1].count(SENT) == 2
    ask_agent.fn(PAGE)
    assert all(SENT in body for body in echo.seen), "in each turn of an agent"


def test_a_conversation_sends_keeps_and_goes_on_with_an_image(runtime: Runtime, echo: Echo):
    echo.say = lambda _: "A page."
    chat = Conversation(system="You see.", unmasked_media=True)
    assert chat.price("What is this?", PAGE).cost_nano > chat.price("What is this?").cost_nano
    chat.say("What is this?", PAGE)
    chat.say("", PAGE)
    assert echo.seen[-1].count(SENT) == 2
    later = Conversation(system="You see.", unmasked_media=True, history=json.loads(json.dumps(chat.history)))
    later.say("And now?")
    assert echo.seen[-1].count(SENT) == 2
    closed = Conversation(system="You see.")
    asked = len(echo.seen)
    with pytest.raises(Blocked):
        closed.say("What is this?", PAGE)
    assert (len(echo.seen), closed.history) == (asked, [])
