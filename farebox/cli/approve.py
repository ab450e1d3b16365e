"""The question that ``farebox run`` asks in the terminal about a run that exceeds a budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from getpass import getuser

from rich.console import Console

from farebox.runs.approval import ASK_HERE, WORDS, AskedRoute, choices, read_raise, suggested_raise
from pricing import OverBudget, format_money
from pricing.ledger import ApprovalDecision, ApprovalRequest, Choice


@contextmanager
def terminal_approval(console: Console, stop: Callable[[], object]) -> Iterator[None]:
    """Ask in the terminal if it is interactive; ``stop`` ends the progress display first."""
    if not (console.is_terminal and console.is_interactive):
        yield
        return

    def ask(question: ApprovalRequest, refused: OverBudget) -> ApprovalDecision:
        stop()
        return decide(console, question, refused)

    token = ASK_HERE.set(ask)
    try:
        yield
    finally:
        ASK_HERE.reset(token)


def decide(console: Console, question: ApprovalRequest, refused: OverBudget) -> ApprovalDecision:
    """The answer; an empty line refuses."""
    console.print(refused.message, markup=False)
    offered = choices(question, refused)
    for number, choice in enumerate(offered, 1):
        console.print(f"  {number}  {WORDS[choice]}{_explained(choice, question)}", markup=False)
    said = console.input(f"What now? [1-{len(offered)}, empty: {WORDS['refuse']}] ").strip()
    choice = offered[int(said) - 1] if said.isdigit() and 0 < int(said) <= len(offered) else "refuse"
    more = 0
    while choice == "raise" and not more:
        usual = suggested_raise(question)
        more = read_raise(console.input(f"Raise by how much? [{usual}] ").strip() or usual) or 0
    return ApprovalDecision(choice, getuser(), more)


def _explained(choice: Choice, question: ApprovalRequest) -> str:
    """The explanation shown behind a choice."""
    match choice:
        case "once":
            route = AskedRoute.of(question)
            targets = ", ".join(f"{operation} by {target}" for operation, target, _ in route.targets)
            lowered = "" if route.economic is None else f" ({route.economic})"
            by = f" ({targets})" if targets else ""
            expected = format_money(question.run.p50_nano)
            return f": {route.words}{lowered}{by}, about {expected} in all, holding {format_money(question.hold)}"
        case "cheaper":
            return f", holding {format_money(question.cheaper)}"
        case "finish":
            return ": no further spending; the automation returns what it has if it catches BudgetClosed"
        case _:
            return ""
