"""``farebox breakers``, and the events about circuits."""

import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from farebox.cli.app import load_all
from farebox.prefect import events
from farebox.runtime import Runtime
from pricing.errors import UsageError
from tasks.routing.breaker import BreakerEvent
from tests.support.project import Project, make_project
from tests.support.waiting import PATIENCE


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project", "http://127.0.0.1:9", documents=0)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    load_all()(["breakers", *arguments, "--json"], exit_on_error=False, print_error=False, result_action="return_value")
    return json.loads(capsys.readouterr().out)


def circuits_of(answer: Any) -> dict[str, str]:
    return {line["target"]: line["state"] for line in answer["targets"]}


def test_a_target_is_taken_out_of_service_and_put_back(project: Project, capsys: pytest.CaptureFixture[str]):
    with project.runtime_here():
        assert set(circuits_of(said(capsys)).values()) == {"closed"}
        assert said(capsys, "open", "haiku", "--minutes", "5")["reason"] == "by hand"
        listed = said(capsys, "list")
        assert circuits_of(listed)["haiku"] == "open"
        assert list(circuits_of(listed)) == ["haiku", "sonnet", "haiku-3-5", "gpt-oss", "gpt-mini"]
        assert said(capsys, "close", "haiku") == {
            "target": "haiku", "failure_domain": "bedrock/us-east-1", "state": "closed",
            "reason": None, "level": None, "open_until": None, "was_open": True,
        }  # fmt: skip
        assert not said(capsys, "close", "haiku")["was_open"]


def test_the_list_tells_states_and_domains(project: Project, capsys: pytest.CaptureFixture[str]):
    with project.runtime_here() as runtime:
        for name, seconds in (("haiku", 600), ("haiku-3-5", 600), ("sonnet", 0), ("gone", 600)):
            runtime.circuits.trip(name, "overloaded", lambda _: 0.0, at_least=seconds).result()
        due = runtime.circuits.snapshot()["sonnet"]
        listed = said(capsys)
        assert circuits_of(listed) == {
            "haiku": "open", "sonnet": "due", "haiku-3-5": "open", "gpt-oss": "closed", "gpt-mini": "closed", "gone": "open",
        }  # fmt: skip
        assert listed["open_failure_domains"] == ["bedrock/us-east-1"]
        assert runtime.circuits.claim(due, 60).result()
        assert circuits_of(said(capsys))["sonnet"] == "probing"
        load_all()(["breakers"], exit_on_error=False, result_action="return_value")
        told = capsys.readouterr().out
        assert "Failure domain bedrock/us-east-1 is out of service" in told
        assert "overloaded" in told


def test_an_unknown_target_is_told_with_what_was_meant(project: Project):
    with project.runtime_here(), pytest.raises(UsageError, match="Did you mean 'haiku'"):
        load_all()(["breakers", "open", "haikku"], exit_on_error=False, result_action="return_value")


EVENT = BreakerEvent("alarm", "haiku", "bedrock/us-east-1", "auth", 0, 1_700_000_000_000_000)


def finished() -> None:
    for thread in threading.enumerate():
        if thread.name == "farebox-event":
            thread.join(PATIENCE)


def test_nothing_is_emitted_outside_prefect(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("prefect.events.emit_event", lambda *_, **__: pytest.fail("emitted"))
    events.emit_breaker_event(EVENT)
    assert not [thread for thread in threading.enumerate() if thread.name == "farebox-event"]


def test_within_a_run_an_event_is_emitted_without_waiting_for_it(monkeypatch: pytest.MonkeyPatch):
    emitted: list[tuple[Any, ...]] = []
    goes_on = threading.Event()

    def slow(name: str, **given: Any) -> None:
        assert goes_on.wait(PATIENCE)
        emitted.append((name, given))

    monkeypatch.setattr(events, "_under_prefect", lambda: True)
    monkeypatch.setattr("prefect.events.emit_event", slow)
    events.emit_breaker_event(EVENT)
    assert emitted == []
    goes_on.set()
    finished()
    [(name, given)] = emitted
    assert name == "farebox.breaker.alarm"
    assert given["resource"]["prefect.resource.id"] == "farebox.target.haiku"
    assert given["payload"] == {"reason": "auth", "level": 0, "open_until": "2023-11-14T22:13:20+00:00"}


def test_an_event_that_cannot_be_sent_is_logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("no server")

    monkeypatch.setattr(events, "_under_prefect", lambda: True)
    monkeypatch.setattr("prefect.events.emit_event", fail)
    with caplog.at_level(logging.WARNING):
        events.emit_breaker_event(EVENT)
        finished()
    assert "farebox.breaker.alarm could not be sent: ConnectionError" in caplog.text


def test_the_runtime_tells_prefect(project: Project):
    runtime: Runtime
    with project.runtime_here() as runtime:
        assert runtime.engine._turns._breaker._notify is events.emit_breaker_event
