"""How good past quotes were: what share of runs stayed within them, by size, whether that changes, what was held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from math import ceil
from statistics import fmean, median
from typing import TYPE_CHECKING

from pricing.analysis.intervals import wilson
from pricing.clock import to_us
from pricing.money import Nano, format_money
from pricing.reports.format import Plain, percent, ratio
from pricing.reports.query import Row, read_replica
from pricing.reports.run_lookup import check_automation

if TYPE_CHECKING:
    from pricing.replica.replica import Replica

NEWEST = 2_000
"""Runs that are looked at, of each automation and quality."""
RECENT = 100
"""The newest of them, compared with all before."""
ENOUGH = 500
"""Runs from which on a coverage says something: fewer cannot tell an honest p95 from a p90 (simulated)."""
HONEST = (0.93, 0.97)
"""Where the coverage of an honest p95 lies over ``ENOUGH`` runs."""
_QUARTERS = (0.25, 0.5, 0.75, 1.0)
_MOVED = 1.25
"""Costs that moved by more than the buffer usually is."""


@dataclass(frozen=True, slots=True)
class ShareEstimate:
    """``within`` of ``runs``, and Wilson's interval (95 %) for the share in the long run."""

    runs: int
    within: int
    share: float | None
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class SizeShare:
    """The runs quoted at a point from ``low_nano`` to ``high_nano``: a quarter of all, or more where many have one
    point. ``over_holding``: held per dollar spent.
    """

    low_nano: Nano
    high_nano: Nano
    p95: ShareEstimate
    whole: ShareEstimate
    over_holding: float | None


@dataclass(frozen=True, slots=True)
class QuoteAudit(Plain):
    """The past quotes of one automation at one quality. A stopped run counts as not within.

    ``whole`` is ``p95`` as if nothing had been answered from storage: a p95 does not count on storage, so whether it is
    too high is seen there. Likewise ``drift``, or each answer that begins to be stored would look like a change.
    ``over_holding``: held per dollar spent, on the mean. ``drift``: the median cost per point of the ``RECENT`` newest
    runs over that of all before; ``None`` while there are too few. ``sizes`` are in ascending order, and none where all
    runs have one point.
    """

    automation: str
    quality: str
    stand_in: bool
    p95: ShareEstimate
    whole: ShareEstimate
    p50: ShareEstimate
    recent: ShareEstimate
    sizes: tuple[SizeShare, ...]
    over_holding: float | None
    drift: float | None
    warnings: tuple[str, ...]


def quote_audits(replica: Replica, automation: str | None = None, *, since: datetime | None = None) -> list[QuoteAudit]:
    """An audit per automation and quality, answers of the sandbox apart.

    Args:
        replica: the copy for reports.
        automation: only this one's.
        since: only runs that ended from then on.

    Raises:
        UsageError: no run of that automation is known.
        LedgerBusy: somebody holds the replica's file.
    """
    with read_replica(replica) as source:
        check_automation(source, automation)
        rows = source.rows("quote_audit", automation=automation, newest=NEWEST, since=to_us(since) if since else 0)
    keys = ("automation", "quality", "stand_in")
    groups = groupby(rows, key=lambda row: tuple(row[name] for name in keys))
    return [_audit(list(group)) for _, group in groups]


def _audit(rows: Sequence[Row]) -> QuoteAudit:
    p95, p50, recent = _share(rows, "p95_nano"), _share(rows, "p50_nano"), _share(rows[-RECENT:], "p95_nano")
    spent, held = (fmean(row[name] for row in rows) for name in ("cost_nano", "held_nano"))
    whole = _share([row | {"cost_nano": _whole(row)} for row in rows], "p95_nano")
    drift, sizes = _drift(rows), tuple(_sizes(rows))
    return QuoteAudit(
        automation=rows[0]["automation"],
        quality=rows[0]["quality"],
        stand_in=rows[0]["stand_in"],
        p95=p95,
        whole=whole,
        p50=p50,
        recent=recent,
        sizes=sizes,
        over_holding=held / spent if spent else None,
        drift=drift,
        warnings=(*_warnings(p95, whole, recent, drift), *_size_warnings(sizes)),
    )


def _sizes(rows: Sequence[Row]) -> Iterator[SizeShare]:
    """Quarters by point; runs of one point are in one."""
    points = sorted(row["point_nano"] for row in rows)
    bounds = sorted({points[ceil(share * len(points)) - 1] for share in _QUARTERS})
    if len(bounds) > 1:
        for above, upto in zip([-1, *bounds], bounds, strict=False):
            mine = [row for row in rows if above < row["point_nano"] <= upto]
            spent = sum(row["cost_nano"] for row in mine)
            yield SizeShare(
                min(row["point_nano"] for row in mine),
                upto,
                _share(mine, "p95_nano"),
                _share([row | {"cost_nano": _whole(row)} for row in mine], "p95_nano"),
                sum(row["held_nano"] for row in mine) / spent if spent else None,
            )


def _size_warnings(sizes: Sequence[SizeShare]) -> Iterator[str]:
    low, high = HONEST
    for size in sizes:
        between = f"runs quoted at {format_money(size.low_nano)} to {format_money(size.high_nano)}"
        if size.p95.high < low:
            share_text = f"{percent(size.p95.share)} of {size.p95.runs}"
            yield f"{between} cost more than their p95 too often: {share_text} are within"
        elif size.whole.runs >= ENOUGH // 2 and size.whole.low > high:
            share_text = f"{percent(size.whole.share)} of {size.whole.runs}"
            yield f"{between} are quoted too high: {share_text} are within their p95"


def _share(rows: Sequence[Row], quoted: str) -> ShareEstimate:
    within = sum(row["outcome"] == "completed" and row["cost_nano"] <= row[quoted] for row in rows)
    return ShareEstimate(len(rows), within, ratio(within, len(rows)), *wilson(within, len(rows)))


def _whole(row: Row) -> int:
    """What a run would have cost if nothing had been answered from storage."""
    return int(row["cost_nano"] + row["spared_nano"])


def _drift(rows: Sequence[Row]) -> float | None:
    scores = [_whole(row) / row["point_nano"] for row in rows if row["point_nano"]]
    if len(scores) < 2 * RECENT:
        return None
    before = median(scores[:-RECENT])
    return median(scores[-RECENT:]) / before if before else None


def _warnings(p95: ShareEstimate, whole: ShareEstimate, recent: ShareEstimate, drift: float | None) -> list[str]:
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
