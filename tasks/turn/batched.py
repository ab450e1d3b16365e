"""Turns that are answered from batches: each request becomes a line, is sent with its run's wave, and is claimed.

A line is an attempt of its turn. A turn whose run was suspended meanwhile is asked again when it goes on, and claims
the line of the turn that it was; what a batch did not answer is asked live, or in another batch while there is time.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from guardrails.pii import Vault
from pricing import Nano, UnknownPrice, now_us
from pricing.ledger import Batch, BatchAttempt, ClaimedLine, Intent
from pricing.rates import RateCard
from tasks.batches import BatchCallFailed, BatchClient, BatchLine, LinesRefused
from tasks.providers import spec_of
from tasks.providers.messages import ModelReply, ModelRequest
from tasks.providers.reasoning_fields import output_limit, reasoning_allowance
from tasks.providers.refused_features import RefusedFeatures
from tasks.routing.target import Target
from tasks.telemetry import Telemetry
from tasks.turn.answers import TurnAnswers, read_reply
from tasks.turn.attempts import AttemptContext
from tasks.turn.batch_results import BATCH, QUEUE_FULL, BatchResults, LineDetails
from tasks.turn.bound_state import prefix_of, with_valid_state
from tasks.turn.usage_check import UsageLimits
from tasks.turn.waves import QueuedLine, RunWaves, StepCall

if TYPE_CHECKING:  # the database's library takes longer to load than this package
    from pricing.ledger import Batches, JournalEntry

_log = logging.getLogger(__name__)

MOST_TRIES: Final = 3
"""Batches that one question is in: the first, and two more while there is time."""
_AGAIN: Final = frozenset({"expired", "missing", QUEUE_FULL})
"""Outcomes of a line after which it may be in another batch; so may one that failed with a status like these."""
_AGAIN_STATUS: Final = frozenset({408, 409, 429})
_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """A reply that a batch brought, and what it cost. ``target`` is the name of who gave it."""

    reply: ModelReply
    target: str
    cost_nano: Nano


@dataclass(frozen=True, slots=True)
class BatchedQuestion:
    """What is asked, and where a turn is.

    Args:
        slot: where the request is sent, and why.
        request: as it is put to that target.
        vault: what was taken out of it.
        answers: the turn's journal.
        waves: those of its run.
        adopt: called with the turn that it was before its run was suspended, how many attempts it had made,
            and its span.
        left: called if the turn has not ended although no caller waits for it here any more.
        call: of the step that asks.
    """

    slot: Callable[[], AttemptContext]
    request: ModelRequest
    vault: Vault | None
    answers: TurnAnswers
    waves: RunWaves
    adopt: Callable[[str, int, str], None]
    left: Callable[[], None]
    call: StepCall | None = None
    tried: list[str] = field(default_factory=list)
    """How the lines ended that gave no answer."""


class BatchedAttempts:
    """Has requests answered by batches.

    Args:
        batches: those of the ledger.
        results: takes their results.
        rates: prices them.
        client: of a provider.
        endpoint: a target as it is reached.
        refused: what models were seen to refuse.
        telemetry: knows the span of the turn that asks.
    """

    def __init__(
        self,
        batches: Batches,
        results: BatchResults,
        rates: RateCard,
        *,
        client: Callable[[str], BatchClient],
        endpoint: Callable[[Target], Target],
        refused: RefusedFeatures,
        telemetry: Telemetry,
    ) -> None:
        self.batches = batches
        self.results = results
        self._rates = rates
        self._client = client
        self._endpoint = endpoint
        self._refused = refused
        self._telemetry = telemetry

    def can(self, target: Target) -> bool:
        """Whether a target's provider has batches, at a price that is known."""
        if spec_of(target.provider).features.batches is None:
            return False
        try:
            self._rates.worst(target.model, target.provider, 1, 1, service_tier=BATCH)
        except UnknownPrice:
            return False
        return True

    async def ask(self, asked: BatchedQuestion, *, new: Callable[[], bool]) -> BatchAnswer | None:
        """The answer of a batch; ``None`` where it is to be asked live.

        Args:
            asked: the question.
            new: whether it may be in a new batch now.

        Raises:
            BaseException: the run is suspended until the batch is back.
            RunTakenOver, RunExpired: the run's hold is not this execution's any more.
        """
        tries, may = 0, True
        place = asked.answers.place
        if not place.is_first:
            key = asked.answers.key(asked.request, asked.vault)
            claim = partial(self.batches.claim, place.run_id, key, place.execution, place.holder)
            if (found := await asyncio.to_thread(claim)) is not None:
                asked.adopt(found.line.turn_id, found.sent, LineDetails.of(found.line).asked_by)
                if found.answer is not None:
                    return self._entry(asked, found.answer)
                line: BatchAttempt | None = found.line
                if found.line.state == "open":
                    line = await self._attached(asked, found.line)
                    if line is not None and line.state == "answered":
                        return await self._answer(asked, line)
                asked.tried.append(line_end(line))
                tries = len(found.tries) + (found.line.state == "open")
                may = await self._may_again(found, line)
        while may and tries < MOST_TRIES and new():
            line = await self._new_line(asked)
            if line is None:
                asked.tried.append(line_end(line))
                return None
            if line.state == "answered":
                return await self._answer(asked, line)
            tries += 1
            asked.tried.append(line_end(line))
            may = await asyncio.to_thread(partial(self._again_after, line))
            if may and line.outcome == QUEUE_FULL:
                await asked.waves.pause(asked.waves.settings.poll_seconds * 2**tries, asked.call)
        return None

    async def _may_again(self, found: ClaimedLine, line: BatchAttempt | None) -> bool:
        """Whether another batch may be tried after what an older execution has tried."""
        if found.by_person or line is None:
            return False
        return await asyncio.to_thread(partial(self._again_after, line))

    def _again_after(self, line: BatchAttempt) -> bool:
        """Whether a question that a line did not answer may be in another batch."""
        batch = self.batches.batch(line.label)
        if batch is None or batch.cancelled_by is not None:
            return False
        if line.outcome in _AGAIN:
            return True
        status = self.batches.status_of(line.line_id)
        return line.outcome == "errored" and status is not None and (status in _AGAIN_STATUS or status >= _SERVER_ERROR)

    # Lines -----------------------------------------------------------------------------------------------------------

    async def _new_line(self, asked: BatchedQuestion) -> BatchAttempt | None:
        """A new line, once it has ended; ``None`` where it cannot be one, or was not back in time."""
        made = self._line(asked)
        if made is None:
            return None
        asked.slot().allowance.sent += 1
        return await self._waited(asked, made.attempt.line_id, asked.waves.ask(made, asked.call))

    async def _attached(self, asked: BatchedQuestion, line: BatchAttempt) -> BatchAttempt | None:
        """How a line ended that an older execution has sent; ``None`` where it is not waited for any longer."""
        batch = await asyncio.to_thread(self.batches.batch, line.label)
        if batch is None or asked.waves.settings.clock() >= batch.leave_at:
            return None
        return await self._waited(asked, line.line_id, asked.waves.attach(line, asked.call))

    async def _waited(
        self, asked: BatchedQuestion, line_id: str, waiting: Coroutine[Any, Any, BatchAttempt | None]
    ) -> BatchAttempt | None:
        """How a line ended. The turn's own time begins again afterwards."""
        try:
            return await waiting
        except BaseException:
            if asked.waves.suspended or asked.waves.was_sent(line_id):
                asked.left()
            raise
        finally:
            asked.slot().allowance.restart()

    def _line(self, asked: BatchedQuestion) -> QueuedLine | None:
        slot = asked.slot()
        target = slot.target
        reached = self._endpoint(target)
        request = with_valid_state(asked.request, target)
        if without := self._refused.of(target, request.schema):
            request = replace(request, without=without)
        line_id = secrets.token_hex(16)
        try:
            line = self._client(target.provider).line(line_id, reached, request)
        except LinesRefused as refused:
            _log.warning("A turn of %s is asked live: it cannot be in a batch (%s).", slot.asked.operation, refused)
            return None
        place = asked.answers.place
        attempt = BatchAttempt(
            label="",
            journal_id=place.run_id,
            holder=place.holder,
            key=asked.answers.key(asked.request, asked.vault),
            entry_id=secrets.token_hex(16),
            execution=place.execution,
            intent=self._intent(slot, request, line_id),
            details=self._details(asked, request, reached, line).plain(),
        )
        return QueuedLine(reached, line, attempt)

    def _intent(self, slot: AttemptContext, request: ModelRequest, line_id: str) -> Intent:
        """Its worst case is that of the live request, which may have to follow it."""
        target, limit = slot.target, output_limit(slot.target, request)
        worst = partial(self._rates.worst, target.model, target.provider, slot.input_tokens, limit)
        return Intent(
            attempt_id=line_id,
            turn_id=slot.turn_id,
            run_id=slot.run_id,
            operation=slot.asked.operation,
            hop=slot.hop,
            ordinal=slot.allowance.sent,
            reason=slot.reason,
            target=target.name,
            provider=target.provider,
            account=target.account,
            model=target.model,
            tier=target.tier,
            stand_in=target.stand_in,
            worst_nano=max(worst(), worst(service_tier=BATCH)),
            rate_version=self._rates.version,
            started_at=now_us(),
            estimated_input=slot.estimated_input,
            execution=slot.where.execution,
            service_tier_asked=BATCH,
        )

    def _details(self, asked: BatchedQuestion, request: ModelRequest, reached: Target, line: BatchLine) -> LineDetails:
        slot, limit = asked.slot(), output_limit(reached, request)
        limits = UsageLimits.of(reached, body=line.body, most_input=slot.input_tokens, max_tokens=limit)
        worst = self._rates.worst(slot.target.model, slot.target.provider, slot.input_tokens, limit, service_tier=BATCH)
        return LineDetails(
            worst_nano=worst,
            limits=(limits.input_tokens, limits.output_tokens, limits.with_reasoning),
            reasons=reasoning_allowance(slot.target, slot.asked.reasoning) > 0,
            nonce="" if asked.vault is None else asked.vault.nonce,
            prefix=prefix_of(asked.request),
            asked_by=self._telemetry.trace_parent(),
        )

    async def _answer(self, asked: BatchedQuestion, line: BatchAttempt) -> BatchAnswer | None:
        """The answer of a line that was taken; ``None`` where another execution has it."""
        entry = await asked.answers.take(line.entry_id)
        return None if entry is None else self._entry(asked, entry)

    def _entry(self, asked: BatchedQuestion, entry: JournalEntry) -> BatchAnswer:
        if entry.value is None:
            raise RuntimeError("the answer of a batch is kept whatever its size")
        asked.answers.has(entry)
        asked.slot().allowance.cost_nano += entry.cost_nano
        return BatchAnswer(read_reply(entry.value, asked.vault), entry.target, entry.cost_nano)

    # Submission ------------------------------------------------------------------------------------------------------

    async def submit(self, waves: RunWaves, queued: Sequence[QueuedLine]) -> None:
        """Send a wave: a batch for each target, or several where one would be too large."""
        by_target: dict[str, list[QueuedLine]] = defaultdict(list)
        for one in queued:
            by_target[one.attempt.intent.target].append(one)
        sent = [self._submit_to(waves, lines) for _, lines in sorted(by_target.items())]
        for ended in await asyncio.gather(*sent, return_exceptions=True):
            if isinstance(ended, BaseException):
                raise ended

    async def _submit_to(self, waves: RunWaves, queued: Sequence[QueuedLine]) -> None:
        target, by_id = queued[0].target, {one.attempt.line_id: one for one in queued}
        client = self._client(target.provider)
        for part in client.split(target, [one.line for one in queued], waves.settings.most_lines):
            await self._submit_one(waves, client, target, [by_id[line.line_id] for line in part])

    async def _submit_one(
        self, waves: RunWaves, client: BatchClient, target: Target, queued: Sequence[QueuedLine]
    ) -> None:
        """Send one batch. It is written down first, so that a creation which is not recorded is found again."""
        label = f"farebox-{secrets.token_hex(12)}"
        attempts = [replace(one.attempt, label=label) for one in queued]
        first = attempts[0].intent
        batch = Batch(
            label=label,
            run_id=first.run_id,
            target=first.target,
            provider=first.provider,
            model=first.model,
            stand_in=first.stand_in,
            state="begun",
            execution=first.execution,
            lines=len(attempts),
            begun_at=waves.settings.clock(),
            cancel_at=waves.cancel_at,
            leave_at=waves.leave_at,
        )
        refused = await asyncio.to_thread(partial(self.batches.begin, batch, attempts, first.execution))
        kept = [one for one in queued if one.attempt.line_id not in refused]
        for attempt in attempts:
            if attempt.line_id in refused:
                waves.end(replace(attempt, state="failed", outcome="refused"))
            else:
                waves.sent_as(attempt.line_id, label)
        if kept:
            await self._create(waves, client, target, label, [one.line for one in kept])

    async def _create(
        self, waves: RunWaves, client: BatchClient, target: Target, label: str, lines: Sequence[BatchLine]
    ) -> None:
        """Create a batch that is written down. A creation whose reply was lost is looked for with the next visit."""
        code, outcome, fault = "batch_refused", "errored", ""
        try:
            handle = await client.submit(target, lines, label=label)
        except BatchCallFailed as failed:
            if failed.uncertain:
                _log.warning("Batch %s: %s. It is looked for by its label.", label, failed)
                return
            fault, code = f"{failed}.", failed.failure.code or failed.failure.kind
            again = failed.failure.retry_same_target if failed.fault is None else failed.fault.again
            outcome = QUEUE_FULL if again else "errored"
        except LinesRefused as error:
            fault = f"{error}."
        else:
            if not await asyncio.to_thread(partial(self.batches.created, label, handle.batch_id)):
                await client.cancel(handle)
            return
        if await asyncio.to_thread(partial(self.batches.abandon, label, fault)):
            kept = await asyncio.to_thread(partial(self.batches.lines, label))
            await self.results.give_up(label, kept, outcome, code)
            for line in await asyncio.to_thread(partial(self.batches.lines, label)):
                waves.end(line)


def line_end(line: BatchAttempt | None) -> str:
    """How a line ended, for people."""
    if line is None or line.state == "open":
        return "not back in time"
    return (line.outcome or "no answer").replace("_", " ")
