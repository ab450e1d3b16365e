"""Turns and attempts as OpenTelemetry spans and metrics.

What was asked and answered is in a turn's span only where ``[content]`` keeps it and ``spans`` exports it, masked.

A turn is a span of ours, and each attempt under it a client span of the convention, since each is priced by itself: so
a fallback shows as several calls of one turn. ``error.type`` is one of our failure classes
(``tasks.providers.failure_kinds``) or ``cancelled``; of a turn, the reason it has no answer.

Only the API is used, and it is loaded with the first turn. As long as nobody has set up a provider, all of this is two
look-ups per turn and attempt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from urllib.parse import urlsplit

from pricing import Nano, Usage, record
from pricing.ledger import Completion, Intent, Turn
from tasks.providers import spec_of
from tasks.providers.messages import ModelReply
from tasks.routing.target import Target
from tasks.telemetry import attributes as names
from tasks.telemetry.backends import content_attributes, generation_attributes, generation_result, turn_attributes

if TYPE_CHECKING:  # loaded with the first turn
    from opentelemetry.context import Context
    from opentelemetry.metrics import Histogram, MeterProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider

    from pricing import Captured

Attributes: TypeAlias = dict[str, str | int | bool | tuple[str, ...]]

_PORTS: Mapping[str, int] = {"https": 443, "http": 80}
_NO_PROVIDER = ("opentelemetry.trace", "opentelemetry.metrics")
"""Where the providers come from that only wait for a real one, or are meant to do nothing."""


class TurnSpan(Protocol):
    """The span of a turn under way."""

    def ended(self, turn: Turn, cost_nano: Nano, content: Captured | None = None) -> None:
        """Record the turn's end; ``content`` is the part that may be exported."""


class AttemptSpan(Protocol):
    """The span of an attempt under way."""

    def ended(self, completion: Completion, reply: ModelReply | None) -> None:
        """Record the attempt's completion and reply."""


class _Silent:
    """The receiver when telemetry is off."""

    def ended(self, *_: object) -> None:
        """Does nothing."""


@record(frozen=True, slots=True)
class BatchLineSpan:
    """The span of an attempt that was a line of a batch, emitted once its result is taken.

    Args:
        label: of the batch.
        batch_id: the provider's id of it.
        asked_by: W3C ``traceparent`` of the span of the turn that asked; empty where nobody listened then.
        sent_at: when the batch was submitted, in microseconds since 1970.
        ended_at: when it ended at its provider, likewise.
        max_tokens: that were asked for.
    """

    label: str
    batch_id: str | None
    asked_by: str
    sent_at: int
    ended_at: int
    max_tokens: int


_SILENCE: AbstractContextManager[_Silent] = nullcontext(_Silent())


class Telemetry:
    """Emits spans and metrics of turns and attempts.

    Args:
        tracers: whose spans they become; without one, the process's provider, if there is any by then.
        meters: likewise of metrics.
    """

    def __init__(self, tracers: TracerProvider | None = None, meters: MeterProvider | None = None) -> None:
        self._tracers = tracers
        self._meters = meters
        self._tracer: tuple[TracerProvider, Tracer] | None = None
        self._instruments: tuple[MeterProvider, _Instruments] | None = None

    def turn(self, turn_id: str, run_id: str, operation: str) -> AbstractContextManager[TurnSpan]:
        """A turn's span for the block; spans of attempts inside are its children."""
        tracer = self._find_tracer()
        if tracer is None:
            return _SILENCE
        return _turn_span(tracer, {names.TURN_ID: turn_id, names.RUN_ID: run_id, names.OPERATION: operation})

    def attempt(self, intent: Intent, reached: Target, max_tokens: int) -> AbstractContextManager[AttemptSpan]:
        """A span of a request to a target, for the block."""
        tracer, instruments = self._find_tracer(), self._find_instruments()
        if tracer is None and instruments is None:
            return _SILENCE
        return _attempt_span(tracer, instruments, intent, _where(intent, reached), max_tokens)

    def trace_parent(self) -> str:
        """The current span as a W3C ``traceparent``, for spans that other processes add to it; empty without one."""
        if self._find_tracer() is None:
            return ""
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier = dict[str, str]()
        TraceContextTextMapPropagator().inject(carrier)
        return carrier.get("traceparent", "")

    def goes_on_from(self, asked_by: str) -> None:
        """Link the current span to that of the turn which it goes on with, by its ``traceparent``."""
        if not asked_by or self._find_tracer() is None:
            return
        trace = _api()[0]
        before = trace.get_current_span(_context_of(asked_by)).get_span_context()
        if before.is_valid:
            trace.get_current_span().add_link(before)

    def batch_line(
        self,
        intent: Intent,
        reached: Target | None,
        completion: Completion,
        reply: ModelReply | None,
        of: BatchLineSpan,
    ) -> None:
        """An attempt that was a line of a batch: a child of the turn that asked, from the submission of its batch to
        its end.

        Its tokens are measured; its duration is not, as hours of waiting say nothing of how fast a model answers.
        """
        where = _where(intent, reached)
        if (instruments := self._find_instruments()) is not None:
            instruments.record_tokens(where, completion, reply)
        tracer = self._find_tracer()
        if tracer is None:
            return
        from opentelemetry.trace import SpanKind

        batch: Attributes = {names.BATCH_LABEL: of.label}
        if of.batch_id is not None:
            batch[names.BATCH_ID] = of.batch_id
        span = tracer.start_span(
            names.attempt_name(intent.model),
            context=_context_of(of.asked_by),
            kind=SpanKind.CLIENT,
            attributes={**_asked(intent, where, of.max_tokens), **batch, **generation_attributes(intent)},
            start_time=of.sent_at * 1_000,
        )
        _Attempt(span, None, where).ended(completion, reply)
        span.end(max(of.sent_at, of.ended_at) * 1_000)  # the provider's clock may be behind ours

    def _find_tracer(self) -> Tracer | None:
        provider = self._tracers or _api()[0].get_tracer_provider()
        if _is_absent(type(provider).__module__):
            return None
        if self._tracer is None or self._tracer[0] is not provider:
            self._tracer = provider, provider.get_tracer(names.SCOPE, schema_url=names.SCHEMA_URL)
        return self._tracer[1]

    def _find_instruments(self) -> _Instruments | None:
        provider = self._meters or _api()[1].get_meter_provider()
        if _is_absent(type(provider).__module__):
            return None
        if self._instruments is None or self._instruments[0] is not provider:
            self._instruments = provider, _Instruments(provider)
        return self._instruments[1]


@cache
def _is_absent(module: str) -> bool:
    return module.startswith(_NO_PROVIDER)


@cache
def _api() -> tuple[ModuleType, ModuleType]:
    """Of spans and of metrics: they know the providers of the process."""
    from opentelemetry import metrics, trace

    return trace, metrics


class _Instruments:
    """The two histograms that instrumentations emit today."""

    def __init__(self, provider: MeterProvider) -> None:
        meter = provider.get_meter(names.SCOPE, schema_url=names.SCHEMA_URL)
        self._duration: Histogram = meter.create_histogram(
            names.DURATION,
            names.DURATION_UNIT,
            "How long one attempt took.",
            explicit_bucket_boundaries_advisory=names.DURATION_BUCKETS,
        )
        self._tokens: Histogram = meter.create_histogram(
            names.USAGE,
            names.USAGE_UNIT,
            "Tokens that one attempt used.",
            explicit_bucket_boundaries_advisory=names.USAGE_BUCKETS,
        )

    def record(self, where: Attributes, completion: Completion, reply: ModelReply | None) -> None:
        """Measure one attempt."""
        about = self.record_tokens(where, completion, reply)
        if completion.outcome != "ok":
            about[names.ERROR_TYPE] = completion.outcome
        self._duration.record(completion.duration_us / 1_000_000, about)

    def record_tokens(self, where: Attributes, completion: Completion, reply: ModelReply | None) -> Attributes:
        """Measure its tokens, and return its attributes. A missing count is not measured: it is unknown, not 0."""
        about = dict(where)
        if reply is not None and reply.model:
            about[names.RESPONSE_MODEL] = reply.model
        for kind, count in (("input", completion.usage.input_tokens), ("output", completion.usage.output_tokens)):
            if count is not None:
                self._tokens.record(count, {**about, names.USAGE_KIND: kind})
        return about


class _Turn:
    def __init__(self, span: Span) -> None:
        self._span = span

    def ended(self, turn: Turn, cost_nano: Nano, content: Captured | None = None) -> None:
        if not self._span.is_recording():
            return
        attributes: Attributes = {
            names.TURN_ID: turn.turn_id,  # that of its first execution, where it goes on after a suspension
            names.OUTCOME: turn.outcome,
            names.ATTEMPTS: turn.attempts,
            names.REPAIRED: turn.repaired,
            names.COST: cost_nano,
            names.PROMPT_NAME: turn.prompt,
            names.PROMPT_VERSION: turn.prompt_version,
        }
        if turn.target is not None:
            attributes[names.TARGET] = turn.target
        self._span.set_attributes(attributes)
        if content is not None:
            self._span.set_attributes(content_attributes(content))
        if turn.outcome not in {"answered", "stored", "replayed"}:
            _mark_failed(self._span, turn.reason or turn.outcome)


class _Attempt:
    def __init__(self, span: Span | None, instruments: _Instruments | None, where: Attributes) -> None:
        self._span = span
        self._instruments = instruments
        self._where = where

    def ended(self, completion: Completion, reply: ModelReply | None) -> None:
        if self._instruments is not None:
            self._instruments.record(self._where, completion, reply)
        if self._span is not None and self._span.is_recording():
            self._span.set_attributes(_result(completion, reply))
            self._span.set_attributes(generation_result(completion))
            if completion.outcome != "ok":
                _mark_failed(self._span, completion.outcome)


@contextmanager
def _turn_span(tracer: Tracer, attributes: Attributes) -> Iterator[TurnSpan]:
    operation = str(attributes[names.OPERATION])
    # Exceptions are not recorded: our classes of failure tell what happened, their traces might tell more.
    with tracer.start_as_current_span(
        names.turn_name(operation),
        attributes={**attributes, **turn_attributes(str(attributes[names.RUN_ID]))},
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield _Turn(span)


@contextmanager
def _attempt_span(
    tracer: Tracer | None, instruments: _Instruments | None, intent: Intent, where: Attributes, max_tokens: int
) -> Iterator[AttemptSpan]:
    if tracer is None:
        yield _Attempt(None, instruments, where)
        return
    from opentelemetry.trace import SpanKind

    with tracer.start_as_current_span(
        names.attempt_name(intent.model),
        kind=SpanKind.CLIENT,
        attributes={**_asked(intent, where, max_tokens), **generation_attributes(intent)},
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield _Attempt(span, instruments, where)


def _asked(intent: Intent, where: Attributes, max_tokens: int) -> Attributes:
    """What is known of an attempt when it begins."""
    asked: Attributes = {
        names.REQUEST_MAX_TOKENS: max_tokens,
        names.RUN_ID: intent.run_id,
        names.TURN_ID: intent.turn_id,
        names.ATTEMPT_ID: intent.attempt_id,
        names.OPERATION: intent.operation,
        names.HOP: intent.hop,
        names.ORDINAL: intent.ordinal,
        names.REASON: intent.reason,
        names.TARGET: intent.target,
        names.TIER: intent.tier,
        names.RATE_VERSION: intent.rate_version,
    }
    return where | asked | ({names.SERVICE_TIER_ASKED: intent.service_tier_asked} if intent.service_tier_asked else {})


def _context_of(trace_parent: str) -> Context:
    """The context of a span of another process."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": trace_parent}, Context())


def _where(intent: Intent, reached: Target | None) -> Attributes:
    """What was called: of few different values, so fit for metrics too. ``None`` is a target that there is no more."""
    where: Attributes = {
        names.OPERATION_NAME: names.CHAT,
        names.PROVIDER_NAME: spec_of(intent.provider).otel_name,
        names.REQUEST_MODEL: intent.model,
        names.STAND_IN: intent.stand_in,
    }
    url = urlsplit("" if reached is None else reached.base_url)
    if url.hostname:
        where[names.SERVER_ADDRESS] = url.hostname
        where[names.SERVER_PORT] = url.port or _PORTS.get(url.scheme, 443)
    return where


def _result(completion: Completion, reply: ModelReply | None) -> Attributes:
    attributes: Attributes = {
        names.OUTCOME: completion.outcome,
        names.COST: completion.cost_nano,
        names.COST_BASIS: completion.priced,
        names.FINISH_REASONS: (names.FINISHED[reply.stop] if reply else names.UNFINISHED,),
    }
    known: dict[str, Any] = {
        **_counts(completion.usage),
        names.RESPONSE_MODEL: reply.model if reply else None,
        names.RESPONSE_ID: reply.response_id if reply else None,
        names.SERVICE_TIER: reply.service_tier if reply else None,
        names.ERROR_CODE: completion.code,
    }
    return attributes | {name: value for name, value in known.items() if value is not None}


def _counts(usage: Usage) -> dict[str, int | None]:
    """The convention counts both kinds of cache writes as one."""
    writes = [count for count in (usage.cache_write_tokens, usage.cache_write_1h_tokens) if count is not None]
    return {
        names.INPUT_TOKENS: usage.input_tokens,
        names.OUTPUT_TOKENS: usage.output_tokens,
        names.CACHE_READ_TOKENS: usage.cache_read_tokens,
        names.CACHE_WRITE_TOKENS: sum(writes) if writes else None,
        names.REASONING_TOKENS: usage.reasoning_tokens,
    }


def _mark_failed(span: Span, error_type: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute(names.ERROR_TYPE, error_type)
    span.set_status(Status(StatusCode.ERROR))
