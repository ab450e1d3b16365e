"""Each fault does what it says on the wire, and the journal bills what was generated, no more and no less."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.providers import classify
from tasks.sandbox import Fault, SandboxEntry
from tasks.sandbox.faults import FAULTS, FaultPlan
from tests.support.waiting import leave

Ask = Callable[..., httpx.Response]
Inject = Callable[..., None]
Journal = Callable[[], list[SandboxEntry]]

SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("429", "rate_limit"),
        ("500", "server_error"),
        ("529", "overloaded"),
        ("auth", "auth"),
        ("html502", "server_error"),
        ("overflow", "context_overflow"),
        ("quota", "quota_exhausted"),
    ],
)
def test_refusals_are_of_the_class_they_stand_for_and_cost_nothing(
    ask: Ask, inject: Inject, journal: Journal, dialect: str, kind: str, expected: str
) -> None:
    inject({"kind": kind})
    response = ask(dialect)
    assert classify(dialect, response.status_code, response.headers, response.content).kind == expected
    entry = journal()[-1]
    assert (entry.fault, entry.status, entry.billed, entry.input_tokens) == (kind, response.status_code, False, None)


def test_503_may_pass(ask: Ask, inject: Inject, dialect: str) -> None:
    inject({"kind": "503"})
    response = ask(dialect)
    assert response.status_code == 503
    assert classify(dialect, response.status_code, response.headers, response.content).retry_same_target


@pytest.mark.parametrize(
    ("dialect", "header", "value"),
    [
        ("openai", "retry-after-ms", "2500"),
        ("groq", "retry-after", "3"),
        ("anthropic", "retry-after", "3"),
        ("bedrock", "x-amz-retry-after", "2500"),
    ],
)
def test_a_rate_limit_says_when_to_come_back(ask: Ask, inject: Inject, dialect: str, header: str, value: str) -> None:
    inject({"kind": "429", "retry_after": 2.5})
    assert ask(dialect).headers[header] == value
    inject({"kind": "429"})
    assert header not in ask(dialect).headers


def test_a_spend_limit_has_no_retry_after(ask: Ask, inject: Inject) -> None:
    inject({"kind": "quota", "retry_after": 5})
    assert "retry-after" not in ask("anthropic").headers


@pytest.mark.parametrize(("kind", "billed"), [("hang", False), ("hang_after", True)])
@pytest.mark.parametrize("stream", [False, True])
def test_silence_is_billed_only_after_generation(
    ask: Ask, inject: Inject, journal: Journal, dialect: str, kind: str, billed: bool, stream: bool
) -> None:
    inject({"kind": kind, "first": 1})
    leave(lambda seconds: ask(dialect, timeout=seconds, stream=stream), journal)
    whole = ask(dialect, stream=stream)
    assert whole.status_code == 200
    silent, answered = journal()
    assert silent.billed is billed
    assert silent.status == (200 if billed else None)
    assert silent.usage == (answered.usage if billed else type(answered.usage)())


def test_drop_closes_without_a_byte(ask: Ask, inject: Inject, journal: Journal, dialect: str) -> None:
    inject({"kind": "drop"})
    with pytest.raises(httpx.RemoteProtocolError):
        ask(dialect)
    assert (journal()[-1].billed, journal()[-1].status) == (False, None)


def test_cut_loses_the_body_midway_and_bills_it_all(ask: Ask, inject: Inject, journal: Journal, dialect: str) -> None:
    inject({"kind": "cut", "first": 1})
    with pytest.raises(httpx.RemoteProtocolError):
        ask(dialect)
    ask(dialect)
    lost, whole = journal()
    assert lost.billed
    assert lost.usage == whole.usage


def test_a_cut_stream_bills_what_it_sent(ask: Ask, inject: Inject, journal: Journal, dialect: str) -> None:
    inject({"kind": "cut", "first": 1})
    with pytest.raises(httpx.RemoteProtocolError):
        ask(dialect, stream=True)
    ask(dialect, stream=True)
    lost, whole = journal()
    assert lost.billed
    assert lost.input_tokens == whole.input_tokens
    assert 0 < (lost.output_tokens or 0) < (whole.output_tokens or 0)


def test_malformed_is_a_200_that_nobody_can_parse(ask: Ask, inject: Inject, journal: Journal, dialect: str) -> None:
    inject({"kind": "malformed"})
    response = ask(dialect)
    assert response.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        response.json()
    assert journal()[-1].billed


def test_malformed_streams_break(ask: Ask, inject: Inject) -> None:
    inject({"kind": "malformed"})
    buffer = EventStreamBuffer()
    buffer.add_data(ask("bedrock", stream=True).content)
    with pytest.raises(ChecksumMismatch):
        list(buffer)
    last = ask("openai", stream=True).text.strip().splitlines()[-1]
    with pytest.raises(json.JSONDecodeError):
        json.loads(last.removeprefix("data: "))


def test_slow_is_slow_by_so_many_seconds(ask: Ask, inject: Inject, journal: Journal) -> None:
    inject({"kind": "slow", "seconds": 0.3})
    began = time.monotonic()
    assert ask("openai").status_code == 200
    assert time.monotonic() - began >= 0.3
    assert journal()[-1].billed


def _stop(body: dict[str, Any]) -> str:
    return str(body.get("stop_reason") or body.get("stopReason") or body["choices"][0]["finish_reason"])


def test_truncate_stops_at_a_length(ask: Ask, inject: Inject, journal: Journal, dialect: str) -> None:
    whole = ask(dialect) and journal()[-1].output_tokens
    inject({"kind": "truncate"})
    assert _stop(ask(dialect).json()) in {"length", "max_tokens"}
    assert 0 < (journal()[-1].output_tokens or 0) < (whole or 0)


def test_empty_says_nothing_and_costs_a_token(ask: Ask, inject: Inject, journal: Journal, dialect: str) -> None:
    inject({"kind": "empty"})
    body = ask(dialect).json()
    content = body.get("content") or body.get("output", {}).get("message", {}).get("content")
    assert not content
    assert "choices" not in body or body["choices"][0]["message"]["content"] == ""
    assert journal()[-1].output_tokens == 1


def test_refusals_come_in_each_dialects_way(ask: Ask, inject: Inject, journal: Journal) -> None:
    inject({"kind": "refusal"})
    choice = ask("openai").json()["choices"][0]
    assert choice["message"]["refusal"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (None, "stop")
    assert _stop(ask("anthropic").json()) == "refusal"
    assert _stop(ask("bedrock").json()) == "content_filtered"
    assert all(entry.billed for entry in journal())


def test_invalid_json_is_groqs_400_and_billed(ask: Ask, inject: Inject, journal: Journal) -> None:
    inject({"kind": "invalid_json"})
    response = ask("groq", schema=SCHEMA)
    assert response.status_code == 400
    assert response.json()["error"]["failed_generation"].startswith('{"title"')
    assert classify("groq", 400, response.headers, response.content).kind == "invalid_output"
    assert journal()[-1].billed
    assert journal()[-1].output_tokens


def test_invalid_json_is_a_200_elsewhere(ask: Ask, inject: Inject, journal: Journal) -> None:
    inject({"kind": "invalid_json"})
    text = ask("openai", schema=SCHEMA).json()["choices"][0]["message"]["content"]
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    assert journal()[-1].billed


def test_a_prompt_beyond_the_window_overflows(ask: Ask, journal: Journal, dialect: str) -> None:
    response = ask(dialect, model="small", limit=1)
    assert response.status_code == 200
    response = ask(dialect, "word " * 60, model="small", limit=1)
    assert classify(dialect, response.status_code, response.headers, response.content).kind == "context_overflow"
    assert not journal()[-1].billed


def test_faults_hit_only_what_they_select(ask: Ask, inject: Inject) -> None:
    inject({"kind": "500", "target": "ill"}, {"kind": "503", "model": "old"}, {"kind": "429", "provider": "groq"})
    assert ask("openai").status_code == 200
    assert ask("openai", target="ill").status_code == 500
    assert ask("openai", model="old").status_code == 503
    assert ask("groq").status_code == 429


def test_replacing_the_rules_starts_anew(ask: Ask, inject: Inject, client: httpx.Client) -> None:
    inject({"kind": "500", "nth": 2})
    assert [ask("openai").status_code for _ in range(3)] == [200, 500, 200]
    inject({"kind": "500", "nth": 2})
    assert [ask("openai").status_code for _ in range(2)] == [200, 500]
    inject()
    assert ask("openai").status_code == 200
    assert client.post("/_sandbox/faults", json=[{"kind": "no such"}]).status_code == 422


def _struck(fault: Fault, count: int = 12) -> list[int]:
    plan = FaultPlan([fault])
    return [number for number in range(1, count + 1) if plan.next("t", "openai", "m")]


def test_numbers_narrow_a_rule() -> None:
    assert _struck(Fault("500", nth=3)) == [3]
    assert _struck(Fault("500", every=4)) == [4, 8, 12]
    assert _struck(Fault("500", first=2)) == [1, 2]
    assert _struck(Fault("500", every=2, first=5)) == [2, 4]
    assert _struck(Fault("500")) == list(range(1, 13))


@given(st.floats(0, 1), st.integers())
def test_chance_is_the_same_every_time(probability: float, seed: int) -> None:
    fault = Fault("500", probability=probability, seed=seed)
    assert _struck(fault) == _struck(fault)


def test_chance_keeps_its_share() -> None:
    assert 200 < len(_struck(Fault("500", probability=0.25, seed=7), 1000)) < 300


def test_rules_survive_json() -> None:
    rules = [Fault("429", target="a", retry_after=1.5), Fault("slow", probability=0.5, seed=3, seconds=2)]
    assert FAULTS.validate_json(FAULTS.dump_json(rules)) == rules
    with pytest.raises(ValidationError):
        FAULTS.validate_python([{"kind": "429", "targets": "a"}])
