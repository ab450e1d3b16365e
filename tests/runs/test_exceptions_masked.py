"""What flows and steps raise is masked before Prefect writes it into states, logs, events and results."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_HOME
from prefect.states import Failed

from farebox import ask, automation, llm_task, plan
from farebox.runtime import Runtime
from pricing.db import schema
from tests.support.books import rows
from tests.support.leaks import found_in

pytestmark = pytest.mark.usefixtures("prefect")

NAME, MAIL, PHONE = "Philippa Quackenthrop", "p.quackenthrop@canary.example", "+44 20 7946 0917"
PLANTED = ("Quackenthrop", "quackenthrop@", "7946 0917")
RECORD = {"name": NAME, "contact": {"email": MAIL, "phone": PHONE}}


class UnknownCustomerError(LookupError):
    """A class of the user's own."""


@llm_task(operation="say", tier="light", max_tokens=60, persist_result=True, retries=1)
def say(text: str, customer: dict[str, Any]) -> str:
    ask("say.j2", text=text)
    raise UnknownCustomerError(f"{customer['name'].upper()} is not known; write to {MAIL}")


@llm_task(operation="say", tier="light", max_tokens=60, persist_result=True)
async def say_async(text: str, customer: dict[str, Any]) -> str:
    await ask.aio("say.j2", text=text)
    surname = customer["name"].split()[1]
    raise UnknownCustomerError(f"{surname}'s line is {customer['contact']['phone']}")


SAYING = plan(say, calls=4, input_tokens=60, output_tokens=40)


@automation(price="1 credit", plan=SAYING, persist_result=True)
def in_step(case: int) -> str:
    return say(f"case {case}", RECORD)


@automation(price="1 credit", plan=plan(say_async, input_tokens=60, output_tokens=40), persist_result=True)
async def in_async_step(case: int) -> str:
    return await say_async(f"case {case}", RECORD)


@automation(price="1 credit", plan=SAYING, persist_result=True)
def caught(case: int) -> str:
    try:
        return say(f"case {case}", RECORD)
    except UnknownCustomerError as error:
        raise RuntimeError(f"case {case} is nobody's, see {MAIL}") from error


@automation(price="1 credit", plan=SAYING, persist_result=True)
def in_flow(case: int) -> str:
    raise KeyError({"mail": MAIL, "phone": PHONE, "case": case})


@automation(price="1 credit", plan=SAYING, persist_result=True)
def as_state(case: int) -> Any:
    return Failed(message=f"case {case}: call {PHONE}", data=ValueError(MAIL))


FLOWS: dict[str, Any] = {
    "in_step": in_step,
    "in_async_step": in_async_step,
    "caught": caught,
    "in_flow": in_flow,
    "as_state": as_state,
}


@pytest.fixture
def client() -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def logs(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    caplog.set_level(logging.DEBUG)
    loggers = [logging.getLogger(name) for name in ("prefect", "prefect.flow_runs", "prefect.task_runs")]
    for logger in loggers:
        logger.addHandler(caplog.handler)
    yield caplog
    for logger in loggers:
        logger.removeHandler(caplog.handler)


def ended(flow: Any) -> State[Any]:
    state = flow(7, return_state=True)
    return asyncio.run(state) if asyncio.iscoroutine(state) else state


@pytest.mark.parametrize("name", FLOWS)
def test_nothing_personal_is_in_states_logs_events_and_results(
    runtime: Runtime, client: SyncPrefectClient, logs: pytest.LogCaptureFixture, name: str
):
    state = ended(FLOWS[name])
    assert state.is_failed()
    [run] = rows(runtime.ledger, schema.runs)
    states = client.read_flow_run_states(run["run_id"])
    failed = [told for told in states if told.is_failed()]
    assert failed, "Prefect knows that it failed"
    assert all(told.message and "[" in told.message for told in failed), "the rest of the text is still told"
    told = f"{states} {state} {state.data!r} {logs.text}"
    assert "case 7" in told or name in {"in_step", "in_async_step", "in_flow"}
    assert [one for one in PLANTED if one.lower() in told.lower()] == []
    home = PREFECT_HOME.value()
    assert found_in(home, [run["run_id"]]), "the search finds things"
    assert found_in(home, [*PLANTED, NAME, MAIL, PHONE]) == []


def test_who_catches_an_error_of_a_step_still_does(runtime: Runtime):
    state = ended(caught)
    error = state.result(raise_on_failure=False)
    assert type(error) is RuntimeError
    assert isinstance(error.__cause__, UnknownCustomerError)
    assert "is nobody's" in str(error)
