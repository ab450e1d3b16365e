"""The statement of an organisation for a month: outcomes, what they were charged, and its credits. Never what they cost
us, unless that is asked for.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pricing.clock import to_us
from pricing.money import Nano, dollars, format_money
from pricing.reports.charts import Grid
from pricing.reports.exports import defused
from pricing.reports.format import Plain, plural
from pricing.reports.month_close import month_bounds
from pricing.reports.page import Figure, Page, Section
from pricing.reports.query import ReadableReplica, read_replica


@dataclass(frozen=True, slots=True)
class StatementItem:
    """One automation of a statement: charged outcomes, runs without one, and the charges in money and credits.
    ``credits_of_users`` were paid from users' own wallets. ``cost_nano`` is the provider cost, ``None`` unless
    requested.
    """

    automation: str
    outcomes: int
    not_charged: int
    charged_nano: Nano
    credits: int
    credits_of_users: int
    cost_nano: Nano | None


@dataclass(frozen=True, slots=True)
class CreditSummary:
    """The organisation's wallet in the period: ``opening + granted + carried_over - charged - expired = closing``.

    ``given_back`` was set aside for runs that then had no outcome. ``expired`` includes what was carried over.
    """

    opening: int
    granted: int
    carried_over: int
    charged: int
    given_back: int
    expired: int
    closing: int


@dataclass(frozen=True, slots=True)
class ChargebackStatement(Plain):
    """A statement. ``number`` is ``None`` for a preview; ``credits`` where the organisation has no wallet."""

    number: int | None
    org: str
    month: str
    begins: datetime
    ends: datetime
    issued_at: datetime
    zone: str
    items: tuple[StatementItem, ...]
    credits: CreditSummary | None

    @property
    def charged_nano(self) -> Nano:
        """The sum of all charges in money, in nano-dollars."""
        return sum(one.charged_nano for one in self.items)

    @property
    def with_cost(self) -> bool:
        """Whether the statement includes the cost of outcomes."""
        return any(one.cost_nano is not None for one in self.items)

    @property
    def title(self) -> str:
        """The title of the statement."""
        return f"Statement {self.month}-{self.number:06}" if self.number is not None else "Statement (preview)"

    def canonical(self) -> str:
        """The statement as the text that the ledger stores."""
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))


def chargeback_statement(
    replica: ReadableReplica, org: str, month: str, zone: ZoneInfo, now: datetime, *, with_cost: bool = False
) -> ChargebackStatement:
    """What an organisation was charged in a month, without a number.

    Args:
        replica: the ledger's copy; sync it before.
        org: the organisation.
        month: such as ``2026-11``.
        zone: where it begins and ends.
        now: when it is issued.
        with_cost: also say what outcomes cost us.

    Raises:
        UsageError: it is not a valid month.
        LedgerBusy: somebody holds the replica's file.
    """
    begins, ends = month_bounds(month, zone)
    span = {"org": org, "begins": to_us(begins), "ends": to_us(ends)}
    with read_replica(replica) as source:
        rows = source.rows("statement_items", **span)
        [moved] = source.rows("statement_credits", **span)
    has_wallet = moved.pop("entries") > 0
    return ChargebackStatement(
        number=None,
        org=org,
        month=month,
        begins=begins,
        ends=ends,
        issued_at=now.replace(microsecond=0),
        zone=zone.key,
        items=tuple(StatementItem(**row | ({} if with_cost else {"cost_nano": None})) for row in rows),
        credits=CreditSummary(**moved) if has_wallet else None,
    )


def read_statement(text: str, number: int) -> ChargebackStatement:
    """A statement from its ``canonical`` text, with its number."""
    fields: dict[str, Any] = json.loads(text)
    for field in ("begins", "ends", "issued_at"):
        fields[field] = datetime.fromisoformat(fields[field])
    fields["items"] = tuple(StatementItem(**one) for one in fields["items"])
    fields["credits"] = None if fields["credits"] is None else CreditSummary(**fields["credits"])
    return ChargebackStatement(**fields | {"number": number})


def statement_page(found: ChargebackStatement) -> Page:
    """The statement as a page."""
    outcomes = sum(one.outcomes for one in found.items)
    figures = [
        Figure("Outcomes", f"{outcomes:,}"),
        Figure("Charged", format_money(found.charged_nano), "the price of these outcomes"),
    ]
    if found.credits is not None:
        figures.append(Figure("Credits left", f"{found.credits.closing:,}", f"{found.credits.charged:,} were charged"))
    sections = [Section("Outcomes", grid=_items(found))]
    if found.credits is not None:
        sections.append(Section("Credits", grid=_credits(found.credits)))
    return Page(
        title=f"{found.title}: {found.org}",
        under=f"{found.month}, from {found.begins:%Y-%m-%d} to {found.ends:%Y-%m-%d} (exclusive), {found.zone}",
        lead=tuple(statement_sentences(found)),
        figures=tuple(figures),
        sections=tuple(sections),
        foot=f"Issued {found.issued_at:%Y-%m-%d %H:%M %Z}. Amounts are US dollars. Runs without an outcome are free.",
    )


def statement_sentences(found: ChargebackStatement) -> Iterator[str]:
    """The main figures of a statement as sentences."""
    outcomes, free = sum(one.outcomes for one in found.items), sum(one.not_charged for one in found.items)
    yield f"{plural(outcomes, 'outcome')} for {format_money(found.charged_nano)} in {found.month}."
    if free:
        yield f"{plural(free, 'run')} had no outcome and {'is' if free == 1 else 'are'} not charged."
    if found.credits is not None:
        yield (
            f"{found.credits.charged:,} credits were charged, {found.credits.given_back:,} given back for runs without "
            f"an outcome; {found.credits.closing:,} are left."
        )


def _items(found: ChargebackStatement) -> Grid:
    heads = ["automation", "outcomes", "not charged", "charged", "credits", "credits of users"]
    heads += ["our cost"] if found.with_cost else []
    rows = []
    for one in found.items:
        counts = (one.outcomes, one.not_charged, one.credits, one.credits_of_users)
        cells = [f"{count:,}" for count in counts]
        row = [one.automation, *cells[:2], format_money(one.charged_nano), *cells[2:]]
        rows.append((*row, format_money(one.cost_nano or 0)) if found.with_cost else tuple(row))
    return Grid(tuple(heads), tuple(rows), 1)


def _credits(found: CreditSummary) -> Grid:
    lines = (
        ("at the beginning", found.opening),
        ("granted", found.granted),
        ("carried over", found.carried_over),
        ("charged", -found.charged),
        ("expired", -found.expired),
        ("at the end", found.closing),
    )
    return Grid(("credits", "number"), tuple((name, f"{count:,}") for name, count in lines), 1)


def statement_csv(found: ChargebackStatement) -> str:
    """The statement as CSV: a line per automation, then the credits; amounts in dollars, exactly."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    heads = ["statement", "organisation", "month", "line", "name", "outcomes", "not_charged", "charged_usd", "credits"]
    writer.writerow([*heads, "credits_of_users", *(["cost_usd"] if found.with_cost else [])])
    start = ["" if found.number is None else found.number, defused(found.org), found.month]
    for one in found.items:
        cost = [dollars(one.cost_nano or 0)] if found.with_cost else []
        counts = [one.outcomes, one.not_charged, dollars(one.charged_nano), one.credits, one.credits_of_users]
        writer.writerow([*start, "automation", defused(one.automation), *counts, *cost])
    for name in CreditSummary.__dataclass_fields__ if found.credits is not None else ():
        row = ["", "", "", getattr(found.credits, name), "", *([""] if found.with_cost else [])]
        writer.writerow([*start, "credits", name, *row])
    return file.getvalue()


def statement_grids(found: ChargebackStatement) -> Iterator[tuple[str, Grid]]:
    """The tables of a statement, each with a title."""
    yield "Outcomes", _items(found)
    if found.credits is not None:
        yield "Credits", _credits(found.credits)
