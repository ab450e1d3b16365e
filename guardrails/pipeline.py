"""Guards in a row: cheap ones first, closed when one fails, silent where one is only in shadow."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from guardrails.base import Direction, Fact, Guard, GuardDecision, GuardInput, Mode, Reason, Selective, Verdict, block
from guardrails.messages import explain, in_words_of_the_team, warn_of
from guardrails.model_calls import Asking, ExpectedModelCalls
from guardrails.pii.vault import Vault
from pricing import Blocked, ConfigError, FieldValue, MediaKind, OverBudget, now_us, record

_DIRECTIONS: tuple[Direction, ...] = ("input", "output")
_LONGEST_KINDS = 200
_LONG = 20_000
"""Characters from which on a check leaves the event loop: it may take long enough for other requests to notice."""


@record(frozen=True, slots=True)
class Guarded:
    """A guard and what its verdicts are worth: ``enforce`` acts on them, ``shadow`` only records them."""

    guard: Guard
    mode: Mode = "enforce"


@record(frozen=True, slots=True)
class Retry:
    """A guard wants the answer repaired. ``facts`` may be sent to the model."""

    guard: str
    reason: Reason
    facts: Mapping[str, Fact]


@record(frozen=True, slots=True)
class GuardedResult:
    """What came through: the texts as they may go on, and every guard's decision in the order they were made.

    ``values`` are those of the exchange with the same strings. When ``retry`` is set nothing may go on: both are empty,
    and the caller asks for one repair turn. ``vault`` holds what a guard took out of the texts, to be put back into the
    answer once its guards have passed it.
    """

    texts: tuple[str, ...] = field(repr=False)
    decisions: tuple[GuardDecision, ...]
    retry: Retry | None = None
    values: tuple[Any, ...] = field(default=(), repr=False)
    vault: Vault | None = field(default=None, repr=False)


class Guards(Protocol):
    """Returns the guards of a turn."""

    def of(self, automation: str, operation: str) -> Pipeline:
        """The guards of an operation of an automation."""


class Pipeline:
    """The guards of an automation. It holds no state of a request, so any number of them may be checked at once.

    Args:
        guards: in any order; they run by rank, those of equal rank as given.
        overrides: a folder whose templates replace the built-in messages (see ``guardrails.messages``).
        unmasked_media: kinds of parts that may pass although no guard can read them. Any other part without a text is
            blocked by the first enforced guard that would have to read it.
    """

    def __init__(
        self,
        guards: Sequence[Guarded],
        *,
        overrides: Path | None = None,
        unmasked_media: frozenset[MediaKind] = frozenset(),
    ) -> None:
        self._guards = tuple(sorted(guards, key=lambda guarded: guarded.guard.rank))
        self._looking_at: Mapping[Direction, tuple[Guarded, ...]] = {
            direction: tuple(guarded for guarded in self._guards if guarded.guard.direction == direction)
            for direction in _DIRECTIONS
        }
        self._overrides = overrides
        self._unmasked_media = unmasked_media

    @property
    def unmasked_media(self) -> frozenset[MediaKind]:
        """Kinds of parts that pass unread."""
        return self._unmasked_media

    def of(self, automation: str, operation: str) -> Pipeline:
        """Itself: the same guards for whatever is asked."""
        del automation, operation
        return self

    def plus(self, guards: Sequence[Guarded]) -> Pipeline:
        """These guards and more."""
        if not guards:
            return self
        return Pipeline([*self._guards, *guards], overrides=self._overrides, unmasked_media=self._unmasked_media)

    def asks(self) -> list[tuple[Direction, ExpectedModelCalls]]:
        """What its guards are expected to ask of models, and about which texts."""
        asking = [(direction, guard.asks()) for direction, guard in self._asking]
        return [(direction, asks) for direction, asks in asking if asks.share]

    @cached_property
    def _asking(self) -> tuple[tuple[Direction, Asking], ...]:
        """Which of its guards may ask, found once: to check a protocol takes longer than to call its method."""
        guards = (guarded.guard for guarded in self._guards)
        return tuple((guard.direction, guard) for guard in guards if isinstance(guard, Asking))

    async def check(
        self, exchange: GuardInput, record: Callable[[GuardDecision, GuardInput], None], *, final: bool = False
    ) -> GuardedResult:
        """Ask every guard of the exchange's direction, each seeing what the ones before it left of the texts.

        Args:
            exchange: what is to be judged.
            record: gets every decision at once, also that of a guard that blocks, and what it was made on. If it
                raises, nothing passes.
            final: there is no repair turn left, so that ``retry`` blocks. It always does for a prompt.

        Raises:
            Blocked: an enforced guard blocked or failed; ``fields`` hold reason, guard, operation and the facts.
        """
        decisions: list[GuardDecision] = []
        vault: Vault | None = None
        if exchange.unreadable & self._unmasked_media:
            exchange = replace(exchange, unreadable=exchange.unreadable - self._unmasked_media)
        for guarded in self._looking_at[exchange.direction]:
            verdict, decision = await _ask(guarded, exchange, final=final or exchange.direction == "input")
            decisions.append(decision)
            record(decision, exchange)
            if guarded.mode == "shadow":
                continue
            if verdict.action == "block":
                raise self._blocked(verdict, guarded.guard.name, exchange)
            if verdict.action == "retry" and verdict.reason is not None:
                return GuardedResult((), tuple(decisions), Retry(guarded.guard.name, verdict.reason, verdict.facts))
            if verdict.texts is not None:
                exchange = exchange.with_texts(verdict.texts)
                vault = verdict.vault or vault
        return GuardedResult(exchange.texts, tuple(decisions), values=exchange.values, vault=vault)

    def _blocked(self, verdict: Verdict, guard: str, exchange: GuardInput) -> Blocked:
        reason = verdict.reason or Reason.GUARD_ERROR
        facts = {"operation": exchange.operation, "automation": exchange.automation, **verdict.facts}
        return self.blocked(reason, facts, guard=guard)

    def blocked(self, reason: Reason, facts: Mapping[str, Fact], **more: FieldValue) -> Blocked:
        """The error of a request that is stopped, in the words of the team's templates or our own."""
        fields: dict[str, FieldValue] = {**facts, "reason": str(reason), **more}
        try:
            explanation = explain(reason, facts, self._overrides)
        except ConfigError as broken:  # a team's own template must not hide why the request was stopped
            warn_of(broken)
            explanation = explain(reason, facts)
            fields["template_error"] = broken.message
        return Blocked(explanation.message, next_step=explanation.next_step, **fields)

    def over_budget(self, error: OverBudget, facts: Mapping[str, Fact]) -> OverBudget:
        """The error of a run that a budget stops, likewise."""
        return in_words_of_the_team(error, facts, self._overrides)


async def _ask(guarded: Guarded, exchange: GuardInput, *, final: bool) -> tuple[Verdict, GuardDecision]:
    """The verdict that counts (a failed guard blocks; so does a retry too many) and the row that tells of it."""
    guard, error = guarded.guard, ""
    started = time.perf_counter_ns()
    try:
        verdict = await _verdict(guard, exchange)
    except Exception as failure:  # noqa: BLE001  whatever it is, it closes the gate; its text may hold content
        error = type(failure).__name__
        verdict = block(Reason.GUARD_ERROR, error=error)
    if verdict.action == "retry" and final:
        verdict = replace(verdict, action="block")
    return verdict, GuardDecision(
        run_id=exchange.run_id,
        operation=exchange.operation,
        guard=guard.name,
        version=guard.version,
        mode=guarded.mode,
        direction=exchange.direction,
        action=verdict.action,
        reason=verdict.reason,
        latency_us=(time.perf_counter_ns() - started) // 1000,
        cost_nano=verdict.cost_nano,
        spans=verdict.spans,
        decided_at=now_us(),
        error=error,
        facts=verdict.facts,
    )


async def _awaited(answer: object) -> object:
    return await answer if inspect.isawaitable(answer) else answer


async def _verdict(guard: Guard, exchange: GuardInput) -> Verdict:
    if exchange.unreadable and (not isinstance(guard, Selective) or guard.inspects(exchange)):
        return block(Reason.UNREADABLE, kinds=", ".join(sorted(exchange.unreadable)))
    if sum(map(len, exchange.texts)) > _LONG:
        answer = await asyncio.to_thread(guard.check, exchange)
    else:
        answer = guard.check(exchange)
    verdict = answer if isinstance(answer, Verdict) else await _awaited(answer)
    if not isinstance(verdict, Verdict):
        raise TypeError("A guard answers with a Verdict.")
    if verdict.texts is None:
        return verdict
    if len(verdict.texts) != len(exchange.texts):
        raise ValueError("A guard gives back as many texts as it got.")
    return _in_place(verdict, exchange, verdict.texts)


def _in_place(verdict: Verdict, exchange: GuardInput, left: tuple[str, ...]) -> Verdict:
    """The verdict; a change to the text of a document blocks, since the document itself would go on as it is."""
    if "document" not in exchange.origins:
        return verdict
    texts = zip(exchange.origins, exchange.texts, left, strict=True)
    changed = {part for part, (origin, was, now) in enumerate(texts) if origin == "document" and was != now}
    if changed:
        spans = tuple(span for span in verdict.spans if span.part in changed)
        kinds = ", ".join(sorted({span.kind for span in spans}))[:_LONGEST_KINDS]
        why = verdict.reason or Reason.PII
        return block(why, spans=spans, cost_nano=verdict.cost_nano, kinds=kinds, documents=len(changed))
    return verdict
