"""Quotes of steps and targets that name a service tier: at its price, with a ceiling that covers the standard one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from farebox import ask, automation, llm_task, plan
from farebox.automations import automation_of
from farebox.runs.admission import Priced, price_run
from farebox.runs.explanation import explain
from farebox.runtime import Runtime
from pricing import ConfigError, Usage
from tests.support.project import make_project

GPT = '[[targets]]\nname = "gpt"\nprovider = "openai"\nmodel = "gpt-5"\ntier = "light"\nreasoning = "none"\n'
SONNET = '[[targets]]\nname = "sonnet"\nprovider = "anthropic"\nmodel = "claude-sonnet-4-6"\ntier = "light"\n'


@llm_task(operation="patient", service_tier="flex")
def patient(text: str) -> str:
    return ask("say.j2", text=text)


@llm_task(operation="urgent", service_tier="priority")
def urgent(text: str) -> str:
    return ask("say.j2", text=text)


@llm_task(operation="usual")
def usual(text: str) -> str:
    return ask("say.j2", text=text)


@automation(price="1 credit", plan=plan(patient, calls=40, input_tokens=900, output_tokens=90))
def waiting() -> str:
    return patient("hello")


@automation(price="1 credit", plan=plan(urgent, calls=40, input_tokens=900, output_tokens=90))
def hurried() -> str:
    return urgent("hello")


@automation(price="1 credit", plan=plan(usual, calls=40, input_tokens=900, output_tokens=90))
def plain() -> str:
    return usual("hello")


@contextmanager
def runtime_of(folder: Path, targets: str) -> Iterator[Runtime]:
    with make_project(folder / "project", "http://127.0.0.1:9", targets=targets).runtime_here() as runtime:
        yield runtime


def quoted(runtime: Runtime, flow: object) -> Priced:
    return price_run(runtime, automation_of(flow), {})


def thinking(runtime: Runtime, flow: object) -> int:
    [route] = quoted(runtime, flow).routes.values()
    return route[0].thinking


@pytest.mark.parametrize(("flow", "tier"), [(waiting, "flex"), (hurried, "priority"), (plain, "standard")])
def test_the_point_is_at_the_tier_that_the_step_names(tmp_path: Path, flow: object, tier: str):
    with runtime_of(tmp_path, GPT) as runtime:
        usage = Usage(900, 90 + thinking(runtime, flow))
        found = quoted(runtime, flow)
        assert found.quote.point == 40 * runtime.rates.price("gpt-5", "openai", usage, service_tier=tier)
        assert found.expected is None or tier == "flex"


def test_the_ceiling_covers_that_flex_has_no_capacity_and_priority_its_own_price(tmp_path: Path):
    with runtime_of(tmp_path, GPT) as runtime:
        standard = quoted(runtime, plain).quote.ceiling
        assert quoted(runtime, waiting).quote.ceiling == standard
        assert quoted(runtime, hurried).quote.ceiling == 2 * standard


def test_a_target_that_names_one_is_quoted_at_it(tmp_path: Path):
    with runtime_of(tmp_path / "one", GPT) as runtime:
        usual_point = quoted(runtime, plain).quote.point
    with runtime_of(tmp_path / "two", GPT + 'service_tier = "flex"\n') as runtime:
        found = quoted(runtime, plain)
        assert found.quote.point == -(-usual_point // 2)
        [route] = found.routes.values()
        assert route[0].service_tier == "flex"


def test_the_cheaper_target_at_the_asked_tier_begins_the_economic_route(tmp_path: Path):
    chain = SONNET + GPT
    with runtime_of(tmp_path, chain) as runtime:
        runtime.observations.fresh()
        route = runtime.router.route("light", economic="asked for", service_tier="flex")
        assert [(one.target.name, one.service_tier) for one in route] == [("gpt", "flex"), ("sonnet", "standard")]


def test_a_step_that_nobody_can_serve_so_is_not_quoted(tmp_path: Path):
    with runtime_of(tmp_path, SONNET) as runtime, pytest.raises(ConfigError, match="service tier 'flex'"):
        quoted(runtime, waiting)


def test_the_explanation_names_the_tier_and_its_floor(tmp_path: Path):
    with runtime_of(tmp_path, GPT) as runtime:
        [operation] = explain(runtime, automation_of(waiting), quality="fast").operations
        assert operation.chain[0].service_tier == "flex"
        assert operation.floors.seconds == 900
        [other] = explain(runtime, automation_of(plain), quality="fast").operations
        assert (other.chain[0].service_tier, other.floors.seconds) == (None, 2.0)
        assert operation.chain[0].cost_nano * 2 <= other.chain[0].cost_nano + 2
