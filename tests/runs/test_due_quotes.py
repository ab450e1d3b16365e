"""Quotes of runs with a due time: lower by the service tiers that answer in time, held for the case that none does."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from farebox import Due, Quality, automation, plan
from farebox.automations import automation_of
from farebox.cli.quote import compare
from farebox.prefect.form import priced_form
from farebox.runs.admission import Priced, price_run
from farebox.runtime import Runtime
from pricing import Usage, now_us
from tests.support.due_steps import say, talk
from tests.support.project import Project, make_project
from tests.support.report_pages import shown

HOUR = 3_600_000_000
TARGETS = """
[[targets]]
name = "mini"
provider = "openai"
model = "gpt-5.4-mini"
tier = "light"

[[targets]]
name = "sonnet"
provider = "anthropic"
model = "claude-sonnet-4-5"
tier = "premium"
"""


@automation(price="1 credit", plan=plan(say, calls=40, input_tokens=900, output_tokens=90))
def saying(quality: Quality = "fast", due: Due = None) -> str:
    return say("hello")


@automation(price="1 credit", plan=plan(say, calls=40, input_tokens=900, output_tokens=90), durable=False)
def forgetting() -> str:
    return say("hello")


@automation(price="1 credit", plan=plan(talk, calls=40, input_tokens=900, output_tokens=90), due="6h")
def talking() -> str:
    return talk("hello")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project", "http://127.0.0.1:9", targets=TARGETS)


@pytest.fixture
def runtime(project: Project) -> Iterator[Runtime]:
    with project.runtime_here() as runtime:
        yield runtime


def priced(runtime: Runtime, flow: object, hours: float | None = None, **given: object) -> Priced:
    due_at = None if hours is None else now_us() + round(hours * HOUR)
    return price_run(runtime, automation_of(flow), given, due_at=due_at)


def by_hand(runtime: Runtime, service_tier: str, model: str = "gpt-5.4-mini", provider: str = "openai") -> int:
    """Forty calls, two of which are asked at the standard price after all."""
    usage = Usage(900, 90)
    cheap = runtime.rates.price(model, provider, usage, service_tier=service_tier)
    return 38 * cheap + 2 * runtime.rates.price(model, provider, usage)


@pytest.mark.parametrize(("hours", "service_tier"), [(6, "batch"), (1, "flex"), (0.3, "standard")])
def test_a_quote_is_at_the_service_tier_that_answers_in_time(runtime: Runtime, hours: float, service_tier: str):
    now, later = priced(runtime, saying), priced(runtime, saying, hours)
    assert later.quote.point == by_hand(runtime, service_tier)
    assert later.hold == now.hold, "the hold covers that all is asked live"
    assert later.quote.ceiling == now.quote.ceiling
    assert (later.expected is None) == (service_tier == "standard")
    if later.expected is not None:
        assert later.quote.p95 < now.quote.p95
        first = later.routes["say"][0]
        assert (first.service_tier, first.live_percent) == (service_tier, 5)


def test_the_provider_of_the_quality_decides(runtime: Runtime):
    best = priced(runtime, saying, 6, quality="best")
    assert best.quote.point == by_hand(runtime, "batch", "claude-sonnet-4-5", "anthropic")
    soon = priced(runtime, saying, 1, quality="best")  # Anthropic has no flex
    assert soon.quote.point == priced(runtime, saying, quality="best").quote.point


def test_turns_that_cannot_wait_for_a_batch_are_quoted_at_flex(runtime: Runtime):
    assert priced(runtime, talking, 6).routes["talk"][0].service_tier == "flex"
    assert priced(runtime, forgetting, 6).routes["say"][0].service_tier == "flex"


def test_the_command_shows_all_of_them(runtime: Runtime):
    compared = compare(runtime, saying, {}, due="6h")
    assert [one.quality for one in compared.quotes] == ["fast", "fast", "best", "best"]
    assert [one.due_at is None for one in compared.quotes] == [True, False, True, False]
    told = " ".join(shown(compared.lines(), 200).split())
    assert "fast now $" in told
    assert "· fast by " in told
    assert "· best by " in told
    assert "is done in about 60 min, 95 of 100 times within 4 h (assumed, without past batches)" in told
    plain = json.loads(json.dumps(compared.to_json(), default=str))
    assert plain["quotes"][1]["expected_seconds"] == {"median": 3600.0, "p95": 14400.0, "batches": 0}
    assert plain["quotes"][0]["due_at"] is None
    assert plain["later"] == []


def test_without_a_due_time_it_says_what_one_would_save(runtime: Runtime):
    compared = compare(runtime, saying, {})
    assert [one.due_at for one in compared.quotes] == [None, None]
    assert len(compared.later) == 2
    assert "due within a day, with --due 24h: fast $" in shown(compared.lines(), 200)


def test_a_declared_due_time_is_quoted_and_one_that_is_too_soon_saves_nothing(runtime: Runtime):
    assert [one.due_at is None for one in compare(runtime, talking, {}).quotes] == [True, False]
    told = shown(compare(runtime, talking, {}, due="20m").lines(), 200)
    assert "saves nothing: no cheaper service tier answers in time" in told


def test_the_form_says_what_waiting_saves(runtime: Runtime):
    told = priced_form(runtime, saying, {}).properties["due"]["description"]
    assert told.startswith("For example 6h, 07:00 or 2026-11-30T07:00; if left empty: as soon as possible.")
    assert " · due in a day ≈ $" in told
    assert "done in about 60 min, 95 of 100 times within 4 h" in told
    assert "if left empty: 6h" in priced_form(runtime, talking, {}).properties["due"]["description"]
