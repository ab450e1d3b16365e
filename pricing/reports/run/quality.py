"""Whether a run's quality was lowered, and why: the economic route, a locked route, a fallback to a lower tier."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from pricing.reports.run.data import LoweredQuality, TurnLine

Routes: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]
"""By operation, the candidates in order, as the ledger has them."""

_RANK = {"last_resort": 0, "legacy": 1, "light": 2, "premium": 3}
_LOCKED = "locked, "


def lowered_quality(
    routes: str, turns: Sequence[TurnLine], turn_routes: Mapping[str, str]
) -> tuple[LoweredQuality, ...]:
    """What lowered a run's quality, most turns first; nothing where each turn went where it was to go.

    Args:
        routes: the routes that the run was admitted with, as JSON.
        turns: its turns.
        turn_routes: the route of each turn as JSON, by its id.
    """
    planned: Routes = json.loads(routes or "{}")
    found: dict[tuple[str, str], list[TurnLine]] = {}
    for turn in turns:
        for cause in _causes(turn, json.loads(turn_routes.get(turn.turn_id) or "[]")):
            found.setdefault(cause, []).append(turn)
    for kind, why in _planned(planned):
        found.setdefault((kind, why), [])
    lines = [LoweredQuality(kind, why, len(turns)) for (kind, why), turns in found.items()]
    return tuple(sorted(lines, key=lambda one: (-one.turns, one.kind, one.why)))


def _planned(routes: Routes) -> Iterator[tuple[str, str]]:
    """What was decided before the run began."""
    for candidates in routes.values():
        if candidates and (cause := _of_first(candidates[0])):
            yield cause


def _causes(turn: TurnLine, route: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    if not turn.attempts and turn.outcome != "answered":
        return
    if route and (cause := _of_first(route[0])):
        yield cause
    if turn.outcome != "answered" or not turn.attempts:
        return
    first, last = turn.attempts[0], turn.attempts[-1]
    if _RANK.get(last.tier, 0) < _RANK.get(first.tier, 0):
        yield "fallback", f"{first.target} did not answer ({first.outcome.replace('_', ' ')}), {last.target} did"


def _of_first(candidate: Mapping[str, Any]) -> tuple[str, str] | None:
    if why := candidate.get("economic"):
        return "economic route", str(why)
    reason = str(candidate.get("reason", ""))
    if reason.startswith(_LOCKED):
        return "locked route", f"{candidate.get('target')}, {reason.removeprefix(_LOCKED)}"
    return None
