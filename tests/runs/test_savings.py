"""Prompt caching against the sandbox, dialect by dialect: written, read, priced at its own rates, and reported."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from farebox import Budget, ask, automation, llm_task, plan
from farebox.cli.display import _Progress
from pricing.db import schema
from pricing.reports import overview, render_markdown, run_report
from tasks.sandbox import Sandbox, read_journal
from tasks.turn.answer_cache import StoredAnswer
from tasks.turn.executor import TurnEvent
from tests.support.books import assert_ledger_equals_journal, rows
from tests.support.project import Project, make_project
from tests.support.runs import riding

RULES = "\n".join(
    f"Rule {number}. When a note speaks of item {number}, keep its figures, name who is responsible for it, and leave "
    "out greetings, signatures and whatever was said twice."
    for number in range(160)
)
PROMPT = "{% block system %}You sum notes up.\n" + RULES + "{% endblock %}{% block user %}{{ text }}{% endblock %}"
NOTES = [
    f"On day {day} the importer stopped for {day} hours. A disk was full. Nobody lost anything." for day in (1, 2, 3, 4)
]
TARGETS = {
    "anthropic": 'provider = "anthropic"\nmodel = "claude-sonnet-4-5"',
    "bedrock": 'provider = "bedrock"\nregion = "us-east-1"\nmodel = "us.anthropic.claude-haiku-4-5-20251001-v1:0"',
    "openai": 'provider = "openai"\nmodel = "gpt-4.1-mini"',
    "groq": 'provider = "groq"\nmodel = "openai/gpt-oss-120b"',
}
RATES = {  # nano-dollars a token: input, read, five-minute write, output
    "anthropic": (3000, 300, 3750, 15000),
    "bedrock": (1100, 110, 1375, 5500),
    "openai": (400, 100, 400, 1600),
    "groq": (150, 75, 150, 600),
}


@llm_task(operation="summarize", max_turns=10)
def summarize(notes: list[str]) -> list[str]:
    return [ask("rules.j2", text=note) for note in notes]


@llm_task(operation="remember", stored_for=timedelta(days=1), max_turns=10)
def remember(notes: list[str]) -> list[str]:
    return [ask("rules.j2", text=note) for note in notes]


class Title(BaseModel):
    title: str


@llm_task(operation="remember", stored_for=timedelta(days=1), max_turns=10)
def title(note: str) -> Title:
    return ask("rules.j2", text=note, returns=Title)


@automation(
    price="1 credit",
    budget=Budget(per_day="5 USD"),
    plan=plan(summarize, calls=4, input_tokens=6000, output_tokens=100)
    + plan(remember, calls=2, input_tokens=6000, output_tokens=100),
)
def digest() -> None:
    """Never called: the tests run inside it."""


def a_project(root: Any, sandbox: Sandbox, dialect: str) -> Project:
    target = f'[[targets]]\nname = "{dialect}"\ntier = "light"\n{TARGETS[dialect]}\n'
    project = make_project(root / "project", sandbox.url, targets=target)
    (project.root / "prompts" / "rules.j2").write_text(PROMPT)
    return project


@pytest.mark.parametrize("dialect", TARGETS)
def test_a_long_static_prompt_is_written_once_and_read_from_then_on(tmp_path: Any, sandbox: Sandbox, dialect: str):
    with a_project(tmp_path, sandbox, dialect).runtime_here() as runtime:
        with riding(runtime, digest, {}):
            summarize.fn(NOTES)
        attempts = assert_ledger_equals_journal(runtime, sandbox.journal)
        assert len(attempts) == 4
        reads, writes = ([row[f"cache_{kind}_tokens"] or 0 for row in attempts] for kind in ("read", "write"))
        assert reads[0] == 0
        assert min(reads[1:]) >= 1024
        assert [bool(count) for count in writes] == [dialect in {"anthropic", "bedrock"}, False, False, False]

        fresh, read_rate, write_rate, output = RATES[dialect]
        saved = 0
        for row, read, written in zip(attempts, reads, writes, strict=True):
            plain = row["input_tokens"] * fresh + row["output_tokens"] * output
            bill = plain - read * (fresh - read_rate) + written * (write_rate - fresh)
            assert (row["cost_nano"], row["saved_nano"]) == (bill, plain - bill)
            saved += plain - bill
        assert saved > 0

        runtime.replica.sync()
        report = run_report(runtime.replica, "last")
        assert (report.saved.caching_nano, report.saved.stand_in_nano) == (saved, saved)
        assert report.operations[0].saved.caching_nano == saved
        assert "by prompt caching" in render_markdown(report)
        seen = overview(runtime.replica)
        assert seen.real is None
        assert seen.sandbox is not None
        assert seen.sandbox.saved.caching_nano == saved


def test_a_short_prompt_is_not_cached_and_costs_nothing_more(tmp_path: Any, sandbox: Sandbox):
    project = a_project(tmp_path, sandbox, "anthropic")
    (project.root / "prompts" / "rules.j2").write_text(
        "{% block system %}You sum notes up.{% endblock %}{% block user %}{{ text }}{% endblock %}"
    )
    with project.runtime_here() as runtime:
        with riding(runtime, digest, {}):
            summarize.fn(NOTES)
        assert {row["saved_nano"] for row in rows(runtime.ledger, schema.attempts)} == {0}
        runtime.replica.sync()
        assert not run_report(runtime.replica, "last").saved.any


def test_stored_answers_are_reported_with_what_they_did_not_cost(
    tmp_path: Any, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    from prefect import results
    from prefect.filesystems import LocalFileSystem

    storage = results.ResultStore(result_storage=LocalFileSystem(basepath=str(tmp_path / "results")))
    monkeypatch.setattr(results, "get_result_store", lambda: storage)
    with a_project(tmp_path, sandbox, "openai").runtime_here() as runtime:
        for _ in range(3):
            with riding(runtime, digest, {}):
                remember.fn(NOTES[:2])
        assert len(read_journal(sandbox.journal)) == 2
        paid = sum(row["cost_nano"] for row in rows(runtime.ledger, schema.attempts))
        runtime.replica.sync()
        report = run_report(runtime.replica, "last")
        assert (report.money.spent_nano, report.saved.stored_nano, report.saved.stored_turns) == (0, paid, 2)
        assert (report.operations[0].answered, report.operations[0].attempts) == (2, 0)
        seen = overview(runtime.replica).sandbox
        assert seen is not None
        assert (seen.saved.stored_nano, seen.saved.stored_turns) == (2 * paid, 4)


@pytest.mark.parametrize(
    ("text", "outcome", "saved"), [('{"title": "Kept"}', "stored", 5), ("no longer what is asked for", "answered", 0)]
)
def test_a_stored_answer_is_checked_like_any_other(
    tmp_path: Any, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, text: str, outcome: str, saved: int
):
    async def find(_: str) -> StoredAnswer:
        return StoredAnswer(text, "openai", 5)

    async def keep(*_: object) -> None:
        return None

    monkeypatch.setattr("tasks.turn.executor.find", find)
    monkeypatch.setattr("tasks.turn.executor.keep", keep)
    with a_project(tmp_path, sandbox, "openai").runtime_here() as runtime:
        with riding(runtime, digest, {}):
            assert (title.fn(NOTES[0]).title == "Kept") is (outcome == "stored")
        [turn] = rows(runtime.ledger, schema.turns)
        assert (turn["outcome"], turn["saved_nano"], turn["target"]) == (outcome, saved, "openai")


def test_the_display_does_not_take_a_stored_answer_for_trouble():
    progress = _Progress([{"operation": "chat", "calls": 1}])
    progress.count(TurnEvent("r", "chat", "stored", "haiku", "m", 0, 0))
    assert progress._troubled["chat"] == 0
    progress.count(TurnEvent("r", "chat", "failed", None, None, 1, 0))
    assert progress._troubled["chat"] == 1
