"""What a shared prompt costs: ``python -m benchmarks.shared_prefix``.

Forty turns with one system text of about 5,000 tokens are sent together, over real HTTP, in each dialect that caches.
``first`` lets one turn write the cache while the others wait for its first event; ``at once`` sends all of them. Costs
are those of the sandbox's billing journal and of the ledger, side by side; the formula is what the providers document:
a write and N - 1 reads, or N writes. A drawing goes to ``shared_prefix.svg``.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks import harness
from benchmarks.prefix_chart import Cost, svg
from pricing.money import format_money
from pricing.rates import RateCard
from pricing.usage import Usage
from tasks.sandbox import Latency
from tests.support.shared_prompts import DIALECTS, FanOut, fan_out

TURNS = 40
WAYS = {"first": 60.0, "at once": 0.0}
"""Seconds that a turn may wait."""
SLOW = Latency(2.0, 0)
"""All turns are sent before the first is answered, also on a busy machine."""


def formula(dialect: str, found: FanOut, way: str) -> int:
    """What the static part alone should cost, in nano-dollars."""
    provider, model = DIALECTS[dialect]
    card = RateCard.load()
    static = found.written // found.writers
    write = card.price(model, provider, Usage(static, 0, 0, static))
    read = card.price(model, provider, Usage(static, 0, static, 0))
    return write + (found.turns - 1) * read if way == "first" else found.turns * write


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--drawing", type=Path, default=Path("shared_prefix.svg"), help="where the picture goes")
    options = parser.parse_args()
    harness.quiet_environment()
    rows, drawn = list[list[str]](), list[Cost]()
    with tempfile.TemporaryDirectory() as folder:
        for dialect in DIALECTS:
            for way, wait in WAYS.items():
                found = fan_out(Path(folder) / f"{dialect}-{way}", dialect, options.turns, wait=wait, latency=SLOW)
                harness.expect(found.journal_nano == found.ledger_nano)
                harness.expect(found.writers == (1 if way == "first" else options.turns))
                drawn.append(Cost(dialect, way, found.journal_nano, found.ledger_nano, found.writers))
                amounts = (found.journal_nano, found.ledger_nano, formula(dialect, found, way))
                rows.append([dialect, way, *map(format_money, amounts), f"{found.written:,}", f"{found.read:,}"])
    heads = ["dialect", "way", "journal", "ledger", "formula, static part", "written", "read"]
    harness.table(f"{options.turns} turns with one prompt", heads, rows)
    options.drawing.write_text(svg(f"{options.turns} turns with one prompt, sent together", drawn), "utf-8")
    print(f"\ndrawn in {options.drawing}")


if __name__ == "__main__":
    main()
