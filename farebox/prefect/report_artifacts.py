"""The cost reports of runs as artifacts in Prefect, once a later finding has changed what a run cost."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

_WAITING = ".artifacts"
"""The file that names the runs whose artifacts are still to be updated: Prefect did not answer."""
_MOST_WAITING = 1_000
_logger = logging.getLogger(__name__)


def artifact_key(automation: str) -> str:
    """The key of the cost report's artifact of an automation."""
    return f"{automation}-cost"


def update_report_artifacts(folder: Path, corrected: Mapping[str, str]) -> None:
    """Update the artifacts of runs from their Markdown files, if a Prefect server is set. Updates that the server did
    not answer are repeated by the next call.

    What could not be updated, because the server did not answer, is taken up by the next call.

    Args:
        folder: where the Markdown files are.
        corrected: the automation of each run whose file was written again.
    """
    waiting = _read(folder / _WAITING)
    due = waiting | {run_id: automation for run_id, automation in corrected.items() if _is_flow_run(run_id)}
    if not due or not _has_server():
        return
    left = _update(folder, due)
    if left != waiting:
        (folder / _WAITING).write_text(json.dumps(dict([*left.items()][-_MOST_WAITING:])), "utf-8")


def _update(folder: Path, due: Mapping[str, str]) -> dict[str, str]:
    """Update artifacts until the server fails to answer; returns those that remain."""
    from prefect.client.orchestration import get_client

    left = dict(due)
    try:
        with get_client(sync_client=True) as client:
            for run_id, automation in due.items():
                _update_one(client, folder, run_id, automation)
                del left[run_id]
    except Exception as error:  # noqa: BLE001 - whatever a client and a server may raise: reports do not depend on it
        _logger.warning(
            "Prefect did not take the corrected cost report of %s (%s). The next sync tries again.",
            f"run {next(iter(left))}" if len(left) == 1 else f"{len(left)} runs",
            type(error).__name__,
        )
    return left


def _update_one(client: SyncPrefectClient, folder: Path, run_id: str, automation: str) -> None:
    from prefect.client.schemas.actions import ArtifactUpdate
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey

    try:
        markdown = (folder / f"{run_id}.md").read_text("utf-8")
    except FileNotFoundError:
        return
    chosen = ArtifactFilter(
        key=ArtifactFilterKey(any_=[artifact_key(automation)]),
        flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(run_id)]),
    )
    for artifact in client.read_artifacts(artifact_filter=chosen):
        client.update_artifact(artifact.id, ArtifactUpdate(data=markdown))


def _has_server() -> bool:
    from prefect.settings import PREFECT_API_URL

    return bool(PREFECT_API_URL.value())


def _is_flow_run(run_id: str) -> bool:
    try:
        UUID(run_id)
    except ValueError:
        return False
    return True


def _read(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(run_id): str(automation) for run_id, automation in found.items()} if isinstance(found, dict) else {}
