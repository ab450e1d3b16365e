"""Spans as Langfuse and Phoenix read them: generations with tokens and cost; content only where it may be exported."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from farebox.config.content import ContentCapture
from farebox.config.content_settings import ContentSettings
from guardrails.pii import Vault
from guardrails.pii.patterns import Entity
from guardrails.pii.values import KnownValues
from pricing.clock import now_us
from pricing.content_store import Captured, Captures
from pricing.db.database import Store
from pricing.ledger.facts import Completion, Intent, Run, Turn
from pricing.usage import Usage
from tasks.providers.messages import Message, ModelRequest
from tasks.routing.target import Target
from tasks.telemetry.backends import generation_result
from tasks.telemetry.spans import Telemetry
from tasks.turn.records import TurnRecord

SECRET = "the unicorn's pass phrase"
INTENT = Intent(
    "a1", "t1", "run-1", "reply", 0, 0, "primary, light", "haiku", "bedrock", "default", "claude-haiku-4-5", "light",
    False, 10, "v1", 1,
)  # fmt: skip
TURN = Turn("t1", "run-1", "reply", "reply.j2", "v1", "[]", "answered", None, "haiku", 1, False, 1, 2)
TARGET = Target("haiku", "bedrock", "claude-haiku-4-5", "light", 100_000, 8_000, "https://x.example", "bedrock/x")


class FindsNothing:
    def entities(self, text: str, known: KnownValues, label: str = "") -> list[Entity]:
        return []


class Seen:
    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.telemetry = Telemetry(tracers)

    def told(self, completion: Completion, content: Captured | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """The attributes of a turn and of its one attempt."""
        self.spans.clear()
        with self.telemetry.turn("t1", "run-1", "reply") as turn:
            with self.telemetry.attempt(INTENT, TARGET, 200) as attempt:
                attempt.ended(completion, None)
            turn.ended(TURN, completion.cost_nano, content)
        found: tuple[ReadableSpan, ...] = self.spans.get_finished_spans()
        attempt_span, turn_span = found
        return dict(turn_span.attributes or {}), dict(attempt_span.attributes or {})


@pytest.fixture(scope="module")
def seen() -> Seen:
    return Seen()


def test_langfuse_sees_a_generation_with_its_cost(seen: Seen):
    usage = Usage(1_000, 300, 400, 100, 50, 120)
    turn, attempt = seen.told(Completion("ok", usage, 12_345_678, "usage", 900_000))
    assert (turn["langfuse.observation.type"], attempt["langfuse.observation.type"]) == ("span", "generation")
    assert turn["session.id"] == attempt["session.id"] == "run-1"
    assert attempt["langfuse.observation.model.name"] == "claude-haiku-4-5"
    assert json.loads(attempt["langfuse.observation.cost_details"]) == {"total": 0.012345678}
    assert attempt["gen_ai.usage.cost"] == 0.012345678
    details = json.loads(attempt["langfuse.observation.usage_details"])
    assert details == {
        "input": 450,
        "cache_read_input_tokens": 400,
        "cache_creation_input_tokens": 150,
        "output": 180,
        "output_reasoning_tokens": 120,
        "total": 1_300,
    }
    assert "langfuse.observation.level" not in attempt
    assert "langfuse.observation.cost_details" not in turn, "its cost is that of its generations, and counted there"


def test_phoenix_sees_an_llm_span_with_its_cost(seen: Seen):
    turn, attempt = seen.told(Completion("ok", Usage(1_000, 300, 400, 100, 50, 120), 12_345_678, "usage", 900_000))
    assert (turn["openinference.span.kind"], attempt["openinference.span.kind"]) == ("CHAIN", "LLM")
    assert (attempt["llm.model_name"], attempt["llm.provider"]) == ("claude-haiku-4-5", "aws")
    counts = {name.removeprefix("llm.token_count."): value for name, value in attempt.items() if "token_count" in name}
    assert counts == {
        "prompt": 1_000,
        "completion": 300,
        "total": 1_300,
        "prompt_details.cache_read": 400,
        "prompt_details.cache_write": 150,
        "completion_details.reasoning": 120,
    }
    assert attempt["llm.cost.total"] == 0.012345678


def test_what_nobody_counted_is_left_out_and_a_failure_is_an_error(seen: Seen):
    _, attempt = seen.told(Completion("timeout", Usage(), 5_000_000, "worst_case", 900_000))
    assert attempt["langfuse.observation.level"] == "ERROR"
    assert attempt["langfuse.observation.status_message"] == "timeout"
    assert not [name for name in attempt if "token_count" in name or name.endswith("usage_details")]
    assert attempt["llm.cost.total"] == 0.005


def test_content_is_there_only_where_it_may_be_exported(seen: Seen):
    completion = Completion("ok", Usage(10, 5), 1_000, "usage", 1)
    for attributes in seen.told(completion):
        assert SECRET not in str(attributes)
        assert not [
            name
            for name in attributes
            if name.startswith(("input.", "output.")) or name.endswith((".input", ".output"))
        ]
    kept = Captured(
        "t1", "run-1", "support", "reply", "reply.j2", "v1", "answered", "haiku", False, False,
        datetime(2026, 11, 1, tzinfo=UTC), system="Be kind.", messages=({"role": "user", "text": SECRET},), answer="Yes.",
    )  # fmt: skip
    turn, attempt = seen.told(completion, kept)
    asked = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": SECRET}]
    for name in ("langfuse.observation.input", "input.value"):
        assert json.loads(turn[name]) == asked
    assert turn["langfuse.observation.output"] == turn["output.value"] == "Yes."
    assert SECRET not in str(attempt)


@pytest.mark.parametrize("exported", [False, True])
def test_keeping_content_alone_does_not_export_it(tmp_path: Path, exported: bool):
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    settings = ContentSettings(keep=("support",), spans=exported)
    capture = ContentCapture(settings, Captures(store, 30), lambda *_: FindsNothing())
    run = Run("run-1", "support", "fast", "[]", "{}", "v1", "prior", 0, 1, 1, 1, 1, 1, False, 1)
    asked = ModelRequest([Message.of("user", SECRET)], 200)
    kept = capture.keep(TurnRecord(run, replace(TURN, started_at=now_us()), asked, None, None, (), Vault([SECRET]), ()))
    assert (kept is not None) == exported
    assert [one.turn_id for one in Captures(store, 30).of_turns(["t1"]).values()] == ["t1"]
    store.close()


@given(
    st.integers(0, 10**6), st.integers(0, 10**5), st.integers(0, 10**5), st.integers(0, 10**5), st.integers(0, 10**12)
)
def test_kinds_of_tokens_add_up_and_costs_are_exact(plain: int, read: int, written: int, thought: int, cost: int):
    usage = Usage(plain + read + written, thought + 7, read, written, None, thought)
    told = generation_result(Completion("ok", usage, cost, "usage", 1))
    details = json.loads(str(told["langfuse.observation.usage_details"]))
    assert details.pop("total") == sum(details.values()) == plain + read + written + thought + 7
    assert round(float(str(told["llm.cost.total"])) * 1e9) == cost
