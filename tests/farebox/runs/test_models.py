"""``farebox models``: figures against the rate card, health against the replica, and a page of 80 columns."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from farebox.cli.doctor import model_lines
from farebox.config.settings import load_settings
from farebox.overview import make_overview
from farebox.runs.models import abilities, list_targets
from farebox.runtime import Runtime
from pricing.ledger.facts import Completion, Intent, Run
from pricing.money import USD
from pricing.reports import RunSelection
from pricing.usage import Usage

TARGETS = """
[[targets]]
name = "haiku"
provider = "bedrock"
model = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
tier = "light"
[[targets]]
name = "own"
provider = "openai_compatible"
model = "our-model"
base_url = "http://127.0.0.1:8000/v1"
failure_domain = "cellar"
tier = "last_resort"
"""
RATE = (
    '[[rates]]\nprovider = "openai_compatible"\nmodel = "our-model"\ninput_per_mtok = "0.15"\noutput_per_mtok = "0.6"\n'
)


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "farebox.toml").write_text(TARGETS)
    runtime = Runtime(load_settings(tmp_path), tmp_path)
    yield runtime
    runtime.close()


def page(runtime: Runtime, *, cache_prices: bool = False) -> str:
    out = io.StringIO()
    lines = list_targets(runtime)
    Console(file=out, width=80).print(model_lines(lines, runtime.rates.version, cache_prices=cache_prices))
    return out.getvalue()


def answered(runtime: Runtime) -> None:
    run = Run("r1", "digest", "fast", "[]", "{}", "v", "prior", 0, USD, USD, USD, USD, USD, True, 1)
    runtime.ledger.admit(run, [])
    target = runtime.targets[0]
    for number, outcome in enumerate(["ok", "ok", "overloaded"]):
        intent = Intent(f"a{number}", "t1", "r1", "o", 0, number, "primary", target.name, target.provider,
                        "default", target.model, "light", True, 0, "v", number)  # fmt: skip
        runtime.ledger.begin(intent).result()
        runtime.ledger.end(intent, Completion(outcome, Usage(1, 1), 0, "usage", 340_000)).result()


def test_prices_are_the_rate_cards(runtime: Runtime):
    haiku, own = list_targets(runtime)
    assert haiku.prices is not None
    target = haiku.target
    assert haiku.prices.example == runtime.rates.price(target.model, target.provider, Usage(2_000, 500))
    assert haiku.prices.example == (2_000 * haiku.prices.input_per_mtok + 500 * haiku.prices.output_per_mtok) // 10**6
    assert (haiku.prices.input_per_mtok, haiku.prices.output_per_mtok) == (USD, 5 * USD)
    assert haiku.prices.cache_read_per_mtok == USD // 10
    assert haiku.prices.cache_write_1h_per_mtok == 2 * USD
    assert own.prices is None


def test_what_a_target_did_lately_comes_from_the_replica_alone(runtime: Runtime):
    runtime.replica.sync()
    answered(runtime)
    assert list_targets(runtime)[0].health is None  # not copied yet
    runtime.replica.sync()
    health = list_targets(runtime)[0].health
    assert health is not None
    assert (health.attempts, health.failed, health.p50_us) == (3, 1, 340_000)
    assert "p50 340 ms · 1 of last 3 failed" in page(runtime)


def test_the_page_fits_and_tells_what_matters(runtime: Runtime):
    text = page(runtime, cache_prices=True)
    assert max(map(len, text.splitlines())) <= 80
    assert "1  haiku  light  no key: left out" in text
    assert "2  own  last resort  real" in text
    assert "domain cellar" in text
    assert "$1.00 in, $5.00 out · example $0.0045" in text
    assert "cache: read $0.10" in text
    assert "no known price" in text
    assert "cache:" not in page(runtime)


def test_json_tells_the_same_and_no_key(runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "very-secret")
    (tmp_path / "farebox.toml").write_text(TARGETS + RATE)
    other = Runtime(load_settings(tmp_path), tmp_path)
    haiku, own = [json.loads(json.dumps(line.to_json(), default=str)) for line in list_targets(other)]
    other.close()
    assert (haiku["sandbox"], haiku["key"]) == (False, "environment variable AWS_BEARER_TOKEN_BEDROCK")
    assert "very-secret" not in json.dumps(haiku)
    assert own["prices_nano"]["output_per_mtok"] == 600_000_000
    assert own["recent"] is None


def test_a_model_that_ends_is_marked_in_models_and_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    gone = TARGETS.replace(
        "global.anthropic.claude-haiku-4-5-20251001-v1:0", "us.anthropic.claude-3-5-haiku-20241022-v1:0"
    )
    (tmp_path / "farebox.toml").write_text(gone)
    runtime = Runtime(load_settings(tmp_path), tmp_path)
    try:
        told = "haiku (us.anthropic.claude-3-5-haiku-20241022-v1:0) retired on 2026-06-19"
        assert told in " ".join(page(runtime).split())
        assert list_targets(runtime)[0].to_json()["retires"] == "2026-06-19"
        runtime.replica.sync()
        assert any(told in sentence for sentence in make_overview(runtime, RunSelection()).changes)
    finally:
        runtime.close()


def test_what_each_can_do_is_shown(runtime: Runtime):
    first, own = list_targets(runtime)
    assert abilities(first.target) == [
        "schemas", "tools", "batches", "documents", "images", "parallel_tool_calls", "stop", "strict", "tool_choice", "top_p",
    ]  # fmt: skip
    assert "seed" in abilities(own.target)
    assert "seed" not in first.to_json()["features"]["options"]
    console = Console(file=io.StringIO(), width=200)
    console.print(model_lines([first, own], "v1", cache_prices=False))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert (
        "takes schemas, tools, batches, documents, images, parallel_tool_calls, stop, strict, tool_choice, top_p"
        in shown
    )
    assert first.to_json()["features"]["media_limits"][:2] == ["5 documents a request", "20 images a request"]
    assert "media limits: 5 documents a request, 20 images a request, 4,500,000 bytes of document data" in shown
    assert own.to_json()["features"]["media_limits"] == []
    assert shown.count("media limits") == 1
