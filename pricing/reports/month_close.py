"""A month that is closed: its figures are frozen, and what becomes known later is a correction in a later month."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pricing.clock import from_us, to_us
from pricing.errors import UsageError
from pricing.money import Nano, format_money
from pricing.reports.charts import Grid
from pricing.reports.format import Plain, percent, plural
from pricing.reports.query import ReadableReplica, Row, read_replica

_SETTLED = timedelta(seconds=60)
"""What became known this long before a close is in the ledger, however slowly it was written."""
NO_CUSTOMER = "(no customer)"


@dataclass(frozen=True, slots=True)
class CloseLine:
    """One automation, customer or provider: what its attempts cost, corrections of earlier months apart, and earned."""

    name: str
    cost_nano: Nano
    corrections_nano: Nano
    charged_nano: Nano
    charged_credits: int
    outcomes: int
    attempts: int


@dataclass(frozen=True, slots=True)
class MonthCorrection:
    """What became known in this month about a month that was closed before."""

    month: str
    cost_nano: Nano
    facts: int


@dataclass(frozen=True, slots=True)
class MonthBill:
    """What a provider billed, by the accepted reconciliations of the month."""

    provider: str
    billed_nano: Nano
    recorded_nano: Nano
    unexplained_nano: Nano
    until: str


@dataclass(frozen=True, slots=True)
class MonthFigures(Plain):
    """A month. ``cost_nano`` is without ``corrections_nano``; ``explained`` is the share of the reconciled bills that
    agrees or has a reason, ``reconciled`` the share of the cost that was compared with a bill; ``None`` without one.
    ``open_attempts`` were under way when it was closed, at ``open_nano`` in the worst case.
    """

    month: str
    begins: datetime
    ends: datetime
    closed_at: datetime
    zone: str
    cost_nano: Nano
    corrections_nano: Nano
    charged_nano: Nano
    charged_credits: int
    outcomes: int
    attempts: int
    explained: float | None
    reconciled: float | None
    open_attempts: int
    open_nano: Nano
    automations: tuple[CloseLine, ...]
    customers: tuple[CloseLine, ...]
    providers: tuple[CloseLine, ...]
    corrections: tuple[MonthCorrection, ...]
    bills: tuple[MonthBill, ...]

    @property
    def total_nano(self) -> Nano:
        """The cost of the month in the books: with corrections of earlier months."""
        return self.cost_nano + self.corrections_nano

    def canonical(self) -> str:
        """The figures as the text that the ledger stores; equal figures give equal bytes."""
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))

    def digest(self) -> str:
        """The SHA-256 of that text, in hex."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()


def month_bounds(month: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When a month such as ``2026-11`` begins and ends in a time zone.

    Raises:
        UsageError: it is not a valid month.

    Example:
        >>> begins, ends = month_bounds("2026-11", ZoneInfo("Europe/Madrid"))
        >>> begins.isoformat(), ends.isoformat()
        ('2026-11-01T00:00:00+01:00', '2026-12-01T00:00:00+01:00')
    """
    try:
        begins = datetime.strptime(month, "%Y-%m").replace(tzinfo=zone)
    except ValueError:
        raise UsageError(f"{month[:40]!a} is not a month.", next_step="Write it like 2026-11.") from None
    return begins, (begins + timedelta(days=32)).replace(day=1)


def month_figures(
    replica: ReadableReplica, month: str, zone: ZoneInfo, now: datetime, open_attempts: Sequence[tuple[int, Nano]] = ()
) -> MonthFigures:
    """What a month comes to as far as it is known a minute before ``now``.

    Args:
        replica: the ledger's copy; sync it before.
        month: such as ``2026-11``.
        zone: where it begins and ends.
        now: the moment.
        open_attempts: attempts under way: when each began (microseconds), and its worst case.

    Raises:
        UsageError: it is not a valid month.
        LedgerBusy: somebody holds the replica's file.
    """
    begins, ends = month_bounds(month, zone)
    cut = to_us(now - _SETTLED)
    span = {"begins": to_us(begins), "ends": to_us(ends)}
    days = {"first_day": f"{begins:%Y-%m-%d}", "last_day": f"{ends - timedelta(days=1):%Y-%m-%d}"}
    with read_replica(replica) as source:
        costs = source.rows("close_costs", **span, cut=cut, month=month)
        sales = source.rows("close_sales", **span)
        bills = [MonthBill(**row) for row in source.rows("close_bills", **days, cut=cut)]
    mine = [worst for began, worst in open_attempts if span["begins"] <= began < span["ends"]]
    own = sum(row["cost_nano"] for row in costs if row["origin"] is None)
    largest = sum(max(one.billed_nano, one.recorded_nano) for one in bills)
    return MonthFigures(
        month=month,
        begins=begins,
        ends=ends,
        closed_at=from_us(cut),
        zone=zone.key,
        cost_nano=own,
        corrections_nano=sum(row["cost_nano"] for row in costs if row["origin"] is not None),
        charged_nano=sum(row["charged_nano"] for row in sales),
        charged_credits=sum(row["charged_credits"] for row in sales),
        outcomes=sum(row["outcomes"] for row in sales),
        attempts=sum(row["attempts"] for row in costs),
        explained=1 - sum(one.unexplained_nano for one in bills) / largest if largest else None,
        reconciled=min(1.0, sum(one.recorded_nano for one in bills) / own) if bills and own else None,
        open_attempts=len(mine),
        open_nano=sum(mine),
        automations=_lines(costs, sales, lambda row: str(row["automation"])),
        customers=_lines(costs, sales, _customer),
        providers=_lines(costs, (), lambda row: str(row["provider"])),
        corrections=_corrections(costs),
        bills=tuple(bills),
    )


def _customer(row: Row) -> str:
    return str(row["org_id"] or row["user_id"] or NO_CUSTOMER)


def _lines(costs: Iterable[Row], sales: Iterable[Row], name: Callable[[Row], str]) -> tuple[CloseLine, ...]:
    fields = ("cost_nano", "corrections_nano", "charged_nano", "charged_credits", "outcomes", "attempts")
    found: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(fields, 0))
    for row in costs:
        line = found[name(row)]
        line["cost_nano" if row["origin"] is None else "corrections_nano"] += row["cost_nano"]
        line["attempts"] += row["attempts"]
    for row in sales:
        line = found[name(row)]
        for field in ("charged_nano", "charged_credits", "outcomes"):
            line[field] += row[field]
    ordered = sorted(found.items(), key=lambda one: (-one[1]["cost_nano"], one[0]))
    return tuple(CloseLine(name=key, **values) for key, values in ordered)


def _corrections(costs: Iterable[Row]) -> tuple[MonthCorrection, ...]:
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in costs:
        if row["origin"] is not None:
            found[row["origin"]][0] += row["cost_nano"]
            found[row["origin"]][1] += row["facts"]
    return tuple(MonthCorrection(month, *sums) for month, sums in sorted(found.items()))


def read_figures(text: str) -> MonthFigures:
    """Figures from their ``canonical`` text."""
    figures: dict[str, Any] = json.loads(text)
    for field in ("begins", "ends", "closed_at"):
        figures[field] = datetime.fromisoformat(figures[field])
    kinds = {
        "automations": CloseLine,
        "customers": CloseLine,
        "providers": CloseLine,
        "corrections": MonthCorrection,
        "bills": MonthBill,
    }
    for field, kind in kinds.items():
        figures[field] = tuple(kind(**one) for one in figures[field])
    return MonthFigures(**figures)


def month_sentences(found: MonthFigures) -> Iterator[str]:
    """The main figures of a month as sentences."""
    yield (
        f"{found.month} costs {format_money(found.total_nano)} and earned {format_money(found.charged_nano)} "
        f"with {plural(found.outcomes, 'outcome')}."
    )
    for one in found.corrections:
        yield (
            f"{format_money(one.cost_nano)} of it corrects {one.month}, which was closed before "
            f"({plural(one.facts, 'fact')})."
        )
    if found.explained is not None and found.reconciled is not None:
        yield (
            f"{percent(found.reconciled)} of its cost was compared with bills; {percent(found.explained)} of these "
            "agree or have a reason."
        )
    else:
        yield "No bill of this month was reconciled."
    if found.open_attempts:
        yield (
            f"{plural(found.open_attempts, 'attempt')} of it were under way, {format_money(found.open_nano)} at most: "
            "they count in the month in which they end."
        )


def month_grids(found: MonthFigures) -> Iterator[tuple[str, Grid]]:
    """The tables of a month, each with a title."""
    for title, lines in (
        ("By automation", found.automations),
        ("By customer", found.customers),
        ("By provider", found.providers),
    ):
        heads = (title.removeprefix("By "), "cost", "corrections", "earned", "credits", "outcomes", "attempts")
        rows = tuple(
            (
                one.name,
                *map(format_money, (one.cost_nano, one.corrections_nano, one.charged_nano)),
                *(f"{count:,}" for count in (one.charged_credits, one.outcomes, one.attempts)),
            )
            for one in lines
        )
        if rows:
            yield title, Grid(heads, rows, 1)
