"""What patience saves: 40 mapped turns live, at the flex tier, and as one batch. ``python -m benchmarks batches``.

The same automation is run three times as a Prefect flow against the sandbox, over HTTP. Each cost is added up twice: from
the sandbox's billing journal, at the rate card's prices of the tier that served, and from the ledger. The drawing goes
to ``--drawing``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from contextlib import ExitStack
from html import escape
from pathlib import Path
from typing import NamedTuple

from benchmarks import harness
from farebox import ask, automation, llm_task, plan
from pricing import Nano, format_money
from pricing.db import schema
from tasks.sandbox import Latency, Sandbox, read_journal
from tests.support.books import assert_ledger_adds_up, rows
from tests.support.due_runs import QUICK, batch_rules
from tests.support.prefect_runs import prefect_server
from tests.support.project import make_project

ITEMS = 40
MODES = ("live", "flex", "batch")
TARGET = """
[batches]
poll_seconds = 0.5
longest_poll_seconds = 1

[[targets]]
name = "mini"
provider = "openai"
model = "gpt-5-mini"
tier = "light"
read_timeout = {read_timeout}
"""
FLEX = 'service_tier = "flex"\n'
NOTES = [
    f"The importer stopped for {hours} hours, because a disk was full. The team added an alarm."
    for hours in range(ITEMS)
]
HEADS = ("mode", "turns", "requests", "batches", "billing journal", "ledger", "of live", "seconds")
COLORS = {"live": "#888", "flex": "#4a7fb5", "batch": "#2a7d2a"}


@llm_task(operation="say", max_tokens=60)
def say(text: str) -> str:
    return ask("say.j2", text=text)


@automation(price="1 credit", plan=plan(say, calls=ITEMS, input_tokens=60, output_tokens=60))
def notes(due: str | None = None) -> list[str]:
    """A mapped step of forty items; with a due time it waits for a batch."""
    del due
    return [future.result() for future in say.map(NOTES)]


class Cost(NamedTuple):
    """What one mode cost, in nano-dollars, by the sandbox's billing journal and by the ledger."""

    mode: str
    turns: int
    requests: int
    batches: int
    billed: Nano
    recorded: Nano
    seconds: float


def measured(folder: Path, mode: str) -> Cost:
    """Run the automation once in one mode.

    Raises:
        RuntimeError: the ledger does not say what the sandbox billed, or the run did not complete.
    """
    folder.mkdir()
    with Sandbox(folder / "journal.jsonl", latency=Latency(0, 0)) as sandbox:
        batch_rules(sandbox, QUICK)
        targets = TARGET + (FLEX if mode == "flex" else "")
        project = make_project(folder / "project", sandbox.url, targets=targets)
        with project.runtime_here() as runtime:
            began = time.perf_counter()
            state = notes(due="6h" if mode == "batch" else None, return_state=True)
            seconds = time.perf_counter() - began
            if not state.is_completed():
                raise RuntimeError(f"{mode}: {state}")
            assert_ledger_adds_up(runtime)
            attempts = rows(runtime.ledger, schema.attempts)
            served = read_journal(sandbox.journal)
            model = {attempt["attempt_id"]: (attempt["model"], attempt["provider"]) for attempt in attempts}
            billed = sum(
                runtime.rates.price(*model[entry.client_request_id or ""], entry.usage, service_tier=entry.service_tier)
                for entry in served
                if entry.usage.known
            )
            recorded = sum(attempt["cost_nano"] for attempt in attempts)
            if billed != recorded:
                raise RuntimeError(f"{mode}: billed {billed}, recorded {recorded}")
            turns = len(rows(runtime.ledger, schema.turns))
            return Cost(mode, turns, len(served), len(runtime.batches.all()), billed, recorded, seconds)


def svg(costs: Sequence[Cost]) -> str:
    """A picture with two bars per mode, which have the same length if ledger and journal agree."""
    width, left, row, head = 760, 90, 64, 52
    height, most = head + row * len(costs) + 16, max(cost.billed for cost in costs)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="10" y="22" font-weight="bold">{ITEMS} mapped turns: cost by service tier</text>',
        '<text x="10" y="40" fill="#555">upper bar: the sandbox\'s billing journal; lower bar: the ledger</text>',
    ]
    for number, cost in enumerate(costs):
        top = head + row * number
        parts.append(f'<text x="10" y="{top + 26}">{escape(cost.mode)}</text>')
        for offset, amount, opacity in ((6, cost.billed, 1.0), (26, cost.recorded, 0.6)):
            length = round((width - left - 170) * amount / most, 1)
            parts.append(
                f'<rect x="{left}" y="{top + offset}" width="{length}" height="16" fill="{COLORS[cost.mode]}" '
                f'fill-opacity="{opacity}"/>'
            )
            label = f"{format_money(amount)} · {amount / most:.0%}"
            parts.append(f'<text x="{left + length + 8}" y="{top + offset + 13}" fill="#333">{label}</text>')
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drawing", type=Path, default=Path("batches.svg"), help="where the picture goes")
    options = parser.parse_args()
    harness.quiet_environment()
    drawing = options.drawing.absolute()
    with ExitStack() as stack:
        folder = stack.enter_context(harness.workplace())
        stack.enter_context(prefect_server(folder / "prefect"))
        costs = [measured(folder / mode, mode) for mode in MODES]
    live = costs[0].billed
    harness.table(
        f"{ITEMS} mapped turns",
        HEADS,
        [
            (
                cost.mode,
                f"{cost.turns}",
                f"{cost.requests}",
                f"{cost.batches}",
                f"{cost.billed:,} nano",
                f"{cost.recorded:,} nano",
                f"{cost.billed / live:.1%}",
                f"{cost.seconds:.1f}",
            )
            for cost in costs
        ],
        ["both books are equal to the nano-dollar, or the benchmark ends", f"drawing: {options.drawing}"],
    )
    drawing.write_text(svg(costs), "utf-8")


if __name__ == "__main__":
    main()
