"""The time zone of the schedule that a flow run was started by."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pricing import FareboxError

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun


def schedule_zone(flow_run: FlowRun, project: ZoneInfo) -> ZoneInfo:
    """The time zone of times of day in a flow run: that of its schedule, else the ``project``'s. For a scheduled run it
    asks Prefect's API.

    Prefect's API is asked for it, of a run that a schedule started.

    Raises:
        FareboxError: it does not answer.
    """
    by = flow_run.created_by
    if flow_run.deployment_id is None or by is None or by.type != "SCHEDULE":
        return project
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    try:
        with suppress(ObjectNotFound), get_client(sync_client=True) as client:
            for schedule in client.read_deployment_schedules(flow_run.deployment_id):
                if schedule.id == by.id:
                    name = getattr(schedule.schedule, "timezone", None)
                    return ZoneInfo(name) if name else project
    except Exception as error:  # noqa: BLE001 - of the client, the network or the server
        raise FareboxError(
            f"The time zone of the schedule is not known: Prefect's API gave {type(error).__name__}.",
            next_step='Name the time zone in the due time, like "07:00 Europe/Madrid".',
        ) from None
    return project
