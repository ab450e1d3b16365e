"""Attempts: requests on the wire, each written down before it is sent and completed after.

Retries of one target are tenacity's: full jitter, a Retry-After as the minimum, and never past the turn's deadline or
its attempt budget, which all targets of the turn share.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pricing import Nano, Usage, from_us, now_us, record
from pricing.ledger import Completion, Intent
from pricing.rates import STANDARD, ServiceTier
from tasks.providers import ReplyError, adapter_for, classify_exception, spec_of
from tasks.providers.base import OK
from tasks.providers.bodies import largest_reply
from tasks.providers.failure_kinds import FAILED_STOPS, Failure, Phase, failure, without_capacity
from tasks.providers.messages import HttpRequest, ModelReply, ModelRequest, WireFailed
from tasks.providers.reasoning_fields import output_limit, reasoning_allowance, with_choice
from tasks.providers.refused_features import RefusedFeatures
from tasks.providers.service_tiers import served_tier
from tasks.routing.target import Target
from tasks.turn.attempt_prices import AttemptPrices
from tasks.turn.bound_state import bound, with_valid_state
from tasks.turn.request import TurnContext, TurnRequest
from tasks.turn.static_parts import StaticParts, StaticUse, TurnPlace
from tasks.turn.stream import Sink
from tasks.turn.usage_check import NOT_PLAUSIBLE, UsageLimits, was_cut

if TYPE_CHECKING:  # they take longer to load than this package
    from tenacity import RetryCallState

    from pricing.db import PendingWrite
    from pricing.ledger import Ledger, Refusal
    from pricing.rates import RateCard
    from tasks.providers.transport import Transport
    from tasks.telemetry.spans import AttemptSpan, Telemetry

LONGEST_WAIT = 60.0
"""Seconds of Retry-After that are waited for; a longer one falls back at once (groq's SDK draws the same line)."""
_FIRST_WAIT = 0.25
_LONGEST_BACKOFF = 8.0
"""Also the most that is waited while another failure domain could answer at once."""
_TOO_LITTLE = 0.001
"""Seconds with which nothing is sent any more."""
_SHARE = 2 / 3
"""Of what is left of the deadline: the most that one attempt takes while another failure domain could answer."""


class AttemptFailed(Exception):
    """An attempt gave no answer."""

    def __init__(self, why: Failure) -> None:
        super().__init__(why.kind)
        self.failure = why


class Refused(Exception):
    """An attempt's worst case exceeds a budget; nothing was sent."""

    def __init__(self, refusals: Sequence[Refusal], worst: Nano) -> None:
        super().__init__(f"{worst} nano-dollars")
        self.refusals = refusals
        self.worst = worst


class TurnAllowance:
    """What is left to a turn: seconds until its deadline, requests it may send. Counts what it cost."""

    def __init__(self, deadline_seconds: float, max_attempts: int, *, kept_seconds: float = 0.0) -> None:
        self._deadline_seconds = deadline_seconds
        self.ends = time.monotonic() + deadline_seconds
        self.waited = False
        """Whether it has waited for a batch."""
        self.kept_seconds = kept_seconds
        """What of it the service tier ``flex`` leaves to others."""
        self.max_attempts = max_attempts
        self.sent = 0
        self.cost_nano: Nano = 0
        self.landing: PendingWrite[float] | None = None
        """The last attempt's completion: submitted, and committed with whatever comes next."""

    def restart(self) -> None:
        """Restart the deadline: the turn has waited for a batch."""
        self.ends = time.monotonic() + self._deadline_seconds
        self.waited = True

    @property
    def seconds(self) -> float:
        """Until the deadline; negative once it has passed."""
        return self.ends - time.monotonic()

    @property
    def spent(self) -> bool:
        """Whether nothing more may be sent."""
        return self.seconds < _TOO_LITTLE or self.left <= 0

    @property
    def left(self) -> int:
        """Requests that may still be sent."""
        return self.max_attempts - self.sent


@record(frozen=True, slots=True)
class AttemptContext:
    """Where a request of a turn is to be sent, and why there. What is asked, and in which run, is the turn's.

    ``input_tokens`` is the most it may count as, ``estimated_input`` what is expected; with a ``sink``
    the answer is streamed into it. ``service_tier`` is the service tier that it names.
    """

    turn_id: str
    asked: TurnRequest[Any]
    where: TurnContext
    hop: int
    target: Target
    reason: str
    input_tokens: int
    allowance: TurnAllowance
    sink: Sink | None = None
    may_retry: Callable[[], bool] = lambda: True
    alternatives: int = 0
    estimated_input: int | None = None
    service_tier: ServiceTier | None = None

    @property
    def run_id(self) -> str:
        """Whose attempt it is."""
        return self.where.run.run_id

    def may_try_again(self, why: Failure) -> bool:
        """Whether the same target may be asked again; never once a part of its answer has been shown."""
        return why.retry_same_target and not (self.sink is not None and self.sink.began)

    @property
    def seconds(self) -> float:
        """How long to wait for a byte, and for all of a reply that is not streamed; other targets get their time.

        At the service tier ``flex`` the provider takes what it needs, whatever the target's ``read_timeout`` is.
        """
        if self.service_tier == "flex":
            return max(_TOO_LITTLE, self.allowance.seconds - self.allowance.kept_seconds)
        return min(self.target.read_timeout, self.seconds_to_connect)

    @property
    def seconds_to_connect(self) -> float:
        """How long to wait for a connection; the target's ``read_timeout`` runs from then on."""
        left = self.allowance.seconds
        return left * _SHARE if self.alternatives else left


class _Clock:
    """The time limit of one exchange, which starts again when its request goes out.

    Args:
        slot: where the request is sent.
        limit: the limit, set to what connecting may take.
        began: called when the answer has begun.
    """

    __slots__ = ("_limit", "_slot", "began", "sent")

    def __init__(self, slot: AttemptContext, limit: asyncio.Timeout, began: Callable[[], None]) -> None:
        self._slot = slot
        self._limit = limit
        self.began = began
        self.sent = False
        """Whether the request went out: until then the provider has nothing to charge for."""

    @property
    def silence(self) -> float:
        """Seconds without a byte that are waited for."""
        return self._slot.seconds

    def start(self) -> None:
        """The request goes out now."""
        self.sent = True
        if self._limit.expired():  # it is being cancelled, and may not be given more time
            return
        slot = self._slot
        seconds = slot.seconds if slot.sink is None else slot.allowance.seconds
        self._limit.reschedule(asyncio.get_running_loop().time() + seconds)


@dataclass(slots=True)
class _Ending:
    """What is known of an attempt before it ends. ``started`` is nanoseconds by the clock that only runs forward;
    ``limits`` is what its counts can be, once it is known what was sent, and ``refused`` why they were not accepted;
    ``static`` learns when the answer begins and what was counted.
    """

    slot: AttemptContext
    intent: Intent
    span: AttemptSpan
    started: int
    static: StaticUse
    limits: UsageLimits | None = None
    refused: str | None = None


class Attempts:
    """Sends requests and records them.

    Args:
        ledger: where attempts are written and charged.
        rates: prices them.
        transport: the wire.
        endpoint: the target as it is reached: for a stand-in, the sandbox's address.
        retries: how often one target may be tried again within a turn.
        telemetry: tells of each attempt.
        hash_key: of the hashes by which static parts of prompts are compared.
        prefix_seconds: how long turns that begin alike wait for the first of them, at most; with 0 none does.
        spent: called after each attempt with the share of its run's hold that is spent.
        other_model: called with an attempt that another model answered than was asked, and which.
        implausible: called with an attempt whose token counts were not accepted, and what is wrong with them.
        unpriced_tier: called with an attempt that was served at a service tier without a price, and at which.
    """

    def __init__(
        self,
        ledger: Ledger,
        rates: RateCard,
        transport: Transport,
        endpoint: Callable[[Target], Target],
        *,
        retries: int,
        telemetry: Telemetry,
        hash_key: Callable[[], bytes],
        prefix_seconds: float,
        spent: Callable[[str, float], None] = lambda _run_id, _share: None,
        implausible: Callable[[Intent, str], None] = lambda _intent, _fault: None,
        other_model: Callable[[Intent, str], None] = lambda _intent, _model: None,
        unpriced_tier: Callable[[Intent, str], None] = lambda _intent, _service_tier: None,
    ) -> None:
        self._ledger = ledger
        self._rates = rates
        self._transport = transport
        self._endpoint = endpoint
        self._retries = retries
        self._static = StaticParts(rates, hash_key, prefix_seconds)
        self._telemetry = telemetry
        self._spent = spent
        self._implausible = implausible
        self._other_model = other_model
        self._prices = AttemptPrices(rates, unpriced_tier)
        self._refused = RefusedFeatures()

    @property
    def refused(self) -> RefusedFeatures:
        """What models were seen to refuse."""
        return self._refused

    @property
    def loaded(self) -> bool:
        """Whether a request can be sent without loading the HTTP client first."""
        return self._transport.loaded

    async def load(self) -> None:
        """Load what a new process lacks to send a request; not on the loop."""
        await self._transport.load()

    def worst(
        self, target: Target, input_tokens: int, request: ModelRequest, service_tier: ServiceTier | None = None
    ) -> Nano:
        """The most that one attempt can cost, tokens for thoughts included.

        Raises:
            UnknownPrice: the target's model has no rate at the service tier.
        """
        return self._prices.worst(target, input_tokens, output_limit(target, request), service_tier)

    async def send(self, slot: AttemptContext, request: ModelRequest) -> ModelReply:
        """The reply of one target, tried again while that may help.

        Raises:
            AttemptFailed: no reply, however often it was tried.
            Refused: a budget is exceeded.
            RunExpired: the run's hold is gone, or belongs to a newer execution of the run.
        """
        await self.await_commit(slot.run_id, slot.allowance)
        reason = slot.reason
        while True:
            try:
                return await self._once(slot, request, reason)
            except AttemptFailed as failed:
                why = failed.failure
                feature = self._refused.learn(slot.target, request, why.refuses) if why.refuses else None
                if feature is None or slot.allowance.spent or (slot.sink is not None and slot.sink.began):
                    if not slot.may_try_again(why):
                        raise
                    return await self._again(slot, request, failed)
                reason = f"retry without {feature}, which the model refuses"

    async def await_commit(self, run_id: str, allowance: TurnAllowance) -> None:
        """Wait until the turn's last completion is committed: before its next intent, and before it returns."""
        landing, allowance.landing = allowance.landing, None
        if landing is not None:
            self._spent(run_id, await landing)

    async def _again(self, slot: AttemptContext, request: ModelRequest, failed: AttemptFailed) -> ModelReply:
        """The reply after a first failure. tenacity counts that one too, and is left alone until there is one: it takes
        longer to set up than most of what a turn does.
        """
        from tenacity import AsyncRetrying, retry_if_exception
        from tenacity.wait import wait_random_exponential

        reason, first = slot.reason, [failed]

        def note_failure(state: RetryCallState) -> None:
            # Here and not later: tenacity forgets how an attempt ended before it hands out the next one.
            nonlocal reason
            reason = f"retry {state.attempt_number} after {_failure(state).kind}"

        def wait(state: RetryCallState) -> float:
            minimum = _failure(state).retry_after or 0.0
            return max(minimum, float(wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_BACKOFF)(state)))

        def stop(state: RetryCallState) -> bool:
            return state.attempt_number > self._retries or not _worth_waiting(slot, state)

        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda e: isinstance(e, AttemptFailed) and slot.may_try_again(e.failure)),
            wait=wait,
            stop=stop,
            before_sleep=note_failure,
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                if first:
                    raise first.pop()
                return await self._once(slot, request, reason)
        raise AssertionError("tenacity ends by an answer or by raising")

    async def _once(self, slot: AttemptContext, request: ModelRequest, reason: str) -> ModelReply:
        if slot.allowance.spent:  # the wait before took longer than it should have
            raise AttemptFailed(failure("timeout", phase="pool"))
        target = slot.target
        request = with_valid_state(request, target)
        if without := self._refused.of(target, request.schema):
            request = replace(request, without=without)
        request = with_choice(target, spec_of(target.provider).features.options, request)
        if slot.service_tier is not None:
            request = replace(request, service_tier=slot.service_tier)
        text_tokens = slot.estimated_input or 0
        turn = TurnPlace(slot.asked.operation, slot.turn_id)
        with await self._static.use(
            target, request, turn, text_tokens=text_tokens, seconds_left=slot.allowance.seconds
        ) as static:
            if slot.allowance.spent:
                raise AttemptFailed(failure("timeout", phase="pool"))
            limit = output_limit(target, static.request)
            intent = self._intent(slot, static, reason, limit)
            reached = self._endpoint(target)  # before anything is written down: its key may be missing
            if refusals := await self._ledger.begin(intent, slot.where.execution):
                raise Refused(refusals, intent.worst_nano)
            slot.allowance.sent += 1
            with self._telemetry.attempt(intent, reached, limit) as span:
                return await self._exchange(slot, intent, reached, span, static)

    def _intent(self, slot: AttemptContext, static: StaticUse, reason: str, limit: int) -> Intent:
        """What is written down before a request is sent that may be answered with so many tokens."""
        target = slot.target
        return Intent(
            attempt_id=secrets.token_hex(16),
            turn_id=slot.turn_id,
            run_id=slot.run_id,
            operation=slot.asked.operation,
            hop=slot.hop,
            ordinal=slot.allowance.sent,
            reason=reason,
            target=target.name,
            provider=target.provider,
            account=target.account,
            model=target.model,
            tier=target.tier,
            stand_in=target.stand_in,
            worst_nano=self._prices.worst(target, slot.input_tokens, limit, slot.service_tier),
            rate_version=self._rates.version,
            started_at=now_us(),
            estimated_input=slot.estimated_input,
            execution=slot.where.execution,
            prompt_parts=static.label,
            service_tier_asked=slot.service_tier,
        )

    async def _exchange(
        self, slot: AttemptContext, intent: Intent, reached: Target, span: AttemptSpan, static: StaticUse
    ) -> ModelReply:
        """The reply, written down however it ends."""
        ending, request = _Ending(slot, intent, span, time.perf_counter_ns(), static), static.request
        streams = slot.sink is not None
        try:
            wire = adapter_for(reached.provider).encode(reached, request, stream=streams, attempt_id=intent.attempt_id)
            ending.limits = UsageLimits.of(
                reached, body=wire.body, most_input=slot.input_tokens, max_tokens=output_limit(reached, request)
            )
            most = largest_reply(ending.limits.with_reasoning, streamed=streams)
            reply = await self._reply(slot, reached, wire, most, static)
            usage = self._plausible(ending, reply.usage)
            reply = reply if usage is reply.usage else replace(reply, usage=usage)
            if was_cut(reached, slot.estimated_input, reply.usage):
                raise ReplyError(failure("context_overflow", status=200, maybe_billed=True), reply.usage)
        except ReplyError as error:
            why, usage = error.failure, self._plausible(ending, error.usage or Usage())
            if slot.service_tier not in {None, STANDARD}:
                why = without_capacity(why)
            self._end(ending, why.kind, usage, maybe_billed=why.maybe_billed, why=why)
            await self.await_commit(slot.run_id, slot.allowance)
            raise AttemptFailed(why) from None
        except BaseException:  # cancelled, or stopped by a guard while the answer arrived
            self._end(ending, "cancelled", Usage(), maybe_billed=True)
            await asyncio.shield(self.await_commit(slot.run_id, slot.allowance))
            raise
        self._end(ending, FAILED_STOPS.get(reply.stop, "ok"), reply.usage, maybe_billed=True, reply=reply)
        return bound(reply, request)

    def _plausible(self, ending: _Ending, usage: Usage) -> Usage:
        """The counts if they can be the request's; else none, which has the attempt priced at its worst case."""
        reasons = reasoning_allowance(ending.slot.target, ending.slot.asked.reasoning) > 0
        if ending.limits is None or (fault := ending.limits.fault(usage, reasons=reasons)) is None:
            return usage
        ending.refused = fault
        self._implausible(ending.intent, fault)
        return Usage()

    async def _reply(
        self, slot: AttemptContext, target: Target, wire: HttpRequest, most: int, static: StaticUse
    ) -> ModelReply:
        """The reply, of so many bytes at most; whatever goes wrong on the wire is a ReplyError."""
        if slot.allowance.seconds < _TOO_LITTLE:  # writing the intent down took all that was left
            raise ReplyError(failure("timeout", phase="pool"))
        adapter = adapter_for(target.provider)
        limit = asyncio.timeout(slot.seconds_to_connect)
        clock = _Clock(slot, limit, static.began)
        try:
            async with limit:
                if slot.sink is not None:
                    return await self._streamed(slot.sink, wire, target, most, clock)
                reply = await self._transport.send(wire, read_timeout=clock.silence, most=most, connected=clock.start)
        except TimeoutError:
            phase: Phase = "read" if clock.sent else "connect"
            raise ReplyError(failure("timeout", phase=phase, maybe_billed=clock.sent)) from None
        except WireFailed as error:
            raise ReplyError(classify_exception(error)) from None
        decoded = adapter.decode(target, reply.status, reply.headers, reply.body)
        clock.began()
        return decoded

    async def _streamed(self, sink: Sink, wire: HttpRequest, target: Target, most: int, clock: _Clock) -> ModelReply:
        """The whole reply, its text pushed into the sink as it arrives."""
        adapter = adapter_for(target.provider)
        sink.restart()
        reply = self._transport.stream(wire, read_timeout=clock.silence, most=most, connected=clock.start)
        async with reply as (status, headers, chunks):
            if status != OK:
                try:
                    error = b"".join([chunk async for chunk in chunks])
                except WireFailed:  # its status tells as much
                    error = b""
                return adapter.decode(target, status, headers, error)
            reader = adapter.stream(target, headers)
            try:
                async for chunk in chunks:
                    deltas = reader.feed(chunk)
                    if reader.began:
                        clock.began()
                    for delta in deltas:
                        await sink.push(delta)
            except WireFailed as error:
                raise ReplyError(classify_exception(error), reader.usage) from None
            return reader.finish()

    def _end(
        self,
        ending: _Ending,
        outcome: str,
        usage: Usage,
        *,
        maybe_billed: bool,
        why: Failure | None = None,
        reply: ModelReply | None = None,
    ) -> None:
        """Have it written down how an attempt ended; it is by the time of :meth:`await_commit`."""
        asked = ending.intent
        model = self._rates.billed_model(
            asked.model, reply.model if reply else None, asked.provider, from_us(asked.started_at)
        )
        billed = asked if model == asked.model else replace(asked, model=model)
        if billed is not asked:
            self._other_model(asked, model)
        stated = None if reply is None or asked.stand_in else reply.cost_nano
        tier = None if reply is None else served_tier(reply.service_tier)
        paid = self._prices.of(billed, usage, tier, stated, maybe_billed=maybe_billed)
        ending.slot.allowance.cost_nano += paid.cost_nano
        completion = Completion(
            outcome=outcome,
            usage=usage,
            cost_nano=paid.cost_nano,
            priced=paid.priced,
            duration_us=(time.perf_counter_ns() - ending.started) // 1000,
            status=why.status if why else 200,
            code=(why.code if why else None) or (NOT_PLAUSIBLE if ending.refused else None),
            phase=why.phase if why else None,
            request_id=answered.request_id if (answered := why or reply) else None,
            saved_nano=paid.saved_nano,
            model=None if billed is asked else model,
            service_tier=paid.service_tier,
            service_tier_saved_nano=paid.service_tier_saved_nano,
        )
        ending.static.counted(usage)
        ending.slot.allowance.landing = self._ledger.end(ending.intent, completion)
        ending.span.ended(completion, reply)


def _worth_waiting(slot: AttemptContext, state: RetryCallState) -> bool:
    """Whether the same target is to be asked again, rather than another one at once."""
    why, allowance = _failure(state), slot.allowance
    if (slot.alternatives or slot.service_tier == "flex") and why.kind == "timeout" and why.phase == "read":
        return False  # it has had its time, and the others need theirs
    longest = min(allowance.seconds, _LONGEST_BACKOFF if slot.alternatives else LONGEST_WAIT)
    return slot.may_retry() and allowance.left > slot.alternatives and state.upcoming_sleep < longest


def _failure(state: RetryCallState) -> Failure:
    """Why the attempt before failed."""
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, AttemptFailed):
        raise TypeError("only failed attempts are tried again")
    return error.failure
