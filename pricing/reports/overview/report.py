"""The overview of many runs: what outcomes cost and earned, where the money went, how well runs were quoted."""

from __future__ import annotations

import json
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING

from pricing.clock import from_us
from pricing.ledger.windows import calendar_window
from pricing.reports.drift import cost_changes
from pricing.reports.overview.data import BillLine, BurnDown, CircuitLine, Overview
from pricing.reports.overview.section import Tables, section
from pricing.reports.query import ReplicaReading, Row, read_replica
from pricing.reports.rate_comparison import TargetRates
from pricing.reports.selection import RunSelection, choose

if TYPE_CHECKING:
    from pricing.replica.replica import Replica

_OF_RUNS = ("totals", "automations", "bins", "days", "sizes")
_OF_ALL = ("operations", "routed", "day_operations", "turns", "moves", "guards")
_NEWEST = 300
"""Runs that are drawn beside their quotes."""


def read_overview(
    replica: Replica, choice: RunSelection, *, premium: TargetRates | None, buffer_percent: int
) -> Overview:
    """What the chosen runs came to; :func:`pricing.reports.overview` says of each argument what it is."""
    with read_replica(replica) as source:
        tables = _tables(source) if choose(source, choice) else {}
        circuits = source.rows("overview_circuits") if choice.about is None else []
        budgets = source.rows("overview_budgets") if tables and choice.about is None else []
        bills = source.rows("overview_bills") if tables and choice.about is None else []
    everybody = choice.org is None and choice.user is None
    changes = cost_changes(replica, choice.since, choice.automation, now=choice.until) if everybody else ()
    real, sandbox = (
        section(tables, choice.zone, premium, buffer_percent, stand_in=which) if tables else None
        for which in (False, True)
    )
    return Overview(
        since=choice.since,
        until=choice.until,
        automation=choice.automation,
        org=choice.org,
        user=choice.user,
        zone=choice.zone.key,
        real=real,
        sandbox=sandbox,
        circuits=tuple(_circuit(**row) for row in circuits),
        budgets=_burn_downs(budgets),
        buffer_percent=buffer_percent,
        changes=changes,
        bills=tuple(_bill(row) for row in bills),
    )


def _tables(source: ReplicaReading) -> Tables:
    source.run("overview_spreads")
    tables = {name: source.rows(f"overview_{name}") for name in (*_OF_RUNS, *_OF_ALL)}
    tables["outcomes"] = source.rows("overview_outcomes", suspended=json.dumps(sorted(source.suspended())))
    tables["newest"] = source.rows("overview_newest", newest=_NEWEST)
    return tables


def _circuit(last_at: int, target: str, opened: int, reason: str | None, away_us: int) -> CircuitLine:
    return CircuitLine(target, opened, reason, from_us(last_at), away_us)


def _bill(row: Row) -> BillLine:
    days = {name: date.fromisoformat(row[name]) for name in ("first_day", "last_day")}
    return BillLine(**row | days)


def _burn_downs(rows: list[Row]) -> tuple[BurnDown, ...]:
    found = []
    for key, group in groupby(rows, key=lambda row: (row["scope"], row["key"], row["span"], row["begins"])):
        steps = list(group)
        left, steps_left = steps[-1]["limit_nano"], []
        for step in steps:
            left -= step["spent_nano"]
            steps_left.append((from_us(step["ended_at"]), left))
        begins = date.fromisoformat(key[3])
        found.append(
            BurnDown(
                scope=key[0],
                key=key[1],
                span=key[2],
                begins=begins,
                ends=calendar_window(key[2]).ends(begins),
                limit_nano=steps[-1]["limit_nano"],
                soft_nano=steps[-1]["soft_nano"],
                left=tuple(steps_left),
            )
        )
    return tuple(found)
