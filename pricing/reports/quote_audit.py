"""How good past quotes were: what share of runs stayed within them, whether that changes, how much was over-held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean, median
from typing import TYPE_CHECKING

from pricing.reports.format import Plain
from pricing.reports.query import Row, reading
from pricing.reports.run.data import ratio
from pricing.reports.run_lookup import check_automation

if TYPE_CHECKING:
    from pricing.replica.replica import Replica
from pricing.analysis.intervals import wilson

NEWEST = 2_000
"""Runs that are looked at, of each automation and quality."""
RECENT = 100
"""The newest of them, compared with all before."""
ENOUGH = 500
"""Runs from which on a coverage says something: fewer cannot tell an honest p95 from a p90 (simulated)."""
HONEST = (0.93, 0.97)
"""Where the coverage of an honest p95 lies over ``ENOUGH`` runs."""
_MOVED = 1.25
"""Costs that moved by more than the buffer usually is."""


@dataclass(frozen=True, slots=True)
class Share:
    """``within`` of ``runs``, and Wilson's interval (95 %) for the share in the long run."""

    runs: int
    within: int
    share: float | None
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class QuoteAudit(Plain):
    """The past quotes of one automation at one quality. A stopped run counts as not within.

    ``whole`` is ``p95`` as if nothing had been answered from storage: a p95 does not count on storage, so whether it is
    too high is seen there. Likewise ``drift``, or each answer that begins to be stored would look like a change.
    ``over_holding``: held per dollar spent, on the mean. ``drift``: the median cost per point of the ``RECENT`` newest
    runs over that of all before; ``None`` while there are too few.
    """

    automation: str
    quality: str
    stand_in: bool
    p95: Share
    whole: Share
    p50: Share
    recent: Share
    over_holding: float | None
    drift: float | None
    warnings: tuple[str, ...]


def quote_audits(replica: Replica, automation: str | None = None) -> list[QuoteAudit]:
    """An audit per automation and quality, answers of the sandbox apart.

    Raises:
        UsageError: no run of that automation is known.
        LedgerBusy: somebody holds the replica's file.
    """
    with reading(replica) as source:
        check_automation(source, automation)
        rows = source.rows("quote_audit", automation=automation, newest=NEWEST)
    keys = ("automation", "quality", "stand_in")
    groups = groupby(rows, key=lambda row: tuple(row[name] for name in keys))
    return [_audit(list(group)) for _, group in groups]


def _audit(rows: Sequence[Row]) -> QuoteAudit:
    p95, p50, recent = _share(rows, "p95_nano"), _share(rows, "p50_nano"), _share(rows[-RECENT:], "p95_nano")
    spent, held = (fmean(row[name] for row in rows) for name in ("cost_nano", "held_nano"))
    whole = _share([row | {"cost_nano": _whole(row)} for row in rows], "p95_nano")
    drift = _drift(rows)
    return QuoteAudit(
        automation=rows[0]["automation"],
        quality=rows[0]["quality"],
        stand_in=rows[0]["stand_in"],
        p95=p95,
        whole=whole,
        p50=p50,
        recent=recent,
        over_holding=held / spent if spent else None,
        drift=drift,
        warnings=tuple(_warnings(p95, whole, recent, drift)),
    )


def _share(rows: Sequence[Row], quoted: str) -> Share:
    within = sum(row["outcome"] == "completed" and row["cost_nano"] <= row[quoted] for row in rows)
    return Share(len(rows), within, ratio(within, len(rows)), *wilson(within, len(rows)))


def _whole(row: Row) -> int:
    """What a run would have cost if nothing had been answered from storage."""
    return int(row["cost_nano"] + row["spared_nano"])


def _drift(rows: Sequence[Row]) -> float | None:
    scores = [_whole(row) / row["point_nano"] for row in rows if row["point_nano"]]
    if len(scores) < 2 * RECENT:
        return None
    before = median(scores[:-RECENT])
    return median(scores[-RECENT:]) / before if before else None


def _warnings(p95: Share, whole: Share, recent: Share, drift: float | None) -> list[str]:
    low, high = HONEST
    found = []
    if p95.high < low:
        found.append("its p95 quotes are too low: runs cost more than they say, too often")
    elif recent.high < low:
        found.append(f"the newest {recent.runs} runs cost more than their p95, too often")
    if whole.runs >= ENOUGH and whole.low > high:
        found.append("its p95 quotes are too high: more is held than needed")
    if drift is not None and not 1 / _MOVED < drift < _MOVED:
        found.append(f"costs have moved: the newest {RECENT} runs cost {drift:.2f} × what those before did")
    return found
