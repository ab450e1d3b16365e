"""What the terminal asks about a run that exceeds a budget."""

from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from farebox.cli.approve import decide, terminal_approval
from farebox.runs.approval import ASK_HERE, choices
from pricing.errors import OverBudget
from pricing.ledger import ApprovalRequest, Run
from pricing.money import USD

RUN = Run("a", "weekly", "fast", "[]", "{}", "v1", "prior", 0, 1, 1, 1, 1, USD, False, 1)
REFUSED = OverBudget("The run was stopped at say: budget 'this run' is short.", budget_ids=["run:a:run"])


class Answers(Console):
    """A terminal with somebody who gives these answers."""

    def __init__(self, *said: str) -> None:
        super().__init__(file=StringIO(), force_terminal=True, force_interactive=True)
        self.said = list(said)

    def input(self, *_: Any, **__: Any) -> str:
        return self.said.pop(0)


@pytest.mark.parametrize(
    ("said", "choice", "more"),
    [
        (["1"], "once", 0),
        (["2"], "cheaper", 0),
        (["3", ""], "raise", 60_000_000),
        (["3", "a lot", "0.50 USD"], "raise", USD // 2),
        (["4"], "finish", 0),
        (["5"], "refuse", 0),
        ([""], "refuse", 0),
        (["9"], "refuse", 0),
        (["yes"], "refuse", 0),
    ],
)
def test_each_answer_is_a_decision(said: list[str], choice: str, more: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("farebox.cli.approve.getuser", lambda: "ana")
    question = ApprovalRequest(RUN, USD // 10, {"run:a:run": 51_000_000}, datetime.now(UTC))
    decision = decide(Answers(*said), question, REFUSED)
    assert (decision.choice, decision.by, decision.more) == (choice, "ana", more)


def test_nobody_is_asked_without_a_terminal():
    with terminal_approval(Console(file=StringIO()), lambda: None):
        assert ASK_HERE.get() is None
    with terminal_approval(Answers(), lambda: None):
        assert ASK_HERE.get() is not None
    assert ASK_HERE.get() is None


def test_only_a_run_that_had_begun_can_finish_with_what_there_is():
    question = ApprovalRequest(RUN, USD // 10, {"run:a:run": 51_000_000}, datetime.now(UTC))
    assert choices(question, REFUSED) == ("once", "cheaper", "raise", "finish", "refuse")
    assert choices(question, OverBudget("say was not started.")) == ("once", "cheaper", "raise", "refuse")
