"""Content capture: off unless declared, masked, for a time, in a store of its own, on both databases."""

import asyncio
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from farebox import Agent, ask, automation, llm_task, plan
from farebox.config.content_settings import ContentSettings
from farebox.doctor.checks import CheckContext, check_content
from farebox.runtime import Runtime
from pricing.clock import now_us
from pricing.content_store import Captures
from pricing.db import schema
from pricing.db import schema as columns
from pricing.db.database import Store
from pricing.errors import Blocked
from tests.support.books import rows
from tests.support.command import farebox
from tests.support.echo import TARGET, Echo
from tests.support.project import Project, make_project
from tests.support.runs import riding

ADA, MAIL, PHONE = "Ada Lovelace", "ada@lovelace.example", "+44 20 7946 0958"
INVENTED, TOLD = "charles@babbage.example", "Mary Somerville"
KEY = "sk-proj-" + "a1B2" * 10
KEEP = """
[guards.at."letters/plain".pii]
mode = "off"
[guards.policy]
mode = "shadow"
forbidden = { "no promises" = ["we guarantee"] }
[content]
keep = ["letters"]
days = 7
"""


@llm_task(operation="chat", max_turns=9)
def chat(text: str, customer: str = "") -> str:
    return ask("say.j2", text=text)


@llm_task(operation="plain", max_turns=9)
def plain(text: str) -> str:
    return ask("say.j2", text=text)


def find(address: str) -> str:
    """Find somebody by address."""
    return f"{address} is {ADA}"


agent = Agent(prompt="say.j2", tools=[find])


@llm_task(operation="chat", max_turns=9)
def look_up(text: str, customer: str) -> str:
    return agent.run(text=text)


@automation(price="1 credit", plan=plan(chat, input_tokens=900, output_tokens=90, calls=9))
def letters() -> None:
    """Never called: the tests run inside it."""


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, echo: Echo, database_url: str) -> Project:
    return make_project(tmp_path / "project", echo.url, ledger_url=database_url, targets=TARGET, more=KEEP)


def test_a_turn_is_kept_as_it_was_asked_and_answered_with_everything_personal_masked(runtime: Runtime, echo: Echo):
    echo.say = lambda asked: f"{asked} Or write to {INVENTED}; {TOLD} knows. The key is {KEY}."
    before = datetime.now(UTC)
    with riding(runtime, letters, {}) as ride:
        answer = chat.fn(f"Write to {ADA}, {MAIL}, and call {PHONE}, with {KEY}.", customer=TOLD)
        plain.fn(f"Write to {MAIL}.")
    assert MAIL in answer
    [kept] = runtime.captures.captured("chat", before, 10)
    assert (kept.prompt, kept.run_id, kept.automation) == ("say.j2", ride.run.run_id, "letters")
    [turn, _] = rows(runtime.ledger, schema.turns)
    assert (kept.turn_id, kept.prompt_version, kept.target, kept.outcome) == (
        turn["turn_id"], turn["prompt_version"], "mini", "answered",
    )  # fmt: skip
    [message] = kept.messages
    assert message["role"] == "user"
    assert "Say something about this:\nWrite to Ada Lovelace, [EMAIL_1_" in message["text"], "a name nobody told us of"
    token = message["text"].split(", ")[1]
    assert kept.answer is not None
    assert token in kept.answer, "the same value has the same token"
    assert "[SECRET]" in kept.answer
    assert "[SECRET]" in message["text"]
    assert [value for value in (MAIL, PHONE, INVENTED, TOLD, KEY) if value in json.dumps(kept.row())] == []
    [unguarded] = runtime.captures.captured("plain")
    assert MAIL in echo.seen[-1]
    assert [value for value in (MAIL, INVENTED, KEY) if value in json.dumps(unguarded.row())] == []


def test_tool_calls_and_their_results_are_kept_masked(runtime: Runtime):
    with riding(runtime, letters, {}):
        look_up.fn(f"Who is {MAIL}?", customer=ADA)
    last, first = runtime.captures.captured("tool_selection")
    assert first.tool_calls[0]["name"] == "find"
    assert "[EMAIL_1_" in first.tool_calls[0]["arguments"]
    assert [message["role"] for message in last.messages] == ["user", "assistant", "tool"]
    assert "[" in last.messages[2]["text"]
    waiting = {turn.turn_id for turn in runtime.captures.waiting(datetime.now(UTC) - timedelta(hours=1))}
    assert waiting == {last.turn_id}, "a call of tools alone is nothing to audit"
    assert [value for value in (MAIL, ADA) if value in json.dumps([first.row(), last.row()])] == []


def test_what_a_guard_found_is_marked_also_in_a_blocked_turn(runtime: Runtime, echo: Echo):
    echo.say = lambda asked: f"{MAIL}: we guarantee it"
    with riding(runtime, letters, {}):
        chat.fn(f"Dear {MAIL}!")
    [kept] = runtime.captures.captured("chat")
    marks = {key.split()[0]: pieces for key, pieces in kept.marks.items()}
    assert marks["policy"] == (marks["policy"][0],)
    assert marks["policy"][0].endswith(": ⟦we guarantee⟧ it")
    assert "⟦[EMAIL_1_" in marks["pii"][0]
    assert MAIL not in json.dumps(kept.row())
    decided = {row["guard"]: row for row in rows(runtime.ledger, schema.guard_decisions) if row["action"] != "allow"}
    assert {f"{guard} {row['decided_at']}" for guard, row in decided.items()} == set(kept.marks)


def test_a_blocked_prompt_is_kept_without_an_answer_and_only_read_when_asked_for(project: Project):
    settings = (project.root / "farebox.toml").read_text()
    strict = settings + "[guards.context]\nmax_characters = 30\n"
    (project.root / "farebox.toml").write_text(strict)
    with project.runtime_here() as runtime:
        with pytest.raises(Blocked), riding(runtime, letters, {}):
            chat.fn(f"Far too long a text about {MAIL}")
        assert runtime.captures.captured("chat") == []
        [kept] = runtime.captures.captured("chat", outcomes=["blocked"])
        assert (kept.answer, kept.target) == (None, None)
        assert MAIL not in json.dumps(kept.row())


def test_old_turns_are_neither_read_nor_kept(runtime: Runtime, database_url: str):
    with riding(runtime, letters, {}):
        chat.fn("Hello")
    ledger = Store(database_url)
    later = Captures(ledger, days=7, clock=lambda: now_us() + 8 * 86_400_000_000)
    assert later.captured("chat") == []
    assert sum(kept.turns for kept in later.kept()) == 1
    later.tidy()
    assert later.kept() == []
    later.close()
    ledger.close()


def test_what_is_deleted_is_gone(runtime: Runtime, project: Project):
    with riding(runtime, letters, {}) as one:
        chat.fn("the quick brown hippopotamus")
    with riding(runtime, letters, {}):
        chat.fn("the slow brown hippopotamus")
        plain.fn("hello")
    captures = runtime.captures
    assert captures.delete(run_id=one.run.run_id) == (1, 1)
    assert captures.delete(operation="chat", before=datetime.now(UTC) - timedelta(days=1)) == (0, 0)
    assert captures.delete(operation="chat") == (1, 1)
    if runtime.ledger.store.is_sqlite:
        place = Path(captures.place)
        left = b"".join(path.read_bytes() for path in place.parent.glob("content.db*"))
        assert b"hippopotamus" not in left
        assert place.stat().st_mode & 0o077 == 0, "only its owner reads it"
    assert [(kept.operation, kept.turns) for kept in captures.kept()] == [("plain", 1)]


def test_nothing_of_it_is_a_fact(runtime: Runtime):
    assert "captured_turns" not in {table.name for table in columns.metadata.sorted_tables}
    with riding(runtime, letters, {}):
        chat.fn("the quick brown hippopotamus")
    runtime.replica.sync()
    with runtime.replica.read() as replica:
        tables = {name for (name,) in replica.execute("SELECT table_name FROM information_schema.tables").fetchall()}
    assert "captured_turns" not in tables
    assert {table.name for table in schema.FACTS} <= tables
    assert b"hippopotamus" not in runtime.replica.path.read_bytes()


def test_off_there_is_no_store(tmp_path: Path, echo: Echo, database_url: str):
    project = make_project(tmp_path / "off", echo.url, ledger_url=database_url, targets=TARGET)
    with project.runtime_here() as runtime:
        with riding(runtime, letters, {}):
            chat.fn("hello")
        assert (runtime.captures.kept(), runtime.captures.captured()) == ([], [])
        with runtime.ledger.store.read() as connection:
            assert not sa.inspect(connection).has_table("captured_turns")
        assert list(tmp_path.rglob("content.db")) == []


def test_a_store_that_fails_is_told_and_the_turn_goes_on(
    runtime: Runtime, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    def broken(_: object) -> None:
        raise RuntimeError(f"cannot keep {MAIL}")

    monkeypatch.setattr(runtime.captures, "keep", broken)
    with caplog.at_level(logging.WARNING), riding(runtime, letters, {}):
        assert MAIL in chat.fn(f"Dear {MAIL}")
    assert "the content of a turn is not kept: RuntimeError" in caplog.text
    assert MAIL not in caplog.text


def test_turns_at_once_are_each_kept(runtime: Runtime):
    async def all_of_them() -> None:
        await asyncio.gather(*(asyncio.to_thread(chat.fn, f"number {n}") for n in range(9)))

    with riding(runtime, letters, {}):
        asyncio.run(all_of_them())
    said = sorted(str(turn.answer)[-8:] for turn in runtime.captures.captured("chat"))
    assert said == [f"number {n}" for n in range(9)]


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        (["*"], {"letters/chat", "other/chat"}),
        (["letters"], {"letters/chat"}),
        (["*/chat"], {"letters/chat", "other/chat"}),
        (["other/chat", "*/judge"], {"other/chat", "letters/judge"}),
        ([], set()),
    ],
)
def test_places(keep: list[str], kept: set[str]):
    settings = ContentSettings(keep=tuple(keep))
    asked = ("letters/chat", "other/chat", "letters/judge")
    assert {place for place in asked if settings.keeps(*place.split("/"))} == kept


def health(project: Project) -> tuple[str, str]:
    runtime = project.runtime()
    [found] = check_content(CheckContext(runtime.settings, runtime))
    runtime.close()
    return found.state, found.message


def test_the_doctor_tells_of_content_that_is_left(runtime: Runtime, project: Project):
    with riding(runtime, letters, {}):
        chat.fn("hello")
    settings = project.root / "farebox.toml"
    settings.write_text(settings.read_text().replace('keep = ["letters"]', "keep = []"))
    state, told = health(project)
    assert (state, "holds 1 turn" in told) == ("warn", True)
    runtime.captures.delete()
    assert health(project) == ("ok", "no prompt and no answer is kept ([content] keep is empty)")


def test_the_commands(tmp_path: Path, echo: Echo):
    project = make_project(tmp_path / "project", echo.url, targets=TARGET, more=KEEP)
    with project.runtime_here() as runtime, riding(runtime, letters, {}) as ride:
        chat.fn(f"Dear {MAIL}")
    told = farebox(project.root, "content")
    assert "kept for 7 days" in " ".join(told.out.split()), told.all
    assert "chat" in told.out
    shown = farebox(project.root, "content", "show", ride.run.run_id)
    assert "Dear [EMAIL_1_" in shown.out
    assert farebox(project.root, "content", "delete").code == 2
    assert health(project)[0] == "ok"
    assert "1 turn in" in health(project)[1]
    gone = farebox(project.root, "content", "delete", ride.run.run_id)
    assert gone.out == "1 turn and 1 call deleted.\n", gone.all
    assert json.loads(farebox(project.root, "content", "show", "--json").out) == []
    wrong = project.root / "farebox.toml"
    wrong.write_text(wrong.read_text().replace('keep = ["letters"]', 'keep = ["a b"]'))
    assert farebox(project.root, "content").err.startswith("error: The settings are wrong: content.keep.0")
