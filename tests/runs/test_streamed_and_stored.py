"""Answers that are streamed, and answers that are stored: what callers see and what the books say."""

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from farebox import Budget, ask, automation, llm_task, plan
from farebox.runtime import Runtime
from pricing.db import schema
from pricing.errors import Blocked, TurnFailed
from tasks.sandbox import Sandbox, read_journal
from tests.runs.conftest import Inject
from tests.support.project import Project
from tests.support.runs import riding

SECRET = "AKIA" + "QWERTYUIOPASDFGH"


@llm_task(operation="chat", max_turns=50)
def chat(text: str) -> list[str]:
    return list(ask.stream("say.j2", text=text))


@llm_task(operation="chat", max_turns=50)
async def chat_async(text: str) -> list[str]:
    return [piece async for piece in ask.aio_stream("say.j2", text=text)]


@llm_task(operation="remember", stored_for=timedelta(days=1), max_turns=50)
def remember(text: str) -> str:
    return ask("say.j2", text=text)


@automation(
    price="1 credit",
    budget=Budget(per_day="5 USD"),
    plan=plan(chat, input_tokens=300, output_tokens=100) + plan(remember, input_tokens=300, output_tokens=100),
)
def talk() -> None:
    """Never called: the tests run inside it."""


TEXT = "The importer was rewritten. It reads twice as fast. Nobody has to change a setting. Old files work as before."


def facts(runtime: Runtime, table: sa.Table) -> list[dict[str, object]]:
    with runtime.ledger.store.read() as connection:
        return [row._asdict() for row in connection.execute(sa.select(table).order_by(table.c.seq))]


def test_a_streamed_answer_comes_in_pieces_and_is_billed_as_the_journal_says(runtime: Runtime, sandbox: Sandbox):
    with riding(runtime, talk, {}):
        pieces = chat.fn(TEXT)
    assert len(pieces) > 3
    assert "importer" in "".join(pieces)
    [attempt] = facts(runtime, schema.attempts)
    [entry] = read_journal(sandbox.journal)
    assert (attempt["outcome"], attempt["priced"]) == ("ok", "usage")
    assert (attempt["input_tokens"], attempt["output_tokens"]) == (entry.usage.input_tokens, entry.usage.output_tokens)
    assert [turn["outcome"] for turn in facts(runtime, schema.turns)] == ["answered"]


async def test_async_callers_stream_too(runtime: Runtime):
    with riding(runtime, talk, {}):
        pieces = await chat_async.fn(TEXT)
    assert "importer" in "".join(pieces)


@pytest.mark.parametrize("target", ["haiku", "sonnet", "gpt-oss"])
def test_every_dialect_streams(runtime: Runtime, inject: Inject, target: str):
    inject(
        *(
            {"kind": "503", "target": name}
            for name in ("haiku", "haiku-3-5", "sonnet", "gpt-oss", "gpt-mini")
            if name != target
        )
    )
    with riding(runtime, talk, {}):
        assert "importer" in "".join(chat.fn(TEXT))
    assert facts(runtime, schema.turns)[-1]["target"] == target


def test_before_the_first_piece_a_stream_falls_back(runtime: Runtime, inject: Inject):
    inject({"kind": "503", "target": "haiku"})
    with riding(runtime, talk, {}):
        assert "importer" in "".join(chat.fn(TEXT))
    outcomes = [attempt["outcome"] for attempt in facts(runtime, schema.attempts)]
    assert outcomes[-1] == "ok"
    assert "server_error" in outcomes or "overloaded" in outcomes


def test_after_the_first_piece_a_cut_is_told_and_paid(runtime: Runtime, inject: Inject, sandbox: Sandbox):
    inject({"kind": "cut", "target": "haiku"})
    with pytest.raises(TurnFailed, match="broke off"), riding(runtime, talk, {}):
        chat.fn(TEXT * 5)
    [attempt] = facts(runtime, schema.attempts)
    assert attempt["outcome"] == "connection"
    assert attempt["cost_nano"] > 0  # type: ignore[operator]
    [turn] = facts(runtime, schema.turns)
    assert (turn["outcome"], turn["reason"]) == ("failed", "connection")


def test_a_secret_in_a_stream_is_never_handed_on(runtime: Runtime):
    try:
        with riding(runtime, talk, {}):
            said = "".join(chat.fn(f"The deploy key is {SECRET} and it must be rotated before the release goes out."))
    except Blocked:
        said = ""
    assert SECRET not in said


@pytest.mark.usefixtures("result_storage")
def test_the_same_question_is_served_from_storage_and_costs_nothing(runtime: Runtime, sandbox: Sandbox):
    with riding(runtime, talk, {}):
        first = remember.fn(TEXT)
    with riding(runtime, talk, {}):
        assert remember.fn(TEXT) == first
        assert remember.fn(TEXT + " More.") != ""
    turns = facts(runtime, schema.turns)
    attempts = facts(runtime, schema.attempts)
    assert [turn["outcome"] for turn in turns] == ["answered", "stored", "answered"]
    assert len(attempts) == len(read_journal(sandbox.journal)) == 2
    assert turns[1]["saved_nano"] == attempts[0]["cost_nano"]
    assert turns[1]["attempts"] == 0


@pytest.mark.usefixtures("result_storage")
def test_a_changed_prompt_or_schema_is_another_question(runtime: Runtime, project: Project, sandbox: Sandbox):
    with riding(runtime, talk, {}):
        remember.fn("Only once.")
    prompt: Path = project.root / "prompts" / "say.j2"
    prompt.write_text(prompt.read_text() + "Be brief.\n")
    with project.runtime_here() as again, riding(again, talk, {}):
        remember.fn("Only once.")
    assert len(read_journal(sandbox.journal)) == 2


def test_nothing_is_stored_unless_a_step_asks_for_it(runtime: Runtime, result_storage: Path):
    with riding(runtime, talk, {}):
        chat.fn(TEXT)
    assert not result_storage.exists()
