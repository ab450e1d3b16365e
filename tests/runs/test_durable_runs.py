"""Durable runs: what was answered in a run is not asked again when the run goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from operator import add
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from farebox import Budget, Conversation, ask, automation, llm_task, plan
from farebox.config.settings import JournalSettings
from farebox.runtime import Runtime
from pricing import InvalidArguments, ProviderStatePart, TextPart, ToolCallPart, Usage
from pricing.clock import now_us
from pricing.db import schema
from pricing.db.journal_table import entries
from pricing.errors import ConfigError, JournalUnreadable
from pricing.ledger.journal import Journal
from pricing.money import format_money
from pricing.reports import render_html, render_markdown, render_terminal, run_report
from tasks.providers.messages import Message, ModelReply, ModelRequest, Schema, Tool
from tasks.sandbox import Sandbox, read_journal
from tasks.turn.answers import answer_key, read_reply, write_reply
from tests.support.books import assert_ledger_adds_up, assert_ledger_equals_journal, assert_replica_equals_ledger, rows
from tests.support.postgres import Postgres
from tests.support.project import Project, make_project
from tests.support.runs import at_once, riding

EMAIL = "ada.lovelace@example.org"


class Broken(Exception):
    """What a step's own code raises."""


@llm_task(operation="say", max_turns=20)
def say(text: str) -> str:
    return ask("say.j2", text=text)


@automation(
    price="1 credit", budget=Budget(per_run="5 USD"), plan=plan(say, calls=6, input_tokens=60, output_tokens=60)
)
def talk() -> None:
    """Never called: the tests run inside it."""


@automation(price="1 credit", plan=plan(say, calls=6, input_tokens=60, output_tokens=60), durable=False)
def fleeting() -> None:
    """Likewise."""


@contextmanager
def failing(runtime: Runtime, flow: Any, run_id: str) -> Iterator[None]:
    """An execution of a run that ends by an exception of its own code, after the block."""
    try:
        with riding(runtime, flow, {}, run_id):
            yield
            raise Broken
    except Broken:
        return


@pytest.fixture(params=["sqlite", "postgres"])
def project(request: pytest.FixtureRequest, tmp_path: Path, sandbox: Sandbox) -> Project:
    ledger_url = ""
    if request.param == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        ledger_url = postgres.ledger()
    return make_project(tmp_path / "project", sandbox.url, ledger_url=ledger_url)


def served(sandbox: Sandbox) -> int:
    return len(read_journal(sandbox.journal))


def outcomes(runtime: Runtime) -> Counter[str]:
    return Counter(turn["outcome"] for turn in rows(runtime.ledger, schema.turns))


def test_a_retried_run_asks_only_what_was_not_answered(runtime: Runtime, sandbox: Sandbox):
    notes = [f"The importer stopped for {n} hours." for n in range(4)]
    with failing(runtime, talk, "a"):
        first = at_once(say.fn, notes)
    assert served(sandbox) == 4
    with riding(runtime, talk, {}, "a"):
        assert at_once(say.fn, notes[::-1]) == first[::-1]
        say.fn("The importer works again.")
    assert served(sandbox) == 5
    assert outcomes(runtime) == {"answered": 5, "replayed": 4}
    attempts = assert_ledger_equals_journal(runtime, sandbox.journal)
    assert_ledger_adds_up(runtime)
    replayed = [turn for turn in rows(runtime.ledger, schema.turns) if turn["outcome"] == "replayed"]
    paid = sorted(attempt["cost_nano"] for attempt in attempts if attempt["execution"] == 1)
    assert sorted(turn["saved_nano"] for turn in replayed) == paid
    assert {(turn["attempts"], turn["execution"]) for turn in replayed} == {(0, 2)}
    runtime.replica.sync()
    assert_replica_equals_ledger(runtime)


def test_identical_questions_keep_an_answer_each(runtime: Runtime, sandbox: Sandbox):
    with failing(runtime, talk, "a"):
        at_once(say.fn, ["The same note."] * 3)
    with riding(runtime, talk, {}, "a"):
        at_once(say.fn, ["The same note."] * 5)
    assert served(sandbox) == 5
    assert outcomes(runtime) == {"answered": 5, "replayed": 3}


def test_a_changed_prompt_is_asked_and_only_that(runtime: Runtime, sandbox: Sandbox, project: Project):
    with failing(runtime, talk, "a"):
        for note in ("One.", "Two."):
            say.fn(note)
    with riding(runtime, talk, {}, "a"):
        for note in ("One.", "Two, and more."):
            say.fn(note)
    assert served(sandbox) == 3
    with failing(runtime, talk, "b"):
        say.fn("One.")
    (project.root / "prompts" / "say.j2").write_text("Now say something else about this:\n{{ text }}\n")
    runtime.engine._prompts.__init__(runtime.engine._prompts._folders)  # type: ignore[misc]
    with riding(runtime, talk, {}, "b"):
        say.fn("One.")
    assert served(sandbox) == 5


def test_personal_values_come_back_and_nothing_readable_is_kept(runtime: Runtime, sandbox: Sandbox, project: Project):
    note = f"Write to {EMAIL} about the disk that was full on Monday."
    with failing(runtime, talk, "a"):
        first = say.fn(note)
    kept = rows(runtime.ledger, entries)
    assert len(kept) == 1
    assert not any(word in bytes(kept[0]["value"]) for word in (b"disk", b"EMAIL", EMAIL.encode()))
    with riding(runtime, talk, {}, "a"):
        assert say.fn(note) == first
    assert served(sandbox) == 1
    for file in project.root.rglob("*"):
        assert not file.is_file() or b"full on Monday" not in file.read_bytes(), file


def test_the_journal_of_a_completed_run_is_deleted(runtime: Runtime):
    with riding(runtime, talk, {}, "a"):
        say.fn("One.")
    with failing(runtime, talk, "b"):
        say.fn("One.")
    assert runtime.journal.kept_runs() == {"a": 1, "b": 1}
    minutes, days = 60_000_000, 86_400_000_000
    later: dict[int, dict[str, int]] = {0: {"a": 1, "b": 1}, 11 * minutes: {"b": 1}, 8 * days: {}}
    for passed, kept in later.items():
        journal = Journal(runtime.ledger.store, days=7, clock=partial(add, now_us(), passed))
        journal.tidy()
        assert journal.kept_runs() == kept


def test_without_a_journal_all_is_asked_again(runtime: Runtime, sandbox: Sandbox):
    for _ in range(2):
        with failing(runtime, fleeting, "a"):
            say.fn("One.")
    assert served(sandbox) == 2
    assert rows(runtime.ledger, entries) == []


def test_a_continued_run_is_quoted_and_held_for_what_is_left(runtime: Runtime):
    notes = [f"The importer stopped for {n} hours." for n in range(6)]
    with failing(runtime, talk, "a"):
        whole = rows(runtime.ledger, schema.holds)[0]["amount_nano"]
        at_once(say.fn, notes[:3])
    with failing(runtime, talk, "a"):
        assert rows(runtime.ledger, schema.holds)[0]["amount_nano"] == pytest.approx(whole / 2, rel=0.25)
        at_once(say.fn, notes)
    with riding(runtime, talk, {}, "a"):
        assert rows(runtime.ledger, schema.holds)[0]["amount_nano"] == 0
        at_once(say.fn, notes)
        say.fn("One that nobody had planned.")
    assert_ledger_adds_up(runtime)
    settlements = rows(runtime.ledger, schema.settlements)
    assert [row["execution"] for row in settlements] == [1, 2, 3]
    [run] = rows(runtime.ledger, schema.runs)
    assert run["held_nano"] == whole


def test_the_report_shows_the_tries_side_by_side(runtime: Runtime):
    notes = [f"The importer stopped for {n} hours." for n in range(3)]
    with failing(runtime, talk, "a"):
        at_once(say.fn, notes[:2])
    with riding(runtime, talk, {}, "a"):
        at_once(say.fn, notes)
    runtime.replica.sync()
    report = run_report(runtime.replica, "last")
    first, second = report.tries
    assert (first.outcome, first.turns, first.replayed, first.saved_nano) == ("failed", 2, 0, 0)
    assert (second.outcome, second.turns, second.replayed) == ("completed", 3, 2)
    assert second.saved_nano == first.paid_nano
    assert first.paid_nano + second.paid_nano == report.money.spent_nano
    told = f"2 answers of earlier ones were replayed, not paid again, which saved {format_money(first.paid_nano)}"
    assert told in render_markdown(report).replace("\\", "")
    assert told in render_html(report)
    assert told in "".join(part.text for part in Console(width=300).render(render_terminal(report)))
    assert "Tries" in render_markdown(report)
    assert "which saved" in render_html(report)
    assert "which saved" in "".join(part.text for part in Console(width=200).render(render_terminal(report)))


def test_places_whose_content_may_not_be_kept(tmp_path: Path, sandbox: Sandbox):
    more = '[journal]\nexclude = ["*/say"]\n'
    with make_project(tmp_path / "other", sandbox.url, more=more).runtime_here() as runtime:
        for _ in range(2):
            with failing(runtime, talk, "a"):
                say.fn("One.")
        assert rows(runtime.ledger, entries) == []
    assert served(sandbox) == 2
    assert JournalSettings(exclude=("talk",)).keeps_any("talk") is False
    assert JournalSettings(exclude=("talk/say",)).keeps("talk", "say") is False
    assert JournalSettings(enabled=False).keeps("talk", "say") is False
    assert JournalSettings(exclude=("talk/other",)).keeps("talk", "say") is True


def test_another_key_is_told_and_nothing_is_paid_twice(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    project = make_project(tmp_path / "other", sandbox.url, more='[journal]\nkey_env = "JOURNAL_SECRET"\n')
    with project.runtime_here() as runtime, pytest.raises(ConfigError, match="JOURNAL_SECRET"):
        riding(runtime, talk, {}, "a").__enter__()
    for secret in ("first", "second"):
        monkeypatch.setenv("JOURNAL_SECRET", secret)
        with project.runtime_here() as runtime:
            if secret == "first":
                with failing(runtime, talk, "a"):
                    say.fn("One.")
            else:
                with pytest.raises(JournalUnreadable, match="another key"), riding(runtime, talk, {}, "a"):
                    say.fn("One.")
    assert served(sandbox) == 1


def test_what_is_too_large_is_asked_again(runtime: Runtime, sandbox: Sandbox):
    runtime.journal._largest = 20
    for _ in range(2):
        with failing(runtime, talk, "a"):
            say.fn("One.")
    assert rows(runtime.ledger, entries) == []
    runtime.journal._largest, runtime.journal._most = 10_000, 100
    with failing(runtime, talk, "a"):
        say.fn("One.")
        say.fn("Two.")
    assert runtime.journal.size("a") < 200
    assert served(sandbox) == 4


@given(
    text=st.text(max_size=40),
    arguments=st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.text(max_size=9)),
    wrong=st.text(max_size=20),
)
@settings(max_examples=40)
def test_a_reply_is_read_as_it_was_written(text: str, arguments: dict[str, Any], wrong: str):
    parts = (
        TextPart(text),
        ToolCallPart("1", "look_up", arguments),
        ToolCallPart("2", "look_up", InvalidArguments(wrong)),
        ProviderStatePart("claude", {"signature": text}),
    )
    reply = ModelReply(parts, "tool_calls", Usage(), "a-model")
    assert read_reply(write_reply(reply, None), None) == reply


def test_what_is_asked_is_the_key_whoever_answers_it():
    def asked(**more: Any) -> ModelRequest:
        return replace(ModelRequest([Message.of("user", "Hello")], 100), **more)

    base = answer_key("v1", asked(), None)
    assert base == answer_key("v1", asked(cache=True), None)
    others = [
        answer_key("v2", asked(), None),
        answer_key("v1", asked(max_tokens=200), None),
        answer_key("v1", asked(temperature=0.5), None),
        answer_key("v1", asked(system=TextPart("Be brief.")), None),
        answer_key("v1", asked(tools=[Tool("a", "b", {"type": "object"})]), None),
        answer_key("v1", asked(schema=Schema("a", {"type": "object"})), None),
        answer_key("v1", asked(messages=[Message.of("user", "Hello.")]), None),
        answer_key("v1", asked(), None, pin="haiku"),
    ]
    assert len({base, *others}) == len(others) + 1
    masked = [Message.of("user", f"Is this right: write to [EMAIL_1_{nonce}]") for nonce in ("3fa9c0d2", "00aa11bb")]
    assert len({answer_key("v1", asked(messages=[message]), None) for message in masked}) == 1


@llm_task(operation="say", max_turns=20)
def told(text: str) -> str:
    return "".join(ask.stream("say.j2", text=text))


def test_streams_and_conversations_are_replayed(runtime: Runtime, sandbox: Sandbox):
    said: list[tuple[str, list[str]]] = []
    for run in (failing(runtime, talk, "a"), riding(runtime, talk, {}, "a")):
        with run:
            chat = Conversation(system="You help with invoices.")
            answers = [chat.say(text).text for text in ("Where is mine?", "And the one before?")]
            said.append((told.fn("The importer was rewritten. It reads twice as fast."), answers))
    assert said[0] == said[1]
    assert served(sandbox) == 3
    assert outcomes(runtime) == {"answered": 3, "replayed": 3}
