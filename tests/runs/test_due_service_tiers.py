"""Turns of a run with a due time: asked at the flex tier while there is time, recorded with what that saved."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tasks.turn.state
from farebox import Due, ask, automation, llm_task, plan
from farebox.runtime import Runtime
from pricing import Usage, now_us
from pricing.db import schema
from pricing.reports import run_report
from tests.support.books import rows
from tests.support.echo import Echo
from tests.support.project import Project, make_project
from tests.support.runs import riding

HOUR = 3_600_000_000
TARGET = """
[[targets]]
name = "mini"
provider = "openai"
model = "gpt-5.4-mini"
tier = "light"
"""


@llm_task(operation="say", max_turns=2)
def say(text: str) -> str:
    return ask("say.j2", text=text)


@llm_task(operation="hurry", max_turns=2, service_tier="priority")
def hurry(text: str) -> str:
    return ask("say.j2", text=text)


PLAN = plan(say, input_tokens=900, output_tokens=90, calls=2) + plan(hurry, input_tokens=900, output_tokens=90, calls=1)


@automation(price="1 credit", plan=PLAN)
def saying(due: Due = None) -> str:
    return say("hello")


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as echo:
        yield echo


@pytest.fixture
def project(tmp_path: Path, echo: Echo) -> Project:
    return make_project(tmp_path / "project", echo.url, targets=TARGET)


@pytest.fixture
def runtime(project: Project) -> Iterator[Runtime]:
    with project.runtime_here() as runtime:
        yield runtime


def asked(echo: Echo) -> list[str | None]:
    """The service tiers that requests named, in order."""
    decode = json.JSONDecoder()
    return [decode.raw_decode(body)[0].get("service_tier") for body in echo.seen]


def attempts(runtime: Runtime) -> list[dict[str, Any]]:
    return rows(runtime.ledger, schema.attempts)


def test_flex_is_asked_while_there_is_time(runtime: Runtime, echo: Echo):
    for due in ("2h", "20m", None):
        with riding(runtime, saying, {"due": due}):
            say.fn("hello")
    first, *others = attempts(runtime)
    assert asked(echo)[0] == "flex"
    assert set(asked(echo)[1:]) <= {None, "default", "standard"}
    usage = Usage(first["input_tokens"], first["output_tokens"])
    flex, standard = (
        runtime.rates.price("gpt-5.4-mini", "openai", usage, service_tier=tier) for tier in ("flex", "standard")
    )
    assert (first["service_tier"], first["cost_nano"]) == ("flex", flex)
    assert first["service_tier_saved_nano"] == standard - flex > 0
    assert [(one["service_tier"], one["service_tier_saved_nano"]) for one in others] == [("standard", 0)] * 2


def test_what_a_step_names_counts_before_the_due_time(runtime: Runtime, echo: Echo):
    with riding(runtime, saying, {"due": "2h"}):
        hurry.fn("hello")
    [one] = attempts(runtime)
    assert asked(echo) == ["priority"]
    assert one["service_tier_saved_nano"] < 0


def test_when_time_runs_out_the_standard_tier_is_asked(runtime: Runtime, echo: Echo, monkeypatch: pytest.MonkeyPatch):
    with riding(runtime, saying, {"due": "1h"}):
        monkeypatch.setattr(tasks.turn.state, "now_us", lambda: now_us() + HOUR // 2 + 1)
        say.fn("hello")
    [one] = attempts(runtime)
    assert (one["service_tier"], one["reason"]) == ("standard", "the service tier flex has no time left")
    assert asked(echo) != ["flex"]


def test_the_report_says_what_asking_later_saved(runtime: Runtime, echo: Echo):
    with riding(runtime, saying, {"due": "2h"}) as ride:
        say.fn("hello")
    runtime.replica.sync()
    report = run_report(runtime.replica, ride.run.run_id)
    [one] = attempts(runtime)
    assert report.due is not None
    assert report.due.saved_nano == one["service_tier_saved_nano"] > 0
    assert (report.due.early_us or 0) > HOUR
