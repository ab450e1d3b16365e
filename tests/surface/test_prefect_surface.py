"""Farebox in Prefect's own UI and on its workers: a real server, real processes, a real browser."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from farebox.runtime import Runtime
from pricing.db import schema
from tasks.sandbox import read_journal
from tests.support.books import rows
from tests.surface.conftest import DIGEST, TRIAGE, Surface, until

pytestmark = [pytest.mark.timeout(7200), pytest.mark.xdist_group("surface")]


def keep(page: Any, name: str) -> None:
    """A screenshot for the documentation, where it is asked for."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def open_form(page: Any, surface: Surface, deployment: str) -> None:
    page.goto(f"{surface.url}/deployments/deployment/{surface.deployment(deployment)['id']}/run")
    page.get_by_text("fast ≈").wait_for()


def triggered(surface: Surface, flow: str) -> list[str]:
    """The ids of runs that no schedule made, newest first."""
    return [run["id"] for run in surface.runs(flow) if not run["auto_scheduled"]]


def patiently(step: Callable[[], Any]) -> Any:
    """What a step in the browser gives, taken up to three times, as a person would.

    Prefect's pages do not ask again when its server turns them away, which on SQLite it does while it is busy.
    """
    from playwright.sync_api import TimeoutError as TimedOut

    for _ in range(2):
        with suppress(TimedOut, AssertionError):
            return step()
    return step()


def submit(page: Any, surface: Surface) -> str:
    """Trigger the daily digest from its form; the id of the run."""
    before = triggered(surface, "daily-digest")

    def came() -> list[str]:
        return [run for run in triggered(surface, "daily-digest") if run not in before]

    def step() -> str:
        if not came():
            open_form(page, surface, DIGEST)
            page.wait_for_timeout(1_000)  # the form fills itself in
            page.get_by_role("button", name="Submit").click()
        return str(until("new run", came, 120)[0])

    return str(patiently(step))


def decide(page: Any, surface: Surface, run_id: str, decision: str) -> None:
    def came() -> bool:
        return surface.state(run_id) != "NeedsApproval"

    def step() -> None:
        if not came():
            fill_in(page, surface, run_id, decision)
        until("decision", came, 120)

    patiently(step)


def show_report(page: Any, surface: Surface, run_id: str) -> None:
    page.goto(f"{surface.url}/runs/flow-run/{run_id}")
    page.get_by_text("Artifacts", exact=True).first.click()
    page.get_by_text("daily-digest-cost").first.wait_for()
    page.get_by_text("daily-digest-cost").first.click()
    page.get_by_text("Operations").first.wait_for()


def fill_in(page: Any, surface: Surface, run_id: str, decision: str) -> None:
    page.goto(f"{surface.url}/runs/flow-run/{run_id}")
    page.get_by_role("button", name="Resume").first.click()
    page.get_by_text("does not fit its budget").wait_for()
    form = page.get_by_role("dialog")
    form.locator(".p-select-button__control").first.focus()
    page.keyboard.press("ArrowDown")
    page.locator(".p-select-option", has_text=decision).click()
    form.locator("textarea").first.fill("Ana")
    keep(page, f"decide-{decision.split(maxsplit=1)[0]}")
    form.get_by_role("button", name="Submit").click()


def test_deploying_tells_what_each_quality_costs(deployed: Surface):
    told = (deployed.folder / "deployed.txt").read_text()
    assert "✓ daily-digest/daily" in told
    assert "fast ≈ $0.0" in told
    assert "✓ support-triage/daily" in told
    assert deployed.deployment(DIGEST)["entrypoint"] == "flows.daily_digest.daily_digest"
    assert deployed.deployment(DIGEST)["pull_steps"] == [{"farebox.project.enter_project": {}}]


def test_a_run_from_the_form_to_its_report(deployed: Surface, page: Any):
    patiently(lambda: open_form(page, deployed, DIGEST))
    assert page.get_by_text("for one more").count() == 1
    keep(page, "form")
    run_id = submit(page, deployed)
    deployed.ends_as(run_id, "Completed")
    patiently(lambda: show_report(page, deployed, run_id))
    keep(page, "artifact")


def test_a_run_that_no_budget_has_room_for_is_approved_by_one_and_refused_by_another(deployed: Surface, page: Any):
    deployed.limit("daily-digest", "0.0001 USD")
    approved = submit(page, deployed)
    told = deployed.ends_as(approved, "NeedsApproval")
    assert "choose Resume to decide" in told
    decide(page, deployed, approved, "approve once")
    deployed.ends_as(approved, "Completed")
    refused = deployed.run(DIGEST, source=".", limit=2, quality="fast")
    deployed.ends_as(refused, "NeedsApproval")
    decide(page, deployed, refused, "refuse")
    assert "Ana refused it" in deployed.ends_as(refused, "OverBudget")
    runtime = deployed.runtime()
    decided = {row["run_id"]: (row["choice"], row["decided_by"]) for row in rows(runtime.ledger, schema.approvals)}
    assert decided == {approved: ("once", "Ana"), refused: ("refuse", "Ana")}
    deployed.limit("daily-digest", "none")
    runtime.close()


def test_a_schedule_fires_on_a_worker_and_what_cannot_fit_is_refused_before_it_starts(deployed: Surface):
    known = deployed.deployment(TRIAGE)
    soon = datetime.now(UTC) + timedelta(seconds=10)
    once = {"interval": 86_400, "anchor_date": soon.isoformat(), "timezone": "UTC"}
    deployed.api("POST", f"/deployments/{known['id']}/schedules", json=[{"schedule": once, "active": True}])
    [fired] = until("scheduled run", lambda: [
        run["id"] for run in deployed.runs("support-triage")
        if abs(datetime.fromisoformat(run["expected_start_time"]) - soon) < timedelta(seconds=2)
    ])  # fmt: skip
    deployed.ends_as(fired, "Completed")
    assert "auto-scheduled" in deployed.api("GET", f"/flow_runs/{fired}")["tags"]
    deployed.limit("support-triage", "0.0001 USD")
    said = deployed.farebox("schedule", "--hours", "240", "--refuse")
    assert "refused" in said.out, said.all
    cancelled = [run for run in deployed.runs("support-triage") if run["state"]["name"] == "OverBudget"]
    assert cancelled
    assert all("support-triage per day" in run["state"]["message"] for run in cancelled)
    assert all(run["run_count"] == 0 and not run["infrastructure_pid"] for run in cancelled), "no process was started"
    deployed.limit("support-triage", "none")


def test_a_worker_killed_within_a_run_loses_nothing_and_holds_nothing(deployed: Surface):
    for worker in deployed.started[1:]:
        deployed.kill(worker)
    slow = deployed.worker("slow", FAREBOX_SANDBOX__LATENCY_SECONDS="3")
    run_id = deployed.run(TRIAGE, quality="fast")
    runtime = deployed.runtime()
    until("attempt under way", lambda: rows_of(runtime, schema.inflight, run_id))
    for child in psutil.Process(slow.pid).children(recursive=True):
        child.send_signal(signal.SIGKILL)
    deployed.kill(slow)
    assert rows_of(runtime, schema.holds, run_id)
    until("lease run out", lambda: runtime.ledger.reap() or not rows_of(runtime, schema.holds, run_id))
    assert not rows_of(runtime, schema.inflight, run_id)
    assert all(row["held_nano"] == 0 for row in rows(runtime.ledger, schema.budgets) if run_id not in row["budget_id"])
    attempts = rows_of(runtime, schema.attempts, run_id)
    assert attempts
    assert {row["outcome"] for row in attempts} >= {"lost"}
    billed = sum(1 for entry in read_journal(deployed.home / "sandbox-journal.jsonl") if entry.billed)
    counted = sum(1 for row in rows(runtime.ledger, schema.attempts) if row["priced"] != "unbilled")
    assert counted >= billed, "every reply that was served is in the ledger"
    runtime.close()
    said = deployed.farebox("schedule", "--refuse")
    assert f"ended, because its process went away: {run_id}" in said.out
    assert deployed.state(run_id) == "Crashed"
    back = deployed.worker("back")
    again = deployed.run(TRIAGE, quality="fast")
    deployed.ends_as(again, "Completed")
    deployed.kill(back)


def rows_of(runtime: Runtime, table: Any, run_id: str) -> list[dict[str, Any]]:
    return [dict(row) for row in rows(runtime.ledger, table) if row["run_id"] == run_id]
