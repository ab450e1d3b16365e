"""Runs that are triggered on the deployments, and what Prefect tells of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks.topology.hosts import Host
from benchmarks.topology.processes import until
from benchmarks.topology.servers import Centre

ENDED = {"COMPLETED", "CANCELLED", "CRASHED", "FAILED"}


@dataclass(frozen=True)
class Ran:
    """One run: seconds since 1970, as Prefect's server and the run's own machine noted them."""

    run_id: str
    state: str
    host: str
    due: float
    started: float | None
    ended: float | None
    began: float | None

    @property
    def never_started(self) -> bool:
        """A worker took it, and no process of it is running."""
        return self.state in {"Pending", "Submitting"}

    @property
    def waited(self) -> float | None:
        """From the time it was scheduled for to its process reporting that it runs."""
        return None if self.started is None else self.started - self.due

    @property
    def gated(self) -> float | None:
        """From there to its first line: the project imported, the runtime built, quoted, held."""
        return None if self.started is None or self.began is None else self.began - self.started


def trigger(centre: Centre, deployment: str, **parameters: Any) -> str:
    """A run that is due now; its id."""
    known = centre.api("GET", f"/deployments/name/{deployment}").json()["id"]
    made = centre.api("POST", f"/deployments/{known}/create_flow_run", json={"parameters": parameters})
    return str(made.json()["id"])


def look(centre: Centre, ids: list[str], hosts: list[Host]) -> list[Ran]:
    """The current states of these runs, in the order they were triggered."""
    known: dict[str, dict[str, Any]] = {}
    for at in range(0, len(ids), 200):
        wanted = {"flow_runs": {"id": {"any_": ids[at : at + 200]}}, "limit": 200}
        known |= {run["id"]: run for run in centre.api("POST", "/flow_runs/filter", json=wanted).json()}
    began = {run_id: (host.name, at) for host in hosts for run_id, at in host.began().items()}
    return [_ran(known[run_id], *began.get(run_id, ("", None))) for run_id in ids]


def all_ended(centre: Centre, ids: list[str], hosts: list[Host], seconds: float) -> list[Ran]:
    """Wait until each of them came to an end."""

    def done() -> list[Ran]:
        found = look(centre, ids, hosts)
        return found if all(run.ended for run in found) else []

    return until("end of every run", done, seconds)


def _ran(state: dict[str, Any], host: str, began: float | None) -> Ran:
    ended = state["state_type"] in ENDED
    return Ran(
        run_id=state["id"],
        state=state["state_name"],
        host=host,
        due=_seconds(state["expected_start_time"]) or 0.0,
        started=_seconds(state["start_time"]),
        ended=(_seconds(state["end_time"]) or _seconds(state["state"]["timestamp"])) if ended else None,
        began=began,
    )


def _seconds(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None
