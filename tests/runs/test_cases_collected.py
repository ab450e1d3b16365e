"""Cases collected from recorded runs: calls of steps as content capture kept them, sampled, each once, masked."""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, RootModel

from farebox import Agent, ask, automation, llm_task, plan
from farebox.calibration import collect as collecting
from farebox.calibration.cases import read_cases
from farebox.calibration.collect import collect, write_cases
from farebox.calibration.comparable import Comparable
from farebox.calibration.decision import AcceptanceCriteria
from farebox.calibration.lockfile import LOCK_FILE, read_lock_file
from farebox.calibration.replay import replay
from farebox.calibration.subject import Subject
from farebox.runtime import Runtime
from flows import daily_digest
from pricing.clock import now_us
from pricing.content_store import CapturedCall, captured_calls
from pricing.db import schema
from pricing.errors import Blocked, UsageError
from pricing.ledger.block_reviews import Reviews
from tasks.sandbox import Latency, Sandbox
from tests.support.books import rows
from tests.support.command import Call
from tests.support.echo import TARGET, Echo
from tests.support.project import REPOSITORY, Project, make_project
from tests.support.runs import digest_run, riding

MAIL, NAME, PASSPORT = "ada@lovelace.example", "Ada Lovelace", "X12345678"
KEEP = '[content]\nkeep = ["letters"]\n'


class Letter(BaseModel):
    text: str
    sent: date = date(2026, 1, 2)
    number: int = 1


class Sorted(BaseModel):
    kind: Literal["order", "complaint"]
    why: str


@llm_task(operation="sort", max_turns=9)
def sort(letter: Letter, customer: str = "") -> Sorted:
    return ask("say.j2", text=f"{letter.text} Passport number: {letter.number}", returns=Sorted)


@llm_task(operation="sort_later")
async def sort_later(letter: Letter) -> Sorted:
    return await ask.aio("say.j2", text=letter.text, returns=Sorted)


@llm_task(operation="odd")
def odd(given: object) -> str:
    return ask("say.j2", text="anything")


def look(up: str) -> str:
    """Look something up."""
    return f"{up} is known"


agent = Agent(prompt="say.j2", tools=[look])


@llm_task(operation="chat", max_turns=9)
def chat(text: str) -> str:
    return agent.run(text=text)


@automation(price="1 credit", plan=plan(sort, input_tokens=900, output_tokens=90, calls=99))
def letters() -> None:
    """Never called: the tests run inside it."""


SORT, LATER, ODD, CHAT = (Subject("letters", step.fn) for step in (sort, sort_later, odd, chat))


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as running:
        running.fill = lambda _, said: {"kind": "complaint" if "late" in said else "order", "why": said[:200]}
        yield running


@pytest.fixture
def project(tmp_path: Path, echo: Echo, database_url: str) -> Project:
    return make_project(tmp_path / "project", echo.url, ledger_url=database_url, targets=TARGET, more=KEEP)


def kept(runtime: Runtime, operation: str) -> list[CapturedCall]:
    notes = runtime.captures.noted_calls("letters", operation, datetime.now(UTC) - timedelta(days=1))
    found = {call.call_id: call for call in runtime.captures.calls([note.call_id for note in notes])}
    return [found[note.call_id] for note in notes]


def test_a_call_is_kept_masked_the_same_way_on_both_sides(runtime: Runtime, caplog: pytest.LogCaptureFixture):
    canary = "zanzibar-canary"
    with caplog.at_level(logging.DEBUG), riding(runtime, letters, {}):
        answer = sort.fn(Letter(text=f"{NAME} <{MAIL}> asks: {canary}"), customer=NAME)
    assert MAIL in answer.why
    [call] = kept(runtime, "sort")
    assert call.inputs == {
        "letter": {"text": f"[CUSTOMER_1] <[EMAIL_1]> asks: {canary}", "sent": "2026-01-02", "number": 1},
        "customer": "[CUSTOMER_1]",
    }
    assert call.answer["kind"] == "order"
    assert "[CUSTOMER_1] <[EMAIL_1]> asks" in call.answer["why"]
    assert (call.outcome, call.target, call.stand_in, len(call.turns)) == ("answered", "mini", True, 1)
    assert [value for value in (MAIL, NAME, "Ada") if value in json.dumps(call.row())] == []
    found = collect(runtime, SORT, 7, 10)
    assert canary in json.dumps(found.cases[0].inputs)
    runtime.replica.sync()
    ledger = [str(row) for table in schema.FACTS for row in rows(runtime.ledger, table)]
    assert canary not in "".join(ledger) + caplog.text
    assert canary.encode() not in runtime.replica.path.read_bytes()


def test_what_only_the_prompt_told_to_be_personal_is_masked_in_the_call_too(runtime: Runtime):
    with riding(runtime, letters, {}):
        sort.fn(Letter(text=f"Here it is. Passport number: {PASSPORT}. Again, without a word: {PASSPORT}"))
    [call] = kept(runtime, "sort")
    assert PASSPORT not in json.dumps(call.row())


def test_calls_of_agents_async_steps_and_what_is_no_json(runtime: Runtime):
    def pieces() -> Iterator[str]:
        yield "one"

    given = pieces()
    with riding(runtime, letters, {}):
        chat.fn(f"Who is {MAIL}?")
        asyncio.run(sort_later.fn(Letter(text="hello")))
        odd.fn(object())
        odd.fn(given)
        odd.fn({"a": {1, 2}, "b": Path("x")})
    assert next(given) == "one", "what can be read once is left to its owner"
    [agent_call] = kept(runtime, "chat")
    assert len(agent_call.turns) == 2
    assert agent_call.inputs == {"text": "Who is [EMAIL_1]?"}
    assert "[EMAIL_1] is known" in agent_call.answer
    assert kept(runtime, "sort_later")[0].inputs is not None
    assert [call.inputs for call in kept(runtime, "odd")] == [None, None, {"given": {"a": [1, 2], "b": "x"}}]
    assert collect(runtime, ODD, 7, 10).left_out == {"with an argument that is not JSON": 2}
    of_agent = collect(runtime, CHAT, 7, 10)
    assert (of_agent.compared, of_agent.cases[0].expected) == (False, None)


def test_each_inputs_once_with_what_the_best_answered_and_a_person_approved(runtime: Runtime):
    with riding(runtime, letters, {}):
        for text in ("late", "late", "tea", "cake", "nuts"):
            sort.fn(Letter(text=text))
    calls = {call.inputs["letter"]["text"]: call for call in kept(runtime, "sort") if call.inputs}
    for text, approved in (("tea", True), ("cake", False)):
        turn = calls[text].turns[0]
        objection(runtime, calls[text].run_id, turn)
        if approved:
            [decision] = [
                row["seq"]
                for row in rows(runtime.ledger, schema.guard_decisions)
                if row["turn_id"] == turn and row["guard"] == "judge"
            ]
            Reviews(runtime.ledger.store).mark(decision, "wrong")
    found = collect(runtime, SORT, 7, 10)
    by_text = {case.inputs["letter"]["text"]: case for case in found.cases}
    assert {text: (case.expected, case.expected_from) for text, case in by_text.items()} == {
        "late": ({"kind": "complaint"}, "mini"),
        "tea": ({"kind": "order"}, "review"),
        "cake": (None, ""),
        "nuts": ({"kind": "order"}, "mini"),
    }
    assert found.left_out == {"with the same inputs as another": 1}
    assert [case.id for case in found.cases] == [case.id for case in collect(runtime, SORT, 7, 10).cases]
    assert "1 approved in review" in collecting.expected_text(found)


def objection(runtime: Runtime, run_id: str, turn_id: str) -> None:
    Reviews(runtime.ledger.store).add(
        {
            "run_id": run_id, "operation": "sort", "guard": "judge", "version": "1", "mode": "audit",
            "direction": "output", "action": "block", "reason": "policy", "latency_us": 1, "cost_nano": 0,
            "spans": "[]", "facts": "{}", "turn_id": turn_id, "decided_at": now_us(),
        }
    )  # fmt: skip


def test_failed_calls_are_cases_and_blocked_ones_are_not(tmp_path: Path, echo: Echo):
    strict = KEEP + "[guards.context]\nmax_characters = 300\n"
    project = make_project(tmp_path / "strict", echo.url, targets=TARGET, more=strict)
    with project.runtime_here() as runtime:
        echo.fill = lambda _, said: {"kind": "neither", "why": said}
        with pytest.raises(Exception, match="sort"), riding(runtime, letters, {}):
            sort.fn(Letter(text="answered with nonsense"))
        with pytest.raises(Blocked), riding(runtime, letters, {}):
            sort.fn(Letter(text="too long " * 90))
        assert [call.outcome for call in kept(runtime, "sort")] == ["failed", "blocked"]
        found = collect(runtime, SORT, 7, 10)
        assert [case.expected for case in found.cases] == [None]
        assert found.left_out == {"stopped by a guard": 1}


def filled(runtime: Runtime, number: int, outcomes: Mapping[int, str]) -> None:
    """Calls over 30 days, every n-th of which ended otherwise."""
    begin = datetime.now(UTC) - timedelta(days=29)
    for n in range(number):
        outcome: Any = next((ended for every, ended in outcomes.items() if n % every == 0), "answered")
        runtime.captures.keep(
            CapturedCall(
                f"call{n}", f"run{n}", "letters", "sort", outcome, "mini", stand_in=False, turns=(f"turn{n}",),
                at=begin + timedelta(minutes=60 * n * 28 * 24 / number), inputs={"letter": {"text": f"letter {n}"}},
                answer={"kind": "order", "why": "?"},
            )
        )  # fmt: skip


def test_a_sample_is_spread_over_time_and_outcomes_as_is_each_beginning_of_it(runtime: Runtime):
    filled(runtime, 200, {10: "failed"})
    found = collect(runtime, SORT, 30, 50)
    assert found.left_out == {"beyond --limit": 150}
    numbers = [int(case.inputs["letter"]["text"].split()[1]) for case in found.cases]
    for some in (numbers, numbers[:20]):
        quarters = Counter(n // 50 for n in some)
        assert max(quarters.values()) - min(quarters.values()) <= 2, quarters
        assert 1 <= sum(n % 10 == 0 for n in some) <= len(some) // 5


def test_what_no_longer_fits_or_is_of_an_older_version_is_left_out_and_said(runtime: Runtime):
    filled(runtime, 3, {})
    changed = Subject("letters", llm_task(operation="sort")(_changed).fn)
    with pytest.raises(UsageError, match="None of 3 calls of letters/sort is a case: 3 whose inputs do not fit"):
        collect(runtime, changed, 30, 9)
    with riding(runtime, letters, {}):
        sort.fn(Letter(text="hello"))
    with runtime.captures._store.write() as connection:
        connection.execute(captured_calls.delete())
    with pytest.raises(UsageError, match="1 kept by an older version, without inputs"):
        collect(runtime, SORT, 30, 9)


def _changed(letter: Letter, language: str) -> Sorted:
    return ask("say.j2", text=letter.text + language, returns=Sorted)


def test_only_what_two_right_answers_share_is_expected():
    class Line(BaseModel):
        count: int
        note: str

    class Whole(BaseModel):
        topic: Literal["a", "b"]
        urgent: bool
        text: str
        day: date | None
        lines: list[Line]
        numbers: list[int]
        line: Line
        share: float

    answer = {
        "topic": "a", "urgent": True, "text": "free", "day": "2026-01-01", "lines": [], "numbers": [1, 2],
        "line": {"count": 3, "note": "free"}, "share": 0.25,
    }  # fmt: skip
    shared = {"topic": "a", "urgent": True, "day": "2026-01-01", "numbers": [1, 2], "line": {"count": 3}}
    assert Comparable(Whole).part(answer) == shared
    assert Comparable(Whole).part(answer | {"urgent": "[EMAIL_1]"}) is None, "a mask is no answer"
    assert Comparable(Literal["x", "y"]).part("x") == "x"
    assert Comparable(list[str]).part(["x"]) is None
    assert not Comparable(Endless).any


class Endless(RootModel[list["Endless"]]):
    """A type that holds itself."""


def test_cases_are_never_written_over_another_file(tmp_path: Path):
    path = tmp_path / "cases.jsonl"
    write_cases(path, [])
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(UsageError, match="exists already"):
        write_cases(path, [])


def test_from_a_run_to_a_lock_as_a_user_goes(tmp_path: Path, call: Call, prefect: None):
    with Sandbox(tmp_path / "journal.jsonl", latency=Latency(0, 0)) as sandbox:
        project = make_project(tmp_path / "project", sandbox.url, documents=8)
        (project.root / "flows").symlink_to(REPOSITORY / "flows")
        classify = Subject("daily-digest", daily_digest.classify.fn)
        with project.runtime_here() as runtime, pytest.raises(UsageError, match="content capture is off there"):
            collect(runtime, classify, 30, 300)
        settings = project.root / "farebox.toml"
        settings.write_text(settings.read_text() + '[content]\nkeep = ["daily-digest/classify"]\n')
        with project.runtime_here() as runtime:
            with pytest.raises(UsageError, match=r"No call .* is kept") as nothing:
                collect(runtime, classify, 30, 300)
            assert nothing.value.next_step == "Run it: farebox run daily-digest."
            digest_run(runtime, str(project.documents), 8, "best")
            told = call("cases", "collect", "classify")
        assert told.code == 0, told.all
        path = ".farebox/cases/daily-digest.classify.jsonl"
        assert f"Next: farebox calibrate daily-digest/classify --cases {path}\n" in told.out
        said = " ".join(told.out.split())
        assert "8 of 8 have an expected answer: 8 as sonnet, the best, answered then." in said, told.all
        assert len(read_cases(project.root / path)) == 8
        with project.runtime_here():
            done = call("calibrate", "daily-digest/classify", "--cases", path, "--margin", "0.5")
        assert done.code == 0, done.all
        lock = read_lock_file(project.root / LOCK_FILE)["daily-digest/classify"]
        assert (lock.n, lock.scorer, lock.reference.score) == (8, "exact", 1.0)
        outcomes = "".join(
            f"{n},{model},1,{cost},1\n" for n in range(9) for model, cost in (("sonnet", 2), ("haiku", 1))
        )
        (project.root / "outcomes.csv").write_text(f"case,model,score,cost,latency\n{outcomes}")
        with project.runtime_here() as runtime:
            _, replayed = replay(runtime, "classify", project.root / "outcomes.csv", AcceptanceCriteria())
        assert (replayed.prompts, replayed.verifier) == (lock.prompts, lock.verifier), "as the step asked last"
