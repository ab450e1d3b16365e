"""How batches go on at their providers: found again, looked at, cancelled in time, and their results taken.

Each visit of a batch does all that is due, in the process that waits for it or in the flow that collects for suspended
runs. A result is taken once, by the first visit, and priced as its attempt was: by counts that can be its request's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from guardrails.pii import neutral_text
from pricing import Nano, ProviderStatePart, UnknownPrice, Usage, from_us, now_us
from pricing.ledger import BY_DUE_TIME, Batch, BatchAttempt, Completion, Intent, PriceBasis
from pricing.rates import RateCard
from tasks.batches import (
    BatchCallFailed,
    BatchClient,
    BatchHandle,
    BatchNotEnded,
    BatchStatus,
    BatchUncertain,
    LineResult,
    ResultTally,
)
from tasks.providers.failure_kinds import FAILED_STOPS
from tasks.providers.messages import ModelReply
from tasks.routing.target import Target
from tasks.telemetry import BatchLineSpan, Telemetry
from tasks.turn.answers import write_reply
from tasks.turn.usage_check import EXTRA_OUTPUT, NOT_PLAUSIBLE, UsageLimits, was_counted

if TYPE_CHECKING:  # the database's library takes longer to load than this package
    from pricing.ledger import Batches

_log = logging.getLogger(__name__)

BATCH: Final = "batch"
"""The service tier of every line."""
QUEUE_FULL: Final = "queue_full"
"""The outcome of lines whose batch was not taken as the account has too much in batches: they may be sent again."""
REJECTED: Final = "rejected"
"""The outcome of lines whose batch was not taken at all."""
NEVER_CREATED: Final = "The provider has no batch of this label: it was never created, and nothing of it is billed."
_WORST: Final[PriceBasis] = "worst_case"
_COUNTED: Final[PriceBasis] = "usage"
_OUTCOMES: Final[Mapping[str, str]] = {"expired": "timeout", "cancelled": "cancelled", "missing": "server_error"}
"""By outcome of a line that has no failure of its own, that of its attempt."""


class LineDetails(NamedTuple):
    """What the completion of a line needs to know of its request; no content.

    Args:
        worst_nano: the most that it can cost as a line.
        limits: the most tokens that it can count (:class:`UsageLimits`).
        reasons: whether its target is a reasoning model.
        nonce: that of the vault whose tokens are in the request; empty where nothing was masked.
        prefix: what thoughts in its reply are tied to.
        asked_by: W3C ``traceparent`` of the span of its turn; empty without a listener.
    """

    worst_nano: Nano
    limits: tuple[int, int, int]
    reasons: bool
    nonce: str = ""
    prefix: str = ""
    asked_by: str = ""

    @classmethod
    def of(cls, line: BatchAttempt) -> LineDetails:
        """As the ledger has them."""
        given = dict(line.details)
        return cls(**{**given, "limits": tuple(given["limits"])})

    def plain(self) -> dict[str, Any]:
        """As the ledger keeps them."""
        return self._asdict()


@dataclass(frozen=True, slots=True)
class BatchWaits:
    """When to ask providers.

    Args:
        create_seconds: after so many a batch that its provider does not know counts as never created.
        clock: microseconds since 1970; tests pass their own.
    """

    create_seconds: float = 120.0
    clock: Callable[[], int] = now_us


class BatchResults:
    """Visits batches.

    Args:
        batches: those of the ledger.
        rates: prices their lines.
        client: of a provider.
        reached: a target by its name, as it is reached; ``None`` where there is no such target any more.
        rules: when to ask.
        telemetry: called with each line whose result is taken.
        load: loads what a new process lacks to send a request.
        implausible: called with an attempt whose token counts were not accepted, and what is wrong with them.
        other_model: called with an attempt that another model answered than was asked, and which.
    """

    def __init__(
        self,
        batches: Batches,
        rates: RateCard,
        client: Callable[[str], BatchClient],
        reached: Callable[[str], Target | None],
        rules: BatchWaits,
        *,
        telemetry: Telemetry,
        load: Callable[[], Awaitable[None]],
        implausible: Callable[[Intent, str], None] = lambda _intent, _fault: None,
        other_model: Callable[[Intent, str], None] = lambda _intent, _model: None,
    ) -> None:
        self.batches = batches
        self._rates = rates
        self._client = client
        self._reached = reached
        self._rules = rules
        self._telemetry = telemetry
        self._load = load
        self._implausible = implausible
        self._other_model = other_model

    async def visit(self, label: str) -> Batch:
        """Do what is due of one batch; how it is then. What cannot be asked now is asked with the next visit."""
        await self._load()
        batch = await asyncio.to_thread(self.batches.batch, label)
        if batch is None:
            raise LookupError(label)
        if not batch.is_open:
            return batch
        target = self._reached(batch.target)
        if target is None:
            fault = f"The target {batch.target!r} is not in farebox.toml any more: its results cannot be taken."
            return await self._noted(batch, fault)
        try:
            await self._go_on(batch, target, self._client(batch.provider))
        except (BatchCallFailed, BatchUncertain, BatchNotEnded) as error:
            return await self._noted(batch, f"{error}.")
        found = await asyncio.to_thread(self.batches.batch, label)
        return found or batch

    async def cancel(self, label: str, by: str) -> bool:
        """Cancel a batch at its provider, for ``by``; false where it is over, or was cancelled before."""
        if not await asyncio.to_thread(self.batches.cancel, label, by):
            return False
        await self.visit(label)
        return True

    async def _go_on(self, batch: Batch, target: Target, client: BatchClient) -> None:
        lines = await asyncio.to_thread(self.batches.lines, batch.label)
        if batch.batch_id is None:
            found = await self._recovered(batch, target, client, lines)
            if found is None:
                return
            batch = found
        handle = self._handle(batch, target, lines)
        status = await client.status(handle)
        if not status.final and self._to_be_cancelled(batch):
            if await asyncio.to_thread(self.batches.cancel, batch.label, BY_DUE_TIME):
                batch = replace(batch, cancelled_at=self._rules.clock())
            if not status.cancelling:
                status = await client.cancel(handle)
        await self._observed(batch, status)
        if status.final:
            await self._collect(batch, status, client, handle, lines)

    def _to_be_cancelled(self, batch: Batch) -> bool:
        return batch.cancelled_at is not None or self._rules.clock() >= batch.cancel_at

    async def _recovered(
        self, batch: Batch, target: Target, client: BatchClient, lines: list[BatchAttempt]
    ) -> Batch | None:
        """A batch whose creation was not recorded, found by its label; ``None`` where there is none, or not yet."""
        if batch.state == "begun":
            ids = [line.line_id for line in lines]
            handle = await client.find(target, batch.label, line_ids=ids, since=batch.begun_at)
            if handle is not None:
                await asyncio.to_thread(self.batches.created, batch.label, handle.batch_id)
                return replace(batch, batch_id=handle.batch_id, state="submitted")
            if self._rules.clock() - batch.begun_at < self._rules.create_seconds * 1_000_000:
                return None
            if not await asyncio.to_thread(self.batches.abandon, batch.label, NEVER_CREATED):
                return None
        await self.give_up(batch.label, lines, "missing", "batch_never_created")
        return None

    async def give_up(self, label: str, lines: list[BatchAttempt], outcome: str, code: str) -> None:
        """Complete the lines of a batch that does not exist: nothing of it was billed."""
        batch = await asyncio.to_thread(self.batches.batch, label)
        for line in lines:
            if line.state == "open":
                ended = self._ended(line, "cancelled", Usage(), 0, "unbilled", code=code)
                if await asyncio.to_thread(self.batches.take, line, ended, outcome, None):
                    self._emit(line, batch, ended, None)
        await asyncio.to_thread(self.batches.collected, label)

    def _handle(self, batch: Batch, target: Target, lines: list[BatchAttempt]) -> BatchHandle:
        return BatchHandle(target, batch.batch_id or "", batch.label, tuple(line.line_id for line in lines))

    async def _observed(self, batch: Batch, status: BatchStatus) -> None:
        await asyncio.to_thread(
            self.batches.observed,
            batch.label,
            status.state,
            completed=status.counts.succeeded or 0,
            failed=status.counts.failed or 0,
            fault=status.fault.cause if status.fault is not None else None,
            ended_at=self._ended_at(batch, status) if status.final else None,
        )

    def _ended_at(self, batch: Batch, status: BatchStatus) -> int:
        """When a batch ended, by its provider's clock as far as it agrees with ours: between submission and now."""
        now = self._rules.clock()
        return min(now, max(batch.submitted_at or 0, status.ended_at or now))

    async def _noted(self, batch: Batch, fault: str) -> Batch:
        """Note why a batch could not be asked for."""
        _log.warning("Batch %s: %s It is asked for again later.", batch.label, fault)
        await asyncio.to_thread(
            self.batches.observed,
            batch.label,
            batch.state,
            completed=batch.completed,
            failed=batch.failed,
            fault=fault,
            ended_at=batch.ended_at,
        )
        return replace(batch, fault=fault)

    # Results ---------------------------------------------------------------------------------------------------------

    async def _collect(
        self, batch: Batch, status: BatchStatus, client: BatchClient, handle: BatchHandle, lines: list[BatchAttempt]
    ) -> None:
        """Take all results, as they are read."""
        failed = None
        if status.state == "failed":
            failed = QUEUE_FULL if status.fault is not None and status.fault.again else REJECTED
        waiting = {line.line_id: line for line in lines if line.state == "open"}
        observed, tally = replace(batch, ended_at=self._ended_at(batch, status)), ResultTally()
        async for result in client.results(handle, tally):
            line = waiting.pop(result.line_id, None)
            if line is not None:
                await self._take(line, observed, result, failed or result.outcome)
        if tally.unknown or tally.repeated or tally.damaged:
            _log.warning(
                "Batch %s: of its results, %d lines were of no request, %d came twice, and %d could not be read. "
                "Requests without a readable result are asked again.",
                batch.label,
                tally.unknown,
                tally.repeated,
                tally.damaged,
            )
        await asyncio.to_thread(self.batches.collected, batch.label)

    async def _take(self, line: BatchAttempt, batch: Batch, result: LineResult, outcome: str) -> None:
        reply = result.reply
        completion = self._completed(line, result) if reply is None else self._answered(line, reply)
        value = None if reply is None else written(line, reply)
        if await asyncio.to_thread(self.batches.take, line, completion, outcome, value):
            self._emit(line, batch, completion, reply)

    def _emit(self, line: BatchAttempt, batch: Batch | None, completion: Completion, reply: ModelReply | None) -> None:
        """Emit the span of a line: by the process that took its result, so that there is one of each."""
        details, sent_at = LineDetails.of(line), line.intent.started_at
        ended_at = sent_at + completion.duration_us
        if batch is not None:
            sent_at, ended_at = batch.submitted_at or sent_at, batch.ended_at or ended_at
        _, most_output, _ = details.limits
        span = BatchLineSpan(
            line.label,
            None if batch is None else batch.batch_id,
            details.asked_by,
            sent_at,
            ended_at,
            most_output - EXTRA_OUTPUT,
        )
        self._telemetry.batch_line(line.intent, self._reached(line.intent.target), completion, reply, span)

    def _answered(self, line: BatchAttempt, reply: ModelReply) -> Completion:
        """A line that has a reply, whether or not that is an answer."""
        asked, details = line.intent, LineDetails.of(line)
        at = from_us(asked.started_at)
        fault = UsageLimits(*details.limits).fault(reply.usage, reasons=details.reasons)
        usage = reply.usage if fault is None else Usage()
        if fault is not None:
            self._implausible(asked, fault)
        model = self._rates.billed_model(asked.model, reply.model, asked.provider, at)
        if model != asked.model:
            self._other_model(asked, model)
        cost, priced = details.worst_nano, _WORST
        if was_counted(usage):
            with suppress(UnknownPrice):  # the worst case then: a rate that is gone must not leave results untaken
                cost, priced = self._rates.price(model, asked.provider, usage, at, BATCH), _COUNTED
        outcome = FAILED_STOPS.get(reply.stop, "ok")
        code = None if fault is None else NOT_PLAUSIBLE
        ended = self._ended(line, outcome, usage, cost, priced, code=code, status=200, request_id=reply.request_id)
        saved = self._saved(model, asked, usage, cost) if priced == _COUNTED else 0
        less = self._rates.service_tier_saved(model, asked.provider, usage, BATCH, at) if priced == _COUNTED else 0
        answered_by = None if model == asked.model else model
        return replace(ended, model=answered_by, saved_nano=saved, service_tier_saved_nano=less)

    def _saved(self, model: str, asked: Intent, usage: Usage, cost: Nano) -> Nano:
        """What prompt caching took off the cost, as of a live attempt."""
        if not any((usage.cache_read_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens)):
            return 0
        plain = Usage(usage.input_tokens, usage.output_tokens)
        return self._rates.price(model, asked.provider, plain, from_us(asked.started_at), BATCH) - cost

    def _completed(self, line: BatchAttempt, result: LineResult) -> Completion:
        """A line that has no reply. Errors, expiry and cancellation are free unless the provider says otherwise."""
        why = result.failure
        billed = why is not None and why.maybe_billed
        cost = LineDetails.of(line).worst_nano if billed else 0
        outcome = _OUTCOMES.get(result.outcome) or (why.kind if why is not None else "server_error")
        return self._ended(
            line,
            outcome,
            Usage(),
            cost,
            "worst_case" if billed else "unbilled",
            code=why.code if why is not None else f"batch_{result.outcome}",
            status=why.status if why is not None else None,
            request_id=result.request_id,
        )

    def _ended(
        self,
        line: BatchAttempt,
        outcome: str,
        usage: Usage,
        cost: Nano,
        priced: PriceBasis,
        *,
        code: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
    ) -> Completion:
        return Completion(
            outcome=outcome,
            usage=usage,
            cost_nano=cost,
            priced=priced,
            duration_us=max(0, self._rules.clock() - line.intent.started_at),
            status=status,
            code=code,
            request_id=request_id,
            service_tier=BATCH,
        )


def written(line: BatchAttempt, reply: ModelReply) -> bytes:
    """A reply as the journal keeps it, although nobody here has the vault of its question."""
    details = LineDetails.of(line)
    parts = [
        replace(part, prefix=details.prefix) if isinstance(part, ProviderStatePart) else part for part in reply.parts
    ]
    value = write_reply(replace(reply, parts=tuple(parts)), None)
    if not details.nonce:
        return value
    text = value.decode("utf-8", "surrogatepass")
    return neutral_text(text, details.nonce).encode("utf-8", "surrogatepass")
