"""Putting the declared deployments on a Prefect server, or serving them from this process."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farebox.prefect.deployments import Declared, declared, pools
from farebox.prefect.form import priced_form
from farebox.runtime import Runtime
from pricing import ConfigError, FareboxError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployment on the server, and the text of its ``quality`` parameter, where it has one."""

    name: str
    schedules: tuple[str, ...]
    priced: str | None


def deploy(runtime: Runtime, root: Path) -> list[Deployed]:
    """Put every declared deployment on the server, with current prices on its form.

    Raises:
        ConfigError: prefect.yaml is wrong, or there is no server.
        FareboxError: Prefect refused them; its reason is the message.
    """
    from prefect.client.orchestration import get_client

    found = declared(root)
    need_server()
    with get_client(sync_client=True) as client:
        _make_pools(client, pools(found))
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    done = subprocess.run(
        command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise FareboxError(
            f"Prefect did not deploy: {said[-1] if said else 'no output'}.",
            next_step="`prefect deploy --all` shows all that it says.",
        )
    return refresh(runtime, found)


def refresh(runtime: Runtime, found: list[Declared]) -> list[Deployed]:
    """Update the prices on the forms of deployments that are on the server."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import DeploymentUpdate

    done = []
    with get_client(sync_client=True) as client:
        for one in found:
            form = priced_form(runtime, one.flow, one.entry.parameters).model_dump_for_openapi()
            known = client.read_deployment_by_name(one.full_name)
            client.update_deployment(known.id, DeploymentUpdate(parameter_openapi_schema=form))
            done.append(Deployed(one.full_name, _schedules(one), _said_of_quality(form)))
    return done


def serve(runtime: Runtime, root: Path) -> None:
    """Run the declared deployments from this process, until it is stopped.

    Raises:
        ConfigError: prefect.yaml is wrong, or there is no server.
    """
    from prefect import serve as serve_all
    from prefect.deployments.runner import RunnerDeployment
    from prefect.schedules import Schedule
    from prefect.types.entrypoint import EntrypointType

    need_server()
    serving = []
    for one in declared(root):
        entry = one.entry
        deployment = RunnerDeployment.from_flow(
            one.flow,
            entry.name,
            schedules=[Schedule(**schedule.model_dump(exclude_none=True)) for schedule in entry.schedules] or None,
            concurrency_limit=_limit(entry.concurrency_limit),
            parameters=entry.parameters,
            tags=entry.tags,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        deployment._parameter_openapi_schema = priced_form(runtime, one.flow, entry.parameters)  # noqa: SLF001 - no other way in
        serving.append(deployment)
    serve_all(*serving)


def need_server() -> str:
    """The address of the Prefect server.

    Raises:
        ConfigError: none is set.
    """
    from prefect.settings import PREFECT_API_URL

    url: str | None = PREFECT_API_URL.value()
    if not url:
        raise ConfigError(
            "There is no Prefect server: PREFECT_API_URL is not set.",
            next_step="Start one with `farebox up`, and set PREFECT_API_URL here as it prints.",
        )
    return url


def _make_pools(client: SyncPrefectClient, names: list[str]) -> None:
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectNotFound

    for name in names:
        try:
            client.read_work_pool(name)
        except ObjectNotFound:
            client.create_work_pool(WorkPoolCreate(name=name, type="process"))


def _limit(declared_limit: int | dict[str, Any] | None) -> Any:
    from prefect.client.schemas.objects import ConcurrencyLimitConfig

    return ConcurrencyLimitConfig(**declared_limit) if isinstance(declared_limit, dict) else declared_limit


def _schedules(one: Declared) -> tuple[str, ...]:
    return tuple(
        f"{schedule.cron or schedule.rrule or f'every {schedule.interval}'} {schedule.timezone}"
        + (f", due {due}" if (due := schedule.parameters.get("due") or one.entry.parameters.get("due")) else "")
        + ("" if schedule.active else " (off)")
        for schedule in one.entry.schedules
    )


def _said_of_quality(form: dict[str, Any]) -> str | None:
    described: str | None = form.get("properties", {}).get("quality", {}).get("description")
    return described.splitlines()[-1] if described else None
