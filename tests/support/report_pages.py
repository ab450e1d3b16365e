"""What several tests of the report pages share."""

import io
from typing import Any

from rich.console import Console, RenderableType

from pricing.ledger.facts import Run
from pricing.usage import Usage
from tests.support.report_books import CENT, SECOND, Books


def shown(report: RenderableType, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(report)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def plain_run(books: Books, run_id: str = "plain-run", **changed: Any) -> Run:
    run = books.run(run_id, **changed)
    books.answered(run, f"{run_id}-t", 2 * CENT)
    books.clock += SECOND
    books.ledger.settle(run_id, "completed")
    return run


def saving_run(books: Books, run_id: str = "saving-run", *, stand_in: bool = False) -> Run:
    """Two summaries, of which the second reads what the first wrote; two chats, of which the second is stored.

    It spends 6 cents and saves 9 - 1 by caching and 3 by storage.
    """
    run = books.run(run_id, stand_in=stand_in)
    for number, (cost, saved, usage) in enumerate(
        [(2 * CENT, -CENT, Usage(2000, 100, 0, 1800)), (CENT, 9 * CENT, Usage(2000, 100, 1800, 0))]
    ):
        turn = f"{run_id}-s{number}"
        books.end(books.intent(run, turn), cost, usage=usage, saved_nano=saved)
        books.turn(run, turn, 1)
    books.answered(run, f"{run_id}-c1", 3 * CENT, operation="chat")
    stored: dict[str, Any] = {"operation": "chat", "target": "haiku", "saved_nano": 3 * CENT}
    books.turn(run, f"{run_id}-c2", 0, "stored", **stored)
    books.clock += SECOND
    books.ledger.settle(run_id, "completed")
    return run
