"""A hold that cannot be settled is reported to Prefect by the run that finds it, and stops neither that run nor others."""

from typing import Any

import pytest
import sqlalchemy as sa

from farebox import ask, automation, llm_task, plan
from farebox.runtime import Runtime
from pricing.db import schema
from tests.support.books import rows
from tests.support.events import Emitted, all_of
from tests.support.ledger import a_run, an_intent

pytestmark = pytest.mark.usefixtures("prefect")


@pytest.fixture
def emitted(monkeypatch: pytest.MonkeyPatch) -> Emitted:
    found: Emitted = []
    monkeypatch.setattr("prefect.events.emit_event", lambda name, **given: found.append((name, given)))
    return found


@llm_task(operation="say", tier="light", max_tokens=60)
def say(text: str) -> str:
    return ask("say.j2", text=text)


@automation(price="1 credit", plan=plan(say, calls=1, input_tokens=60, output_tokens=40))
def speak_once(text: str) -> str:
    return say(text)


def left_behind(runtime: Runtime, **damage: Any) -> str:
    """A run whose process went away, whose attempt in flight is damaged like this."""
    run, ledger = a_run(held=1_000_000), runtime.ledger
    assert ledger.admit(run, []) == []
    ledger.begin(an_intent(run, 1_000)).result()
    with ledger.store.write() as connection:
        connection.execute(sa.update(schema.inflight).where(schema.inflight.c.run_id == run.run_id).values(**damage))
        connection.execute(sa.update(schema.holds).where(schema.holds.c.run_id == run.run_id).values(lease_until=1))
    return run.run_id


@pytest.mark.parametrize(
    "damage", [{"intent": "{"}, {"intent": "{}"}, {"intent": "[]"}, {"intent": '{"operation": "summarize", "odd": 1}'}]
)
def test_it_is_an_event_about_the_run_that_was_found(runtime: Runtime, emitted: Emitted, damage: dict[str, Any]):
    run_id = left_behind(runtime, **damage)
    assert speak_once("The ledger stopped on Monday.", return_state=True).is_completed()
    assert speak_once("It goes on.", return_state=True).is_completed()
    [(name, given)] = all_of(emitted)
    assert name == "farebox.hold.unsettled", "once, not with each run"
    assert given["resource"]["prefect.resource.id"] == f"farebox.run.{run_id}"
    [hold] = rows(runtime.ledger, schema.holds)
    assert (hold["run_id"], hold["state"]) == (run_id, "unsettled")
    assert "Monday" not in str(given)
