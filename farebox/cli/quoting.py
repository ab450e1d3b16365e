"""``farebox quote``: what a run would cost at each quality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farebox.automations import automation_of
from farebox.cli.display import basis
from farebox.cli.finding import with_defaults
from farebox.gate import Priced, price_run, standing_rules
from farebox.routes import pressure
from farebox.runtime import Runtime
from farebox.whose import whose_run
from pricing.money import format_money

if TYPE_CHECKING:
    from prefect import Flow

_AMOUNTS = ("point", "p50", "p95", "ceiling")


@dataclass(frozen=True, slots=True)
class Compared:
    """The quotes of one run by quality, the one that was asked for first."""

    automation: str
    price: str
    quotes: tuple[Priced, ...]

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
                    "hold_nano": priced.hold,
                    "method": priced.quote.method,
                    "history": priced.quote.n,
                    "since": priced.quote.since,
                    "rate_version": priced.quote.rate_version,
                    "sandbox": priced.stand_in,
                }
                for priced in self.quotes
            ],
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
        heading = Text.assemble((self.automation, "bold"), f"  sold for {self.price}")
        rests = [Text(f"{priced.quality} rests on {basis(priced.quote)}", style="dim") for priced in self.quotes]
        if why := self.quotes[0].economic:
            rests.append(Text(f"economic route, the cheapest targets first: {why}", style="yellow"))
        return Group(heading, table, *([difference] if (difference := self._difference()) else []), *rests)

    def _difference(self) -> Text | None:
        if len(self.quotes) < 2:  # noqa: PLR2004 - two can be compared
            return None
        cheap, dear = sorted(priced.quote.p50 for priced in self.quotes)
        times = f", {dear / cheap:.1f} ×" if cheap else ""
        return Text(f"best costs {format_money(dear - cheap)} more than fast at the median{times}")


def compare(runtime: Runtime, flow: Flow[..., Any], parameters: dict[str, Any]) -> Compared:
    """The quotes of a run at the quality asked for and, if the automation lets people choose, at the other."""
    automation = automation_of(flow)
    given = with_defaults(flow, parameters)
    qualities = ["fast", "best"] if "quality" in flow.parameters.properties else [None]
    economic = pressure(runtime, standing_rules(runtime, automation, whose_run(given)))
    quotes = [price_run(runtime, automation, given | ({"quality": q} if q else {}), economic) for q in qualities]
    return Compared(automation.name, automation.price.text, tuple(quotes))
