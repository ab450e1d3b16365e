"""Lists of runs in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from pricing.money import format_money
from pricing.reports.format import SANDBOX, clean, count
from pricing.reports.run_lookup import START
from pricing.reports.tables import QUIET, WARNING, line, outcome, table

if TYPE_CHECKING:
    from pricing.reports.run_list import RunLine

_WHOLE_ID, _SHORT_ID = 18, 8
"""Characters up to which an id is shown whole; of a longer one, its end: Prefect's begin with the time, all alike."""


def runs_in_terminal(lines: Sequence[RunLine]) -> Group:
    """One table for runs that models answered, one for those of the sandbox."""
    if not lines:
        return nothing_in_terminal("No runs yet.")
    real, sandbox = ([one for one in lines if one.stand_in == which] for which in (False, True))
    parts: list[RenderableType] = [_runs("Runs", real)] if real else []
    if sandbox:
        parts += [_runs("Runs of the sandbox", sandbox), line((SANDBOX, WARNING))]
    return Group(*parts)


def nothing_in_terminal(what: str) -> Group:
    """That there is nothing to show, and how to begin."""
    return Group(line((what, "bold")), line((START, QUIET)))


def _runs(title: str, lines: Sequence[RunLine]) -> RenderableType:
    length = _unique_length([one.run_id for one in lines])
    rows: list[list[str | Text]] = [
        [
            _short(one.run_id, length),
            one.automation,
            outcome(one.outcome),
            f"{one.started_at:%m-%d %H:%M}",
            count(one.turns),
            format_money(one.p95_nano),
            line((format_money(one.spent_nano), WARNING if one.spent_nano > one.p95_nano else "")),
        ]
        for one in lines
    ]
    columns = ["run", "automation", "outcome", "began (UTC)", "turns", "p95", "spent"]
    return table(title, columns, rows, names=3, whole=1)


def _unique_length(ids: Sequence[str]) -> int:
    """How much of the ends of ids to show so that no two look alike."""
    longest = max(map(len, ids))
    return next((n for n in range(_SHORT_ID, longest) if len({one[-n:] for one in ids}) == len(ids)), longest)


def _short(run_id: str, length: int) -> Text:
    """An id as ``farebox report`` takes it, on one line."""
    whole = len(run_id) <= max(_WHOLE_ID, length)
    return Text(clean(run_id if whole else f"…{run_id[-length:]}"))
