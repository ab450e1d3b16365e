"""Turns at a service tier: the reply's tier sets the price, a tier without capacity is not an outage, an unknown one costs the most."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from farebox.config.settings import load_settings
from farebox.runtime import Runtime
from pricing.db import schema
from pricing.errors import ConfigError, FareboxError, PlanError, UnknownPrice
from tasks.ask import Ask
from tasks.context import Step, inside
from tasks.routing import Candidate, Target
from tasks.run_context import RunContext
from tasks.sandbox import Sandbox, read_journal
from tasks.turn.state import Limits
from tests.runs.conftest import Inject
from tests.support.books import rows
from tests.support.project import make_project
from tests.support.turns import admitted
from tests.support.waiting import PATIENCE

GPT = ("openai", "gpt-5")


def target(provider: str, model: str, tier: str | None = None, name: str = "one", more: str = "") -> str:
    asked = f'service_tier = "{tier}"\n' if tier else ""
    region = 'region = "us-east-1"\n' if provider == "bedrock" else ""
    return f'[[targets]]\nname = "{name}"\nprovider = "{provider}"\nmodel = "{model}"\ntier = "light"\n{asked}{region}{more}'


class World:
    """A project against the sandbox, and one run in it."""

    def __init__(self, runtime: Runtime, run_id: str, journal: Path) -> None:
        self.runtime, self.run_id, self.journal = runtime, run_id, journal

    def ask(self, step: Step = Step("say", max_tokens=60), **values: Any) -> str:  # noqa: B008 - frozen
        with inside(step, run=RunContext(self.run_id)):
            return str(Ask(lambda: self.runtime.engine)("say.j2", text="The disk was full on Monday.", **values))

    def stream(self) -> str:
        with inside(Step("say", max_tokens=60), run=RunContext(self.run_id)):
            return "".join(Ask(lambda: self.runtime.engine).stream("say.j2", text="The disk was full on Monday."))

    @property
    def attempts(self) -> list[dict[str, Any]]:
        return rows(self.runtime.ledger, schema.attempts)

    def price(self, attempt: dict[str, Any], tier: str) -> int:
        """What the sandbox counted, at a service tier."""
        usage = attempt["entry"].usage
        return self.runtime.rates.price(attempt["model"], attempt["provider"], usage, service_tier=tier)

    def checked(self) -> list[dict[str, Any]]:
        """The attempts, each with its line of the sandbox's billing journal, at the price of the tier in that."""
        attempts, entries = self.attempts, {one.client_request_id: one for one in read_journal(self.journal)}
        assert {one["attempt_id"] for one in attempts} == entries.keys()
        for one in attempts:
            entry = one["entry"] = entries[one["attempt_id"]]
            assert one["cost_nano"] == (self.price(one, entry.service_tier) if entry.billed else 0)
        return attempts


@contextmanager
def world(tmp_path: Path, sandbox: Sandbox, targets: str, **more: Any) -> Iterator[World]:
    project = make_project(tmp_path / "project", sandbox.url, targets=targets, **more)
    with project.runtime_here() as runtime, admitted(runtime) as run_id:
        yield World(runtime, run_id, sandbox.journal)


@pytest.mark.parametrize(
    ("provider", "model", "tier"),
    [
        (*GPT, "flex"),
        (*GPT, "priority"),
        (*GPT, "standard"),
        (*GPT, None),
        ("groq", "openai/gpt-oss-120b", "flex"),
        ("bedrock", "us.amazon.nova-pro-v1:0", "flex"),
        ("bedrock", "us.amazon.nova-pro-v1:0", "priority"),
        ("gemini", "gemini-2.5-flash", "flex"),
        ("anthropic", "claude-sonnet-4-6", "standard"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_target_is_asked_and_paid_at_its_service_tier(
    tmp_path: Path, sandbox: Sandbox, provider: str, model: str, tier: str | None, streamed: bool
):
    with world(tmp_path, sandbox, target(provider, model, tier)) as here:
        assert here.stream() if streamed else here.ask()
        [attempt] = here.checked()
        assert attempt["service_tier_asked"] == tier
        assert attempt["service_tier"] == attempt["entry"].service_tier == (tier or "standard")
        assert attempt["cost_nano"] == here.price(attempt, tier or "standard") <= attempt["worst_nano"]


def test_a_step_names_one_and_a_question_another(tmp_path: Path, sandbox: Sandbox):
    with world(tmp_path, sandbox, target(*GPT)) as here:
        here.ask(Step("say", max_tokens=60, service_tier="flex"))
        here.ask(Step("say", max_tokens=60, service_tier="flex"), service_tier="priority")
        here.ask()
        assert [one["service_tier"] for one in here.checked()] == ["flex", "priority", "standard"]


@pytest.mark.parametrize(
    ("asked", "serves", "paid"),
    [
        ("priority", "default", "standard"),
        (None, "priority", "priority"),
        (None, "flex", "flex"),
        ("flex", "default", "standard"),
    ],
)
def test_the_tier_of_the_reply_sets_the_price(
    tmp_path: Path, sandbox: Sandbox, inject: Inject, asked: str | None, serves: str, paid: str
):
    with world(tmp_path, sandbox, target(*GPT, asked)) as here:
        inject({"kind": "tier", "service_tier": serves})
        here.ask()
        [attempt] = here.attempts
        assert (attempt["service_tier_asked"], attempt["service_tier"], attempt["priced"]) == (asked, paid, "usage")
        here.ask()
        _, second = here.attempts
        assert second["worst_nano"] >= second["cost_nano"], "the next worst case knows of it"


def test_a_project_that_upgrades_by_itself_is_held_at_that_price_from_then_on(
    tmp_path: Path, sandbox: Sandbox, inject: Inject
):
    with world(tmp_path, sandbox, target(*GPT)) as here:
        inject({"kind": "tier", "service_tier": "priority"})
        here.ask()
        here.ask()
        first, second = here.attempts
        assert second["worst_nano"] == 2 * first["worst_nano"]


@pytest.mark.parametrize("word", ["scale", "ultrafast", "brand_new"])
def test_a_tier_without_a_price_is_charged_at_the_worst_case_and_somebody_is_told(
    tmp_path: Path, sandbox: Sandbox, inject: Inject, caplog: pytest.LogCaptureFixture, word: str
):
    with world(tmp_path, sandbox, target(*GPT)) as here, caplog.at_level(logging.WARNING, "farebox.prefect.events"):
        inject({"kind": "tier", "service_tier": word})
        here.ask()
        [attempt] = here.attempts
        assert (attempt["service_tier"], attempt["priced"]) == (word, "worst_case")
        assert attempt["cost_nano"] >= attempt["worst_nano"]
        assert attempt["input_tokens"] is not None
        assert f"served at the service tier '{word}'" in caplog.text


def test_a_contract_tier_has_the_price_that_it_is_given(tmp_path: Path, sandbox: Sandbox, inject: Inject):
    own = (
        '[[rates]]\nprovider = "openai"\nmodel = "gpt-5"\nservice_tier = "scale"\ninput_per_mtok = "1"\n'
        'output_per_mtok = "8"\n'
    )
    with world(tmp_path, sandbox, target(*GPT), more=own) as here:
        inject({"kind": "tier", "service_tier": "scale"})
        here.ask()
        [attempt] = here.checked()
        assert (attempt["service_tier"], attempt["priced"]) == ("scale", "usage")


@pytest.mark.parametrize(
    ("provider", "model"),
    [GPT, ("groq", "openai/gpt-oss-120b"), ("bedrock", "us.amazon.nova-pro-v1:0"), ("gemini", "gemini-2.5-flash")],
)
def test_a_tier_without_capacity_is_no_outage_and_the_same_target_answers_at_standard(
    tmp_path: Path, sandbox: Sandbox, inject: Inject, provider: str, model: str
):
    chain = target(provider, model, "flex") + target("anthropic", "claude-sonnet-4-6", name="other")
    with world(tmp_path, sandbox, chain) as here:
        inject({"kind": "tier_full", "target": "one"})
        assert here.ask()
        *refused, answered = here.checked()
        assert [one["outcome"] for one in refused] == ["tier_capacity"] * 2, "asked once more, then no longer"
        assert all((one["priced"], one["cost_nano"]) == ("unbilled", 0) for one in refused)
        assert (answered["target"], answered["outcome"]) == ("one", "ok")
        assert (answered["service_tier_asked"], answered["service_tier"]) == ("standard", "standard")
        assert here.runtime.circuits.snapshot() == {}
        inject()
        here.ask()
        assert here.attempts[-1]["service_tier"] == "flex", "the next turn asks for it again"


def test_a_tier_that_comes_back_is_used(tmp_path: Path, sandbox: Sandbox, inject: Inject):
    with world(tmp_path, sandbox, target(*GPT, "flex")) as here:
        inject({"kind": "tier_full", "nth": 1})
        here.ask()
        assert [(one["outcome"], one["service_tier"]) for one in here.checked()] == [
            ("tier_capacity", "flex"),
            ("ok", "flex"),
        ]


def test_an_overload_that_outlasts_the_tier_is_an_outage_as_ever(tmp_path: Path, sandbox: Sandbox, inject: Inject):
    chain = target(*GPT, "flex") + target("anthropic", "claude-sonnet-4-6", name="other")
    with world(tmp_path, sandbox, chain) as here:
        inject({"kind": "503", "target": "one"})
        assert here.ask()
        assert here.attempts[-1]["target"] == "other"
        assert "one" in here.runtime.circuits.snapshot()


def test_a_rate_limit_at_flex_is_a_rate_limit(tmp_path: Path, sandbox: Sandbox, inject: Inject):
    with world(tmp_path, sandbox, target(*GPT, "flex"), retries=0) as here:
        inject({"kind": "429", "first": 1})
        with pytest.raises(FareboxError):
            here.ask()
        [attempt] = here.attempts
        assert (attempt["outcome"], attempt["service_tier"]) == ("rate_limit", "flex")


def test_a_step_asks_targets_without_the_tier_as_usual(tmp_path: Path, sandbox: Sandbox, inject: Inject):
    chain = (
        target(*GPT, name="one")
        + target("openai", "gpt-4.1", name="two", more="")
        + target("anthropic", "claude-sonnet-4-6", name="three")
    )
    with world(tmp_path, sandbox, chain) as here:
        route = here.runtime.router.route("light", service_tier="flex")
        assert [one.service_tier for one in route] == ["flex", "standard", "standard"]
        inject({"kind": "500", "target": "one"}, {"kind": "500", "target": "two"})
        here.ask(Step("say", max_tokens=60, service_tier="flex"))
        assert (here.attempts[-1]["target"], here.attempts[-1]["service_tier"]) == ("three", "standard")


def test_a_step_that_no_target_can_serve_so_is_an_error_before_anything_is_sent(tmp_path: Path, sandbox: Sandbox):
    with world(tmp_path, sandbox, target("anthropic", "claude-sonnet-4-6")) as here:
        with pytest.raises(ConfigError, match="service tier 'flex', which no target has"):
            here.ask(Step("say", max_tokens=60, service_tier="flex"))
        assert here.attempts == []


@pytest.mark.parametrize("wrong", ["batch", "cheap", "", 3])
def test_a_step_can_only_name_what_a_request_can(wrong: Any):
    with pytest.raises(PlanError, match="service_tier"):
        Step("say", service_tier=wrong)


@pytest.mark.parametrize(
    ("provider", "model", "tier"),
    [
        ("anthropic", "claude-sonnet-4-6", "flex"),
        ("xai", "grok-4.3", "flex"),
        ("mistral", "mistral-small-latest", "priority"),
        ("ollama", "llama3", "standard"),
    ],
)
def test_a_target_with_a_tier_that_its_provider_does_not_have_is_one_clear_error(
    tmp_path: Path, provider: str, model: str, tier: str
):
    project = make_project(tmp_path, "", targets=target(provider, model, tier))
    with pytest.raises(ConfigError) as caught:
        assert Runtime(load_settings(project.root), project.root).targets
    assert f"service tier '{tier}', which {provider} does not have" in caught.value.message
    assert "Take service_tier out" in (caught.value.next_step or "")


def test_a_target_whose_model_has_no_price_at_its_tier_is_refused_not_asked_at_standard(
    tmp_path: Path, sandbox: Sandbox
):
    with world(tmp_path, sandbox, target("openai", "gpt-4.1", "flex")) as here:
        with pytest.raises(UnknownPrice, match="at the service tier 'flex'"):
            here.ask()
        assert here.attempts == []


def test_flex_has_a_deadline_of_its_own():
    limits = Limits(deadline_seconds=120, flex_deadline_seconds=900)
    place = Target("t", "openai", "gpt-5", "light", 1, 1, "http://x", "d")
    for tier in (None, "standard", "priority"):
        allowance = limits.allowance((Candidate(place, "", service_tier=tier),))
        assert (round(allowance.seconds), allowance.kept_seconds) == (120, 0)
    allowance = limits.allowance((Candidate(place, "", service_tier="flex"), Candidate(place, "")))
    assert (round(allowance.seconds), allowance.kept_seconds) == (1_020, 120)


def test_flex_that_takes_too_long_is_asked_at_standard_and_no_circuit_opens(
    tmp_path: Path, sandbox: Sandbox, inject: Inject
):
    chain = target(*GPT, "flex") + target("anthropic", "claude-sonnet-4-6", name="other")
    with world(tmp_path, sandbox, chain) as here:
        here.runtime.engine._turns._limits = Limits(PATIENCE, 8, flex_deadline_seconds=0.3)
        inject({"kind": "hang", "nth": 1})
        assert here.ask()
        slow, answered = here.attempts
        assert (slow["outcome"], slow["service_tier"], slow["priced"]) == ("timeout", "flex", "worst_case")
        assert (answered["target"], answered["service_tier"]) == ("one", "standard")
        assert here.runtime.circuits.snapshot() == {}


def test_flex_is_waited_for_longer_than_a_targets_read_timeout(tmp_path: Path, sandbox: Sandbox, inject: Inject):
    with world(tmp_path, sandbox, target(*GPT, "flex", more="read_timeout = 0.05\n")) as here:
        inject({"kind": "slow", "seconds": 0.5})
        assert here.ask()
        assert [one["service_tier"] for one in here.attempts] == ["flex"]
