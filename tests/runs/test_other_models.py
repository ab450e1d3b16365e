"""A reply that names another model than was asked for is priced as itself, recorded and reported."""

import json
import logging
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from farebox.runtime import Runtime
from pricing.db import schema
from pricing.rates import OwnRate, RateCard
from tests.support.books import rows
from tests.support.playback import Playback
from tests.support.project import make_project
from tests.support.replies import Recorded, _http
from tests.support.turns import admitted, ask_once

TARGET = (
    '[[targets]]\nname = "mini"\nprovider = "openai"\nmodel = "gpt-4.1-mini"\ntier = "light"\n'
    'base_url = "{url}/tape/v1"\nkey = "a-key"\n'
)
CARD = RateCard.load()


@pytest.mark.parametrize(
    ("asked", "replied", "provider", "billed"),
    [
        ("gpt-4.1-mini", "gpt-4.1", "openai", "gpt-4.1"),
        ("gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", "openai", "gpt-4.1-mini"),
        ("gpt-4.1-mini", None, "openai", "gpt-4.1-mini"),
        ("gpt-4.1-mini", "nobody-lists-this", "openai", "gpt-4.1-mini"),
        ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "anthropic", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5", "claude-haiku-4-5-20251001", "anthropic", "claude-haiku-4-5-20251001"),
        ("openai/gpt-oss-120b", "openai/gpt-oss-20b", "groq", "openai/gpt-oss-20b"),
        ("own-model", "gpt-4.1", "openai_compatible", "own-model"),
    ],
)
def test_which_model_is_billed(asked: str, replied: str | None, provider: str, billed: str) -> None:
    assert CARD.billed_model(asked, replied, provider) == billed


def test_a_negotiated_rate_holds_for_the_dated_id_too() -> None:
    own = OwnRate("openai", "gpt-4.1", input_per_mtok=Decimal("1.60"), output_per_mtok=Decimal("6.40"))
    assert RateCard.load([own]).billed_model("gpt-4.1", "gpt-4.1-2025-04-14", "openai") == "gpt-4.1"


@pytest.fixture
def playing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Runtime, Playback]]:
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    playback = Playback()
    starter = make_project(tmp_path / "starter", "http://127.0.0.1:9").runtime()
    starter.engine.loop.run(playback.start())
    targets = TARGET.replace("{url}", playback.url).replace('key = "a-key"\n', "")
    runtime = make_project(tmp_path / "project", "http://127.0.0.1:9", targets=targets, retries=0).runtime()
    yield runtime, playback
    starter.engine.loop.run(playback.stop())
    runtime.close()
    starter.close()


def reply(model: str) -> Recorded:
    body = {
        "model": model,
        "choices": [{"message": {"content": "Done."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 30, "completion_tokens": 10},
    }
    return Recorded((_http(json.dumps(body).encode()),))


def test_it_is_charged_recorded_and_said(playing: tuple[Runtime, Playback], caplog: pytest.LogCaptureFixture) -> None:
    runtime, playback = playing
    with admitted(runtime) as run_id, caplog.at_level(logging.WARNING):
        for model in ("gpt-4.1", "gpt-4.1-mini-2025-04-14", "gpt-4.1"):
            playback.put_on("tape", reply(model))
            assert runtime.engine.loop.run(ask_once(runtime, run_id, "hello")) == "Done."
    found = [(row["model"], row["cost_nano"]) for row in rows(runtime.ledger, schema.attempts)]
    dear, cheap = 30 * 2_000 + 10 * 8_000, 30 * 400 + 10 * 1_600  # nano-dollars per token, as published
    assert found == [("gpt-4.1", dear), ("gpt-4.1-mini", cheap), ("gpt-4.1", dear)]
    told = [record.getMessage() for record in caplog.records if "answered" in record.getMessage()]
    assert len(told) == 1  # once per run and model
    assert "'gpt-4.1-mini'" in told[0]
