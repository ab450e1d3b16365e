"""What a run looks like in a terminal: nothing is cut, however narrow, and its end is what its report says."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from farebox.cli.display import _Progress, closing_line, quote_lines
from farebox.cli.output import Terminal
from pricing.db.database import Store
from pricing.ledger.budgets import BudgetRule
from pricing.quotes import Quote
from pricing.replica.replica import Replica
from pricing.replica.run_copy import RunCopy
from pricing.reports import overview, render_terminal, run_report, runs
from tasks.turn import TurnEvent
from tests.support.business import write_business
from tests.support.report_books import CENT, Books

OPERATION, TARGET = "summarize_all_documents_of_the_week", "bedrock-eu-west-1-premium-account-two"


def shown(what: Any, width: int) -> str:
    out = io.StringIO()
    Terminal(file=out, width=width, highlight=False, markup=False).print(what)
    return out.getvalue()


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)


def progress() -> _Progress:
    made = _Progress([{"operation": OPERATION, "calls": 1200}, {"operation": "compose", "calls": 1}])
    made.count(TurnEvent("r", OPERATION, "failed", TARGET, "m", 2, 123_456_789))
    return made


@pytest.mark.parametrize("width", [40, 60, 72, 80, 120])
def test_progress_is_not_cut(width: int):
    text = shown(progress(), width)
    assert max(map(cell_len, text.splitlines())) <= width
    assert "…" not in text
    for figure in ("1/1200", "$0.1235", "0/1"):
        assert figure in text
    if width >= 60:
        columns = squeezed("".join(line[:30] for line in text.splitlines()))
        assert columns.startswith(OPERATION[:10])


@pytest.mark.parametrize("width", [60, 80])
def test_nothing_is_cut_at_sixty_columns(tmp_path: Path, width: int):
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    write_business(store, days=3)
    replica = Replica(tmp_path / "replica.duckdb", store)
    replica.sync()
    amount = 123_456_789
    quote = Quote(amount, amount, amount, amount, 300, None, "genai-prices 0.2.3 + own", "conformal")
    report = run_report(replica, "last")
    views = [render_terminal(report), render_terminal(overview(replica)), render_terminal(runs(replica))]
    for view in [*views, closing_line(report), quote_lines("an_automation_with_a_long_name", quote, 10**9, "fast")]:
        text = shown(view, width)
        assert max(map(cell_len, text.splitlines())) <= width
        assert "…" not in re.sub("^…", "", text, flags=re.MULTILINE)
    store.close()


def test_the_closing_line_counts_an_extended_hold_and_what_came_late(tmp_path: Path):
    books = Books(Store(f"sqlite:///{tmp_path / 'ledger.db'}"))
    run = books.run("run-one", held=4 * CENT, rules=(BudgetRule("automation", "digest", "day", 1000 * CENT),))
    books.answered(run, "t1", 5 * CENT, worst=9 * CENT)
    late = books.intent(run, "t2", worst=6 * CENT)
    books.ledger.settle("run-one", "cancelled", "interrupted")
    store = books.ledger.store
    told = str(closing_line(run_report(RunCopy(store, "run-one"), "run-one")))
    assert told == "■ cancelled: $0.11 held ($0.04 at first, extended by $0.07), $0.11 spent, $0 released"
    books.end(late, 0, "connection")
    told = str(closing_line(run_report(RunCopy(store, "run-one"), "run-one")))
    assert "$0.05 spent" in told
    assert "-$0.06 adjusted later" in told
    store.close()
