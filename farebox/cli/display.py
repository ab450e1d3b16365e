"""The terminal display of a run: its quote, progress and result."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from pricing import Nano, format_money, from_us
from pricing.ledger import BudgetRule, Refusal, Run, Settled
from pricing.quotes import Quote
from pricing.reports import moment
from tasks.routing import economic_reason
from tasks.turn import TurnEvent, WaveNews

if TYPE_CHECKING:
    from pricing.reports import RunReport

_METHODS = {
    "prior": "the plan only; no history yet",
    "student_t": "the plan and {runs}",
    "conformal": "the plan and {runs} (conformal)",
}
_LEARNED = {
    "prior": "a first estimate; no history yet",
    "student_t": "what {runs} cost",
    "conformal": "what {runs} cost (conformal)",
}


class RunDisplay:
    """Follows one run of this process, as a watcher of the runtime."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._progress: _Progress | None = None
        self._lock = threading.Lock()

    def waiting(self, for_what: str) -> None:
        """Show what the run waits for."""
        self._show(Spinner("dots", Text(for_what, style="dim")))

    def quoted(self, run: Run, quote: Quote, rules: Sequence[BudgetRule], refusals: Sequence[Refusal]) -> None:
        """Show the quote and its hold, and start the progress display."""
        self.stop()
        self._console.print(quote_lines(run.automation, quote, run.held_nano, run.quality))
        if why := economic_reason(json.loads(run.routes)):
            self._console.print(Text(f"  economic route, the cheapest targets first: {why}", style="yellow"))
        if run.due_at is not None:
            self._console.print(Text(f"  due by {from_us(run.due_at).astimezone():%Y-%m-%d %H:%M %Z}", style="dim"))
        if not refusals:
            limits = " · ".join(f"{rule.name} ({format_money(rule.limit)})" for rule in rules)
            self._console.print(Text(f"  {format_money(run.held_nano)} held on: {limits}", style="dim"))
            self._progress = _Progress(json.loads(run.plan))
            self._show(self._progress)

    def turn(self, event: TurnEvent) -> None:
        """Count a turn."""
        if self._progress is not None:
            self._progress.count(event)

    def batches(self, news: WaveNews) -> None:
        """Show how many turns wait for batches, since when, and when these are expected."""
        if self._progress is not None:
            self._progress.waiting = news

    def settled(self, run: Run, outcome: str, settled: Settled) -> None:
        """Stop the progress display; the report shows the result."""
        del run, outcome, settled
        self.stop()
        if self._progress is not None:
            self._console.print(self._progress)

    def stop(self) -> None:
        """Remove the progress display."""
        with self._lock:
            live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _show(self, what: RenderableType) -> None:
        """Show something until stopped; only on an interactive terminal."""
        self.stop()
        if not self._console.is_terminal:
            return
        live = Live(what, console=self._console, refresh_per_second=8, transient=True, redirect_stderr=False)
        live.start()
        with self._lock:
            self._live = live


def closing_line(report: RunReport) -> Text:
    """How a run ended and what was charged of its hold: the figures of its report."""
    from pricing.reports import money_sentence

    outcome = report.run.outcome
    status = "stopped by a budget" if outcome == "over_budget" else outcome
    mark = "✓ " if outcome == "completed" else "■ "
    return Text.assemble((mark, "bold"), f"{status}: {money_sentence(report)}", overflow="fold")


_WIDTH_WITH_BARS = 72
"""The width in columns from which progress has bars; narrower terminals show only text."""


class _Progress:
    """One line per operation of the plan."""

    def __init__(self, plan: Iterable[dict[str, int | str]]) -> None:
        self._planned: dict[str, int] = {str(step["operation"]): int(step["calls"]) for step in plan}
        self._turns: Counter[str] = Counter()
        self._troubled: Counter[str] = Counter()
        self._cost: Counter[str] = Counter()
        self._models: dict[str, str] = {}
        self.waiting: WaveNews | None = None

    def count(self, event: TurnEvent) -> None:
        asked_as = (event.operation, *event.steps)
        name = next((one for one in asked_as if one in self._planned), event.operation)
        self._turns[name] += 1
        self._cost[name] += event.cost_nano
        self._troubled[name] += event.attempts > 1 or event.outcome not in {"answered", "stored", "replayed"}
        if event.target:
            self._models[name] = event.target

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        del console
        wide = options.max_width >= _WIDTH_WITH_BARS
        table = Table.grid(padding=(0, 2) if wide else (0, 1))
        table.add_column(overflow="fold")
        for _ in range(3 if wide else 2):
            table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        table.add_column(overflow="fold")
        planned = [name for name, calls in self._planned.items() if calls or self._turns[name]]
        for name in [*planned, *(name for name in self._turns if name not in self._planned)]:
            cells = list(self._row(name))
            table.add_row(*(cells if wide else [cells[0], *cells[2:]]))
        yield Padding(table, (0, 0, 0, 2))
        if self.waiting is not None and self.waiting.waiting:
            yield Padding(Text(waiting_line(self.waiting), style="dim"), (0, 0, 0, 2))

    def _row(self, name: str) -> Iterable[RenderableType]:
        done, planned = self._turns[name], self._planned.get(name, 0)
        width = 16
        filled = min(width, width * done // max(planned, done, 1))
        style = "green" if planned and done >= planned else "cyan"
        yield Text(name)
        yield Text.assemble(("━" * filled, style), ("─" * (width - filled), "dim"))
        yield Text(f"{done}/{planned}" if planned else f"{done}", justify="right")
        yield Text(format_money(self._cost[name]) if done else "", justify="right")
        yield Text(self._models.get(name, ""), style="dim")
        troubled = self._troubled[name]
        yield Text(f"{troubled} retried or not answered" if troubled else "", style="yellow")


def waiting_line(news: WaveNews) -> str:
    """How many turns wait for batches, when these are expected by past ones, and how to leave the run meanwhile.

    >>> waiting_line(WaveNews("r", 38, 2, 0, 6 * 3_600_000_000))[:72]
    'waiting for batches: 38 turns, 2 back; sent 1970-01-01 00:00 UTC, due 19'
    """
    turns = f"{news.waiting} turn{'' if news.waiting == 1 else 's'}, {news.done} back"
    expected = "" if news.expected_at is None else f"expected about {moment(from_us(news.expected_at))}, "
    times = f"sent {moment(from_us(news.since))}, {expected}due {moment(from_us(news.due_at))}"
    fault = f" {news.fault}" if news.fault else ""
    left = "Ctrl-C leaves the run; `farebox runs resume last` continues it."
    return f"waiting for batches: {turns}; {times}.{fault} {left}"


def quote_lines(automation: str, quote: Quote, hold: Nano, quality: str) -> RenderableType:
    """A quote as lines for people."""
    table = Table.grid(padding=(0, 3))
    table.add_row(*(Text(name, "dim") for name in ("point", "p50", "p95", "ceiling", "held")))
    amounts = (quote.point, quote.p50, quote.p95, quote.ceiling, hold)
    table.add_row(*(Text(format_money(amount), style="bold") for amount in amounts))
    heading = Text.assemble(("Quote ", "bold"), automation, (f"  quality {quality}", "dim"))
    return stacked(heading, Padding(table, (0, 0, 0, 2)), Text("  based on " + basis(quote), style="dim"))


def basis(quote: Quote) -> str:
    """What a quote is based on, as a phrase."""
    words = (_LEARNED if quote.learned else _METHODS)[quote.method]
    return (
        words.format(runs="1 past run" if quote.n == 1 else f"{quote.n} past runs")
        + (f" since {quote.since:%Y-%m-%d}" if quote.since else "")
        + f"; rates: {quote.rate_version}"
    )


def stacked(*parts: RenderableType) -> RenderableType:
    """The parts, one below the other."""
    table = Table.grid()
    for part in parts:
        table.add_row(part)
    return table
