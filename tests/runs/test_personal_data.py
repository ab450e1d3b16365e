"""Personal data in a run: no provider sees it, the answer has it back, and no record holds any of it."""

import json
import logging
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel

from benchmarks.guard_texts import labelled_personal
from farebox import Agent, ask, automation, llm_task, plan
from farebox.runtime import Runtime
from pricing.errors import FareboxError
from tests.support.books import facts
from tests.support.echo import TARGET, Echo
from tests.support.project import make_project
from tests.support.runs import at_once, riding

NAMES = [f"{first} {last}" for first in ("Ada", "Björn", "Chidi", "Dunja", "Eluned") for last in (
    "Lovelace-Kahn", "Ångström", "O'Shaughnessy", "Petrović", "Quispe", "Rasmussen", "Szymańska", "Tanaka")]  # fmt: skip


def planted() -> tuple[list[str], list[str]]:
    """Texts with 160 labelled values in them, and these values."""
    texts: list[str] = []
    values: list[str] = []
    for text, labels in labelled_personal(400, seed=31):
        found = [text[start:end] for start, end, kind in labels if end - start > 6 and kind != "passport"]
        if len(values) + len(found) <= 160 and not set(found) & set(values):
            texts.append(text)
            values += found
    return texts, values


class Note(BaseModel):
    subject: str
    body: str


LOOKED_UP: list[str] = []


def look_up(who: str) -> dict[str, str]:
    """The record of a person."""
    LOOKED_UP.append(who)
    return {"note": f"{who} was here", "age": "61"}


agent = Agent(prompt="say.j2", tools=[look_up], max_turns=3)


@llm_task(operation="chat", max_turns=50)
def chat(text: str, customer: str = "") -> str:
    return ask("say.j2", text=text)


@llm_task(operation="note", max_turns=50)
def note(text: str) -> Note:
    return ask("say.j2", text=text, returns=Note)


@llm_task(operation="talk", max_turns=50)
def talk(text: str, customer: str = "") -> list[str]:
    return list(ask.stream("say.j2", text=text))


@llm_task(operation="remember", stored_for=timedelta(days=1), max_turns=50)
def remember(text: str) -> str:
    return ask("say.j2", text=text)


@llm_task(operation="tools", max_turns=50)
def tools(text: str) -> str:
    return agent.run(text=text)


@automation(
    price="1 credit",
    plan=plan(chat, input_tokens=9000, output_tokens=900, calls=60) + plan(note, input_tokens=900, output_tokens=90)
    + plan(talk, input_tokens=900, output_tokens=90) + plan(remember, input_tokens=900, output_tokens=90)
    + plan(tools, input_tokens=900, output_tokens=90) + plan(agent, input_tokens=900, output_tokens=90),
)  # fmt: skip
def letters(customer: str = "") -> None:
    """Never called: the tests run inside it."""


@pytest.fixture
def echo() -> Iterator[Echo]:
    LOOKED_UP.clear()
    with Echo() as running:
        yield running


@pytest.fixture
def runtime(tmp_path: Path, echo: Echo) -> Iterator[Runtime]:
    with make_project(tmp_path / "project", echo.url, targets=TARGET).runtime_here() as runtime:
        yield runtime


def test_no_planted_value_leaves_and_all_come_back(
    runtime: Runtime, echo: Echo, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    caplog.set_level(logging.DEBUG)
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: provider)
    texts, values = planted()
    values += NAMES
    assert len(set(values)) == 200
    people = [f"Dear {name}, {name.split()[0]} asked about it. Yours, {name.upper()}" for name in NAMES]

    def told(pair: tuple[str, str]) -> str:
        return chat.fn(pair[0], pair[1])

    with riding(runtime, letters, {}):
        answers = at_once(told, [*((text, "") for text in texts), *zip(people, NAMES, strict=True)])
    runtime.replica.sync()
    heard, said = json.dumps(json.loads(json.dumps(echo.seen)), ensure_ascii=False), "\n".join(answers)
    heard = heard.encode().decode("unicode_escape", "ignore") + heard
    assert [value for value in values if value in heard] == []
    assert [value for value in values if value not in said] == []
    assert [text for text, answer in zip([*texts, *people], answers, strict=True) if text.strip() not in answer] == []
    records = [caplog.text, repr(facts(runtime.ledger)), repr([span.to_json() for span in spans.get_finished_spans()])]
    records += [path.read_bytes().decode("latin-1") for path in runtime.home.rglob("*") if path.is_file()]
    for record in records:
        assert [value for value in values if value in record or value.encode().decode("latin-1") in record] == []


def test_an_error_text_holds_none(runtime: Runtime, echo: Echo):
    echo.say = lambda asked: "x" * 3
    with pytest.raises(FareboxError) as failed, riding(runtime, letters, {}):
        note.fn("Write to ada@example.com" + " and +44 20 7946 0958" * 3 + "\n" + "word " * 1_300_000)
    assert "ada@" not in str(failed.value) + repr(failed.value.fields)


def test_structured_answers_and_tool_arguments_have_the_values_back(runtime: Runtime, echo: Echo):
    text = 'The mail is "ada lovelace"@example.com, the phone +44 20 7946 0958.'
    with riding(runtime, letters, {}):
        assert text in note.fn(text).body
        answer = tools.fn("Ask for bob@example.org, please.")
    assert LOOKED_UP == ["bob@example.org"]
    assert "bob@example.org was here" in answer
    assert not any("example.org" in body or "lovelace" in body or "7946" in body for body in echo.seen)


def test_a_streamed_answer_has_the_values_back_however_it_is_split(runtime: Runtime, echo: Echo):
    text = "Mail ada@example.com or call +44 20 7946 0958, then bob@example.org and Ada."
    with riding(runtime, letters, {"customer": "Ada Lovelace"}):
        assert text in "".join(talk.fn(text, "Ada Lovelace"))
    assert not any("example" in body or "Ada" in body for body in echo.seen)


def test_a_stored_answer_serves_others_with_their_own_values(
    runtime: Runtime, echo: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from prefect import results
    from prefect.filesystems import LocalFileSystem

    folder = tmp_path / "results"
    storage = results.ResultStore(result_storage=LocalFileSystem(basepath=str(folder)))
    monkeypatch.setattr(results, "get_result_store", lambda: storage)
    with riding(runtime, letters, {}):
        first = remember.fn("Thank ada@example.com for the order.")
        second = remember.fn("Thank bob@example.org for the order.")
    assert ("ada@example.com" in first, "bob@example.org" in second) == (True, True)
    assert len(echo.seen) == 1
    assert "ada@" not in second
    kept = "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    assert "EMAIL_1" in kept
    assert "example" not in kept


def test_two_hundred_turns_at_once_never_get_each_others_values(runtime: Runtime, echo: Echo):
    rng = random.Random(4)
    asked = [f"Person {number}: mail u{number}.{rng.randrange(10**6)}@example.com" for number in range(200)]
    with riding(runtime, letters, {}):
        answers = at_once(chat.fn, asked, threads=8)
    for own, answer in zip(asked, answers, strict=True):
        assert own in answer


def test_what_stays_in_the_own_network_is_left_alone(tmp_path: Path, echo: Echo):
    target = TARGET.replace('"openai"', '"openai_compatible"') + f'base_url = "{echo.url}/v1"\n'
    rate = (
        '[[rates]]\nprovider = "openai_compatible"\nmodel = "gpt-4.1-mini"\ninput_per_mtok = 1\noutput_per_mtok = 1\n'
    )
    project = make_project(tmp_path / "own", echo.url, targets=target, more=rate)
    with project.runtime_here() as runtime, riding(runtime, letters, {}):
        chat.fn("Mail ada@example.com")
    assert "ada@example.com" in echo.seen[-1]


@pytest.mark.parametrize(("table", "sent"), [
    ('[guards.pii]\nmode = "off"\n', True),
    ('[guards.pii]\nmode = "shadow"\n', True),
    ('[guards.pii]\nleave = ["email"]\n', True),
    ('[guards.at."letters".pii]\nmode = "off"\n', True),
    ('[guards.at."letters/chat".pii]\nmode = "off"\n', True),
    ('[guards.at."letters/note".pii]\nmode = "off"\n', False),
])  # fmt: skip
def test_farebox_toml_decides_where(tmp_path: Path, echo: Echo, table: str, sent: bool):
    with (
        make_project(tmp_path / "set", echo.url, targets=TARGET, more=table).runtime_here() as runtime,
        riding(runtime, letters, {}),
    ):
        assert "ada@example.com" in chat.fn("Mail ada@example.com")
    assert ("ada@example.com" in echo.seen[-1]) is sent
