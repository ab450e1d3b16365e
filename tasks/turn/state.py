"""What a turn has been through: where it may still go, what happened to it, and how that is reported."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from guardrails import Direction, Fact, GuardDecision, GuardInput, Reason, Source, readable
from guardrails.pii import Vault
from pricing import (
    BudgetClosed,
    FareboxError,
    Nano,
    NoTarget,
    OverBudget,
    Part,
    ProviderStatePart,
    Spelled,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    TurnFailed,
    leaves,
    now_us,
    record,
    with_leaves,
)
from pricing.ledger import Turn, TurnOutcome
from pricing.tokens import NOT_LEARNED, Factor, TokenCount, count_tokens
from tasks.personal_values import KnownPairs, personal_values
from tasks.providers import media, options, spec_of
from tasks.providers.failure_kinds import Failure
from tasks.providers.json_fields import dump
from tasks.providers.messages import ModelReply, ModelRequest, media_of
from tasks.providers.reasoning_fields import choice_refusal, output_limit
from tasks.routing.router import Candidate, Route, at_standard, describe
from tasks.routing.target import Target
from tasks.turn.advice import described, next_step
from tasks.turn.answers import KeptAnswer, TurnAnswers
from tasks.turn.attempts import AttemptContext, Refused, TurnAllowance
from tasks.turn.documents import document_texts
from tasks.turn.fallback import CandidateQueue
from tasks.turn.records import TurnRecord
from tasks.turn.redaction import is_external, json_value, tools_of, unreadable_of, with_strings
from tasks.turn.request import TurnContext, TurnRequest
from tasks.turn.stream import Sink

if TYPE_CHECKING:  # they take longer to load than this package
    from guardrails import Pipeline

T = TypeVar("T")

_FRAMING_TOKENS = 16
"""Per message and tool: what chat formats put around a text (3 to 8 are documented; doubled to be safe)."""


@record(frozen=True, slots=True)
class Limits:
    """What one turn may take, over all its targets together."""

    deadline_seconds: float = 120.0
    max_attempts: int = 8
    flex_deadline_seconds: float = 900.0

    def seconds(self, *, flex: bool) -> float:
        """What a turn may take; one that begins at the service tier ``flex`` has its usual time after that."""
        return self.deadline_seconds + (self.flex_deadline_seconds if flex else 0.0)

    def allowance(self, route: Route) -> TurnAllowance:
        """Of a turn on this route."""
        flex = bool(route) and route[0].service_tier == "flex"
        kept = self.deadline_seconds if flex else 0.0
        return TurnAllowance(self.seconds(flex=flex), self.max_attempts, kept_seconds=kept)


_UNCOUNTED = count_tokens("")


class Factors(Protocol):
    """Knows what bills have taught about token counts."""

    def of(self, model: str, operation: str, prompt_version: str = "", *, stand_in: bool) -> Factor:
        """The factor of a prompt."""


class TurnState(Generic[T]):
    """The state of one turn while it is under way."""

    def __init__(
        self,
        asked: TurnRequest[T],
        where: TurnContext,
        limits: Limits,
        pipeline: Pipeline,
        factors: Factors | None = None,
        *,
        kept: bool = False,
        answers: TurnAnswers | None = None,
    ) -> None:
        self.question = asked
        self.where = where
        self._factors = factors
        self.pipeline = pipeline
        self.vault: Vault | None = None
        """What was taken out of the question, to be put back into its answer."""
        self.accepted = ""
        """The answer as the guards passed it, nothing put back."""
        self.kept = kept
        """Whether its content is kept: then it remembers its request, the reply and what guards saw of that."""
        self.request = self.asked = asked.request
        self.reply: ModelReply | None = None
        self.judged: list[tuple[GuardDecision, GuardInput]] = []
        self.allowance = limits.allowance(where.route)
        self.decisions: list[GuardDecision] = []
        self.answered_by: Target | None = None
        self.repaired = False
        self.escalated = False
        """Whether an answer did not pass the verifier."""
        self.sink: Sink | None = None
        self.saved_nano: Nano | None = None
        """What a stored answer did not cost again; ``None`` when it is not a stored one."""
        self.answers = answers
        """The journal of its run, where that is kept."""
        self.reason: str | None = None
        """Why the next candidate is asked, when it is not the first."""
        self.left = False
        """Whether it has not ended, although nobody waits for it here any more: its run is suspended."""
        self.repair_left: tuple[str, ModelRequest, str] | None = None
        """A repair that was not asked when its run was suspended: of which target, its request, why."""
        self._counted = _UNCOUNTED
        self._learned: dict[str, Factor] = {}
        self._outputs: dict[str, tuple[ModelRequest, int]] = {}
        self._counts: dict[str, int] = {}
        """By target: what its factor is in this turn, the most that it answers to a request, what that counts there."""
        self._unread = frozenset() if asked.unmasked_media else unreadable_of(self.request)
        self._fits = False
        self._unable = False
        self._hurried = False
        self.turn_id = secrets.token_hex(16)
        self.asked_by = ""
        self._hop = 0
        self._tried: list[str] = []
        self._skipped: dict[str, str] = {}
        self._failure: Failure | None = None
        self._failures: list[tuple[Target, Failure]] = []
        self._refused: Refused | None = None
        self._started_at = now_us()
        self._clock = time.perf_counter_ns()

    def measure(self, request: ModelRequest) -> None:
        """Count the request's tokens: for its place in a window, for the most it can cost."""
        self._counted = count_request(request)
        self._counts.clear()

    def most_tokens(self, target: Target) -> int:
        """The most that the question may count as at a target."""
        return self._counted.most(self._factor(target), target.model)

    def candidates(self, request: ModelRequest) -> Route:
        """The route without the targets whose window is too small, and those that cannot take a part of the request."""
        able: Route = self.where.route
        if unreadable_of(request) or options.asked_options(request):
            able = tuple(candidate for candidate in able if not self._cannot_take(candidate.target, request))
        fitting = tuple(
            candidate
            for candidate in able
            if self._expected(candidate.target) + self._most_output(candidate.target, request)
            <= candidate.target.window
        )
        self._fits = bool(fitting)
        self._unable = not able
        return fitting

    def slot(self, candidate: Candidate, reason: str, way: CandidateQueue) -> AttemptContext:
        """The place of the next request."""
        target = candidate.target
        if candidate.live_at is not None and now_us() >= candidate.live_at:
            planned, candidate = candidate.reason, at_standard(candidate, "has no time left")
            reason = candidate.reason if reason == planned else reason
        slot = AttemptContext(
            turn_id=self.turn_id,
            asked=self.question,
            where=self.where,
            hop=self._hop,
            target=target,
            reason=reason,
            input_tokens=self.most_tokens(target),
            allowance=self.allowance,
            sink=self.sink,
            may_retry=way.may_retry,
            alternatives=way.alternatives,
            estimated_input=self._counted.estimate,
            service_tier=candidate.service_tier,
        )
        self._hurried = self._hop > 0 and slot.seconds < target.read_timeout
        return slot

    def failed_at(self, target: Target, why: Failure) -> None:
        """A target was tried, and gave no answer."""
        self._failure, self._refused = why, None
        self._failures.append((target, why))
        self.escalated |= why.kind == "unverified"
        self._move_on(target, described(why))

    def skipped(self, target: Target, why: str) -> None:
        """A target was left out: it is in quarantine."""
        self._skipped[target.name] = why
        self._tried.append(f"{target.name} ({why})")
        self.reason = f"{target.name}: {why}"

    def had_no_time(self, why: Failure) -> bool:
        """Whether a target is not to blame for a timeout: others before it had used too much of the turn's time."""
        return why.kind == "timeout" and (why.phase == "pool" or self._hurried)

    def refused_at(self, target: Target, why: Refused) -> None:
        """A target was not tried: its worst case fits in no budget."""
        self._refused = why
        self._move_on(target, "over budget")

    async def document_texts(self) -> tuple[str, ...]:
        """The text of its documents, where guards have to see that. Until then they count as unread."""
        if "document" not in self._unread - self.pipeline.unmasked_media:
            return ()
        texts = await document_texts(self.request)
        if texts is not None:
            self._unread -= {"document"}
        return texts or ()

    def exchange(self, direction: Direction, sources: Iterable[Source], answered_by: str = "") -> GuardInput:
        """What the guards are shown.

        Raises:
            UnreadableValue: a value holds something that no guard can read.
        """
        run, widest, read = self.where.run, self._widest, readable(sources)
        return GuardInput(
            direction=direction,
            operation=self.question.operation,
            automation=run.automation,
            run_id=run.run_id,
            texts=read.texts,
            user=run.user_id or "",
            org=run.org_id or "",
            tokens=self._expected(widest),
            window=widest.window,
            reserved=self._most_output(widest, self.request),
            known=self.known,
            external=self._external,
            answered_by=answered_by,
            sources=read.sources,
            labels=read.labels,
            origins=read.origins,
            unreadable=self._unread if direction == "input" else frozenset(),
            vault=self.vault if direction == "output" else None,
            tools=tools_of(self.request) if direction == "input" else (),
        )

    @cached_property
    def known(self) -> KnownPairs:
        """The personal values: those of the run, and those that tools added since."""
        values: list[object] = []
        for message in self.question.messages:
            for part in message.parts:
                if isinstance(part, ToolResultPart):
                    values.append(part.value)
                elif isinstance(part, TextPart):
                    values += (piece.value for piece in part.pieces if isinstance(piece, Spelled))
        return (*self.where.known, *(personal_values({"value": values}) if values else ()))

    def note(self, decision: GuardDecision, exchange: GuardInput) -> None:
        """Remember what a guard decided."""
        self.decisions.append(decision)
        if self.kept and decision.action != "allow":
            self.judged.append((decision, exchange))

    def read(self, reply: ModelReply) -> list[Source]:
        """What a reply says, as the values that guards look at: its answer, then the arguments of each call."""
        text = reply.text
        said = text if self.question.answer.is_text or not text else json_value(text)
        return [Source("answer", said), *(Source("tool_call", call.arguments) for call in reply.tool_calls)]

    def restored(self, value: Any) -> Any:
        """A value of an answer with everything back that was taken out of the question."""
        if self.vault is None:
            return value
        return with_leaves(value, iter([self.vault.restore(leaf.text) for leaf in leaves(value)]))

    def hidden(self, texts: Sequence[str]) -> list[str]:
        """Texts made of a restored answer, with the values taken out again."""
        return list(texts) if self.vault is None else [self.vault.hide(text) for text in texts]

    def neutral(self, request: ModelRequest) -> ModelRequest:
        """The request as it would read for anybody else who asks the same with other values."""
        if self.vault is None:
            return request
        return with_strings(request, self.vault.neutral)

    async def kept_answer(self, request: ModelRequest) -> KeptAnswer | None:
        """The next reply to a request that was paid for before."""
        if self.answers is None:
            return None
        kept = await self.answers.claim(request, self.vault)
        if kept is not None and kept.turn_id:
            self.adopt(kept.turn_id, kept.sent, kept.asked_by)
            self.allowance.cost_nano += kept.cost_nano
        return kept

    def adopt(self, turn_id: str, sent: int, asked_by: str) -> None:
        """Be the turn that it was before its run was suspended, which had made so many attempts, and whose span was
        ``asked_by``.
        """
        self.turn_id = turn_id
        self.asked_by = asked_by
        self.allowance.sent = max(self.allowance.sent, sent)

    def keep_answer(self, request: ModelRequest, reply: ModelReply, target: Target, cost: Nano) -> None:
        """Keep a reply, in the step of the loop in which its completion was submitted."""
        if self.answers is not None:
            self.answers.keep(request, self.vault, KeptAnswer(reply, target.name, cost))

    @property
    def outcome(self) -> TurnOutcome:
        """How it ended, once there is an answer."""
        if self.saved_nano is not None:
            return "stored"
        replayed = self.answers is not None and self.answers.replayed > 0
        return "replayed" if replayed and not self.allowance.sent else "answered"

    def error(self) -> FareboxError:
        """Why there is no answer."""
        operation, tried = self.question.operation, list(self._tried)
        if self._refused is not None and self.where.closed:
            return BudgetClosed.at(operation)
        if self._refused is not None:
            refusals = self._refused.refusals
            worst = max(refusals, key=lambda refusal: refusal.short)
            error = OverBudget(
                f"The run was stopped at {operation}: " + "; ".join(refusal.explain() for refusal in refusals) + ".",
                next_step="What was done so far is recorded and paid; raise the budget to go on.",
                operation=operation,
                budgets=[refusal.budget.name for refusal in refusals],
                budget_ids=[refusal.budget.budget_id for refusal in refusals],
                worst_nano=self._refused.worst,
                short_nano=worst.short,
            )
            automation = self.where.run.automation
            return self.pipeline.over_budget(error, worst.facts() | {"automation": automation, "operation": operation})
        if self._unable:
            return TurnFailed(
                f"The turn {operation!r} was not sent: {'; '.join(tried)}.",
                next_step="Give the step a target that takes what it asks for; docs/providers.md lists them.",
                kind="unsupported_media" if unreadable_of(self.request) else "unsupported_option",
                operation=operation,
                tried=tried,
            )
        kind = self._failure.kind if self._failure else "timeout" if self._fits else "context_overflow"
        if kind == "context_overflow":
            widest = self._widest
            facts: dict[str, Fact] = {"operation": operation, "automation": self.where.run.automation}
            facts["window"] = widest.window
            if self._failure is None:  # our own count; a provider that counts otherwise does not say how
                facts |= {"tokens": self._expected(widest), "reserved": self._most_output(widest, self.request)}
            return self.pipeline.blocked(Reason.CONTEXT_LIMIT, facts)
        if self._failure is not None and self._failure.move in {"nowhere", "higher_tier"}:
            return TurnFailed(
                f"The turn {operation!r} failed: {_MESSAGES.get(kind, kind)}.",
                next_step=_NEXT.get(kind, "See `farebox report` for what was tried."),
                kind=kind,
                operation=operation,
                tried=tried,
            )
        story = "; ".join(tried) or "its deadline passed before one was asked"
        return NoTarget(
            f"No target answered the turn {operation!r}: {story}.",
            next_step=next_step(self._failures),
            kind=kind,
            operation=operation,
            tried=tried,
        )

    def fact(self, outcome: TurnOutcome, reason: str | None) -> Turn:
        """The turn as it is written down."""
        question = self.question
        return Turn(
            turn_id=self.turn_id,
            run_id=self.where.run.run_id,
            operation=question.operation,
            prompt=question.prompt.name,
            prompt_version=question.prompt_version,
            route=self._described_route(),
            outcome=outcome,
            reason=reason or ("escalated" if self.escalated else None),
            target=self.answered_by.name if self.answered_by else None,
            attempts=self.allowance.sent,
            repaired=self.repaired,
            complexity=self.where.complexity,
            started_at=self._started_at,
            duration_us=(time.perf_counter_ns() - self._clock) // 1000,
            saved_nano=(self.saved_nano or 0) + (self.answers.saved_nano if self.answers else 0),
            execution=self.where.execution,
        )

    def exchanged(self, fact: Turn) -> TurnRecord:
        """What is kept of the turn."""
        return TurnRecord(
            run=self.where.run,
            turn=fact,
            request=self.asked,
            reply=self.reply,
            answered_by=self.answered_by,
            known=self.known,
            vault=self.vault or Vault(()),
            judged=self.judged,
        )

    def _factor(self, target: Target) -> Factor:
        if self._factors is None:
            return NOT_LEARNED
        factor = self._learned.get(target.name)
        if factor is None:
            asked = self.question
            factor = self._factors.of(target.model, asked.operation, asked.prompt_version, stand_in=target.stand_in)
            self._learned[target.name] = factor
        return factor

    def _most_output(self, target: Target, request: ModelRequest) -> int:
        known = self._outputs.get(target.name)
        if known is None or known[0] is not request:
            known = self._outputs[target.name] = request, output_limit(target, request)
        return known[1]

    def _expected(self, target: Target) -> int:
        known = self._counts.get(target.name)
        if known is None:
            known = self._counts[target.name] = self._counted.expected(self._factor(target), target.model)
        return known

    @cached_property
    def _widest(self) -> Target:
        """The target of the route that has the largest window."""
        return max((candidate.target for candidate in self.where.route), key=lambda target: target.window)

    @cached_property
    def _external(self) -> bool:
        """Whether any target of the route is outside of the own network."""
        return any(is_external(candidate.target) for candidate in self.where.route)

    def _cannot_take(self, target: Target, request: ModelRequest) -> bool:
        features = spec_of(target.provider).features
        why = (
            media.refusal(features.media, request, target.window)
            or options.refusal(features.options, request)
            or choice_refusal(target, request)
        )
        if why is not None:
            self._skipped[target.name] = why
            self._tried.append(f"{target.name} ({why})")
        return why is not None

    def _described_route(self) -> str:
        places = describe(self.where.route)
        if self._skipped:
            for place in places:
                if (why := self._skipped.get(place["target"])) is not None:
                    place["skipped"] = why
        return dump(places)

    def _move_on(self, target: Target, why: str) -> None:
        self._tried.append(f"{target.name} ({why})")
        self.reason = f"{why} at {target.name}"
        self._hop += 1


def count_request(request: ModelRequest) -> TokenCount:
    """What is known of a request's tokens before it is sent."""
    tools = dump([tool.parameters for tool in request.tools]) if request.tools else ""
    schema = dump(request.schema.definition) if request.schema else ""
    described = [f"{tool.name} {tool.description}" for tool in request.tools]
    parts = [part for message in request.messages for part in message.parts]
    texts = [request.system.text, tools, schema, *described, *map(_counted_text, parts)]
    text = "\n".join(text for text in texts if text)
    framing = _FRAMING_TOKENS * (len(request.messages) + len(request.tools) + 1)
    return count_tokens(text, framing=framing, media=media_of(parts))


def _counted_text(part: Part) -> str:
    """What of a part is counted as text; images and documents are counted by their size."""
    match part:
        case TextPart() | ToolResultPart():
            return part.text
        case ToolCallPart():
            return dump(part.sent)
        case ProviderStatePart():
            return part.payload if isinstance(part.payload, str) else dump(part.payload)
    return ""


_MESSAGES: dict[str, str] = {
    "invalid_request": "the provider calls the request invalid",
    "request_too_large": "the request has more bytes than the provider takes",
    "content_policy": "the provider's content policy filtered it",
    "refusal": "the model declined to answer",
    "invalid_output": "no answer followed its schema",
    "truncated": "the answer was longer than max_tokens",
    "unverified": "no answer passed its verifier",
}
_NEXT: dict[str, str] = {
    "invalid_request": "Check the prompt, the tools and the schema of this step; `farebox report` names the code.",
    "request_too_large": "Send less in one turn.",
    "content_policy": "Change what is asked, or review what was put into the prompt.",
    "refusal": "Rephrase the prompt; the same question is likely to be declined again.",
    "invalid_output": "Simplify the schema, or give the step a higher tier.",
    "truncated": "Raise max_tokens of the step, or ask for a shorter answer.",
    "unverified": "Give the step a higher tier, or look at what its verifier asks for.",
}
