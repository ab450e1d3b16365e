"""The words of the guards: what a guard looks at, what it answers, and the row that tells of it.

A guard sees a :class:`GuardInput` and gives a :class:`Verdict`; the pipeline makes a :class:`GuardDecision` of it.
Verdicts hold positions and facts, decisions only those: no prompt, answer, key or personal data leaves a guard but in
the redacted texts themselves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import field, replace
from enum import StrEnum
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

from guardrails.pii.vault import Vault
from pricing import MediaKind, Nano, TextPart, frozen_record, json_text, leaves, record, with_leaves

Action: TypeAlias = Literal["allow", "redact", "block", "retry"]
Direction: TypeAlias = Literal["input", "output"]
Mode: TypeAlias = Literal["shadow", "enforce"]
Fact: TypeAlias = str | int | float
Origin: TypeAlias = Literal["system", "user", "assistant", "tool_call", "tool_result", "document", "answer"]
"""Where a text of an exchange comes from: of a prompt its role (``document`` for the text of a
PDF, which cannot be changed), of an answer ``answer`` or ``tool_call``."""

_OWN_NAMES = frozenset({"message", "next_step", "reason", "guard", "operation"})
_LONGEST_FACT = 200


class Reason(StrEnum):
    """Why a request or an answer was blocked or changed: one enumeration for guards, limits and budgets."""

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
    UNREADABLE = "unreadable"


@frozen_record(frozen=True, slots=True)
class Span:
    """Where something was found: characters ``start`` to ``end`` (exclusive) of text ``part``; never the text."""

    part: int
    start: int
    end: int
    kind: str


@frozen_record(frozen=True, slots=True)
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
        return _ALLOWED
    return Verdict("allow", spans=spans, facts=facts, cost_nano=cost_nano)


_ALLOWED = Verdict("allow")


def block(reason: Reason, *, spans: tuple[Span, ...] = (), cost_nano: Nano = 0, **facts: Fact) -> Verdict:
    """This must not go on; ``facts`` are what the message may say about it."""
    return Verdict("block", reason, spans=spans, facts=facts, cost_nano=cost_nano)


def redact(
    texts: tuple[str, ...], reason: Reason, spans: tuple[Span, ...], *, cost_nano: Nano = 0, vault: Vault | None = None
) -> Verdict:
    """This may go on as ``texts``; ``spans`` tell what was replaced, in the texts as they came."""
    return Verdict("redact", reason, spans=spans, texts=texts, cost_nano=cost_nano, vault=vault)


def retry(reason: Reason, *, spans: tuple[Span, ...] = (), cost_nano: Nano = 0, **facts: Fact) -> Verdict:
    """The model may repair its answer once; ``facts`` are what it may learn."""
    return Verdict("retry", reason, spans=spans, facts=facts, cost_nano=cost_nano)


@frozen_record(frozen=True, slots=True)
class Source:
    """A value that an exchange is made of: a text, a tool's arguments or result, a structured answer.

    ``label`` is what it is called where that says something of it, such as a tool's name.
    """

    origin: Origin
    value: Any = field(repr=False)
    label: str = ""


class Readable(NamedTuple):
    """The strings of sources, in order: each with the key it stands under ("" without one) and where it comes from."""

    sources: tuple[Source, ...]
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    origins: tuple[Origin, ...]


def readable(sources: Iterable[Source]) -> Readable:
    """Every string in some values, keys of mappings included.

    Raises:
        UnreadableValue: one holds bytes, or is nested too deep.
    """
    kept = tuple(sources)
    texts: list[str] = []
    labels: list[str] = []
    origins: list[Origin] = []
    for source in kept:
        if type(source.value) is str:
            texts.append(source.value)
            labels.append(source.label)
            origins.append(source.origin)
            continue
        for leaf in leaves(source.value, source.label):
            texts.append(leaf.text)
            labels.append(leaf.label)
            origins.append(source.origin)
    return Readable(kept, tuple(texts), tuple(labels), tuple(origins))


@frozen_record(frozen=True, slots=True)
class OfferedTool:
    """A tool that the model may call.

    Args:
        name: as the model calls it.
        description: all that another process says of it (description, parameters); "" for a function of ours.
    """

    name: str
    description: str = field(default="", repr=False)


@frozen_record(frozen=True, slots=True)
class GuardInput:
    """What a guard looks at: a prompt on its way out, or an answer on its way in.

    Args:
        direction: ``input`` for a prompt, ``output`` for an answer.
        operation: what the cost is attributed to.
        automation: the automation's name.
        run_id: the Prefect flow-run id.
        user: who asks; empty when unknown.
        org: whom the user belongs to; empty when unknown.
        texts: every string of the prompt (system, messages, arguments and results of tools) or of the answer, as a
            value: nested ones apart, keys of mappings included, never their spelling as JSON.
        tokens: estimated input tokens of the prompt.
        window: largest context window among the route's candidates, in tokens; 0 when unknown.
        reserved: tokens kept free for the answer.
        known: kind and value of what is known of the persons concerned; empty in most runs.
        external: whether the prompt may go to a provider outside of the own network.
        answered_by: the model whose answer it is, as its provider calls it; empty for a prompt.
        sources: the values that the texts are the strings of; empty where an exchange is of texts alone.
        labels: per text the key that it stands under, "" without one; empty likewise.
        origins: per text where it comes from; empty likewise.
        unreadable: kinds of parts in the prompt that have no text.
        vault: what was taken out of the prompt, for a guard that compares an answer with real values.
        tools: those that go with a prompt. What is said of them is not among the texts: no guard can change it.
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
    sources: tuple[Source, ...] = field(default=(), repr=False)
    labels: tuple[str, ...] = field(default=(), repr=False)
    origins: tuple[Origin, ...] = ()
    unreadable: frozenset[MediaKind] = frozenset()
    vault: Vault | None = field(default=None, repr=False)
    tools: tuple[OfferedTool, ...] = ()

    def with_texts(self, texts: tuple[str, ...]) -> GuardInput:
        """The exchange with other texts, and its values with these strings."""
        if not self.sources:
            return replace(self, texts=texts)
        given = iter(texts)
        sources = tuple(replace(source, value=with_leaves(source.value, given)) for source in self.sources)
        return replace(self, texts=texts, sources=sources)

    def label(self, part: int) -> str:
        """The key that a text stands under."""
        return self.labels[part] if self.labels else ""

    @property
    def request(self) -> int:
        """Which text holds what the user asks: the last one of a user, else the last."""
        of_users = [part for part, origin in enumerate(self.origins) if origin == "user"]
        return of_users[-1] if of_users else len(self.texts) - 1

    @property
    def values(self) -> tuple[Any, ...]:
        """The values that it is made of; of an exchange of texts alone, the texts."""
        return tuple(source.value for source in self.sources) if self.sources else self.texts

    @property
    def as_text(self) -> str:
        """All of it as one text for people and models: texts as they are, values as JSON."""
        return "\n".join(map(_shown, self.values))


class Guard(Protocol):
    """Checks inputs or outputs, in one direction. One instance serves all requests, so that it must keep no state of a
    request.
    """

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

    def check(self, exchange: GuardInput) -> Verdict | Awaitable[Verdict]:
        """The verdict; a guard that waits for something returns an awaitable. Raising anything blocks."""


@runtime_checkable
class BothWays(Protocol):
    """A guard of answers that provides a second guard for prompts, with the same options."""

    def for_prompts(self) -> Guard | None:
        """That other guard; None if its options leave prompts alone."""


@runtime_checkable
class Selective(Protocol):
    """A guard that does not look into every prompt: one that is not inspected may hold parts without a text."""

    def inspects(self, exchange: GuardInput) -> bool:
        """Whether it has to read all of this one."""


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value
    return value.text if isinstance(value, TextPart) else json_text(value)


@record(frozen=True, slots=True)
class GuardDecision:
    """One guard's decision on one exchange, for telemetry and review. It never holds text.

    ``action`` is what was done, or in shadow mode what would have been; ``latency_us`` microseconds; ``cost_nano``
    nano-dollars; ``decided_at`` microseconds since 1970; ``facts`` those of the verdict; ``error`` the type of the
    exception when the guard itself failed.
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
    decided_at: int
    error: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)
