"""One run, recorded byte by byte at the provider: a tool tells of a person, and no later turn sends the person out."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from farebox import Agent, ask, automation, llm_task, plan
from farebox.runtime import Runtime
from tests.support.books import facts
from tests.support.echo import TARGET, Echo
from tests.support.leaks import found_in
from tests.support.project import make_project
from tests.support.runs import riding

NAME, MAIL, PLATE, HETU = "Matti Virtanen", "matti@posti.example", "ABC-123", "131052-308T"
RECORD = {
    "customer": {"name": NAME, "henkilötunnus": HETU, "cars": [{"license_plate": PLATE}]},
    "orders": {MAIL: [{"shipping_address": "Mannerheimintie 12, 00100 Helsinki", "order_id": 4155550132}]},
}
PLANTED = ("Matti", "Virtanen", "Virtasen", "Matin", MAIL, PLATE, HETU, "Mannerheimintie 12")


def look_up(who: str) -> dict[str, object]:
    """The record of a person."""
    return RECORD


agent = Agent(prompt="say.j2", tools=[look_up], max_turns=3)


@llm_task(operation="tools", max_turns=9)
def tools(text: str) -> str:
    return agent.run(text=text)


@llm_task(operation="chat", max_turns=9)
def chat(text: str) -> str:
    return ask("say.j2", text=text)


@automation(price="1 credit", plan=plan(chat, input_tokens=9_000, output_tokens=900, calls=20))
def letters() -> None:
    """Never called: the tests run inside it."""


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as running:
        yield running


@pytest.fixture
def runtime(tmp_path: Path, echo: Echo) -> Iterator[Runtime]:
    project = make_project(tmp_path / "project", echo.url, targets=TARGET, more='[content]\nkeep = ["letters"]\n')
    with project.runtime_here() as runtime:
        yield runtime


def test_no_turn_after_a_tool_result_sends_what_the_tool_told(
    runtime: Runtime, echo: Echo, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    with riding(runtime, letters, {}):
        told = tools.fn("Who is bob@example.org?")
        later = [
            chat.fn(text)
            for text in (
                "Onko Matin auto Virtasen pihalla?",
                "VIRTANEN, MATTI: where is the order?",
                'He wrote: {"MATTI VIRTANEN": "late"}',
                f"Write to {MAIL} about order 4155550132.",
            )
        ]
    heard = "".join(echo.seen)
    heard += json.dumps([json.loads(body[: body.rindex("}") + 1]) for body in echo.seen], ensure_ascii=False)
    assert [value for value in PLANTED if value.casefold() in heard.casefold()] == []
    assert "4155550132" in heard, "the number of an order is nobody's"
    assert all(value in told for value in (NAME, MAIL, PLATE, HETU))
    assert "Matin auto Virtasen pihalla" in later[0]
    assert "VIRTANEN, MATTI" in later[1]
    assert MAIL in later[3]
    kept = json.dumps([turn.row() for turn in runtime.captures.captured()], ensure_ascii=False)
    assert [value for value in PLANTED if value in kept + caplog.text + repr(facts(runtime.ledger))] == []
    assert found_in(runtime.home, ["letters"]), "the search finds things"
    assert found_in(runtime.home, PLANTED) == []
