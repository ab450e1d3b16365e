"""One turn: a question asked of a route until it is answered, or definitely not.

Guards before, attempts over the fallback matrix, guards after. One deadline and one attempt budget span retries,
repairs and fallbacks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from guardrails import Fact, GuardDecision, GuardInput, Reason, Source
from pricing import (
    Blocked,
    FareboxError,
    Nano,
    NoTarget,
    OverBudget,
    Part,
    TextPart,
    ToolCallPart,
    TurnFailed,
    Usage,
    json_text,
    record,
)
from pricing.ledger import TurnOutcome
from tasks.providers.failure_kinds import FAILED_STOPS, Failure, failure
from tasks.providers.messages import ModelReply, ModelRequest, Tool
from tasks.routing.breaker import Breaker
from tasks.routing.router import Candidate
from tasks.run_values import run_values
from tasks.structured_output import InvalidAnswer
from tasks.turn.answer_cache import StoredAnswer, answer_key, find, keep
from tasks.turn.answers import Answers
from tasks.turn.attempts import AttemptFailed, Attempts, Refused
from tasks.turn.documents import measure_documents
from tasks.turn.fallback import CandidateQueue
from tasks.turn.records import Content, TurnRecord, cause, decision_row
from tasks.turn.redaction import sources_of, with_values
from tasks.turn.repair import Repair
from tasks.turn.request import TurnContext, TurnRequest
from tasks.turn.state import Factors, Limits, TurnState
from tasks.turn.stream import Sink
from tasks.turn.verifiers import passes
from tasks.turn.waves import IN_TURN

if TYPE_CHECKING:  # they take longer to load than this package
    from guardrails import Guards, Pipeline
    from pricing import Captured
    from pricing.ledger import Ledger
    from tasks.telemetry.spans import Telemetry, TurnSpan
    from tasks.turn.batched import BatchedAttempts

T = TypeVar("T")
_log = logging.getLogger(__name__)


@record(frozen=True, slots=True)
class Answer(Generic[T]):
    """What a turn got: the value of its type (none when the model wants tools), and the reply it was read from."""

    value: T | None
    reply: ModelReply = field(repr=False)
    target: str
    stand_in: bool
    cost_nano: Nano = 0
    ends: float | None = None
    """When its turn's time is up, by the monotonic clock, if that restarted after waiting for a batch."""


@record(frozen=True, slots=True)
class TurnEvent:
    """What a watcher of the run receives when a turn ends."""

    run_id: str
    operation: str
    outcome: TurnOutcome
    target: str | None
    model: str | None
    attempts: int
    cost_nano: int
    reason: str | None = None
    """Why there is no answer: of a block, which of ``guardrails.Reason``."""
    steps: tuple[str, ...] = ()
    """Operations of the steps that it was asked in, the innermost first."""


class _Unacceptable(Exception):
    """A reply that arrived and cannot be used; ``repair`` makes the request that asks for a better one."""

    def __init__(self, why: Failure, repair: Repair | None) -> None:
        super().__init__(why.kind)
        self.failure = why
        self.repair = repair


class Turns:
    """Asks questions.

    Args:
        ledger: where turns and guards' decisions are written.
        attempts: sends requests and records them.
        guards: knows the guards of each turn.
        limits: what one turn may take.
        watch: called when a turn ends.
        telemetry: tells of each turn.
        breaker: says who is in quarantine.
        content: keeps what was asked and answered, where that is declared.
        answers: keeps the answers of durable runs, and gives them back.
        factors: what bills have taught about token counts so far; asked at every turn.
        batched: has turns answered by batches, in runs that have the time.
    """

    def __init__(
        self,
        ledger: Ledger,
        attempts: Attempts,
        guards: Guards,
        limits: Limits,
        *,
        watch: Callable[[TurnEvent], None],
        telemetry: Telemetry,
        breaker: Breaker,
        content: Content,
        answers: Answers | None = None,
        factors: Callable[[], Factors | None] = lambda: None,
        batched: BatchedAttempts | None = None,
    ) -> None:
        self.answers = answers
        self._batched = batched
        self._ledger = ledger
        self._attempts = attempts
        self._factors = factors
        self._guards = guards
        self._limits = limits
        self._watch = watch
        self._telemetry = telemetry
        self._breaker = breaker
        self.content = content

    @property
    def limits(self) -> Limits:
        """What one turn may take."""
        return self._limits

    async def ask(self, question: TurnRequest[T], where: TurnContext) -> Answer[T]:
        """The answer. Runs on the process's one event loop.

        Raises:
            Blocked: a guard said no.
            NoTarget: every candidate failed.
            TurnFailed: it failed in a way that no other target can fix.
            OverBudget: no candidate fits in what the budgets have left.
            RunExpired: the run's hold is gone.
        """
        if not self._attempts.loaded:  # before the turn's clock starts
            await self._attempts.load()
        run = where.run
        guards = self._guards.of(run.automation, question.operation).plus(question.guards)
        kept = self.content.keeps(run.automation, question.operation)
        answers = None if self.answers is None else self.answers.turn(question, where)
        state = TurnState(question, where, self._limits, guards, self._factors(), kept=kept, answers=answers)
        if question.emit is not None:
            too_late = partial(_too_late, guards, run.automation, question.operation)
            state.sink = Sink(question.operation, self._guard_piece(state), question.emit, too_late)
        if where.waves is None or IN_TURN.get():
            return await self._traced(state)
        within = IN_TURN.set(True)
        try:
            with where.waves.turn():
                return await self._traced(state)
        finally:
            IN_TURN.reset(within)

    async def _traced(self, state: TurnState[T]) -> Answer[T]:
        run_id, operation = state.where.run.run_id, state.question.operation
        with self._telemetry.turn(state.turn_id, run_id, operation) as span:
            return await self._recorded(state, span)

    async def _recorded(self, state: TurnState[T], span: TurnSpan) -> Answer[T]:
        """The answer; the turn is written down however it ends."""
        try:
            answer = await self._answer(state)
        except BaseException as error:
            if state.left:  # the process that continues the run records it
                await asyncio.shield(self._written(state))
                raise
            if state.answers is not None and isinstance(error, TurnFailed | NoTarget):
                state.answers.forget()
            await asyncio.shield(self._record(state, span, *_ended_by(error)))
            raise
        await self._record(state, span, state.outcome, None)
        return answer

    async def _answer(self, state: TurnState[T]) -> Answer[T]:
        """The answer: from the run's journal, if it was paid for before; from storage, if the step allows that and the
        same question was answered before; else asked.
        """
        question = state.question
        request = await self._guard_input(state)
        if (replayed := await self._replayed(state, request)) is not None:
            return replayed
        if question.stored_for is None:
            return await self._try_route(state, request)
        key = answer_key(question.prompt_version, state.neutral(request), state.where.route[0].target)
        if (kept := await find(key)) is not None and (stored := await self._stored(state, kept)) is not None:
            return stored
        answer = await self._try_route(state, request)
        cost, said = state.allowance.cost_nano, state.accepted
        text = said if state.vault is None else state.vault.neutral(said)
        await keep(key, StoredAnswer(text, answer.target, cost), question.stored_for)
        return answer

    async def _replayed(self, state: TurnState[T], request: ModelRequest) -> Answer[T] | None:
        """The answer of replies that were paid for before, repairs included, unless guards or checks that are newer
        turn all of them down.
        """
        asked, repaired = request, False
        while True:
            kept = await state.kept_answer(asked)
            if kept is None:
                if not repaired or state.repair_left is not None:
                    return None
                asked, repaired = request, False  # the next target was asked
                continue
            route = state.where.route
            giver = next((candidate for candidate in route if candidate.target.name == kept.target), route[0])
            try:
                return await self._accept(state, giver, kept.reply, final=repaired)
            except _Unacceptable as fault:
                if repaired or fault.repair is None:
                    asked, repaired = request, False
                else:
                    asked, repaired = fault.repair.apply(request, kept.reply), True
                    if kept.turn_id:  # it was suspended before it asked that
                        state.repair_left = giver.target.name, asked, fault.repair.why

    async def _stored(self, state: TurnState[T], kept: StoredAnswer) -> Answer[T] | None:
        """A stored answer, unless guards or checks that are newer than it turn it down: then it is asked again."""
        route = state.where.route
        giver = next((candidate for candidate in route if candidate.target.name == kept.target), route[0])
        text = kept.text if state.vault is None else state.vault.adopt(kept.text)
        try:
            answer = await self._accept(state, giver, ModelReply((TextPart(text),), "end", Usage()), final=True)
        except _Unacceptable:
            return None
        state.saved_nano = kept.cost_nano
        return answer

    async def _try_route(self, state: TurnState[T], request: ModelRequest) -> Answer[T]:
        """The answer of the first candidate that gives one, in the order that what failed decides."""
        way = CandidateQueue(self._breaker, state.candidates(request), state.skipped)
        try:
            while not state.allowance.spent and (candidate := await way.next(state.allowance.seconds)):
                try:
                    return await self._at(state, way, candidate, request)
                except AttemptFailed as failed:
                    blameless = state.had_no_time(failed.failure)
                    state.failed_at(candidate.target, failed.failure)
                    await way.failed(failed.failure, blameless=blameless)
                    if state.sink is not None and state.sink.began:
                        raise state.sink.broken(failed.failure.kind) from None
                except Refused as refused:
                    state.refused_at(candidate.target, refused)
                    way.keep(partial(self._costs_less, state, request, refused.worst))
        finally:
            way.abandon()
        raise state.error()

    def _costs_less(self, state: TurnState[T], request: ModelRequest, most: Nano, candidate: Candidate) -> bool:
        target = candidate.target
        return self._attempts.worst(target, state.most_tokens(target), request, candidate.service_tier) < most

    async def _at(
        self, state: TurnState[T], way: CandidateQueue, candidate: Candidate, request: ModelRequest
    ) -> Answer[T]:
        """The answer of one target: its retries, and one repair if its reply cannot be used."""
        reason, repaired = candidate.reason if way.once else state.reason or candidate.reason, False
        left, state.repair_left = state.repair_left, None
        if left is not None and left[0] == candidate.target.name:
            _, request, why = left
            state.measure(request)
            reason, repaired, state.repaired = f"repair: {why}", True, True
        while True:
            reply = await self._reply(state, way, candidate, request, reason)
            await way.answered()
            try:
                return await self._accept(state, candidate, reply, final=repaired)
            except _Unacceptable as fault:
                if state.sink is not None and state.sink.began:
                    raise state.sink.broken(fault.failure.kind) from None
                if repaired or fault.repair is None or state.allowance.spent:
                    raise AttemptFailed(fault.failure) from None
                request = fault.repair.apply(request, reply)
                state.measure(request)
                reason, repaired, state.repaired = f"repair: {fault.repair.why}", True, True

    async def _reply(
        self, state: TurnState[T], way: CandidateQueue, candidate: Candidate, request: ModelRequest, reason: str
    ) -> ModelReply:
        """The reply of one target: of a batch, where the run has the time for one and that answers; else live."""
        where = state.where
        if self._batched is not None and where.waves is not None and where.may_wait and state.answers is not None:
            from tasks.turn.batched import BatchedQuestion

            asked = BatchedQuestion(
                slot=partial(state.slot, candidate, reason, way),
                request=request,
                vault=state.vault,
                answers=state.answers,
                waves=where.waves,
                adopt=state.adopt,
                left=partial(setattr, state, "left", True),
                call=where.call,
            )
            may = where.batched is not None and state.sink is None and not way.once
            answer = await self._batched.ask(asked, new=lambda: may and self._may_be_batched(state, candidate))
            if answer is not None:
                return answer.reply
            if asked.tried:
                reason = f"asked live after a batch: {asked.tried[-1]}"
        before = state.allowance.cost_nano
        reply = await self._attempts.send(state.slot(candidate, reason, way), request)
        state.keep_answer(request, reply, candidate.target, state.allowance.cost_nano - before)
        return reply

    def _may_be_batched(self, state: TurnState[T], candidate: Candidate) -> bool:
        """Whether a target can be asked by a batch, and the run has the time; not where the step or the target names
        another service tier.
        """
        target, batched, decide = candidate.target, self._batched, state.where.batched
        if candidate.service_tier is not None and candidate.live_at is None:
            return False
        return batched is not None and decide is not None and batched.can(target) and decide(target)

    async def _accept(self, state: TurnState[T], candidate: Candidate, reply: ModelReply, *, final: bool) -> Answer[T]:
        if kind := FAILED_STOPS.get(reply.stop):
            raise _Unacceptable(failure(kind), Repair.for_stop(kind))
        if reply.tool_calls:
            _check_offered(reply, state.question.tools)
        state.reply = reply
        exchange = state.exchange("output", state.read(reply), candidate.target.model)
        passed = await state.pipeline.check(exchange, state.note, final=final)
        if (again := passed.retry) is not None:
            raise _Unacceptable(failure("invalid_output"), Repair.for_guard(again.guard, again.reason, again.facts))
        state.reply = _saying(reply, passed.values)
        state.accepted = state.reply.text
        reply = _saying(reply, [state.restored(value) for value in passed.values])
        text, calls = reply.text, reply.tool_calls
        try:
            value = None if calls else state.question.answer.parse(text)
        except InvalidAnswer as error:
            faults = state.hidden(error.faults)
            raise _Unacceptable(failure("invalid_output"), Repair.for_schema(faults)) from None
        if not calls:
            await self._verify(state, value)
        if state.sink is not None:
            state.sink.finish(text)
        state.answered_by = candidate.target
        allowance = state.allowance
        ends = allowance.ends if allowance.waited else None
        return Answer(value, reply, candidate.target.name, candidate.target.stand_in, allowance.cost_nano, ends)

    async def _verify(self, state: TurnState[T], value: T | None) -> None:
        """An answer that is not right is not repaired: nothing is known of what is wrong about it."""
        verify, operation = state.question.verify, state.question.operation
        if verify is not None and not await passes(verify, value, operation):
            raise _Unacceptable(failure("unverified"), None)

    def _guard_piece(self, state: TurnState[T]) -> Callable[[str], Awaitable[str]]:
        """How the part of an answer that has arrived is judged: only what is stopped is written down more than once."""

        def record(decision: GuardDecision, exchange: GuardInput) -> None:
            if decision.action in {"block", "retry"}:
                state.note(decision, exchange)

        async def guard(text: str) -> str:
            passed = await state.pipeline.check(state.exchange("output", (Source("answer", text),)), record, final=True)
            return passed.texts[0]

        return guard

    async def _guard_input(self, state: TurnState[T]) -> ModelRequest:
        """The request as the input guards let it pass."""
        request = state.request
        await measure_documents(request)
        state.measure(request)
        sources, texts = sources_of(request), await state.document_texts()
        exchange = state.exchange("input", (*sources, *(Source("document", text) for text in texts)))
        passed = await state.pipeline.check(exchange, state.note)
        state.vault = passed.vault
        if passed.vault is not None:
            where = state.where
            run_values.note_masked(where.values_of or where.run.run_id, passed.vault.held(), state.known)
        if state.sink is not None:
            state.sink.vault = passed.vault
        if passed.texts == exchange.texts:
            return request
        state.asked = request = with_values(request, passed.values)
        state.measure(request)
        return request

    async def _keep(self, exchanged: TurnRecord) -> Captured | None:
        try:
            return await asyncio.to_thread(self.content.keep, exchanged)
        except Exception as error:  # noqa: BLE001  the turn is paid and answered; nothing is kept, and that is said
            _log.warning("the content of a turn is not kept: %s", cause(error))
        return None

    async def _written(self, state: TurnState[T]) -> None:
        """Wait until what the turn has paid for, and what it was answered, is committed."""
        await self._attempts.await_commit(state.where.run.run_id, state.allowance)
        if state.answers is not None:
            await state.answers.written()

    async def _record(self, state: TurnState[T], span: TurnSpan, outcome: TurnOutcome, reason: str | None) -> None:
        fact = state.fact(outcome, reason)
        decisions = [decision_row(decision, fact.turn_id) for decision in state.decisions]
        written = self._ledger.record_turn(fact, decisions)
        await self._written(state)
        await written
        question, where, exported = state.question, state.where, None
        if state.kept or where.noted is not None:
            exchanged = state.exchanged(fact)
            if state.kept:
                exported = await self._keep(exchanged)
            if where.noted is not None:
                where.noted(exchanged)
        target, allowance = state.answered_by, state.allowance
        self._telemetry.goes_on_from(state.asked_by)
        span.ended(fact, allowance.cost_nano, exported)
        self._watch(
            TurnEvent(
                run_id=where.run.run_id,
                operation=question.operation,
                outcome=outcome,
                target=target.name if target else None,
                model=target.model if target else None,
                attempts=allowance.sent,
                cost_nano=allowance.cost_nano,
                reason=reason,
                steps=where.steps,
            )
        )


def _check_offered(reply: ModelReply, tools: Sequence[Tool]) -> None:
    """A reply that only calls tools that were not offered cannot be used, and none can be made of it.

    Raises:
        _Unacceptable: that is so.
    """
    offered = [tool.name for tool in tools]
    if not any(call.name in offered for call in reply.tool_calls):
        raise _Unacceptable(failure("invalid_output"), Repair.for_tool_call(offered))


def _too_late(guards: Pipeline, automation: str, operation: str) -> Blocked:
    """The error of a streamed answer that a guard changes after part of it was handed on, in the team's words."""
    facts: dict[str, Fact] = {"automation": automation, "operation": operation}
    return guards.blocked(Reason.LEAK, facts | {"streamed": True})


def _saying(reply: ModelReply, values: Sequence[Any]) -> ModelReply:
    """The reply with other values: its answer, then the arguments of its calls (see ``TurnState.read``)."""
    said, *arguments = values
    if len(reply.parts) == 1 and isinstance(only := reply.parts[0], TextPart) and said and only.text == said:
        return reply
    text, given = said if isinstance(said, str) else json_text(said), iter(arguments)
    parts: list[Part] = []
    for part in reply.parts:
        match part:
            case TextPart():
                parts += [TextPart(text)] if text else []
                text = ""
            case ToolCallPart():
                parts.append(replace(part, arguments=next(given)))
            case _:
                parts.append(part)
    return replace(reply, parts=tuple(parts))


def _ended_by(error: BaseException) -> tuple[TurnOutcome, str]:
    """How a turn ended that has no answer; of a stranger's exception the type only: its text may hold content."""
    match error:
        case Blocked():
            return "blocked", str(error.fields.get("reason"))
        case OverBudget():
            return "stopped", "budget"
        case FareboxError():
            return "failed", str(error.fields.get("kind") or type(error).__name__)
        case asyncio.CancelledError():
            return "stopped", "cancelled"
        case _:
            return "failed", type(error).__name__
