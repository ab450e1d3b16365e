"""The words of the guards: what a guard looks at, what it answers, and the row that tells of it.

A guard sees an :class:`Exchange` and gives a :class:`Verdict`; the pipeline makes a :class:`Decision` of it. Verdicts
hold positions and facts, decisions only those: no prompt, answer, key or personal data leaves a guard but in the
redacted texts themselves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from guardrails.vault import Vault
from pricing.money import Nano

Action: TypeAlias = Literal["allow", "redact", "block", "retry"]
Direction: TypeAlias = Literal["input", "output"]
Mode: TypeAlias = Literal["shadow", "enforce"]
Fact: TypeAlias = str | int | float

_OWN_NAMES = frozenset({"message", "next_step", "reason", "guard", "operation"})
_LONGEST_FACT = 200


class Reason(StrEnum):
    """Why a request or an answer was stopped or changed: one list for guards, limits and budgets alike."""

    PII = "pii"
    SCOPE = "scope"
    SAFETY = "safety"
    POLICY = "policy"
    BRAND = "brand"
    LEAK = "leak"
    RATE = "rate"
    BUDGET = "budget"
    CONTEXT_LIMIT = "context_limit"
    GUARD_ERROR = "guard_error"


@dataclass(frozen=True, slots=True)
class Span:
    """Where something was found: characters ``start`` to ``end`` (exclusive) of text ``part``; never the text."""

    part: int
    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A guard's answer; make one with :func:`allow`, :func:`block`, :func:`redact` or :func:`retry`.

    Args:
        action: what is to happen.
        reason: why; None only when allowed.
        spans: where, in the texts the guard was given.
        texts: the texts as they may go on, as many as there were; only with ``redact``.
        facts: what the message to the user may say (counts, limits, kinds); never content, strings of at most 200
            characters.
        cost_nano: what the check itself cost, for a guard that asks a model.
        vault: what the tokens in ``texts`` stand for, when they are to be put back into the answer.

    Raises:
        ValueError: the parts contradict each other, or a fact is too long or has the name of a field of the error.
    """

    action: Action
    reason: Reason | None = None
    spans: tuple[Span, ...] = ()
    texts: tuple[str, ...] | None = field(default=None, repr=False)
    facts: Mapping[str, Fact] = field(default_factory=dict)
    cost_nano: Nano = 0
    vault: Vault | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.reason is None) != (self.action == "allow"):
            raise ValueError("Every verdict but allow needs a reason, and allow has none.")
        if (self.texts is None) == (self.action == "redact"):
            raise ValueError("The texts come with redact, and only with redact.")
        if taken := _OWN_NAMES & self.facts.keys():
            raise ValueError(f"Facts may not be named {', '.join(sorted(taken))}.")
        if any(isinstance(value, str) and len(value) > _LONGEST_FACT for value in self.facts.values()):
            raise ValueError(f"A fact is longer than {_LONGEST_FACT} characters; facts are never content.")


def allow(*, spans: tuple[Span, ...] = (), cost_nano: Nano = 0, **facts: Fact) -> Verdict:
    """Nothing to object; ``spans`` and ``facts`` may still tell what was seen."""
    if not (spans or cost_nano or facts):
        return _NOTHING_TO_TELL
    return Verdict("allow", spans=spans, facts=facts, cost_nano=cost_nano)


_NOTHING_TO_TELL = Verdict("allow")


def block(reason: Reason, *, spans: tuple[Span, ...] = (), cost_nano: Nano = 0, **facts: Fact) -> Verdict:
    """This must not go on; ``facts`` are what the message may say about it."""
    return Verdict("block", reason, spans=spans, facts=facts, cost_nano=cost_nano)


def redact(
    texts: tuple[str, ...], reason: Reason, spans: tuple[Span, ...], *, cost_nano: Nano = 0, vault: Vault | None = None
) -> Verdict:
    """This may go on as ``texts``; ``spans`` tell what was replaced, in the texts as they came."""
    return Verdict("redact", reason, spans=spans, texts=texts, cost_nano=cost_nano, vault=vault)


def retry(reason: Reason, *, spans: tuple[Span, ...] = (), cost_nano: Nano = 0, **facts: Fact) -> Verdict:
    """The model may repair its answer once; ``facts`` are what it may be told."""
    return Verdict("retry", reason, spans=spans, facts=facts, cost_nano=cost_nano)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a guard looks at: a prompt on its way out, or an answer on its way in.

    Args:
        direction: ``input`` for a prompt, ``output`` for an answer.
        operation: what the cost is attributed to.
        automation: the automation's name.
        run_id: the Prefect flow-run id.
        user: who asks; empty when unknown.
        org: whom the user belongs to; empty when unknown.
        texts: every content string of the prompt (system, messages, tool results), or of the answer.
        tokens: estimated input tokens of the prompt.
        window: largest context window among the route's candidates, in tokens; 0 when unknown.
        reserved: tokens kept free for the answer.
        known: kind and value of what is known of the persons concerned; empty in most runs.
        external: whether the prompt may go to a provider outside of the own network.
        answered_by: the model whose answer it is, as its provider calls it; empty for a prompt.
    """

    direction: Direction
    operation: str
    automation: str
    run_id: str
    texts: tuple[str, ...] = field(repr=False)
    user: str = ""
    org: str = ""
    tokens: int = 0
    window: int = 0
    reserved: int = 0
    known: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    external: bool = True
    answered_by: str = ""


class Guard(Protocol):
    """Something that judges exchanges of one direction. It is shared by all requests and must keep no state of one."""

    @property
    def name(self) -> str:
        """What telemetry, settings and reports call it."""

    @property
    def version(self) -> str:
        """Changes with its rules: evidence gathered with one version says nothing of the next."""

    @property
    def direction(self) -> Direction:
        """The exchanges it looks at."""

    @property
    def rank(self) -> int:
        """Its place in the order: cheap guards have a low one and run first."""

    def check(self, exchange: Exchange) -> Verdict | Awaitable[Verdict]:
        """The verdict; a guard that waits for something returns an awaitable. Raising anything blocks."""


@runtime_checkable
class BothWays(Protocol):
    """A guard of answers that has another for prompts, with the same options."""

    def for_prompts(self) -> Guard | None:
        """That other guard; None if its options leave prompts alone."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One guard's decision on one exchange, for telemetry and review. It never holds text.

    ``action`` is what was done, or in shadow mode what would have been; ``latency_us`` microseconds; ``cost_nano``
    nano-dollars; ``at`` UTC; ``facts`` those of the verdict; ``error`` the type of the exception when the guard itself
    failed.
    """

    run_id: str
    operation: str
    guard: str
    version: str
    mode: Mode
    direction: Direction
    action: Action
    reason: Reason | None
    latency_us: int
    cost_nano: Nano
    spans: tuple[Span, ...]
    at: datetime
    error: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)
