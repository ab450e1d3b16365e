"""Token counts that a request cannot have: the worst case is charged, the attempt is marked, and a warning is sent."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.doctor.checks import CheckContext, check_usage
from pricing.db import schema
from pricing.usage import NOT_A_COUNT, Usage
from tasks.routing.target import Target
from tasks.turn.usage_check import EXTRA_OUTPUT, NOT_PLAUSIBLE, PROVIDER_TOKENS, UsageLimits
from tests.support.books import rows
from tests.support.playback import Playback
from tests.support.postgres import Postgres
from tests.support.project import make_project
from tests.support.replies import recorded
from tests.support.turns import admitted, ask_once

TARGET = (
    '[[targets]]\nname = "own"\nprovider = "openai_compatible"\nmodel = "m"\ntier = "light"\nwindow = 1000000\n'
    'base_url = "{url}/tape/v1"\n[[rates]]\nprovider = "openai_compatible"\nmodel = "m"\ninput_per_mtok = "90"\n'
    'output_per_mtok = "90"\n'
)
FINE = {"prompt_tokens": 30, "completion_tokens": 5}
TARGETS = Target("t", "openai", "m", "light", 200_000, 8_000, "http://127.0.0.1", "d")


def limits(body: int = 1_200, most_input: int = 600, max_tokens: int = 300, **target: Any) -> UsageLimits:
    values = {name: getattr(TARGETS, name) for name in TARGETS.__slots__} | target
    return UsageLimits.of(Target(**values), body=b"x" * body, most_input=most_input, max_tokens=max_tokens)


@pytest.mark.parametrize(
    "usage",
    [
        Usage(),
        Usage(300, None),
        Usage(300, 300),
        Usage(300, 300 + EXTRA_OUTPUT),
        Usage(1_200 + PROVIDER_TOKENS, 5),
        Usage(5_000, 20, 4_000, 500, 500),
        Usage(300, 300, reasoning_tokens=300),
        Usage(300, 8_000, reasoning_tokens=7_900),
        Usage(0, 0),
    ],
)
def test_what_a_request_can_have_is_accepted(usage: Usage):
    assert limits().fault(usage) is None


@pytest.mark.parametrize(
    ("usage", "fault"),
    [
        (Usage(10**12, 20), "input_tokens above 33,968"),
        (Usage(6 * 10**14, 6 * 10**14), "input_tokens above 33,968"),
        (Usage(2**53 - 1, 1), "input_tokens above 33,968"),
        (Usage(200_001, 1), "input_tokens above 33,968"),
        (Usage(300, 317), "output_tokens above 316"),
        (Usage(300, 2**40), "output_tokens above 316"),
        (Usage(300, 8_017, reasoning_tokens=8_000), "output_tokens above 8,016"),
        (Usage(NOT_A_COUNT, 5), "input_tokens is not a count"),
        (Usage(300, NOT_A_COUNT), "output_tokens is not a count"),
        (Usage(300, 5, cache_read_tokens=NOT_A_COUNT), "cache_read_tokens is not a count"),
        (Usage(300, 5, cache_read_tokens=301), "cached tokens above input_tokens"),
        (Usage(300, 5, 200, 100, 1), "cached tokens above input_tokens"),
        (Usage(None, 5, cache_read_tokens=10**9), "cached tokens above input_tokens"),
        (Usage(300, 5, reasoning_tokens=6), "reasoning_tokens above output_tokens"),
    ],
)
def test_what_no_request_can_have_is_refused(usage: Usage, fault: str):
    assert limits().fault(usage) == fault


def test_the_window_bounds_a_long_request_and_a_reasoning_model_may_think_longer():
    assert limits(body=900_000, most_input=100_000).fault(Usage(200_001, 5)) == "input_tokens above 200,000"
    assert limits(body=900_000, most_input=250_000).fault(Usage(250_000, 5)) is None
    assert limits().fault(Usage(300, 8_000), reasons=True) is None


counts = st.one_of(st.none(), st.integers(-1, 2**60), st.integers(0, 2_000))


@given(st.builds(Usage, counts, counts, counts, counts, counts, counts), st.booleans())
def test_what_is_accepted_is_bounded(usage: Usage, reasons: bool):
    bounds = limits()
    if bounds.fault(usage, reasons=reasons) is None:
        for name in Usage.__dataclass_fields__:
            assert 0 <= (getattr(usage, name) or 0) <= bounds.input_tokens + bounds.with_reasoning


@pytest.fixture(params=["sqlite", "postgres"])
def ledger_url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return ""
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


WILD: list[dict[str, Any]] = [
    {"prompt_tokens": 6 * 10**14, "completion_tokens": 6 * 10**14},
    {"prompt_tokens": 10**12, "completion_tokens": 20},
    {"prompt_tokens": 2**53 - 1, "completion_tokens": 2**53 - 1},
    {"prompt_tokens": 10**30, "completion_tokens": 1},
    {"prompt_tokens": -5, "completion_tokens": 1},
    {"prompt_tokens": 30.5, "completion_tokens": 1},
    {"prompt_tokens": "30", "completion_tokens": 1},
    {"prompt_tokens": 30, "completion_tokens": 5_000},
    {"prompt_tokens": 30, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 10**13}},
    {"prompt_tokens": 30, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 2**52}},
]


def test_two_overlapping_runs_and_all_later_ones_go_on(
    ledger_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    playback = Playback()
    project = make_project(tmp_path, "", ledger_url=ledger_url, retries=0, targets=TARGET.replace("{url}", "http://x"))
    starter = project.runtime()
    starter.engine.loop.run(playback.start())
    project = make_project(
        tmp_path, "", ledger_url=ledger_url, retries=0, targets=TARGET.replace("{url}", playback.url)
    )
    runtime = project.runtime()
    loop = runtime.engine.loop

    async def both(first: str, second: str) -> list[Any]:
        return list(await asyncio.gather(ask_once(runtime, first, "Hi"), ask_once(runtime, second, "Hi")))

    try:
        with caplog.at_level(logging.WARNING, "farebox.prefect.events"):
            for usage in WILD:
                playback.put_on("tape", recorded("openai_compatible", "whole", usage))
                playback.put_on("tape", recorded("openai_compatible", "whole", usage))
                with admitted(runtime) as first, admitted(runtime) as second:
                    assert loop.run(both(first, second)) == ["It is done.", "It is done."]
        playback.put_on("tape", recorded("openai_compatible", "whole", FINE))
        with admitted(runtime) as last:
            assert loop.run(ask_once(runtime, last, "Hi")) == "It is done."
        *wild, fine = rows(runtime.ledger, schema.attempts)
        assert len(wild) == 2 * len(WILD)
        for row in wild:
            assert (row["outcome"], row["priced"], row["code"]) == ("ok", "worst_case", NOT_PLAUSIBLE)
            assert row["cost_nano"] == row["worst_nano"]
            assert row["input_tokens"] is row["output_tokens"] is row["cache_read_tokens"] is None
        assert (fine["priced"], fine["code"], fine["cost_nano"]) == ("usage", None, 35 * 90_000)
        settled = rows(runtime.ledger, schema.settlements)
        assert all(isinstance(row["spent_nano"], int) and row["outcome"] == "completed" for row in settled)
        assert sum(row["spent_nano"] for row in settled) == sum(row["cost_nano"] for row in [*wild, fine])
        told = [record.getMessage() for record in caplog.records]
        assert len(told) == 2 * len(WILD)  # once per run and target
        assert all("'own' reported token counts that its request cannot have" in line for line in told)
        [finding] = check_usage(CheckContext(runtime.settings, runtime))
        assert (finding.state, finding.check) == ("warn", "usage")
        assert f"own reported token counts that its requests cannot have: {2 * len(WILD)} attempts" in finding.message
    finally:
        starter.engine.loop.run(playback.stop())
        runtime.close()
        starter.close()


def test_a_doctor_without_such_attempts_says_so(tmp_path: Path):
    runtime = make_project(tmp_path, "", retries=0).runtime()
    with admitted(runtime):
        [finding] = check_usage(CheckContext(runtime.settings, runtime))
    assert finding.state == "ok"
    runtime.close()
