"""A circuit that opens within a flow run tells Prefect, whose automations can react to it."""

import threading
from typing import Any

import pytest

from farebox import Budget, ask, automation, llm_task, plan
from farebox.runtime import Runtime
from tests.runs.conftest import Inject

pytestmark = pytest.mark.usefixtures("prefect")


@llm_task(operation="say", tier="light", max_tokens=60)
def say(text: str) -> str:
    return ask("say.j2", text=text)


@automation(
    price="1 credit", budget=Budget(per_day="5 USD"), plan=plan(say, calls=1, input_tokens=60, output_tokens=40)
)
def speak_once(text: str) -> str:
    return say(text)


def test_opening_is_an_event_and_a_refused_key_an_alarm(
    runtime: Runtime, inject: Inject, monkeypatch: pytest.MonkeyPatch
):
    emitted: list[tuple[str, Any]] = []
    monkeypatch.setattr("prefect.events.emit_event", lambda name, **given: emitted.append((name, given)))
    inject({"kind": "auth", "target": "haiku"})
    assert speak_once("The ledger stopped on Monday.")
    for thread in threading.enumerate():
        if thread.name == "farebox-event":
            thread.join(10)
    assert sorted(name for name, _ in emitted) == ["farebox.breaker.alarm", "farebox.breaker.opened"]
    for _, given in emitted:
        assert given["resource"]["prefect.resource.id"] == "farebox.target.haiku"
        assert given["payload"]["reason"] == "auth"
    assert runtime.circuits.snapshot()["haiku"].reason == "auth"
