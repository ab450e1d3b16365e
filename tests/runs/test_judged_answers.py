"""Answers that are judged: by a turn of its own, paid by the run, which sees the answer and nothing else."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farebox import ask, automation, llm_task, plan
from farebox.runtime import Runtime
from pricing.db import schema
from pricing.errors import Blocked, OverBudget
from tasks.routing.target import family_of
from tasks.sandbox import Sandbox
from tests.support.books import rows
from tests.support.echo import TARGET, Echo
from tests.support.project import make_project
from tests.support.runs import riding

GUARDS = """
[guards.judge]
mode = "enforce"
every = {every}
share = 1.0
criteria = {{ grounded = "States nothing that the facts do not say.", polite = "Is polite." }}
"""


@llm_task(operation="chat", max_turns=9)
def chat(text: str) -> str:
    return ask("say.j2", text=text)


@automation(price="1 credit", plan=plan(chat, input_tokens=9000, output_tokens=900, calls=9))
def talk() -> None:
    """Never called: the tests run inside it."""


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as running:
        running.say = lambda asked: "The moon is cheese." if "<answer>" not in asked else asked
        yield running


def project(tmp_path: Path, echo: Echo, *, every: bool) -> Any:
    guards = GUARDS.format(every=str(every).lower())
    return make_project(tmp_path / "project", echo.url, targets=TARGET, more=guards).runtime_here()


def judging(outcome: str) -> Any:
    criteria = [
        {"evidence": "it says cheese", "criterion": "grounded", "outcome": outcome},
        {"evidence": "nothing", "criterion": "polite", "outcome": "unknown"},
    ]
    return lambda schema, said: {"criteria": criteria, "outcome": outcome}


def decided(runtime: Runtime) -> list[dict[str, Any]]:
    return [row for row in rows(runtime.ledger, schema.guard_decisions) if row["guard"] == "judge"]


def test_a_failed_answer_is_withheld_and_the_judge_is_paid_by_the_run(tmp_path: Path, echo: Echo):
    echo.fill = judging("fail")
    with project(tmp_path, echo, every=True) as runtime:
        with pytest.raises(Blocked) as blocked, riding(runtime, talk, {}):
            chat.fn("A question that the judge must not see.")
        assert (blocked.value.fields["reason"], blocked.value.fields["rule"]) == ("policy", "grounded")
        attempts = rows(runtime.ledger, schema.attempts)
        assert [attempt["operation"] for attempt in attempts] == ["chat", "judge"]
        [decision] = decided(runtime)
        assert decision["cost_nano"] == attempts[1]["cost_nano"] > 0
        [settlement] = rows(runtime.ledger, schema.settlements)
        assert settlement["spent_nano"] == sum(attempt["cost_nano"] for attempt in attempts)
    assert "The moon is cheese." in echo.seen[1]
    assert '"temperature":0' in echo.seen[1].replace(" ", "")
    assert "must not see" not in echo.seen[1]


def test_a_sample_is_judged_and_only_written_down(tmp_path: Path, echo: Echo):
    echo.fill = judging("fail")
    with project(tmp_path, echo, every=False) as runtime:
        with riding(runtime, talk, {}):
            assert chat.fn("Well?") == "The moon is cheese."
        [decision] = decided(runtime)
        assert (decision["action"], json.loads(decision["facts"])) == ("allow", {"judged": "fail", "rule": "grounded"})


def test_a_passed_answer_goes_on(tmp_path: Path, echo: Echo):
    echo.fill = judging("pass")
    with project(tmp_path, echo, every=True) as runtime, riding(runtime, talk, {}):
        assert chat.fn("Well?") == "The moon is cheese."


def test_a_judge_that_fails_lets_nothing_pass(tmp_path: Path, echo: Echo):
    echo.fill = lambda schema, said: {"nonsense": 1}
    with project(tmp_path, echo, every=True) as runtime:
        with pytest.raises(Blocked, match="could not be checked") as blocked, riding(runtime, talk, {}):
            chat.fn("Well?")
        assert blocked.value.fields["reason"] == "guard_error"


@pytest.mark.parametrize("limit", ["1 USD", "0.000001 USD"])
def test_a_budget_of_the_judge_is_held_like_any_operations(tmp_path: Path, echo: Echo, limit: str):
    echo.fill = judging("pass")
    budget = f'[[budgets]]\nscope = "operation"\nkey = "judge"\nwindow = "day"\nlimit = "{limit}"\n'
    more = GUARDS.format(every="true") + budget
    with make_project(tmp_path / "tight", echo.url, targets=TARGET, more=more).runtime_here() as runtime:
        if limit != "1 USD":
            with pytest.raises(OverBudget, match="judge per day"), riding(runtime, talk, {}):
                pass
            assert not echo.seen
            return
        with riding(runtime, talk, {}):
            chat.fn("Well?")
        [budgeted] = [one for one in runtime.ledger.budgets() if one.scope == "operation"]
        [judged] = [one for one in rows(runtime.ledger, schema.attempts) if one["operation"] == "judge"]
        assert (budgeted.key, budgeted.spent, budgeted.held) == ("judge", judged["cost_nano"], 0)


OTHERS = """
[[targets]]
name = "claude"
provider = "anthropic"
model = "claude-haiku-4-5"
tier = "light"

[[targets]]
name = "mini"
provider = "openai"
model = "gpt-4.1-mini"
tier = "light"
"""


def test_another_family_judges_at_temperature_zero(tmp_path: Path, sandbox: Sandbox):
    more = GUARDS.format(every="true")
    with make_project(tmp_path / "two", sandbox.url, targets=OTHERS, more=more).runtime_here() as runtime:
        with riding(runtime, talk, {}):
            chat.fn("Well?")
        asked = [(row["operation"], row["target"], row["reason"]) for row in rows(runtime.ledger, schema.attempts)]
    assert asked[0][:2] == ("chat", "claude")
    assert asked[1] == ("judge", "mini", "another family than claude, which it is to judge")


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("global.anthropic.claude-haiku-4-5-20251001-v1:0", "claude"),
        ("claude-sonnet-4-5", "claude"),
        ("openai/gpt-oss-120b", "gpt"),
        ("gpt-4.1-mini", "gpt"),
        ("meta.llama3-1-70b-instruct-v1:0", "llama"),
        ("ours", "ours"),
    ],
)
def test_families(model: str, family: str):
    assert family_of(model) == family
