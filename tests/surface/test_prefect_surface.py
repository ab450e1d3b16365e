"""Farebox in Prefect's own UI and on its workers: a real server, real processes, a real browser."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.surface.conftest import Surface, until

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("surface")]
DIGEST, TRIAGE = "daily-digest/daily", "support-triage/daily"


def keep(page: Any, name: str) -> None:
    """A screenshot for the documentation, where it is asked for."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.wait_for_timeout(1_500)  # pages fade in
        page.screenshot(path=Path(folder) / f"{name}.png")


def open_form(page: Any, surface: Surface, deployment: str) -> None:
    page.goto(f"{surface.url}/deployments/deployment/{surface.deployment(deployment)['id']}/run")
    page.get_by_text("fast ≈").wait_for()


def newest(surface: Surface, flow: str, before: set[str]) -> str:
    """The run that came since."""
    found = until("new run", lambda: [r["id"] for r in triggered(surface, flow) if r["id"] not in before])
    return str(found[0])


def triggered(surface: Surface, flow: str) -> list[dict[str, Any]]:
    """Runs that no schedule made."""
    return [run for run in surface.runs(flow) if not run["auto_scheduled"]]


def submit(page: Any, surface: Surface) -> str:
    """Trigger the daily digest from its form."""
    before = {run["id"] for run in triggered(surface, "daily-digest")}
    open_form(page, surface, DIGEST)
    page.get_by_role("button", name="Submit").click()
    return newest(surface, "daily-digest", before)


def test_deploying_tells_what_each_quality_costs(deployed: Surface):
    told = (deployed.folder / "deployed.txt").read_text()
    assert "✓ daily-digest/daily" in told
    assert "fast ≈ $0.0" in told
    assert deployed.deployment(DIGEST)["entrypoint"] == "flows.daily_digest.daily_digest"


def test_a_run_from_the_form_to_its_report(deployed: Surface, page: Any):
    open_form(page, deployed, DIGEST)
    assert page.get_by_text("for one more").count() == 1
    keep(page, "form")
    run_id = submit(page, deployed)
    deployed.ends_as(run_id, "Completed")
    page.goto(f"{deployed.url}/runs/flow-run/{run_id}")
    page.get_by_text("Artifacts", exact=True).first.click()
    page.get_by_text("daily-digest-cost").first.wait_for()
    page.get_by_text("daily-digest-cost").first.click()
    page.get_by_text("Operations").first.wait_for()
    keep(page, "artifact")
