"""Rates that depend on the time of day: quotes at a start, the cheapest start, and what moving a schedule would save."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from farebox import Due, ask, automation, llm_task, plan
from farebox.automations import automation_of
from farebox.cli.quote import compare
from farebox.runs.admission import Priced, price_run
from farebox.runs.cheaper_starts import CheaperStart, StartMove, cheaper_start, moves_of
from farebox.runtime import Runtime
from tests.support.project import Project, make_project
from tests.support.report_pages import shown

RATES = """
[[targets]]
name = "mine"
provider = "openai"
model = "mine"
tier = "light"
window = 100000
max_output = 8000

[[rates]]
provider = "openai"
model = "mine"
input_per_mtok = "4"
output_per_mtok = "4"

[[rates]]
provider = "openai"
model = "mine"
input_per_mtok = "1"
output_per_mtok = "1"
hours = ["00:30-08:30"]
timezone = "Asia/Shanghai"
"""
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
OFF_PEAK = datetime(2026, 11, 30, 16, 30, tzinfo=UTC)
DAY = timedelta(days=1)


@llm_task(operation="say")
def say(text: str) -> str:
    return ask("say.j2", text=text)


@automation(price="1 credit", plan=plan(say, calls=40, input_tokens=900, output_tokens=100))
def saying(due: Due = None) -> str:
    return say("hello")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project", "http://127.0.0.1:9", targets="", more=RATES)


@pytest.fixture
def runtime(project: Project) -> Iterator[Runtime]:
    with project.runtime_here() as runtime:
        yield runtime


def priced(runtime: Runtime, at: datetime) -> Priced:
    return price_run(runtime, automation_of(saying), {}, at=at)


def test_a_quote_is_at_the_rates_of_its_start(runtime: Runtime):
    assert priced(runtime, NOON).quote.point == 40 * 1000 * 4_000
    assert priced(runtime, OFF_PEAK).quote.point == 40 * 1000 * 1_000
    assert priced(runtime, OFF_PEAK - timedelta(minutes=1)).quote.point == 40 * 1000 * 4_000


def test_the_ceiling_is_at_the_most_expensive_rates_while_a_run_lasts(runtime: Runtime):
    early, late = (priced(runtime, OFF_PEAK + timedelta(hours=hours)).quote for hours in (0, 7.5))
    assert late.point == early.point
    assert late.ceiling == 4 * early.ceiling


def start_of(runtime: Runtime, start: datetime, end: datetime) -> CheaperStart | None:
    usual = priced(runtime, start)
    return cheaper_start(runtime, automation_of(saying), {}, usual, start=start, end=end)


def test_the_cheapest_start_is_the_earliest_at_the_lowest_rates(runtime: Runtime):
    found = start_of(runtime, NOON, NOON + DAY)
    assert found is not None
    assert found.at == OFF_PEAK
    assert found.saving_nano == priced(runtime, NOON).quote.p50 - priced(runtime, OFF_PEAK).quote.p50 > 0
    assert start_of(runtime, NOON, OFF_PEAK - timedelta(minutes=1)) is None, "none is allowed"
    assert start_of(runtime, OFF_PEAK, OFF_PEAK + DAY) is None, "it is the cheapest already"
    assert found.words(ZoneInfo("Europe/Madrid")).startswith("starting at 17:30 would save about $")


def test_savings_of_a_schedule_are_those_of_its_runs_ahead(runtime: Runtime):
    found = start_of(runtime, NOON, NOON + DAY)
    assert found is not None
    runs = [
        ("digest/daily", NOON + number * DAY, CheaperStart(found.at + number * DAY, 2 * 10**8)) for number in range(3)
    ]
    [move] = moves_of(runs, ZoneInfo("UTC"))
    assert move == StartMove("digest/daily", "12:00", "16:30", 6 * 10**8, 3)
    told = "digest/daily: starting at 16:30 instead of 12:00 would save about $0.20 a run"
    assert str(move) == f"{told}, $0.60 in the 3 runs ahead"
    weekly = moves_of(runs[:1], ZoneInfo("UTC"))
    assert [str(move) for move in weekly] == [told], "whatever the schedule and the look-ahead"
    often = [("digest/hourly", NOON, CheaperStart(OFF_PEAK, 10**8))] * 6
    assert [(move.saving_nano, move.runs) for move in moves_of(often, ZoneInfo("UTC"))] == [(6 * 10**8, 6)]
    both = moves_of([*often, ("digest/weekly", NOON, CheaperStart(OFF_PEAK, 5 * 10**8))], ZoneInfo("UTC"))
    assert [move.deployment for move in both] == ["digest/hourly", "digest/weekly"], "the largest in all first"


def test_the_command_says_when_a_run_would_cost_least(runtime: Runtime, monkeypatch: pytest.MonkeyPatch):
    found = CheaperStart(OFF_PEAK, 2 * 10**8)
    monkeypatch.setattr("farebox.cli.quote.cheaper_start", lambda *_, **__: found)
    compared = compare(runtime, saying, {})
    assert "fast: starting at 16:30 would save about $0.20" in shown(compared.lines(), 200)
    assert json.loads(json.dumps(compared.to_json(), default=str))["start"]["saving_nano"] == 2 * 10**8


HOURS = {
    "over midnight": ("22:00-06:00", "Europe/Madrid", "2026-12-01T12:00", "2026-12-01T21:00"),
    "in an hour that clocks skip": ("02:30-06:00", "Europe/Madrid", "2026-03-28T20:00", "2026-03-29T01:00"),
    "in an hour that clocks show twice": ("02:00-03:00", "Europe/Madrid", "2026-10-24T20:00", "2026-10-25T00:00"),
    "at the weekend, of another zone": ("sat,sun 00:00-24:00", "Asia/Shanghai", "2026-12-04T10:00", "2026-12-04T16:00"),
    "of one day, over midnight": ("mon 22:00-06:00", "America/New_York", "2026-11-30T12:00", "2026-12-01T03:00"),
    "at half an hour": ("00:00-08:00", "Asia/Kolkata", "2026-11-30T12:00", "2026-11-30T18:30"),
}


@pytest.mark.parametrize(("window", "zone", "start", "better"), HOURS.values(), ids=HOURS)
def test_quote_and_schedule_say_the_same_of_any_hours(tmp_path: Path, window: str, zone: str, start: str, better: str):
    own = RATES.replace("00:30-08:30", window).replace("Asia/Shanghai", zone)
    begins, cheaper = (datetime.fromisoformat(f"{text}+00:00") for text in (start, better))
    with make_project(tmp_path / "project", "http://127.0.0.1:9", targets="", more=own).runtime_here() as runtime:
        usual, then = (priced(runtime, at) for at in (begins, cheaper))
        assert (usual.quote.point, then.quote.point) == (40 * 1000 * 4_000, 40 * 1000 * 1_000)
        found = start_of(runtime, begins, begins + DAY)
        assert found == CheaperStart(cheaper, usual.quote.p50 - then.quote.p50)
        [move] = moves_of([("digest/daily", begins, found)], ZoneInfo("UTC"))
    assert move == StartMove("digest/daily", f"{begins:%H:%M}", f"{cheaper:%H:%M}", 40 * 1000 * 3_000, 1)


def test_the_look_ahead_says_what_the_review_of_the_same_runs_says():
    """Daily at noon, three dollars less at night, but for Sundays, which are cheap all day."""
    noons = [NOON + number * DAY for number in range(6)]
    runs = [("digest/daily", noon, CheaperStart(noon + timedelta(hours=9), 3 * 10**9)) for noon in noons]
    [move] = moves_of(runs, ZoneInfo("UTC"))
    assert str(move).endswith("would save about $3.00 a run, $18.00 in the 6 runs ahead")
