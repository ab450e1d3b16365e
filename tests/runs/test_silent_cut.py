"""A server of one's own that reads only a part of a prompt, and says so nowhere but in its count."""

import asyncio
from pathlib import Path

import pytest

from farebox import ask, automation, llm_task, plan
from pricing.db import schema
from pricing.errors import Blocked
from tests.support.books import rows
from tests.support.playback import Playback
from tests.support.project import Project, make_project
from tests.support.replies import recorded
from tests.support.runs import riding

LONG = "The importer was rewritten and reads twice as fast as before. " * 300
TARGET = """
[[targets]]
name = "{name}"
provider = "openai_compatible"
model = "llama3.1:8b"
tier = "light"
window = {window}
base_url = "{url}/{name}/v1"
"""
RATE = """
[[rates]]
provider = "openai_compatible"
model = "llama3.1:8b"
input_per_mtok = 0.10
output_per_mtok = 0.20
"""


@llm_task(operation="say", max_tokens=100)
def say(text: str) -> str:
    return ask("say.j2", text=text)


@automation(price="1 credit", plan=plan(say, input_tokens=4000, output_tokens=50))
def saying() -> None:
    """Never called: the tests run inside it."""


async def served(tapes: dict[str, int], tmp_path: Path, windows: dict[str, int]) -> tuple[Playback, Project]:
    playback = Playback()
    await playback.start()
    for tape, read in tapes.items():
        usage = {"prompt_tokens": read, "completion_tokens": 5}
        playback.put_on(tape, recorded("openai_compatible", "whole", usage, text="It is faster."))
    targets = "".join(TARGET.format(name=name, window=window, url=playback.url) for name, window in windows.items())
    return playback, make_project(tmp_path / "project", "http://127.0.0.1:9", targets=targets, more=RATE)


async def test_a_cut_prompt_goes_to_a_larger_window_and_is_paid(tmp_path: Path):
    playback, project = await served({"small": 1500, "large": 3800}, tmp_path, {"small": 8_192, "large": 64_000})
    with project.runtime_here() as runtime:
        with riding(runtime, saying, {}):
            assert await asyncio.to_thread(say.fn, LONG) == "It is faster."
        small, large = rows(runtime.ledger, schema.attempts)
        assert (small["target"], small["outcome"]) == ("small", "context_overflow")
        assert small["cost_nano"] == 1500 * 100 + 5 * 200
        assert (large["target"], large["outcome"]) == ("large", "ok")
    await playback.stop()


async def test_with_no_larger_window_the_person_is_told(tmp_path: Path):
    playback, project = await served({"small": 1500}, tmp_path, {"small": 8_192})
    with (
        project.runtime_here() as runtime,
        pytest.raises(Blocked, match="longer than any"),
        riding(runtime, saying, {}),
    ):
        await asyncio.to_thread(say.fn, LONG)
    await playback.stop()


async def test_a_count_below_the_estimate_alone_is_no_cut(tmp_path: Path):
    playback, project = await served({"small": 2900}, tmp_path, {"small": 8_192})
    with project.runtime_here() as runtime, riding(runtime, saying, {}):
        assert await asyncio.to_thread(say.fn, LONG) == "It is faster."
    await playback.stop()
