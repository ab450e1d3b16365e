"""Batches whose results, states or clocks are not as they should be: every turn is answered, nothing is lost or free."""

import logging
from dataclasses import replace
from typing import Any

import pytest

from farebox import ask, automation, llm_task, plan
from farebox.prefect import collect_batches
from farebox.runtime import Runtime
from pricing import UnknownPrice, now_us
from pricing.db import schema
from pricing.rates import RateCard
from tasks.batches import BatchStatus
from tasks.sandbox import Sandbox
from tests.support.books import assert_ledger_adds_up, rows
from tests.support.due_runs import BATCHED, batch_rules, due_run
from tests.support.project import Project, make_project
from tests.support.runs import at_once


@pytest.fixture
def project(tmp_path: Any, sandbox: Sandbox) -> Project:
    return make_project(tmp_path / "project", sandbox.url, targets=BATCHED)


@llm_task(operation="say", max_tokens=60, max_turns=60)
def say(text: str) -> str:
    return ask("say.j2", text=text)


@automation(price="1 credit", plan=plan(say, calls=20, input_tokens=60, output_tokens=40), due="6h")
def errand() -> None:
    """Never called: tests ask within a run of it."""


NOTES = ["one", "two", "three"]


def ended(runtime: Runtime) -> list[tuple[str, str, str]]:
    """Attempts by service tier, outcome and what they were priced by."""
    return sorted((a["service_tier"], a["outcome"], a["priced"]) for a in rows(runtime.ledger, schema.attempts))


COUNTED, LOST = ("batch", "ok", "usage"), ("batch", "server_error", "worst_case")


@pytest.mark.parametrize(
    ("damage", "expected", "told"),
    [
        ("garbage", [COUNTED] * 3 + [LOST], "0 lines were of no request, 0 came twice, and 1 could not be read"),
        ("unknown", [COUNTED] * 3, "1 lines were of no request, 0 came twice, and 0 could not be read"),
        ("repeated", [COUNTED] * 3, "0 lines were of no request, 1 came twice, and 0 could not be read"),
        ("missing", [COUNTED] * 3 + [LOST], ""),
    ],
)
def test_damaged_results_are_told_and_what_is_lost_is_asked_again(
    runtime: Runtime,
    sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
    damage: str,
    expected: list[Any],
    told: str,
):
    """A line that was run and is lost counts at its worst case: it is paid, and its usage is unknown."""
    batch_rules(sandbox, {"seconds": 0, "damage": damage, "nth": 1}, {"seconds": 0})
    with caplog.at_level(logging.WARNING), due_run(runtime, errand, {}):
        assert len(at_once(say.fn, NOTES, threads=3)) == 3
    assert ended(runtime) == expected
    assert told in caplog.text
    assert bool(told) == ("of its results" in caplog.text)
    assert_ledger_adds_up(runtime)


def test_a_price_that_is_gone_leaves_no_result_untaken(
    runtime: Runtime, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    batch_rules(sandbox, {"seconds": 0})
    price = RateCard.price

    def gone(self: RateCard, *given: Any, **named: Any) -> int:
        if given[-1:] == ("batch",) and len(given) > 3:
            raise UnknownPrice("There is no rate any more.", next_step="Add one.")
        return price(self, *given, **named)

    monkeypatch.setattr(RateCard, "price", gone)
    with due_run(runtime, errand, {}):
        assert len(at_once(say.fn, NOTES, threads=3)) == 3
    assert ended(runtime) == [("batch", "ok", "worst_case")] * 3
    assert all(a["cost_nano"] > 0 for a in rows(runtime.ledger, schema.attempts))


@pytest.mark.parametrize("hours", [-48, 48])
def test_a_provider_s_clock_does_not_decide_how_long_a_batch_took(
    runtime: Runtime, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, hours: int
):
    batch_rules(sandbox, {"seconds": 0})
    client = runtime._batch_client("openai")
    status = type(client).status

    async def skewed(self: Any, handle: Any) -> BatchStatus:
        found = await status(self, handle)
        return replace(found, ended_at=found.ended_at + hours * 3_600_000_000) if found.ended_at else found

    monkeypatch.setattr(type(client), "status", skewed)
    before = now_us()
    with due_run(runtime, errand, {}):
        at_once(say.fn, NOTES, threads=3)
    [batch] = runtime.batches.all()
    assert batch.ended_at is not None
    assert before <= (batch.submitted_at or 0) <= batch.ended_at <= now_us()
    [took] = runtime.batches.past_seconds(stand_in=True)["openai"]
    assert took <= (now_us() - before) / 1e6


def test_one_batch_that_cannot_be_looked_at_keeps_no_other_back(
    runtime: Runtime, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """The wait of a run goes on, too: the fault is reported by its class, and the batch is checked again."""
    batch_rules(sandbox, {"seconds": 0})
    client = type(runtime._batch_client("openai"))
    status, failed = client.status, list[str]()

    async def once(self: Any, handle: Any) -> BatchStatus:
        if not failed:
            failed.append(handle.label)
            raise RuntimeError("the words of a secret")
        return await status(self, handle)

    monkeypatch.setattr(client, "status", once)
    with due_run(runtime, errand, {}):
        assert len(at_once(say.fn, NOTES, threads=3)) == 3
    assert failed
    assert f"Batch {failed[0]} cannot be looked at: RuntimeError" in caplog.text
    assert "secret" not in caplog.text
    assert collect_batches(runtime).visited == []
    assert ended(runtime) == [COUNTED] * 3
