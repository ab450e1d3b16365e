"""The page of a calibration: what a lock saves at the volume that obeys it, and what is drawn."""

from pathlib import Path

import pytest

from farebox.calibration.lockfile import LockedRoute
from farebox.calibration.page import calibration_page, turns_of_late, write_page
from pricing.money import format_money
from pricing.reports.charts.data import Chart
from tasks.sandbox import Sandbox
from tests.support.lockfile import candidate, locked
from tests.support.project import make_project
from tests.support.runs import digest_run

KEY = "daily-digest/classify"


def test_only_turns_that_obey_the_lock_count_and_the_ledger_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with Sandbox(tmp_path / "journal.jsonl") as sandbox:
        project = make_project(tmp_path / "project", sandbox.url)
        with project.runtime_here() as runtime:
            digest_run(runtime, str(project.documents), 3)
            digest_run(runtime, str(project.documents), 2, "best")
            runtime.replica.sync()
            monkeypatch.setattr(runtime.replica, "sync", lambda: None)
            monkeypatch.setattr(type(runtime.ledger.store), "read", None)
            assert turns_of_late(runtime, KEY, locked()) == 3
            assert turns_of_late(runtime, KEY, locked(sandbox=False)) == 0
            assert turns_of_late(runtime, "daily-digest/nothing", locked()) == 0
            text = write_page(runtime, KEY, locked()).read_text("utf-8")
    assert "at the 3 sandbox turns of quality=fast in the last 30 days" in text
    assert format_money(3 * (2_000_000 - 100_500)) in text, "three times what a case costs less"


def figures(lock: LockedRoute, turns: int) -> dict[str, tuple[str, str]]:
    return {one.name: (one.value, one.note) for one in calibration_page(KEY, lock, turns).figures}


def test_figures_say_what_they_rest_on():
    real = locked(sandbox=False)
    saved = figures(real, 10_000)["Saved a month"]
    note = "against sonnet, at the 10,000 turns of quality=fast in the last 30 days"
    assert saved == (format_money(10_000 * (2_000_000 - 100_500)), note)
    idle = figures(real, 0)
    assert "Saved a month" not in idle
    assert idle["Saved in 1,000 turns"][1] == "against sonnet; no turns of quality=fast in the last 30 days"
    stays = real.model_copy(update={"route": ("sonnet",)})
    assert list(figures(stays, 10_000)) == ["Locked", "A case"], "what stays saves nothing"


def test_routes_are_drawn_by_cost_with_the_locked_one_named():
    page = calibration_page(KEY, locked(), 1)
    [section] = page.sections
    assert section.grid is not None
    assert [row[:2] for row in section.grid.rows] == [("gpt-oss", "good enough, locked"), ("sonnet", "the best")]
    [chart] = section.drawings
    assert isinstance(chart, Chart)
    assert [key.text for key in chart.legend] == ["locked: gpt-oss", "the best: sonnet"]
    hidden = candidate("gpt-oss", "sonnet", verdict="enough", cost=100_500)
    crowded = locked().model_copy(update={"candidates": (*locked().candidates, hidden)})
    [chart] = calibration_page(KEY, crowded, 1).sections[0].drawings
    assert isinstance(chart, Chart)
    assert {dot.tone for dot in chart.dots[-2:]} == {"s1", "s3"}, "the locked one is on top of one at its place"
    assert page.warning.startswith("The sandbox gave the answers")
