"""Lines of batches as spans: below the turn that asked, from submission to end, one for each."""

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from farebox import ask, automation, llm_task, plan
from farebox.runtime import Runtime
from pricing.db import schema
from tasks.sandbox import Sandbox
from tests.support.books import rows
from tests.support.due_runs import BATCHED, QUICK, batch_rules, due_run
from tests.support.project import Project, make_project
from tests.support.runs import at_once


@pytest.fixture
def project(tmp_path: Any, sandbox: Sandbox) -> Project:
    batch_rules(sandbox, QUICK)
    return make_project(tmp_path / "project", sandbox.url, targets=BATCHED)


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    found, tracers = InMemorySpanExporter(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(found))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: tracers)
    yield found
    tracers.shutdown()


@llm_task(operation="say", max_tokens=60, max_turns=60)
def say(text: str) -> str:
    return ask("say.j2", text=text)


@automation(price="1 credit", plan=plan(say, calls=8, input_tokens=60, output_tokens=40), due="6h")
def errand() -> None:
    """Never called: tests run inside it."""


SECRET = "The importer of unicorn-4711 stopped"


def spans_of(exporter: InMemorySpanExporter) -> tuple[dict[int, ReadableSpan], list[ReadableSpan]]:
    """Turns by their span's id, and attempts."""
    seen = exporter.get_finished_spans()
    turns = {one.context.span_id: one for one in seen if one.name.startswith("farebox.turn") and one.context}
    return turns, [one for one in seen if one.name.startswith("chat")]


def test_each_line_is_a_span_below_its_turn(
    runtime: Runtime, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
):
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader])
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: meters)
    with due_run(runtime, errand, {}) as ride:
        at_once(say.fn, [f"{SECRET} {n}" for n in range(3)], threads=3)
    turns, lines = spans_of(exporter)
    [batch] = runtime.batches.of_run(ride.run.run_id)
    attempts = {row["attempt_id"]: row for row in rows(runtime.ledger, schema.attempts)}
    assert len(turns) == len(lines) == len(attempts) == 3
    for line in lines:
        assert line.parent is not None
        turn, told = turns[line.parent.span_id], dict(line.attributes or {})
        attempt = attempts[str(told["farebox.attempt.id"])]
        assert turn.attributes is not None
        assert told["farebox.turn.id"] == turn.attributes["farebox.turn.id"] == attempt["turn_id"]
        assert told["farebox.cost.nano_usd"] == attempt["cost_nano"]
        assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (
            attempt["input_tokens"],
            attempt["output_tokens"],
        )
        assert (told["farebox.service_tier"], told["farebox.service_tier.asked"]) == ("batch", "batch")
        assert (told["farebox.batch.id"], told["farebox.batch.label"]) == (batch.batch_id, batch.label)
        assert (told["gen_ai.request.model"], told["gen_ai.request.max_tokens"]) == ("gpt-4.1-mini", 60)
        assert told["gen_ai.response.finish_reasons"] == ("stop",)
        assert "server.address" in told
        assert line.kind is SpanKind.CLIENT
        assert line.start_time == (batch.submitted_at or 0) * 1_000
        assert line.end_time == max(batch.submitted_at or 0, batch.ended_at or 0) * 1_000
    assert "unicorn" not in "".join(one.to_json() for one in exporter.get_finished_spans())
    data: Any = reader.get_metrics_data()
    measured = {one.name for sort in data.resource_metrics for scope in sort.scope_metrics for one in scope.metrics}
    assert "gen_ai.client.token.usage" in measured
    assert "gen_ai.client.operation.duration" not in measured, "hours of waiting are no duration of a request"


def test_a_line_without_an_answer_is_a_failed_span_beside_the_live_one(
    runtime: Runtime, sandbox: Sandbox, exporter: InMemorySpanExporter
):
    batch_rules(sandbox, {"fails": "invalid_request", "seconds": 0})
    with due_run(runtime, errand, {}):
        at_once(say.fn, ["one", "two"], threads=2)
    turns, attempts = spans_of(exporter)
    assert len(turns) == 2
    told = [dict(one.attributes or {}) for one in attempts]
    failed = [one for one, of in zip(attempts, told, strict=True) if of.get("farebox.service_tier.asked") == "batch"]
    assert (len(attempts), len(failed)) == (4, 2)
    assert {one.status.status_code for one in failed} == {StatusCode.ERROR}
    assert {one.parent.span_id for one in attempts if one.parent} == set(turns)
    assert {of["farebox.cost.nano_usd"] for of in told if of["farebox.outcome"] != "ok"} == {0}


def test_lines_of_turns_that_nobody_traced_have_no_parent(runtime: Runtime, sandbox: Sandbox):
    batch_rules(sandbox, QUICK)
    with due_run(runtime, errand, {}) as ride:
        at_once(say.fn, ["one"], threads=1)
    [batch] = runtime.batches.of_run(ride.run.run_id)
    [line] = runtime.batches.lines(batch.label)
    assert line.details["asked_by"] == ""
