"""Quotes with a due time that save nothing say the true cause: a setting, the step, the plan, or the time."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from farebox import automation, plan
from farebox.automations import automation_of
from farebox.cli.quote import compare
from farebox.runs.admission import price_run
from farebox.runtime import Runtime
from pricing import now_us
from tests.support.due_steps import say, talk
from tests.support.project import make_project
from tests.support.report_pages import shown

HOUR = 3_600_000_000
BEDROCK = """
[[targets]]
name = "haiku"
provider = "bedrock"
model = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
tier = "light"
region = "eu-central-1"
"""
PLACES = 'batch_s3 = "s3://farebox-batches/a"\nbatch_role = "arn:aws:iam::123456789012:role/batches"\n'
ANTHROPIC = '\n[[targets]]\nname = "claude"\nprovider = "anthropic"\nmodel = "claude-haiku-4-5"\ntier = "light"\n'
UNCONFIGURED = "batches of target haiku need batch_s3 (a bucket) and batch_role (an IAM role) in farebox.toml"
FEW = "a batch of bedrock has at least 100 turns, and say plans 40"
TIME = "no cheaper service tier answers in time"


@automation(price="1 credit", plan=plan(say, calls=40, input_tokens=900, output_tokens=90))
def few() -> str:
    return say("hello")


@automation(price="1 credit", plan=plan(say, calls=400, input_tokens=900, output_tokens=90))
def many() -> str:
    return say("hello")


@automation(price="1 credit", plan=plan(say, calls=400, input_tokens=900, output_tokens=90), durable=False)
def forgetting() -> str:
    return say("hello")


@automation(price="1 credit", plan=plan(talk, calls=400, input_tokens=900, output_tokens=90))
def talking() -> str:
    return talk("hello")


@pytest.fixture
def opened(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, str], Runtime]]:
    """Makes the project with these targets; its Bedrock has keys, so that no sandbox stands in."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    left = []

    def made(targets: str, more: str) -> Runtime:
        project = make_project(
            tmp_path_factory.mktemp("p"), "http://127.0.0.1:9", targets=targets, more=more, documents=0
        )
        manager = project.runtime_here()
        left.append(manager)
        return manager.__enter__()

    yield made
    for manager in left:
        manager.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("targets", "more", "flow", "hours", "reasons"),
    [
        (BEDROCK, "", many, 26, (UNCONFIGURED,)),
        (BEDROCK, "", few, 26, (FEW, UNCONFIGURED)),
        (BEDROCK + PLACES, "", few, 26, (FEW,)),
        (BEDROCK + PLACES, "", many, 26, ()),
        (BEDROCK, "", many, 0.5, (TIME,)),
        (ANTHROPIC, "", few, 6, ()),
        (ANTHROPIC, "", few, 0.5, (TIME,)),
        (ANTHROPIC, "", forgetting, 6, ("a run that keeps no answers cannot wait for a batch",)),
        (ANTHROPIC, "", talking, 6, ("turns of talk cannot wait for a batch, since it takes several (max_turns)",)),
        (ANTHROPIC, "[batches]\nenabled = false\n", few, 6, ("[batches] enabled is false in farebox.toml",)),
        (
            ANTHROPIC + 'service_tier = "standard"\n', "", few, 6,
            ("say is asked at the service tier standard, which is set",),
        ),
    ],
)  # fmt: skip
def test_the_quote_says_what_hinders_a_cheaper_service_tier(
    opened: Callable[[str, str], Runtime], targets: str, more: str, flow: Any, hours: float, reasons: tuple[str, ...]
):
    runtime = opened(targets, more)
    priced = price_run(runtime, automation_of(flow), {}, due_at=now_us() + round(hours * HOUR))
    assert priced.live_reasons == reasons
    assert (priced.expected is None) == bool(reasons)
    compared = compare(runtime, flow, {}, due=f"{round(hours * 60)}m")
    told = " ".join(shown(compared.lines(), 400).split())
    assert compared.to_json()["quotes"][1]["live_reasons"] == list(reasons)
    if reasons:
        assert f"saves nothing: {'; '.join(reasons)}" in told
    else:
        assert "saves nothing" not in told


def test_a_run_without_a_due_time_has_no_reasons(opened: Callable[[str, str], Runtime]):
    assert price_run(opened(BEDROCK, ""), automation_of(many), {}).live_reasons == ()
