"""Spans and metrics of real turns over the sandbox, read with the SDK."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import BaseModel

from guardrails.guards.context_limit import ContextGuard
from guardrails.pipeline import Guarded, Pipeline
from pricing.content import TextPart
from pricing.db.database import Store
from pricing.errors import FareboxError
from pricing.ledger.circuits import Circuits
from pricing.ledger.facts import NEWEST, Completion, Intent, Run
from pricing.ledger.ledger import Ledger
from pricing.money import USD
from pricing.rates.card import RateCard
from pricing.usage import Usage
from tasks.event_loop import LoopThread
from tasks.prompts import Prompt
from tasks.providers.messages import Message, ModelReply
from tasks.providers.transport import Transport
from tasks.routing.breaker import Breaker, Quarantine
from tasks.routing.router import Router
from tasks.routing.target import Credential, Target
from tasks.sandbox import Latency, Sandbox, read_journal
from tasks.structured_output import answer_type
from tasks.telemetry.spans import Telemetry
from tasks.turn.attempts import Attempts
from tasks.turn.executor import Turns
from tasks.turn.records import StepCallRecord, TurnRecord
from tasks.turn.request import TurnContext, TurnRequest
from tasks.turn.state import Limits

SECRET = "The zebra's pass phrase is unicorn-4711."


class Note(BaseModel):
    title: str


class NothingKept:
    def keeps(self, automation: str, operation: str) -> bool:
        return False

    def keep(self, turn: TurnRecord) -> None:
        raise AssertionError

    def keep_call(self, call: StepCallRecord) -> None:
        raise AssertionError


class Bench:
    """Turns over a sandbox, and what the SDK saw of them."""

    def __init__(self, folder: Path, sandbox: Sandbox, *, traced: bool = True, measured: bool = True) -> None:
        self.spans = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])
        telemetry = Telemetry(self.tracers if traced else None, self.meters if measured else None)
        self.sandbox = sandbox
        self.ledger = Ledger(Store(f"sqlite:///{folder / 'ledger.db'}"))
        self.transport = Transport()
        self.loop = LoopThread()
        attempts = Attempts(
            self.ledger,
            RateCard.load(),
            self.transport,
            lambda target: target,
            retries=1,
            telemetry=telemetry,
            hash_key=lambda: b"k",
            prefix_seconds=1.0,
        )
        pipeline = Pipeline([Guarded(ContextGuard())])
        breaker = Breaker(Circuits(self.ledger.store), [], Quarantine(), notify=lambda _: None)
        self.turns = Turns(
            self.ledger,
            attempts,
            pipeline,
            Limits(10, 8),
            watch=lambda _: None,
            telemetry=telemetry,
            breaker=breaker,
            content=NothingKept(),
        )
        self.router = Router([self.target("haiku", "bedrock", "anthropic.claude-haiku-4-5-20251001-v1:0"),
                              self.target("sonnet", "anthropic", "claude-sonnet-4-5"),
                              self.target("mini", "openai", "gpt-4.1-mini")])  # fmt: skip
        self.run = Run("run-1", "digest", "fast", "[]", "{}", "v1", "prior", 0, USD, USD, USD, USD, USD, True, 1)
        self.ledger.admit(self.run, [])

    def target(self, name: str, provider: Any, model: str) -> Target:
        path = {"openai": "/v1"}.get(provider, "")
        return Target(
            name, provider, model, "light", 100_000, 8_000, f"{self.sandbox.url}/t/{name}{path}", f"{provider}/x",
            region="us-east-1", stand_in=True, credential=Credential(key="sandbox"),
        )  # fmt: skip

    def ask(self, text: str = SECRET, *, returns: Any = str, max_tokens: int = 200) -> Any:
        answer = answer_type(returns)
        prompt = Prompt("say.j2", "abc123", TextPart(""), (TextPart(text),))
        asked = TurnRequest(prompt, [Message("user", prompt.user)], answer, "summarize", "light", max_tokens)
        return self.loop.run(self.turns.ask(asked, TurnContext(self.run, NEWEST, self.router.route("light"))))

    def close(self) -> None:
        self.loop.run(self.transport.close())
        self.loop.stop()
        self.ledger.close()

    def finished(self) -> tuple[ReadableSpan, list[ReadableSpan]]:
        """The one turn and its attempts, in order."""
        spans = self.spans.get_finished_spans()
        [turn] = [span for span in spans if span.kind is SpanKind.INTERNAL]
        attempts = sorted((s for s in spans if s.kind is SpanKind.CLIENT), key=lambda s: s.start_time or 0)
        assert {s.parent.span_id for s in attempts if s.parent} == {turn.context.span_id} if attempts else True
        return turn, attempts

    def points(self, name: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        metrics = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics] if data else []
        return [point for metric in metrics if metric.name == name for point in metric.data.data_points]


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path / "journal.jsonl", latency=Latency(0, 0)) as running:
        yield running


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox) -> Iterator[Bench]:
    bench = Bench(tmp_path, sandbox)
    yield bench
    bench.close()


@pytest.fixture
def inject(sandbox: Sandbox) -> Callable[..., None]:
    def inject(*rules: dict[str, Any]) -> None:
        httpx.post(f"{sandbox.url}/_sandbox/faults", json=list(rules)).raise_for_status()

    return inject


def told(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_an_attempt_is_told_in_the_words_of_the_convention(bench: Bench, sandbox: Sandbox):
    bench.ask()
    turn, [span] = bench.finished()
    [entry] = read_journal(sandbox.journal)
    values = told(span)
    port = int(sandbox.url.rpartition(":")[2])

    assert span.name == "chat anthropic.claude-haiku-4-5-20251001-v1:0"
    assert values["gen_ai.operation.name"] == "chat"
    assert values["gen_ai.provider.name"] == "aws.bedrock"
    assert values["gen_ai.request.model"] == "anthropic.claude-haiku-4-5-20251001-v1:0"
    assert values["gen_ai.request.max_tokens"] == 200
    assert values["gen_ai.response.finish_reasons"] == ("stop",)
    assert values["gen_ai.usage.input_tokens"] == entry.input_tokens
    assert values["gen_ai.usage.output_tokens"] == entry.output_tokens
    assert (values["server.address"], values["server.port"]) == ("127.0.0.1", port)
    assert "error.type" not in values
    assert span.status.status_code is StatusCode.UNSET

    price = RateCard.load().price("anthropic.claude-haiku-4-5-20251001-v1:0", "bedrock", entry.usage)
    assert (values["farebox.cost.nano_usd"], values["farebox.cost.basis"]) == (price, "usage")
    assert (values["farebox.run.id"], values["farebox.operation"]) == ("run-1", "summarize")
    assert (values["farebox.hop"], values["farebox.target"], values["farebox.stand_in"]) == (0, "haiku", True)
    assert turn.name == "farebox.turn summarize"
    assert told(turn)["farebox.turn.id"] == values["farebox.turn.id"]
    assert told(turn)["farebox.cost.nano_usd"] == price
    assert told(turn)["gen_ai.prompt.name"] == "say.j2"
    assert span.instrumentation_scope is not None
    assert (span.instrumentation_scope.schema_url or "").startswith("https://opentelemetry.io/schemas/gen-ai")


def test_the_answers_own_id_and_model_are_told(bench: Bench, inject: Callable[..., None]):
    inject({"kind": "auth", "target": "haiku"}, {"kind": "auth", "target": "sonnet"})
    bench.ask()
    _, [*_, span] = bench.finished()
    assert told(span)["gen_ai.provider.name"] == "openai"
    assert told(span)["gen_ai.response.model"] == "gpt-4.1-mini"
    assert told(span)["gen_ai.response.id"].startswith("chatcmpl")


def test_a_fallback_shows_as_two_calls_of_one_turn(bench: Bench, inject: Callable[..., None]):
    inject({"kind": "quota", "target": "haiku"})
    bench.ask()
    turn, [failed, answered] = bench.finished()

    assert told(failed)["error.type"] == "quota_exhausted"
    assert failed.status.status_code is StatusCode.ERROR
    assert not failed.status.description
    assert told(failed)["gen_ai.response.finish_reasons"] == ("error",)
    assert "gen_ai.usage.input_tokens" not in told(failed)  # unknown is not none
    assert (told(failed)["farebox.cost.nano_usd"], told(failed)["farebox.cost.basis"]) == (0, "unbilled")
    assert (told(answered)["farebox.hop"], told(answered)["farebox.target"]) == (1, "sonnet")
    assert told(answered)["farebox.reason"] == "quota_exhausted at haiku"
    assert told(turn)["farebox.attempts"] == 2
    assert told(turn)["farebox.target"] == "sonnet"
    assert told(turn)["farebox.outcome"] == "answered"
    assert turn.status.status_code is StatusCode.UNSET


def test_a_turn_without_an_answer_says_why(bench: Bench, inject: Callable[..., None]):
    inject({"kind": "refusal"})
    with pytest.raises(FareboxError):
        bench.ask()
    turn, [span] = bench.finished()
    assert told(span)["error.type"] == "content_policy"  # as Bedrock tells a refusal
    assert told(span)["gen_ai.response.finish_reasons"] == ("content_filter",)
    assert told(turn)["error.type"] == "content_policy"
    assert turn.status.status_code is StatusCode.ERROR
    assert turn.events == ()  # an exception's trace could quote what was asked


def test_a_question_that_is_never_sent_has_a_turn_and_no_attempt(bench: Bench):
    with pytest.raises(FareboxError):
        bench.ask("word " * 120_000)
    turn, attempts = bench.finished()
    assert attempts == []
    assert told(turn)["farebox.outcome"] == "blocked"
    assert told(turn)["error.type"] == "context_limit"


def test_a_turn_is_a_child_of_the_callers_span(bench: Bench):
    tracer = bench.tracers.get_tracer("caller")
    with tracer.start_as_current_span("flow", kind=SpanKind.SERVER) as outer:
        bench.ask()
    turn, _ = bench.finished()
    assert turn.parent is not None
    assert turn.parent.span_id == outer.get_span_context().span_id


@pytest.mark.parametrize("switch", ["", "true", "span_and_event"])
def test_nothing_that_was_asked_or_answered_is_told(
    bench: Bench, inject: Callable[..., None], monkeypatch: pytest.MonkeyPatch, switch: str
):
    """Whatever the switches say by which instrumentations are set to capture content."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", switch)
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest_experimental")
    inject({"kind": "invalid_json", "first": 1}, {"kind": "500", "target": "sonnet"})
    answer = bench.ask(returns=Note)
    everything = "".join(span.to_json() for span in bench.spans.get_finished_spans()).lower()
    data = bench.reader.get_metrics_data()
    everything += data.to_json().lower() if data else ""
    assert "farebox.repaired" in everything
    for word in ("zebra", "unicorn", "pass phrase", answer.value.title.lower()):
        assert word not in everything


def test_durations_and_tokens_are_measured(bench: Bench, sandbox: Sandbox, inject: Callable[..., None]):
    inject({"kind": "quota", "target": "haiku"})
    bench.ask()
    failed, answered = sorted(
        bench.points("gen_ai.client.operation.duration"), key=lambda p: "error.type" not in p.attributes
    )
    assert failed.attributes["error.type"] == "quota_exhausted"
    assert "error.type" not in answered.attributes
    assert answered.explicit_bounds[:3] == (0.01, 0.02, 0.04)
    assert answered.explicit_bounds[-1] == 81.92
    assert 0 < answered.sum < 10

    tokens = {p.attributes["gen_ai.token.type"]: p for p in bench.points("gen_ai.client.token.usage")}
    entry = read_journal(sandbox.journal)[-1]
    assert {kind: p.sum for kind, p in tokens.items()} == {"input": entry.input_tokens, "output": entry.output_tokens}
    assert tokens["input"].explicit_bounds == tuple(4**n for n in range(14))
    for point in (failed, answered, *tokens.values()):
        own = {name for name in point.attributes if name.startswith("farebox.")}
        assert own == {"farebox.stand_in"}  # ids would make a series of every attempt


def test_spans_and_metrics_do_not_need_each_other(tmp_path: Path, sandbox: Sandbox):
    for name, traced, measured in (("a", True, False), ("b", False, True)):
        (tmp_path / name).mkdir()
        bench = Bench(tmp_path / name, sandbox, traced=traced, measured=measured)
        bench.ask()
        bench.close()
        assert bool(bench.spans.get_finished_spans()) is traced
        assert bool(bench.points("gen_ai.client.operation.duration")) is measured


INTENT = Intent("a", "t", "r", "o", 0, 0, "primary", "mini", "openai", "default", "m", "light", False, 1, "v", 1)
TARGET = Target("mini", "openai", "m", "light", 1, 1, "https://api.openai.com/v1", "openai")


def test_cache_writes_of_both_kinds_are_one_count_and_ports_follow_the_scheme():
    exporter, tracers = InMemorySpanExporter(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    usage = Usage(100, 20, cache_read_tokens=30, cache_write_tokens=5, cache_write_1h_tokens=7, reasoning_tokens=9)
    with Telemetry(tracers).attempt(INTENT, TARGET, 50) as span:
        span.ended(Completion("ok", usage, 5, "usage", 1), ModelReply((TextPart("x"),), "tool_calls", usage))
    [seen] = exporter.get_finished_spans()
    values = told(seen)
    assert values["gen_ai.usage.cache_write.input_tokens"] == 12
    assert values["gen_ai.usage.cache_read.input_tokens"] == 30
    assert values["gen_ai.usage.reasoning.output_tokens"] == 9
    assert values["gen_ai.response.finish_reasons"] == ("tool_call",)
    assert (values["server.address"], values["server.port"]) == ("api.openai.com", 443)
    assert "gen_ai.response.id" not in values


def test_without_a_provider_nothing_is_built():
    telemetry = Telemetry()
    assert type(trace.get_tracer_provider()).__module__ == "opentelemetry.trace"
    silent = telemetry.attempt(INTENT, TARGET, 5)
    assert silent is telemetry.attempt(INTENT, TARGET, 6)
    with telemetry.turn("t", "r", "o"), silent as span:
        span.ended(Completion("ok", Usage(1, 1), 5, "usage", 1), None)
        assert not trace.get_current_span().is_recording()


def test_a_provider_set_up_later_is_noticed(monkeypatch: pytest.MonkeyPatch):
    telemetry = Telemetry()
    with telemetry.turn("t", "r", "o"):
        pass
    exporter, tracers = InMemorySpanExporter(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: tracers)
    with telemetry.turn("t2", "r", "o"):
        pass
    assert [told(span)["farebox.turn.id"] for span in exporter.get_finished_spans()] == ["t2"]
