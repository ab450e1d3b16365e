"""A run in Prefect that meets a ledger with damaged values: one line, a named state, no traceback."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from farebox import ask, automation, llm_task, plan
from farebox.runtime import Runtime
from pricing.errors import LedgerUnusable

pytestmark = pytest.mark.usefixtures("prefect")


@llm_task(operation="say", tier="light", max_tokens=60)
def say(text: str) -> str:
    return ask("say.j2", text=text)


@automation(price="1 credit", plan=plan(say, calls=1, input_tokens=60, output_tokens=40))
def speak(text: str) -> str:
    return say(text)


@automation(price="1 credit", plan=plan(say, calls=lambda text: len(text) // 0, input_tokens=60, output_tokens=40))
def divide(text: str) -> str:
    return say(text)


def test_a_damaged_value_ends_the_run_in_one_line(runtime: Runtime, caplog: pytest.LogCaptureFixture):
    assert speak("Hi", return_state=True).is_completed()
    place = runtime.ledger.store.place
    for damage in ("'abc'", "1e300", "x'80ff'"):
        with closing(sqlite3.connect(place, isolation_level=None)) as connection:
            connection.execute("PRAGMA ignore_check_constraints = 1")
            connection.execute(f"UPDATE runs SET plan = {damage}")
        caplog.clear()
        state = speak("Hi", return_state=True)
        error: Any = state.result(raise_on_failure=False)
        assert (state.name, type(error)) == ("LedgerUnusable", LedgerUnusable), (damage, state.message)
        assert error.message == f"The ledger {place} is corrupt (a value in runs.plan is damaged)."
        assert "Traceback" not in caplog.text
        assert "abc" not in str(state.message)


def test_another_fault_with_a_whole_ledger_stays_what_it_is(runtime: Runtime):
    assert speak("Hi", return_state=True).is_completed()
    state = divide("Hi", return_state=True)
    assert "ZeroDivisionError" in str(state.message)
