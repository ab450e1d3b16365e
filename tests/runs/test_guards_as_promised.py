"""What users of other kits complain of, each shown not to happen here: with whole turns, over HTTP."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL

from farebox import Agent, ask, automation, llm_task, plan
from guardrails.base import Direction, GuardInput, Reason, Verdict, allow, block, redact
from guardrails.pii import guard
from guardrails.pipeline import Guarded
from pricing.db import schema
from pricing.errors import Blocked, FareboxError, OutOfCredits, OverBudget
from pricing.reports.guards import guard_report
from tests.support.books import rows
from tests.support.command import farebox
from tests.support.echo import TARGET, Echo
from tests.support.project import REPOSITORY, make_project
from tests.support.runs import riding

CALLED: list[str] = []
MAIL = "ada@example.com"
GERMAN = "{% block message %}Das ist zu lang für {{ automation }}.{% endblock %}{% block next_step %}Bitte kürzen.{% endblock %}"


@dataclass(frozen=True)
class NoToolsGuard:
    """Blocks answers that want a tool."""

    name: ClassVar[str] = "no_tools"
    version: ClassVar[str] = "1"
    direction: ClassVar[Direction] = "output"
    rank: ClassVar[int] = 5

    def check(self, exchange: GuardInput) -> Verdict:
        return block(Reason.POLICY, rule="no tools") if len(exchange.texts) > 1 else allow()


def delete(who: str) -> str:
    """Delete somebody."""
    CALLED.append(who)
    return "gone"


agent = Agent(prompt="say.j2", tools=[delete])


@llm_task(operation="chat", max_turns=50)
def chat(text: str) -> str:
    return ask("say.j2", text=text)


@llm_task(operation="tools", max_turns=50)
def tools(text: str) -> str:
    return agent.run(text=text)


@automation(price="1 credit", plan=plan(chat, input_tokens=900, output_tokens=90, calls=9))
def letters() -> None:
    """Never called: the tests run inside it."""


@dataclass(frozen=True)
class LateGuard:
    """Finds something in the first word once it has read on."""

    name: ClassVar[str] = "late"
    version: ClassVar[str] = "1"
    direction: ClassVar[Direction] = "output"
    rank: ClassVar[int] = 5

    def check(self, exchange: GuardInput) -> Verdict:
        changed = tuple(f"_{text}" for text in exchange.texts)
        return redact(changed, Reason.LEAK, ()) if "late" in exchange.texts[0] else allow()


@llm_task(operation="streamed", max_turns=9, guards=[Guarded(LateGuard())])
def streamed(text: str) -> str:
    return "".join(ask.stream("say.j2", text=text))


@automation(price="1 credit", plan=plan(streamed, input_tokens=900, output_tokens=90, calls=9))
def paid(user: str) -> None:
    """Never called either."""


@pytest.fixture
def echo() -> Iterator[Echo]:
    CALLED.clear()
    with Echo() as running:
        yield running


def project(tmp_path: Path, echo: Echo, more: str = "") -> Any:
    return make_project(tmp_path / "project", echo.url, targets=TARGET, more=more).runtime_here()


def test_when_a_guard_breaks_nothing_is_sent(tmp_path: Path, echo: Echo, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(MAIL)

    monkeypatch.setattr(guard, "find", broken)
    with project(tmp_path, echo) as runtime:
        with pytest.raises(Blocked) as blocked, riding(runtime, letters, {}):
            chat.fn(f"Dear {MAIL}")
        assert rows(runtime.ledger, schema.attempts) == []
    assert echo.seen == []
    assert blocked.value.fields["reason"] == "guard_error"
    assert MAIL not in str(blocked.value) + repr(blocked.value.fields)


def test_shadow_changes_nothing_and_tells_no_log_what_it_saw(
    tmp_path: Path, echo: Echo, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    shadowed = "".join(
        f'[guards.{name}]\nmode = "shadow"\n{options}\n'
        for name, options in (
            ("pii", ""),
            ("secrets", ""),
            ("policy", f'canaries = ["{MAIL}"]'),
            ("brand", 'names = ["Initech"]'),
        )
    )
    text = f"Dear {MAIL}, Initech's key is AKIAQWERTZUIOP234567, says [EMAIL_1_3fa9c0d2] \\[x\\]."
    with project(tmp_path, echo, shadowed) as runtime:
        with riding(runtime, letters, {}):
            answer = chat.fn(text)
        assert answer == f"Say something about this:\n{text}"
        would = {(row["guard"], row["mode"], row["action"]) for row in rows(runtime.ledger, schema.guard_decisions)}
        assert {("pii", "shadow", "redact"), ("secrets", "shadow", "redact"), ("policy", "shadow", "block")} <= would
        assert ("brand", "shadow", "retry") in would
        written = caplog.text + "".join(
            path.read_bytes().decode("latin-1") for path in runtime.home.rglob("*") if path.is_file()
        )
    assert [value for value in (MAIL, "AKIAQWERTZUIOP234567", "Initech") if value in written] == []


def test_a_block_counts_as_a_block(tmp_path: Path, echo: Echo):
    with project(
        tmp_path, echo, f'[guards.policy]\nmode = "enforce"\ncanaries = ["{MAIL}"]\n[guards.pii]\nmode = "off"\n'
    ) as runtime:
        with pytest.raises(Blocked), riding(runtime, letters, {}):
            chat.fn(MAIL)
        [turn] = rows(runtime.ledger, schema.turns)
        assert (turn["outcome"], turn["reason"]) == ("blocked", "leak")
        [settled] = rows(runtime.ledger, schema.settlements)
        assert (settled["outcome"], settled["reason"]) == ("blocked", "leak")
        assert settled["spent_nano"] > 0, "the answer that was withheld is paid"
        runtime.replica.sync()
        assert guard_report(runtime.replica).stopped == {"leak": 1}


def test_guards_ask_no_model_of_their_own(tmp_path: Path, echo: Echo):
    with project(
        tmp_path,
        echo,
        '[guards.policy]\nforbidden = { a = ["b c"] }\n[guards.brand]\nnames = ["Initech"]\n[guards.inappropriate]\n',
    ) as runtime:
        with riding(runtime, letters, {}):
            chat.fn("hello")
        assert len({row["guard"] for row in rows(runtime.ledger, schema.guard_decisions)}) == 7
    assert len(echo.seen) == 1


def test_after_a_block_no_tool_and_no_model_runs(tmp_path: Path, echo: Echo):
    declared = f'[guards.no_tools]\nuse = "{__name__}"\nmode = "enforce"\n'
    with (
        project(tmp_path, echo, declared) as runtime,
        pytest.raises(Blocked, match="no tools"),
        riding(runtime, letters, {}),
    ):
        tools.fn(f"Delete {MAIL}")
    assert CALLED == []
    assert len(echo.seen) == 1


def test_a_tool_result_is_guarded_like_any_prompt(tmp_path: Path, echo: Echo):
    with project(tmp_path, echo, "[guards.context]\nmax_characters = 45\n") as runtime:
        with pytest.raises(Blocked) as blocked, riding(runtime, letters, {}):
            tools.fn("a@b.example!")
        assert blocked.value.fields["reason"] == "context_limit"
    assert CALLED == ["a@b.example"]
    assert len(echo.seen) == 1, "the model is not asked about it"


def test_a_teams_own_words_reach_whoever_asks(tmp_path: Path, echo: Echo):
    words = tmp_path / "project" / "words"
    words.mkdir(parents=True)
    (words / "context_limit.j2").write_text(GERMAN, "utf-8")
    with (
        project(tmp_path, echo, '[guards]\nmessages = "words"\n') as runtime,
        pytest.raises(FareboxError) as blocked,
        riding(runtime, letters, {}),
    ):
        chat.fn("lang " * 1_300_000)
    assert (blocked.value.message, blocked.value.next_step) == ("Das ist zu lang für letters.", "Bitte kürzen.")


POOR = """
[[budgets]]
scope = "automation"
key = "letters"
window = "day"
limit = "0.000001 USD"
"""


def test_a_budgets_refusal_is_in_them_too(tmp_path: Path, echo: Echo):
    words = tmp_path / "project" / "words"
    words.mkdir(parents=True)
    (words / "budget.j2").write_text(
        "{% block message %}{{ automation }}: {{ budget }} fehlen {{ short }} von {{ limit }}.{% endblock %}"
        "{% block next_step %}Warten bis {{ resets }}.{% endblock %}"
    )
    with project(tmp_path, echo, '[guards]\nmessages = "words"\n' + POOR) as runtime:
        with pytest.raises(OverBudget) as refused, riding(runtime, letters, {}):
            chat.fn("hello")
        assert refused.value.message.startswith("letters: letters per day fehlen $0.0")
        assert refused.value.next_step.endswith("00:00 UTC.")
        assert refused.value.fields["budgets"] == ["letters per day"]
        (words / "budget.j2").write_text("{% block message %}{{ nowhere }}{% endblock %}")
        with pytest.raises(OverBudget, match="letters was not started") as refused, riding(runtime, letters, {}):
            chat.fn("hello")
        assert "budget.j2" in str(refused.value.fields["template_error"])


def test_so_is_a_wallets_and_what_a_stream_had_handed_on(tmp_path: Path, echo: Echo):
    words = tmp_path / "project" / "words"
    words.mkdir(parents=True)
    (words / "budget.j2").write_text(
        "{% block message %}{{ automation }}: {{ wallet }} hat {{ available_credits }} von {{ asked_credits }}.{% endblock %}"
        "{% block next_step %}{{ next_step }}{% endblock %}"
    )
    (words / "leak.j2").write_text(
        "{% block message %}{% if streamed is defined %}{{ automation }}/{{ operation }}: zu spät.{% endif %}{% endblock %}"
        "{% block next_step %}Ohne Strom fragen.{% endblock %}"
    )
    with project(tmp_path, echo, '[guards]\nmessages = "words"\n') as runtime:
        runtime.wallets.grant("user:ana", 1)
        with riding(runtime, paid, {"user": "ana"}), pytest.raises(Blocked) as blocked:
            streamed.fn("one two three four and then something late of which there is more to say")
        assert (blocked.value.message, blocked.value.next_step) == ("paid/streamed: zu spät.", "Ohne Strom fragen.")
        assert blocked.value.fields["reason"] == "leak"
        with pytest.raises(OutOfCredits) as refused, riding(runtime, paid, {"user": "ana"}):
            streamed.fn("hello")
        assert refused.value.message == "paid: user:ana hat 0 von 1."
        assert refused.value.next_step.startswith("Grant more")
        assert refused.value.fields["wallet"] == "user:ana"


@pytest.mark.usefixtures("prefect")
def test_they_are_in_prefects_state_and_on_the_command_line(tmp_path: Path, echo: Echo):
    more = '[guards]\nmessages = "words"\n[guards.policy]\nmode = "enforce"\ncanaries = ["added an alarm"]\n'
    made = make_project(tmp_path / "project", echo.url, targets=TARGET, more=more, documents=1)
    (made.root / "words").mkdir()
    (made.root / "words" / "leak.j2").write_text(GERMAN.replace("zu lang", "geheim"), "utf-8")
    (made.root / "flows").symlink_to(REPOSITORY / "flows")
    server = str(PREFECT_API_URL.value())  # one of its own would take longer to start than all the rest
    done = farebox(made.root, "run", "daily-digest", "--source", "documents", "--json", PREFECT_API_URL=server)
    assert done.code == 4, done.all
    assert done.err == "error: Das ist geheim für daily-digest.\n  next: Bitte kürzen.\n"
    told = json.loads(done.out)
    assert (told["outcome"], told["message"]) == ("blocked", "Das ist geheim für daily-digest.\nBitte kürzen.")
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(UUID(told["run_id"])).state
    assert state is not None
    assert (state.name, state.message) == ("Blocked", "Das ist geheim für daily-digest.\nBitte kürzen.")
