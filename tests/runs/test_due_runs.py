"""A run's due time, from where it is set to the context of its steps and the ledger."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prefect._internal.schemas.fields import CreatedBy
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.schedules import CronSchedule
from prefect.states import Scheduled

from farebox import Due, ask, automation, current_run, llm_task, plan
from farebox.automations import automation_of
from farebox.prefect.schedule_zone import schedule_zone
from farebox.runs.admission import admit, new_run_record, price_run
from farebox.runs.approval import approval_text
from farebox.runs.context import ANONYMOUS
from farebox.runtime import Runtime
from pricing import OverBudget, UsageError, from_us, now_us, to_us
from pricing.ledger import ApprovalRequest, Run
from tasks import RunContext
from tests.support.echo import TARGET, Echo
from tests.support.prefect_runs import deployed_run, execute
from tests.support.project import Project, make_project
from tests.support.runs import riding

HOUR_US = 3_600_000_000


@llm_task(operation="say")
def say(text: str) -> str:
    return ask("say.j2", text=text)


PLAN = plan(say, input_tokens=900, output_tokens=90, calls=1)
SEEN: list[int | None] = []


@automation(price="1 credit", plan=PLAN)
def asked(due: Due = None) -> str:
    return say("hello")


@automation(price="1 credit", plan=PLAN, due="6h")
def declared(text: str = "hello") -> str:
    SEEN.append(current_run().due_at)
    return say(text)


@automation(price="1 credit", plan=PLAN, due=timedelta(hours=2))
def calling() -> str:
    return declared()


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Echo() as echo:
        more = "\n[batches]\nenabled = false\n"  # the server here speaks no batch API
        yield make_project(tmp_path / "project", echo.url, targets=TARGET, more=more)


@pytest.fixture
def runtime(project: Project) -> Iterator[Runtime]:
    with project.runtime_here() as runtime:
        yield runtime


def written(runtime: Runtime, run_id: str) -> Run:
    run = runtime.ledger.run(run_id)
    assert run is not None
    return run


def hours(run: Run | RunContext) -> float:
    """Until a run is due, from now."""
    assert run.due_at is not None
    return round((run.due_at - now_us()) / HOUR_US)


def test_a_run_has_its_due_time_in_its_context_and_in_the_ledger(runtime: Runtime):
    with riding(runtime, asked, {"due": timedelta(hours=3)}) as ride:
        assert hours(current_run()) == hours(ride.run) == hours(written(runtime, ride.run.run_id)) == 3
    with riding(runtime, asked, {}) as ride:
        assert current_run().due_at is written(runtime, ride.run.run_id).due_at is None


def test_a_continued_run_keeps_its_due_time_though_it_is_over(runtime: Runtime):
    run_id, over = str(uuid4()), now_us() - HOUR_US
    admit(runtime, automation_of(asked), run_id, {}, due=lambda: over).finish(RuntimeError("it broke"))

    def never() -> int:
        raise AssertionError("a continued run keeps what it has")

    again = admit(runtime, automation_of(asked), run_id, {"due": "1h"}, due=never)
    again.finish(None)
    assert again.run.due_at == over


def test_a_due_time_that_cannot_be_kept_admits_nothing(runtime: Runtime):
    run_id = str(uuid4())
    with pytest.raises(UsageError, match="ago"):
        admit(runtime, automation_of(asked), run_id, {"due": "2020-01-01T07:00"})
    assert runtime.ledger.run(run_id) is None


def test_flow_runs_take_the_declared_due_time_their_own_or_their_callers(prefect: None, runtime: Runtime):
    SEEN.clear()
    with get_client(sync_client=True) as client:
        for flow, given in ((declared, {}), (declared, {"due": "3h"}), (calling, {}), (calling, {"due": "1h"})):
            state = execute(client, flow, deployed_run(client, flow, **given))
            assert state.is_completed(), state.message
        refused = execute(client, declared, deployed_run(client, declared, due="soon"))
    assert [round((due - now_us()) / HOUR_US) for due in SEEN if due is not None] == [6, 3, 2, 1]
    assert refused.is_failed()
    assert "is not a due time" in (refused.message or "")


def test_the_form_has_a_field_for_it(runtime: Runtime):
    for flow in (asked, declared):
        field = flow.parameters.properties["due"]
        assert field["type"] == "string", "a field for text"
        assert "due" not in (flow.parameters.required or [])


def test_a_time_of_day_is_in_the_zone_of_the_schedule(prefect: None):
    from zoneinfo import ZoneInfo

    project = ZoneInfo("Asia/Tokyo")
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(
            client.create_flow(declared),
            "nightly",
            schedules=[
                DeploymentScheduleCreate(schedule=CronSchedule(cron=f"0 {hour} * * *", timezone=zone))
                for hour, zone in ((1, "Europe/Madrid"), (2, "America/New_York"))
            ],
        )
        known = client.read_deployment_schedules(deployment)
    for schedule in known:
        by = CreatedBy(id=schedule.id, type="SCHEDULE", display_value="")
        assert schedule_zone(flow_run(deployment, by), project).key == getattr(schedule.schedule, "timezone", "")
    gone = CreatedBy(id=uuid4(), type="SCHEDULE", display_value="")
    assert schedule_zone(flow_run(deployment, gone), project) is project
    assert schedule_zone(flow_run(deployment, None), project) is project
    assert schedule_zone(flow_run(None, None), project) is project


def flow_run(deployment: UUID | None, by: CreatedBy | None) -> FlowRun:
    return FlowRun(flow_id=uuid4(), deployment_id=deployment, created_by=by)


def test_a_run_that_begins_late_is_due_as_if_it_had_begun_in_time(prefect: None, runtime: Runtime):
    SEEN.clear()
    planned = datetime.now(UTC) - timedelta(hours=8)
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(declared), "late")
        run = client.create_flow_run_from_deployment(deployment, state=Scheduled(scheduled_time=planned))
        state = execute(client, declared, run.id)
    assert state.is_completed(), state.message
    [due] = SEEN
    assert due is not None
    assert abs(due - to_us(planned + timedelta(hours=6))) < 60_000_000
    assert from_us(due) < datetime.now(UTC)


def test_whoever_approves_a_run_reads_when_it_is_due(runtime: Runtime):
    told_of: dict[int | None, str] = {}
    for due_at in (None, 1_790_000_000_000_000):
        priced = price_run(runtime, automation_of(asked), {})
        run = replace(new_run_record(runtime, "r", automation_of(asked), priced, ANONYMOUS), due_at=due_at)
        question = ApprovalRequest(run, run.held_nano, {"automation:asked:day:2026-01-01": 5}, datetime.now(UTC))
        told_of[due_at] = approval_text(question, OverBudget("It does not fit."))
    said = " It is due by 2026-09-21 14:13 UTC; the hold covers that all of it is asked at the standard price."
    without, with_due = told_of.values()
    assert with_due.replace(said, "").split("Without")[0] == without.split("Without")[0]
    assert said in with_due
