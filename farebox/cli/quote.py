"""``farebox quote``: what a run would cost at each quality."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farebox.automations import automation_of
from farebox.cli.display import basis
from farebox.discovery import with_defaults
from farebox.runs.admission import Priced, price_run, run_due_now, standing_rules, stated_limits
from farebox.runs.cheaper_starts import CheaperStart, cheaper_start
from farebox.runs.context import ANONYMOUS, RunOwner, run_owner, starter_context
from farebox.runs.due_prices import expected_words
from farebox.runs.due_times import shown_due, stated_due
from farebox.runs.planning import pressure
from farebox.runtime import Runtime
from pricing import Nano, format_money, from_us, to_us
from pricing.ledger import BudgetRule
from tasks import use_run

if TYPE_CHECKING:
    from prefect import Flow

    from pricing.reports import QuoteAudit, QuotedPath

_AMOUNTS = ("point", "p50", "p95", "ceiling")
LATER = "24h"
"""The due time that is also quoted if none was given."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Touched:
    """A budget that a run would be held on, and what is left of it, in nano-dollars."""

    name: str
    limit: Nano
    left: Nano


@dataclass(frozen=True, slots=True)
class Compared:
    """The quotes of one run by quality; with a due time, those of an immediate run first. ``later`` holds the quotes of
    a run due in a day, if no due time was given and they are lower; ``start`` is when a run would cost least, if
    rates depend on the time of day.
    """

    automation: str
    price: str
    quotes: tuple[Priced, ...]
    price_nano: Nano | None = None
    credit_nano: Nano | None = None
    budgets: tuple[Touched, ...] = ()
    audits: tuple[QuoteAudit, ...] = ()
    paths: tuple[QuotedPath, ...] = ()
    later: tuple[Priced, ...] = ()
    start: CheaperStart | None = None
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    imported: int = 0

    def to_json(self) -> dict[str, Any]:
        """As plain data; amounts are nano-dollars."""
        return {
            "automation": self.automation,
            "price": self.price,
            "quotes": [self._plain(priced) for priced in self.quotes],
            "later": [self._plain(priced) for priced in self.later],
            "start": None if self.start is None else {"at": self.start.at, "saving_nano": self.start.saving_nano},
            "price_nano": self.price_nano,
            "credit_nano": self.credit_nano,
            "budgets": [
                {"name": budget.name, "limit_nano": budget.limit, "left_nano": budget.left} for budget in self.budgets
            ],
            "coverage": [audit.to_json() for audit in self.audits],
            "path": [path.to_json() for path in self.paths],
            "imported": self.imported,
        }

    def _plain(self, priced: Priced) -> dict[str, Any]:
        return {
            "quality": priced.quality,
            "economic": priced.economic,
            "due_at": None if priced.due_at is None else from_us(priced.due_at),
            "expected_seconds": None if priced.expected is None else priced.expected._asdict(),
            "live_reasons": list(priced.live_reasons),
            **{f"{name}_nano": getattr(priced.quote, name) for name in _AMOUNTS},
            **{f"{name}_credits": self._in_credits(getattr(priced.quote, name)) for name in _AMOUNTS},
            "hold_nano": priced.hold,
            "method": priced.quote.method,
            "history": priced.quote.n,
            "since": priced.quote.since,
            "rate_version": priced.quote.rate_version,
            "sandbox": priced.stand_in,
        }

    def _name(self, priced: Priced) -> str:
        """``fast``; beside quotes with a due time ``fast now`` and ``fast by 07:00``."""
        if priced.due_at is not None:
            return f"{priced.quality} by {shown_due(priced.due_at, self.zone)}"
        return f"{priced.quality} now" if self._due() else priced.quality

    def _due(self) -> list[Priced]:
        return [priced for priced in self.quotes if priced.due_at is not None]

    def lines(self) -> RenderableType:
        """As lines for people."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("quality")
        for name in (*_AMOUNTS, "hold"):
            table.add_column(name, justify="right")
        for priced in self.quotes:
            amounts = [getattr(priced.quote, name) for name in _AMOUNTS]
            table.add_row(self._name(priced), *map(format_money, [*amounts, priced.hold]))
            if self.credit_nano:
                credits_ = [f"{self._in_credits(amount):,.2f} cr" for amount in [*amounts, priced.hold]]
                table.add_row("", *credits_, style="dim")
        worth = f" ({format_money(self.price_nano)})" if self.credit_nano and self.price_nano else ""
        heading = Text.assemble((self.automation, "bold"), f"  sold for {self.price}{worth}")
        if self.credit_nano:
            rests = [Text(f"1 credit (cr) is worth {format_money(self.credit_nano)}", style="dim")]
        else:
            rests = [
                Text("credits are not shown: set [credits] value in farebox.toml to the value of one", style="dim")
            ]
        rests += [
            Text(f"{self._name(priced)} is based on {basis(priced.quote)}", style="dim") for priced in self.quotes
        ]
        if self.imported:
            rests.append(Text(f"its history has {self.imported:,} imported runs", style="dim"))
        if why := self.quotes[0].economic:
            rests.append(Text(f"economic route, the cheapest targets first: {why}", style="yellow"))
        rests += [Text(f"{path.quality} counts its whole path: {path}", style="dim") for path in self.paths]
        rests += [Text(_covered(audit), style="dim") for audit in self.audits]
        if self.budgets:
            left = " · ".join(
                f"{one.name}: {format_money(one.left)} of {format_money(one.limit)}" for one in self.budgets
            )
            rests.append(Text(f"left on its budgets: {left}", style="dim"))
        notes = [self._difference(), self._alternatives(), *self._waits(), self._hint()]
        if self.start is not None:
            notes.append(Text(f"{self.quotes[0].quality}: {self.start.words(self.zone)}", style="dim"))
        return Group(heading, table, *(one for one in notes if one is not None), *rests)

    def _alternatives(self) -> Text | None:
        """``fast now $0.31 · fast by 07:00 $0.16 · best by 07:00 $0.92``."""
        if not self._due():
            return None
        parts = [f"{self._name(priced)} {format_money(priced.quote.p50)}" for priced in self.quotes]
        return Text(" · ".join(parts), style="bold")

    def _waits(self) -> Iterator[Text]:
        """How long the runs take that wait."""
        for priced in self._due():
            if (expected := expected_words(priced.expected)) is None:
                reasons = "; ".join(priced.live_reasons) or "it plans no turns"
                yield Text(f"{self._name(priced)} saves nothing: {reasons}", style="dim")
            else:
                yield Text(f"{self._name(priced)} is done {expected}", style="dim")

    def _hint(self) -> Text | None:
        if not self.later:
            return None
        parts = [f"{priced.quality} {format_money(priced.quote.p50)}" for priced in self.later]
        return Text(f"due within a day, with --due {LATER}: {' · '.join(parts)}", style="dim")

    def _difference(self) -> Text | None:
        at_once = [priced for priced in self.quotes if priced.due_at is None]
        if len(at_once) < 2:  # noqa: PLR2004 - two can be compared
            return None
        fast, best = (priced.quote.p50 for priced in at_once)
        more, cheap = abs(best - fast), min(fast, best)
        if not more:
            return Text("best costs the same as fast at the median")
        credits_ = f" ({self._in_credits(more):,.2f} credits)" if self.credit_nano else ""
        times = f", {max(fast, best) / cheap:.1f} ×" if cheap else ""
        comparison = "more" if best >= fast else "less"
        return Text(f"best costs {format_money(more)}{credits_} {comparison} than fast at the median{times}")

    def _in_credits(self, amount: Nano) -> float | None:
        """A cost in credits of their declared value; ``None`` if no value is set."""
        return round(amount / self.credit_nano, 4) if self.credit_nano else None


def compare(
    runtime: Runtime,
    flow: Flow[..., Any],
    parameters: dict[str, Any],
    whose: RunOwner = ANONYMOUS,
    due: str | None = None,
) -> Compared:
    """The quotes of a run at the quality asked for and, if users can choose, at the other one; with a due time of the
    command or the automation, also for that time.

    Raises:
        UsageError: a name in ``whose`` is not a valid budget key, or the due time cannot be met or read.
    """
    automation = automation_of(flow)
    given = with_defaults(flow, parameters)
    qualities = ["fast", "best"] if "quality" in flow.parameters.properties else [None]
    with use_run(starter_context(whose, due_at=stated_due(runtime, due))):
        due_at = run_due_now(runtime, automation, given)
        rules = standing_rules(runtime, automation, stated_limits(runtime), run_owner(given))
    economic = pressure(runtime, rules)

    def quoted(due_at: int | None) -> list[Priced]:
        choices = [given | ({"quality": quality} if quality else {}) for quality in qualities]
        return [price_run(runtime, automation, one, economic, due_at=due_at) for one in choices]

    quotes, later = quoted(None), list[Priced]()
    if due_at is not None:
        by_then = quoted(due_at)
        quotes = [one for pair in zip(quotes, by_then, strict=True) for one in pair]
    else:
        in_a_day = quoted(to_us(datetime.now(UTC) + _DAY))
        cheaper = [
            one.expected and one.quote.p50 < at_once.quote.p50 for one, at_once in zip(in_a_day, quotes, strict=True)
        ]
        later = in_a_day if any(cheaper) else []
    now, usual = datetime.now(UTC), quotes[0]
    end = now + _DAY if due_at is None else from_us(due_at)
    asked = given | ({"quality": usual.quality} if qualities[0] else {})
    start = cheaper_start(runtime, automation, asked, usual, start=now, end=min(end, now + _DAY))
    audits, paths = _past(runtime, automation.name, stand_in=quotes[0].stand_in)
    return Compared(
        automation=automation.name,
        price=automation.price.text,
        quotes=tuple(quotes),
        price_nano=automation.price.worth(runtime.settings.credits.value),
        credit_nano=runtime.settings.credits.value,
        budgets=tuple(_touched(runtime, rules)),
        audits=tuple(audits),
        paths=tuple(paths),
        later=tuple(later),
        start=start,
        zone=runtime.settings.zone,
        imported=sum(runtime.imported.count(automation.name, priced.quality) for priced in quotes),
    )


def _touched(runtime: Runtime, rules: Sequence[BudgetRule]) -> Iterator[Touched]:
    """The budgets that a run would be held on; a window that is not open yet has its whole limit left."""
    states = {(state.scope, state.key, state.window): state for state in runtime.ledger.budgets()}
    lowest = {(rule.scope, rule.key, rule.window): rule for rule in sorted(rules, key=lambda rule: -rule.limit)}
    for place, rule in lowest.items():
        state = states.get(place)
        taken = state.spent + state.held if state else 0
        yield Touched(rule.name, rule.limit, rule.limit - taken)


def _past(runtime: Runtime, automation: str, *, stand_in: bool) -> tuple[list[QuoteAudit], list[QuotedPath]]:
    """How its past quotes compared with costs, and the route that turns of its past runs took."""
    from pricing import UsageError
    from pricing.reports import quote_audits, quoted_paths

    runtime.replica.sync(wait=1.0)
    try:
        audits = [audit for audit in quote_audits(runtime.replica, automation) if audit.stand_in == stand_in]
    except UsageError:  # it has never run
        return [], []
    return audits, quoted_paths(runtime.replica, automation, stand_in=stand_in)


def _covered(audit: QuoteAudit) -> str:
    p95 = audit.p95
    return f"{audit.quality} quotes so far: {p95.within} of {p95.runs} runs within p95 ({p95.low:.0%}–{p95.high:.0%})"
