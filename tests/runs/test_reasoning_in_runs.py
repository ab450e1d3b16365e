"""Reasoning in runs: quoted, held, recorded with its setting, and recovered from where a model refuses it."""

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from farebox import ask, automation, llm_task, plan
from farebox.automations import automation_of
from farebox.config.settings import load_settings
from farebox.runs.admission import BILLED_PER_TURN, price_run
from farebox.runtime import Runtime
from pricing.db import schema
from pricing.errors import ConfigError, PlanError
from tasks.agent import Agent
from tasks.ask import Ask
from tasks.context import Step, inside
from tasks.providers.messages import Message, ModelRequest
from tasks.run_context import RunContext
from tasks.turn.answer_cache import answer_key
from tasks.turn.request import version_with
from tests.support.exchanges import target
from tests.support.project import make_project
from tests.support.turns import admitted

TARGETS = """
[[targets]]
name = "opus"
provider = "anthropic"
model = "claude-opus-4-8"
tier = "light"
reasoning = "low"
"""
OUTPUT = 25
"""Dollars per million tokens of output, which are millions of nano-dollars per thousand tokens."""


@llm_task(operation="plain", max_tokens=100, reasoning="none")
def plain(text: str) -> str:
    return ask("say.j2", text=text)


@llm_task(operation="deep", max_tokens=100, reasoning="high")
def deep(text: str) -> str:
    return ask("say.j2", text=text)


@llm_task(operation="usual", max_tokens=100)
def usual(text: str) -> str:
    return ask("say.j2", text=text)


@automation(price="0.03 USD", plan=plan(plain, input_tokens=400, output_tokens=60))
def runs_plain(text: str = "a text") -> str:
    return plain(text)


@automation(price="0.03 USD", plan=plan(deep, input_tokens=400, output_tokens=60))
def runs_deep(text: str = "a text") -> str:
    return deep(text)


@automation(price="0.03 USD", plan=plan(usual, input_tokens=400, output_tokens=60))
def runs_usual(text: str = "a text") -> str:
    return usual(text)


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    built = make_project(tmp_path, "http://127.0.0.1:9", targets=TARGETS, documents=0).runtime()
    yield built
    built.close()


def test_room_and_usual_thoughts_are_in_the_quote_the_hold_and_the_ceiling(runtime: Runtime):
    quotes = {
        room: price_run(runtime, automation_of(flow), {})
        for flow, room in ((runs_plain, 0), (runs_usual, 2_048), (runs_deep, 16_384))
    }
    for room, priced in quotes.items():
        plain_one, quote = quotes[0].quote, priced.quote
        assert quote.ceiling - plain_one.ceiling == BILLED_PER_TURN * room * OUTPUT * 1_000
        assert quote.point - plain_one.point == room // 8 * OUTPUT * 1_000
        assert [route[0].thinking for route in priced.routes.values()] == [room // 8]
    assert quotes[0].hold < quotes[2_048].hold < quotes[16_384].hold


def test_what_is_told_of_a_setting_that_is_none(tmp_path: Path):
    for make in (
        lambda: llm_task(operation="x", reasoning="a lot"),  # type: ignore[arg-type]
        lambda: Agent(prompt="say.j2", tools=[], reasoning="xhigh"),  # type: ignore[arg-type]
    ):
        with pytest.raises(PlanError, match="reasoning=") as told:
            make()
        assert "none, low, medium, high, max" in told.value.next_step
    for written, words in (("true", "it takes a level"), ('"minimal"', "'none', 'low'"), ("3", "'none', 'low'")):
        (tmp_path / "farebox.toml").write_text(TARGETS.replace('"low"', written))
        with pytest.raises(ConfigError, match=r"targets\.0\.reasoning") as wrong:
            load_settings(tmp_path)
        assert words in wrong.value.message


def test_another_setting_is_another_question():
    asked = ModelRequest((Message.of("user", "Why?"),), 100)
    opus, haiku = target("anthropic", model="claude-opus-4-8"), target("anthropic", model="claude-haiku-5-5")
    keys = [answer_key("v", replace(asked, reasoning=setting), opus) for setting in (None, "none", "low", "high")]
    assert keys[0] == keys[1], "it does not think unless it is asked to"
    assert len(set(keys)) == 3
    assert answer_key("v", asked, haiku) == answer_key("v", replace(asked, reasoning="medium"), haiku)
    assert answer_key("v", asked, replace(haiku, reasoning="none")) != answer_key("v", asked, haiku)
    assert (version_with("1f", None), version_with("1f", "max")) == ("1f", "1f+max")


# A server that refuses what no rule knew of ------------------------------------------------------------------------


class Picky(http.server.BaseHTTPRequestHandler):
    """Refuses parameters by name, as a server of OpenAI's dialect does."""

    refuses: ClassVar[tuple[str, ...]] = ()
    heard: ClassVar[list[dict[str, Any]]] = []
    answer: ClassVar[dict[str, Any]] = {
        "model": "m",
        "choices": [{"message": {"role": "assistant", "content": "Fine."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 30, "completion_tokens": 5, "total_tokens": 35},
    }

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.heard.append(body)
        wrong = next((name for name in self.refuses if name in body), None)
        reply = self.answer
        if wrong:
            told = f"Unsupported parameter: '{wrong}' is not supported with this model."
            reply = {
                "error": {
                    "message": told,
                    "type": "invalid_request_error",
                    "param": wrong,
                    "code": "unsupported_parameter",
                }
            }
        sent = json.dumps(reply).encode()
        self.send_response(400 if wrong else 200)
        self.send_header("content-length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def picky(tmp_path: Path) -> Iterator[Runtime]:
    Picky.heard.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Picky)
    threading.Thread(target=server.serve_forever).start()
    targets = (
        '[[targets]]\nname = "own"\nprovider = "openai_compatible"\nmodel = "m"\ntier = "light"\nwindow = 100000\n'
        f'base_url = "http://127.0.0.1:{server.server_port}/v1"\n'
        '[[rates]]\nprovider = "openai_compatible"\nmodel = "m"\ninput_per_mtok = "1"\noutput_per_mtok = "1"\n'
    )
    built = make_project(tmp_path, "", targets=targets, retries=0, documents=0).runtime()
    yield built
    built.close()
    server.shutdown()
    server.server_close()


def _ask(runtime: Runtime, times: int = 1) -> list[dict[str, Any]]:
    """The attempts of so many turns with a setting."""
    with admitted(runtime) as run_id:
        for _ in range(times):
            with inside(Step("say", max_tokens=60, reasoning="high"), run=RunContext(run_id)):
                assert Ask(lambda: runtime.engine)("say.j2", text="The ledger stopped.") == "Fine."
    with runtime.ledger.store.read() as connection:
        found = connection.execute(sa.select(schema.attempts).order_by(schema.attempts.c.started_at)).mappings()
        return [dict(row) for row in found]


def test_a_parameter_that_is_refused_is_left_out_once_and_for_all(picky: Runtime, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Picky, "refuses", ("reasoning_effort",))
    attempts = _ask(picky, times=2)
    assert [(one["outcome"], one["reason"]) for one in attempts] == [
        ("invalid_request", "primary, light"),
        ("ok", "retry without reasoning, which the model refuses"),
        ("ok", "primary, light"),
    ]
    assert ["reasoning_effort" in body for body in Picky.heard] == [True, False, False]
    assert attempts[0]["cost_nano"] == 0
    assert {body["max_tokens"] for body in Picky.heard} == {60 + 16_384}, "it may think all the same"


def test_what_a_request_cannot_do_without_ends_the_turn(picky: Runtime, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Picky, "refuses", ("messages",))
    with pytest.raises(Exception, match="invalid"):
        _ask(picky)
    assert len(Picky.heard) == 1


def test_prompt_versions_in_the_ledger_tell_the_setting(picky: Runtime):
    _ask(picky)
    with picky.ledger.store.read() as connection:
        [version] = connection.execute(sa.select(schema.turns.c.prompt_version)).scalars().all()
    assert version.endswith("+high")
