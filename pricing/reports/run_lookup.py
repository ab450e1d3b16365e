"""From what a person types to a run: its id, the beginning or the end of its id, or ``last``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pricing.errors import UsageError
from pricing.reports.query import ReplicaReading, read_replica

if TYPE_CHECKING:
    from pricing.replica.replica import Replica

SHORTEST_PREFIX = 4
_SHOWN = 3
_NAMED = 10
_SIMILAR = 0.75
"""Jaro-Winkler similarity from which on an id may have been meant; two random UUIDs seldom reach 0.7."""
START = "Run an automation, or `farebox demo`; then, if it ran on another machine, `farebox sync`."


def find_run(replica: ReplicaReading, asked: str) -> str:
    """The id of the run that was meant.

    Raises:
        UsageError: there is no such run, there are several, or there are no runs at all; the next step names ids.
    """
    wanted = asked.strip().lstrip("…").lower()
    if len(wanted) > SHORTEST_PREFIX and replica.rows("run_exact", asked=asked.strip()):
        return asked.strip()  # as links have it: nothing else need be looked at
    latest = [row["run_id"] for row in replica.rows("run_latest", limit=_SHOWN)]
    if not latest:
        raise UsageError("There are no runs yet.", next_step=START)
    if wanted == "last":
        return str(latest[0])
    if len(wanted) < SHORTEST_PREFIX:
        raise UsageError(
            f"{asked[:40]!r} is too short for a run id.",
            next_step=f"Give at least {SHORTEST_PREFIX} characters of it, or `last`. {_these('Latest', latest)}",
            runs=latest,
        )
    matching = replica.rows("run_matching", asked=wanted, limit=_SHOWN + 1)
    if len(matching) == 1 or (matching and matching[0]["exact"]):
        return str(matching[0]["run_id"])
    end = "beginning"
    if not matching:
        end, matching = "end", replica.rows("run_ending", asked=wanted, limit=_SHOWN + 1)
        if len(matching) == 1:
            return str(matching[0]["run_id"])
    found = [row["run_id"] for row in matching]
    if found:
        more = " and more" if len(found) > _SHOWN else ""
        raise UsageError(
            f"{asked[:40]!r} is the {end} of several run ids.",
            next_step=f"Give more of it. {_these('They are', found[:_SHOWN])[:-1]}{more}.",
            runs=found,
        )
    nearest = [row["run_id"] for row in replica.rows("run_nearest", asked=wanted, similar=_SIMILAR, limit=_SHOWN)]
    raise UsageError(
        f"There is no run {asked[:40]!r} in the reports.",
        next_step=f"{_these('Nearest', nearest) if nearest else _these('Latest', latest)} "
        "A run that has just ended may need `farebox sync` first; `farebox report all` covers all automations.",
        runs=nearest or latest,
    )


def _these(kind: str, ids: list[str]) -> str:
    return f"{kind}: {', '.join(repr(name)[1:-1] for name in ids)}."


def automations(replica: Replica) -> list[str]:
    """The names of the automations that have run, the latest first.

    Raises:
        LedgerBusy: somebody holds the replica's file.
    """
    with read_replica(replica) as source:
        return [row["automation"] for row in source.rows("automations")]


def check_automation(replica: ReplicaReading, name: str | None) -> None:
    """Make sure that a run of this automation is known; any will do for None.

    Raises:
        UsageError: there is none; the next step names those that have run.
    """
    if name is None:
        return
    known = [row["automation"] for row in replica.rows("automations")]
    if name not in known:
        raise UsageError(
            f"There are no runs of an automation {name[:40]!r}.",
            next_step=_these("These have run", known[:_NAMED]) if known else START,
            automations=known[:_NAMED],
        )
