"""Every error a user of Farebox can meet.

::

    FareboxError                      exit 1
    ├── UsageError                    exit 2   something given to us is wrong
    │   ├── ConfigError                        farebox.toml or the environment
    │   ├── MoneyError                         an amount that is none
    │   ├── SourceError                        input that cannot be read
    │   ├── NothingUsed                        a review of a time in which no model was asked
    │   ├── PlanError                          a plan that does not fit its automation
    │   └── PromptError                        a template that is missing or does not render
    ├── UnknownPrice                  exit 1   no rate for a model: a run is refused, never priced at $0
    ├── OverBudget                    exit 3   refused before the run, or stopped within it
    │   ├── BudgetClosed                       somebody decided that the run finishes with what there is
    │   └── OutOfCredits                       the wallet that pays for the outcome has not enough
    ├── Blocked                       exit 4   a guard said no
    ├── NoTarget                      exit 5   every candidate of a route failed
    ├── TurnFailed                    exit 1   a failure no other target can fix
    ├── NoToolServer                  exit 1   a server of tools that does not start or answer
    ├── NoRun                         exit 1   a model was asked outside an automation
    ├── RunExpired                    exit 1   the hold's lease ran out under a run
    │   └── RunTakenOver              exit 1   a newer execution of the same run has its hold
    ├── ToolInterrupted               exit 1   a tool was under way when its process ended: somebody has to decide
    └── LedgerError                   exit 1
        ├── LedgerBusy                         locked by somebody else for too long
        │   └── LedgerAway                         its server does not answer
        ├── HoldUnsettled                      the rows of one hold are damaged
        ├── JournalUnreadable                  a run's journal was written with another key
        └── LedgerUnusable                     corrupt, read-only, full or of a newer version
            └── ReplicaDamaged                 the copy that reports read; it is rebuilt from the ledger

Every error carries a ``next_step`` for people and ``fields`` for machines; all survive pickling, since Prefect ships
them between processes. No error text holds a prompt, an answer, a key or personal data.
"""

from __future__ import annotations

from typing import ClassVar, Self, TypeAlias

FieldValue: TypeAlias = str | int | float | bool | list[str] | None


class FareboxError(Exception):
    """Root of the tree.

    Args:
        message: what happened, in one line.
        next_step: what the reader can do about it, in one line.
        fields: machine-readable facts (budget names, nano-dollars, counts); never content.

    Example:
        >>> error = UsageError("There is no run 'abc'.", next_step="List runs with `farebox runs`.", run="abc")
        >>> str(error), error.fields
        ("There is no run 'abc'. List runs with `farebox runs`.", {'run': 'abc'})
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, next_step: str = "", **fields: FieldValue) -> None:
        super().__init__(message)
        self.message = _one_line(message)
        self.next_step = _one_line(next_step)
        self.fields = fields

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".strip()

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.next_step, self.fields))

    @classmethod
    def rebuild(cls, message: str, next_step: str, fields: dict[str, FieldValue]) -> Self:
        """The error again, from what pickling kept of it."""
        return cls(message, next_step=next_step, **fields)


def _rebuild(cls: type[FareboxError], message: str, next_step: str, fields: dict[str, FieldValue]) -> FareboxError:
    return cls.rebuild(message, next_step, fields)


def _one_line(text: str) -> str:
    """What errors quote comes from files, users and servers: it makes no second line of a log, and steers nothing."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)


class UsageError(FareboxError):
    """Something given to Farebox is wrong."""

    exit_code = 2


class NothingUsed(UsageError):
    """There is nothing to review: no model was asked in that time."""


class ConfigError(UsageError):
    """farebox.toml or the environment is wrong; the message lists every place that was tried."""


class MoneyError(UsageError):
    """Text that should be an amount of money is not one."""


class SourceError(UsageError):
    """Input that an automation was pointed at cannot be read."""


class PlanError(UsageError):
    """A declared plan does not fit the automation it belongs to."""


class PromptError(UsageError):
    """A prompt template is missing, or does not render with what it was given."""


class UnknownPrice(FareboxError):
    """No rate is known for a model; ``fields['nearest']`` holds the nearest known ids.

    Example:
        >>> UnknownPrice("No rate is known for 'gpt-x'.", nearest=["gpt-5"]).fields
        {'nearest': ['gpt-5']}
    """


class OverBudget(FareboxError):
    """A budget refuses: which one, by how much, when it resets and what would fit are in ``fields``."""

    exit_code = 3


class BudgetClosed(OverBudget):
    """Somebody chose that the run finishes with what there is: what would cost anything more raises this.

    An automation that catches it, to return what it has, completes; one that does not ends as ``OverBudget``.
    """

    @classmethod
    def at(cls, operation: str) -> Self:
        """The refusal of one request."""
        return cls(
            f"{operation} was not asked: this run was set to finish with what it has.",
            next_step="Catch BudgetClosed in the automation to return what it has; `farebox runs resume` continues "
            "it once the budget allows.",
            operation=operation,
            closed=True,
        )


class OutOfCredits(OverBudget):
    """The wallet that pays for an outcome has not enough: which one, and how many it lacks, are in ``fields``."""


class Blocked(FareboxError):
    """A guard blocked; ``fields['reason']`` is one of ``guardrails.Reason``."""

    exit_code = 4


class NoTarget(FareboxError):
    """Every candidate of a route failed or was skipped; ``fields['tried']`` tells each with its reason."""

    exit_code = 5


class TurnFailed(FareboxError):
    """One turn failed in a way that no other target can fix; ``fields['kind']`` is the failure class."""


class NoToolServer(FareboxError):
    """A server whose tools an agent is to have does not start, or does not answer."""


class NoRun(FareboxError):
    """A model was asked outside an automation, where nothing is quoted, held or recorded."""


class RunExpired(FareboxError):
    """The lease on a run's hold ran out and somebody settled it; the run must not spend any more."""


class RunTakenOver(RunExpired):
    """The run was started again, or suspended, and this older execution of it must not spend or settle any more."""


class ToolInterrupted(FareboxError):
    """A tool was under way when the process of its run ended, or what it gave back could not be kept."""


class LedgerError(FareboxError):
    """The operational ledger could not do its work."""


class LedgerBusy(LedgerError):
    """Another process kept the ledger locked for longer than we wait."""


class LedgerAway(LedgerBusy):
    """The ledger's server does not answer, or went away in the middle of a transaction."""


class LedgerUnusable(LedgerError):
    """The ledger is corrupt, read-only, full, or was written by a newer version."""


class HoldUnsettled(LedgerError):
    """The rows of one hold make it impossible to settle it; it was put aside, and its run cannot be started again."""


class JournalUnreadable(LedgerError):
    """The journal of a run was written with another key."""


class ReplicaDamaged(LedgerUnusable):
    """The copy that reports read is damaged; the ledger is not."""
