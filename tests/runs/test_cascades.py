"""Cascades where they act: a verifier turns the cheap answer down, the next target is asked, both are paid."""

import datetime as dt
from dataclasses import replace

import pytest

from farebox import ask, automation, llm_task, plan
from farebox.automations import automation_of
from farebox.calibration.lockfile import LOCK_FILE, write_lock
from farebox.runs.admission import price_run
from farebox.runtime import Runtime
from pricing.db import schema
from pricing.errors import TurnFailed
from pricing.ledger.target_stats import observe
from pricing.usage import Usage
from tasks.sandbox import Sandbox
from tests.support.books import assert_ledger_adds_up, assert_ledger_equals_journal, rows
from tests.support.lockfile import candidate, locked
from tests.support.project import Project
from tests.support.runs import riding

HEARD: list[str] = []
"""What the verifier was given."""
ANSWERS: list[bool] = []
"""What it says next; true once there is nothing left."""


def is_right(answer: str) -> bool:
    HEARD.append(answer)
    return ANSWERS.pop(0) if ANSWERS else True


def broken(answer: str) -> bool:
    raise KeyError(answer)


@llm_task(operation="say", max_tokens=60, max_turns=9, verify=is_right)
def say(text: str) -> str:
    return ask("say.j2", text=text)


@llm_task(operation="fail", max_tokens=60, verify=broken)
def fail(text: str) -> str:
    return ask("say.j2", text=text)


@automation(
    name="saying",
    price="1 credit",
    plan=plan(say, calls=10, input_tokens=30, output_tokens=20) + plan(fail, input_tokens=30, output_tokens=20),
)
def saying() -> str:
    return ""


@pytest.fixture(autouse=True)
def silence():
    HEARD.clear()
    ANSWERS.clear()


def lock(project: Project, *route: str, models: tuple[str, ...], escalated: float = 0.25) -> None:
    best = route[-1]
    made = locked().model_copy(
        update={
            "route": route,
            "models": models,
            "best": best,
            "sandbox": True,
            "escalated": escalated,
            "expires": dt.date(2999, 1, 1),
            "candidates": (
                candidate(*route, verdict="enough", cost=200_000),
                candidate(best, verdict="best", cost=2_000_000),
            ),
        }
    )
    write_lock(project.root / LOCK_FILE, "saying/say", made)


OSS, SONNET, MINI = "groq openai/gpt-oss-120b", "anthropic claude-sonnet-4-5", "openai gpt-4.1-mini"
USAGE = Usage(30, 20)
HAIKU = "bedrock global.anthropic.claude-haiku-4-5-20251001-v1:0"


def asked(runtime: Runtime) -> list[tuple[str, str]]:
    return [(row["target"], row["reason"].split(":")[0]) for row in rows(runtime.ledger, schema.attempts)]


@pytest.mark.parametrize(
    ("best", "model"),
    [("sonnet", SONNET), ("haiku", HAIKU), ("gpt-mini", MINI)],
    ids=["higher tier", "same tier", "lower tier"],
)
def test_the_second_of_a_cascade_is_asked_where_the_verifier_says_no(
    project: Project, sandbox: Sandbox, best: str, model: str
):
    lock(project, "gpt-oss", best, models=(OSS, model))
    ANSWERS[:] = [True, False, True]
    with project.runtime_here() as runtime:
        with riding(runtime, saying, {}):
            said = [say.fn("The disk is full."), say.fn("The disk is full.")]
        assert asked(runtime) == [("gpt-oss", "locked, light")] * 2 + [(best, "unverified at gpt-oss")]
        assert HEARD[0] == said[0]
        assert HEARD[2] == said[1]
        turns = [(row["outcome"], row["reason"], row["target"]) for row in rows(runtime.ledger, schema.turns)]
        assert turns == [("answered", None, "gpt-oss"), ("answered", "escalated", best)]
        assert all(row["cost_nano"] > 0 for row in rows(runtime.ledger, schema.attempts)), (
            "what was turned down is paid"
        )
        assert_ledger_adds_up(runtime)
        assert_ledger_equals_journal(runtime, sandbox.journal)
        seen = observe(runtime.ledger, "gpt-oss", provider="groq", model=OSS.split()[1], stand_in=True)
        assert seen is not None
        assert (round(seen.n), seen.success, seen.waste) == (1, 1.0, 0.0), (
            "what a verifier refuses is no failure of the target"
        )


def test_without_a_lock_a_higher_tier_is_asked_and_where_nobody_is_left_the_turn_fails(
    project: Project, sandbox: Sandbox
):
    ANSWERS[:] = [False, True, False, False]
    with project.runtime_here() as runtime:
        with riding(runtime, saying, {}):
            say.fn("The disk is full.")
            with pytest.raises(TurnFailed, match="no answer passed its verifier") as failed:
                say.fn("The disk is full.")
        assert failed.value.fields["kind"] == "unverified"
        assert [target for target, _ in asked(runtime)] == ["haiku", "sonnet"] * 2
        assert_ledger_equals_journal(runtime, sandbox.journal)


def test_a_broken_verifier_ends_the_turn_with_one_line(project: Project, sandbox: Sandbox):
    with project.runtime_here() as runtime:
        with (
            riding(runtime, saying, {}),
            pytest.raises(TurnFailed, match="The verifier broken of the step 'fail' raised KeyError"),
        ):
            fail.fn("The disk is full.")
        assert len(asked(runtime)) == 1, "nobody else is asked, and paid, for that"
        assert_ledger_equals_journal(runtime, sandbox.journal)


def test_a_quote_is_of_the_locked_route(project: Project):
    with project.runtime_here() as runtime:
        usual = price_run(runtime, automation_of(saying), {})
    lock(project, "gpt-oss", "sonnet", models=(OSS, SONNET), escalated=0.25)
    with project.runtime_here() as runtime:
        cascade = price_run(runtime, automation_of(saying), {})
        rate = runtime.rates.price
        thinks = replace(USAGE, output_tokens=(USAGE.output_tokens or 0) + 256)  # gpt-oss at reasoning = "low"
        by_hand = 10 * rate(OSS.split()[1], "groq", thinks) + 10 * rate("claude-sonnet-4-5", "anthropic", USAGE) // 4
        rest = rate(HAIKU.split()[1], "bedrock", USAGE)
        assert usual.quote.point == 11 * rest
        assert cascade.quote.point == by_hand + rest
