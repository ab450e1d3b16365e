"""What happens within a flow run is sent to Prefect, whose automations can react to it."""

from typing import Any

import pytest
import yaml
from prefect.automations import Automation

from farebox import Budget, ask, automation, llm_task, plan
from farebox.runtime import Runtime
from flows.price_review import price_review
from tasks.sandbox import Sandbox
from tests.runs.conftest import Inject
from tests.support.events import Emitted, all_of
from tests.support.project import REPOSITORY, Project, make_project

pytestmark = pytest.mark.usefixtures("prefect")


@llm_task(operation="say", tier="light", max_tokens=60)
def say(text: str) -> str:
    return ask("say.j2", text=text)


@automation(
    price="1 credit", budget=Budget(per_day="5 USD"), plan=plan(say, calls=1, input_tokens=60, output_tokens=40)
)
def speak_once(text: str) -> str:
    return say(text)


@pytest.fixture
def emitted(monkeypatch: pytest.MonkeyPatch) -> Emitted:
    found: Emitted = []
    monkeypatch.setattr("prefect.events.emit_event", lambda name, **given: found.append((name, given)))
    return found


def test_opening_is_an_event_and_a_refused_key_an_alarm(runtime: Runtime, inject: Inject, emitted: Emitted):
    inject({"kind": "auth", "target": "haiku"})
    assert speak_once("The ledger stopped on Monday.")
    assert [name for name, _ in all_of(emitted)] == ["farebox.breaker.alarm", "farebox.breaker.opened"]
    for _, given in emitted:
        assert given["resource"]["prefect.resource.id"] == "farebox.target.haiku"
        assert given["payload"]["reason"] == "auth"
    assert runtime.circuits.snapshot()["haiku"].reason == "auth"


@pytest.mark.parametrize(
    ("rule", "name", "reason"),
    [
        ('canaries = ["stopped on Monday"]', "farebox.guard.leak", "leak"),
        ('required = { disclaimer = "This is no legal advice." }', "farebox.guard.blocked", "policy"),
    ],
)
def test_a_block_is_an_event_without_content(
    project: Project, sandbox: Sandbox, emitted: Emitted, rule: str, name: str, reason: str
):
    more = f'[guards.policy]\nmode = "enforce"\n{rule}\n'
    with make_project(project.root, sandbox.url, more=more).runtime_here():
        state = speak_once("The ledger stopped on Monday.", return_state=True)
    assert state.name == "Blocked"
    [(told, given)] = all_of(emitted)
    assert (told, given["payload"]["reason"]) == (name, reason)
    assert given["resource"]["prefect.resource.id"] == "farebox.operation.say"
    assert "Monday" not in str(given)


def test_other_rates_than_at_the_last_review_are_an_event(runtime: Runtime, emitted: Emitted):
    assert speak_once("The ledger stopped on Monday.")
    assert price_review(only_if_rates_changed=True)
    assert all_of(emitted) == []
    (runtime.home / "reviews" / "rate-card.txt").write_text("genai-prices 0.0.1")
    assert price_review(only_if_rates_changed=True)
    [(told, given)] = all_of(emitted)
    assert told == "farebox.rates.changed"
    assert given["payload"] == {"before": "genai-prices 0.0.1", "now": runtime.rates.version}


def test_the_ready_made_automations_are_taken_by_prefect_and_wait_for_events_that_there_are():
    given = yaml.safe_load((REPOSITORY / "prefect-automations.yaml").read_text("utf-8"))["automations"]
    taken: Any = Automation  # its stubs know only the async form
    for entry in given:
        taken(**entry).create(_sync=True)
    waited_for = {name for entry in given for name in entry["trigger"]["expect"] if name.startswith("farebox.")}
    told = (REPOSITORY / "farebox" / "prefect" / "events.py").read_text("utf-8")
    assert all(name in told or name.startswith("farebox.breaker.") for name in waited_for)
    known = {taken.read(name=entry["name"], _sync=True).name for entry in given}
    assert known == {entry["name"] for entry in given}
