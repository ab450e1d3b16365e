"""``farebox quote``: what a run would cost at each quality."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farebox.automations import automation_of
from farebox.cli.display import basis
from farebox.discovery import with_defaults
from farebox.runs.admission import Priced, price_run, standing_rules, stated_limits
from farebox.runs.context import ANONYMOUS, RunOwner, run_owner, starter_context
from farebox.runs.planning import pressure
from farebox.runtime import Runtime
from pricing import Nano, format_money
from pricing.ledger import BudgetRule
from tasks import use_run

if TYPE_CHECKING:
    from prefect import Flow

    from pricing.reports import QuoteAudit, QuotedPath

_AMOUNTS = ("point", "p50", "p95", "ceiling")


@dataclass(frozen=True, slots=True)
class Touched:
    """A budget that a run would be held against, and what is left of it, in nano-dollars."""

    name: str
    limit: Nano
    left: Nano


@dataclass(frozen=True, slots=True)
class Compared:
    """The quotes of one run by quality, the one that was asked for first."""

    automation: str
    price: str
    quotes: tuple[Priced, ...]
    price_nano: Nano | None = None
    credit_nano: Nano | None = None
    budgets: tuple[Touched, ...] = ()
    audits: tuple[QuoteAudit, ...] = ()
    paths: tuple[QuotedPath, ...] = ()
    imported: int = 0

    def to_json(self) -> dict[str, Any]:
        """As plain data; amounts are nano-dollars."""
        return {
            "automation": self.automation,
            "price": self.price,
            "quotes": [
                {
                    "quality": priced.quality,
                    "economic": priced.economic,
                    **{f"{name}_nano": getattr(priced.quote, name) for name in _AMOUNTS},
                    **{f"{name}_credits": self._in_credits(getattr(priced.quote, name)) for name in _AMOUNTS},
                    "hold_nano": priced.hold,
                    "method": priced.quote.method,
                    "history": priced.quote.n,
                    "since": priced.quote.since,
                    "rate_version": priced.quote.rate_version,
                    "sandbox": priced.stand_in,
                }
                for priced in self.quotes
            ],
            "price_nano": self.price_nano,
            "credit_nano": self.credit_nano,
            "budgets": [
                {"name": budget.name, "limit_nano": budget.limit, "left_nano": budget.left} for budget in self.budgets
            ],
            "coverage": [audit.to_json() for audit in self.audits],
            "path": [path.to_json() for path in self.paths],
            "imported": self.imported,
        }

    def lines(self) -> RenderableType:
        """As people read it."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("quality")
        for name in (*_AMOUNTS, "hold"):
            table.add_column(name, justify="right")
        for priced in self.quotes:
            amounts = [getattr(priced.quote, name) for name in _AMOUNTS]
            table.add_row(priced.quality, *map(format_money, [*amounts, priced.hold]))
            if self.credit_nano:
                credits_ = [f"{self._in_credits(amount):,.2f} cr" for amount in [*amounts, priced.hold]]
                table.add_row("", *credits_, style="dim")
        worth = f" ({format_money(self.price_nano)})" if self.credit_nano and self.price_nano else ""
        heading = Text.assemble((self.automation, "bold"), f"  sold for {self.price}{worth}")
        if self.credit_nano:
            rests = [Text(f"1 credit (cr) is worth {format_money(self.credit_nano)}", style="dim")]
        else:
            rests = [Text("no credits beside it: [credits] value in farebox.toml says what one is worth", style="dim")]
        rests += [Text(f"{priced.quality} is based on {basis(priced.quote)}", style="dim") for priced in self.quotes]
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
        return Group(heading, table, *([difference] if (difference := self._difference()) else []), *rests)

    def _difference(self) -> Text | None:
        if len(self.quotes) < 2:  # noqa: PLR2004 - two can be compared
            return None
        fast, best = (priced.quote.p50 for priced in self.quotes)
        more, cheap = abs(best - fast), min(fast, best)
        if not more:
            return Text("best costs the same as fast at the median")
        credits_ = f" ({self._in_credits(more):,.2f} credits)" if self.credit_nano else ""
        times = f", {max(fast, best) / cheap:.1f} ×" if cheap else ""
        told = "more" if best >= fast else "less"
        return Text(f"best costs {format_money(more)}{credits_} {told} than fast at the median{times}")

    def _in_credits(self, amount: Nano) -> float | None:
        """A cost in credits of their declared worth; ``None`` where nobody said what one is worth."""
        return round(amount / self.credit_nano, 4) if self.credit_nano else None


def compare(
    runtime: Runtime, flow: Flow[..., Any], parameters: dict[str, Any], whose: RunOwner = ANONYMOUS
) -> Compared:
    """The quotes of a run at the quality asked for and, if the automation lets people choose, at the other.

    Raises:
        UsageError: a name in ``whose`` is none that budgets could go by.
    """
    automation = automation_of(flow)
    given = with_defaults(flow, parameters)
    qualities = ["fast", "best"] if "quality" in flow.parameters.properties else [None]
    with use_run(starter_context(whose)):
        rules = standing_rules(runtime, automation, stated_limits(runtime), run_owner(given))
    economic = pressure(runtime, rules)
    quotes = [price_run(runtime, automation, given | ({"quality": q} if q else {}), economic) for q in qualities]
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
        imported=sum(runtime.imported.count(automation.name, priced.quality) for priced in quotes),
    )


def _touched(runtime: Runtime, rules: Sequence[BudgetRule]) -> Iterator[Touched]:
    """The budgets that a run would be held against; a window that nobody has opened yet has all of its limit left."""
    states = {(state.scope, state.key, state.window): state for state in runtime.ledger.budgets()}
    lowest = {(rule.scope, rule.key, rule.window): rule for rule in sorted(rules, key=lambda rule: -rule.limit)}
    for place, rule in lowest.items():
        state = states.get(place)
        taken = state.spent + state.held if state else 0
        yield Touched(rule.name, rule.limit, rule.limit - taken)


def _past(runtime: Runtime, automation: str, *, stand_in: bool) -> tuple[list[QuoteAudit], list[QuotedPath]]:
    """How its past quotes held, and what the turns of its past runs went through."""
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
