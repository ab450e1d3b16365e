"""One run context: what is masked and whose a run is hold in every turn, wherever its steps are called."""

import multiprocessing
import os
import pickle
import threading
from collections.abc import Iterator
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect import flow, task
from prefect.cache_policies import INPUTS
from prefect.client.orchestration import get_client
from prefect.exceptions import Pause
from prefect.flow_runs import resume_flow_run, suspend_flow_run
from prefect.states import Pending
from pydantic import BaseModel

from farebox import ask, automation, llm_task, plan
from farebox.runs.context import starter_context
from farebox.runtime import Runtime
from guardrails.pii import mask_all
from pricing.db import schema
from tasks.context import Step, current_run, current_step, inside, use_run
from tasks.run_context import Pin, RunContext, RunOwner
from tasks.run_values import RunValues, run_values
from tests.support.books import rows
from tests.support.echo import TARGET, Echo
from tests.support.prefect_runs import deployed_run, execute
from tests.support.project import Project, make_project
from tests.support.runs import riding

NAME = "Ottilie Brandewijn"


class Ticket(BaseModel):
    customer: str
    body: str


@llm_task(operation="first", max_turns=20)
def first(ticket: Ticket) -> str:
    return ask("say.j2", text=f"{ticket.customer} writes: {ticket.body}")


@llm_task(operation="second", max_turns=20)
def second(text: str) -> str:
    return ask("say.j2", text=text)


@llm_task(operation="where")
def where() -> tuple[RunContext, int]:
    return current_step().run, os.getpid()


PLAN = plan(first, input_tokens=900, output_tokens=90, calls=20) + plan(
    second, input_tokens=900, output_tokens=90, calls=20
)


@automation(price="1 credit", plan=PLAN)
def letters(contact: str = "", user: str | None = None) -> str:
    answer = first(Ticket(customer=NAME, body="the export is late"))
    return second(answer)


@flow
def part(text: str) -> str:
    return second(text)


@automation(price="1 credit", plan=PLAN)
def whole(contact: str) -> str:
    return part(f"{contact} asked again.")


@automation(price="1 credit", plan=PLAN)
def outer(user: str) -> str:
    answer = first(Ticket(customer=NAME, body="the export is late"))
    return inner(answer)


@automation(price="1 credit", plan=PLAN)
def inner(text: str) -> str:
    return second(text)


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, echo: Echo) -> Project:
    return make_project(tmp_path / "project", echo.url, targets=TARGET)


@pytest.fixture
def runtime(project: Project) -> Iterator[Runtime]:
    with project.runtime_here() as runtime:
        yield runtime


def leaked(echo: Echo, *words: str) -> list[str]:
    return [body for body in echo.seen if any(word.lower() in body.lower() for word in words or NAME.split())]


# --- The value itself


OWNERS = st.builds(RunOwner, st.none() | st.text(), st.none() | st.text(), st.lists(st.text()).map(tuple))
CONTEXTS = st.builds(
    RunContext,
    run_id=st.text(),
    execution=st.none() | st.integers(),
    starter=OWNERS,
    owner=OWNERS,
    quality=st.sampled_from(["", "fast", "best"]),
    budget_nano=st.none() | st.integers(),
    pin=st.none() | st.builds(Pin, st.text(), st.none() | st.text()),
    known=st.lists(st.tuples(st.text(), st.text())).map(tuple),
    values_id=st.text(),
    due_at=st.none() | st.integers(),
)


@given(CONTEXTS)
def test_a_context_is_the_same_value_in_another_process(context: RunContext):
    assert pickle.loads(pickle.dumps(context)) == context  # noqa: S301 - our own
    assert RunContext.from_json(context.to_json()) == context
    assert set(context.to_json()) == {field.name for field in fields(RunContext)}


def test_a_context_shows_no_personal_value():
    assert NAME not in repr(RunContext("4f1c").knowing({"customer": NAME}))


def test_blocks_nest_and_end():
    outside = current_run()
    with use_run(RunContext("one")), use_run(RunContext("two")):
        assert current_run().run_id == "two"
    assert current_run() == outside
    with inside(Step("where")) as place:
        assert (place.run_id, place.run.execution) == ("", None)


# --- What was masked stays known


@pytest.mark.parametrize("comes_back", [
    "{answer}",
    "Summary: OTTILIE BRANDEWIJN was told.",
    "Dear Ottilie, your export is done.",
    "Mrs Brandewijn's export",
    '{{"note": "Ottilie  Brandewijn"}}',
    "ottilie-brandewijn called",
])  # fmt: skip
def test_what_was_masked_once_is_masked_wherever_it_comes_back(runtime: Runtime, echo: Echo, comes_back: str):
    with riding(runtime, letters, {}):
        answer = first.fn(Ticket(customer=NAME, body="the export is late"))
        assert NAME in answer
        text = comes_back.format(answer=answer)
        assert text in second.fn(text)
    assert len(echo.seen) == 2
    assert leaked(echo) == []


def test_of_a_name_that_was_masked_in_part_the_rest_is_known(runtime: Runtime, echo: Echo):
    with riding(runtime, letters, {}):
        with inside(Step("first"), {"customer": NAME}):
            ask("say.j2", text="Dear Ottilie, thank you.")
        second.fn("Mrs Brandewijn called.")
    assert leaked(echo) == []


def test_a_value_that_its_label_gave_away_is_masked_without_it(runtime: Runtime, echo: Echo):
    with riding(runtime, letters, {}):
        second.fn("Her passport number is XK4471902.")
        second.fn("The form says XK4471902 at the top.")
    assert leaked(echo, "XK4471902") == []


def test_another_run_knows_nothing_of_it(runtime: Runtime, echo: Echo):
    with riding(runtime, letters, {}):
        first.fn(Ticket(customer=NAME, body="late"))
    with riding(runtime, letters, {}):
        second.fn(f"{NAME} is a street in Ghent.")
    assert len(leaked(echo)) == 1


def test_the_shipped_triage_keeps_a_customer_that_only_its_file_names(tmp_path: Path):
    from tests.support.runs import triage_run

    tickets = tmp_path / "tickets.csv"
    tickets.write_text(
        f"id,customer,plan,subject,body,opened\n1,{NAME},team,Export,It is late says {NAME},2026-01-02\n", "utf-8"
    )
    with Echo() as echo:
        echo.fill = filled
        project = make_project(tmp_path / "project", echo.url, targets=TARGET + PREMIUM)
        with project.runtime_here() as runtime:
            triage_run(runtime, str(tickets))
        assert any("CUSTOMER_1" in body for body in echo.seen[-1:]), "the handover has the name, masked"
        assert leaked(echo) == []


PREMIUM = TARGET.replace('"mini"', '"large"').replace("gpt-4.1-mini", "gpt-4.1").replace("light", "premium")


def filled(schema: dict[str, Any], said: str) -> object:
    """An answer of the schema's enums, with what was said in its texts."""
    return {name: field["enum"][0] if "enum" in field else said[-380:] for name, field in schema["properties"].items()}


def test_the_registry_is_bounded_and_says_so(caplog: pytest.LogCaptureFixture):
    values = RunValues(most=10, in_all=20)
    values.note_masked("a", [("NAME", f"person {n}") for n in range(12)])
    assert len(values.of("a")) <= 10
    assert ("name", "person 11") in values.of("a")
    assert "known in run a" in caplog.text
    assert "person 1" not in caplog.text
    for run in "bcd":
        values.note_masked(run, [("NAME", f"{run} {n}") for n in range(8)])
    assert values.of("a") == ()
    assert len(values.of("d")) == 8


@given(
    st.lists(st.sampled_from(["Ada Lovelace", "Bo", "Will Smith", "Łukasz", "李小龙", "12 Long Lane", "x@y.example"]))
)
def test_values_in_blocks_are_found_as_they_are_in_one(texts: list[str]):
    filler = [("name", f"Zzyx{n}quo") for n in range(600)]
    known = [("name", text) for text in texts]
    text = "Ada Lovelace met Bo and Will; Lukasz 李小龙 at 12 Long Lane, x@y.example."
    assert mask_all([text], [*filler, *known]).entities == mask_all([text], known).entities


# --- Wherever steps are called


def test_in_a_thread_of_your_own(runtime: Runtime, echo: Echo):
    with riding(runtime, letters, {"contact": NAME, "user": "ana"}) as ride:
        here = current_run()

        def work() -> None:
            with use_run(here):
                second.fn(f"{NAME} asked.")
                found.append(where.fn()[0])

        found: list[RunContext] = []
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert (found[0].run_id, found[0].owner.user) == (ride.run.run_id, "ana")
    assert leaked(echo) == []


def elsewhere(root: str, context: RunContext, text: str) -> tuple[RunContext, int]:
    """In a process of its own."""
    os.chdir(root)
    with use_run(context):
        second.fn(text)
        return where.fn()


def test_in_a_spawned_process(runtime: Runtime, project: Project, echo: Echo):
    spawned = multiprocessing.get_context("spawn")
    with riding(runtime, letters, {"contact": NAME, "user": "ana"}) as ride, spawned.Pool(1) as pool:
        found, pid = pool.apply(elsewhere, (str(project.root), current_run(), f"Yours, {NAME}"))
    assert pid != os.getpid()
    assert (found.run_id, found.owner.user) == (ride.run.run_id, "ana")
    assert len(echo.seen) == 1
    assert leaked(echo) == []


@pytest.mark.usefixtures("prefect")
def test_in_a_subflow(runtime: Runtime, echo: Echo):
    assert NAME in whole(contact=NAME)
    assert leaked(echo) == []
    [run] = rows(runtime.ledger, schema.runs)
    assert {attempt["run_id"] for attempt in rows(runtime.ledger, schema.attempts)} == {run["run_id"]}


@pytest.mark.usefixtures("prefect")
def test_an_automation_called_by_another_has_its_owner_and_knows_its_values(runtime: Runtime, echo: Echo):
    with use_run(starter_context(RunOwner(org="acme"))):
        assert NAME in outer(user="ana")
    assert len(echo.seen) == 2
    assert leaked(echo) == []
    runs = rows(runtime.ledger, schema.runs)
    assert {(run["automation"], run["user_id"], run["org_id"]) for run in runs} == {
        ("outer", "ana", "acme"),
        ("inner", "ana", "acme"),
    }


def on_dask() -> Any:
    from prefect_dask.task_runners import DaskTaskRunner

    return DaskTaskRunner(cluster_kwargs={"n_workers": 1, "threads_per_worker": 2, "dashboard_address": None})


def in_processes() -> Any:
    from prefect.task_runners import ProcessPoolTaskRunner

    return ProcessPoolTaskRunner(max_workers=1)


@automation(price="1 credit", plan=PLAN)
def spread(contact: str, user: str) -> tuple[str, list[str], RunContext]:
    tickets = [Ticket(customer=NAME, body="the export is late")]
    answers: list[str] = first.map(tickets).result()
    again = second.map([f"{answers[0]} and {contact}"]).result()
    context, pid = where.submit().result()
    assert pid != os.getpid(), "the steps were to run in other processes"
    return second(answers[0]), again, context


@pytest.mark.usefixtures("prefect")
@pytest.mark.parametrize("runner", [in_processes, on_dask])
def test_in_the_workers_of_a_task_runner(runtime: Runtime, echo: Echo, runner: Any):
    """The name that only a ticket has is masked in a worker first, then in another call there, then in this process."""
    if runner is on_dask and find_spec("prefect_dask") is None:
        pytest.skip("prefect-dask is not installed: `pip install -e '.[dask]'`, or `make test-extras`")
    here, again, context = spread.with_options(task_runner=runner())(contact="Wolfram Zeitgeber", user="ana")
    assert NAME in here
    assert NAME in again[0]
    assert len(echo.seen) == 3
    assert leaked(echo, *NAME.split(), "Wolfram", "Zeitgeber") == []
    [run] = rows(runtime.ledger, schema.runs)
    assert (context.run_id, context.owner.user, context.quality) == (run["run_id"], "ana", "fast")
    assert {attempt["run_id"] for attempt in rows(runtime.ledger, schema.attempts)} == {run["run_id"]}


@task
def work(text: str) -> str:
    """A task that is not a step, and calls one where it is: there the run is rebuilt from Prefect's context alone."""
    return second(text)


@flow
def part_elsewhere(text: str) -> str:
    return work.submit(text).result()


@automation(price="1 credit", plan=PLAN)
def whole_elsewhere(contact: str, user: str) -> list[str]:
    text = f"{contact} asked again."
    return [work.submit(text).result(), part_elsewhere.with_options(task_runner=in_processes())(text)]


@pytest.mark.usefixtures("prefect")
def test_a_run_is_rebuilt_where_only_prefect_knows_of_it(runtime: Runtime, echo: Echo):
    answers = whole_elsewhere.with_options(task_runner=in_processes())(contact=NAME, user="ana")
    assert [NAME in answer for answer in answers] == [True, True]
    assert len(echo.seen) == 2
    assert leaked(echo) == []
    [run] = rows(runtime.ledger, schema.runs)
    assert {attempt["run_id"] for attempt in rows(runtime.ledger, schema.attempts)} == {run["run_id"]}


@llm_task(operation="first", max_turns=20, cache_policy=INPUTS, persist_result=True)
def first_once(ticket: Ticket) -> str:
    return ask("say.j2", text=f"{ticket.customer} writes: {ticket.body}")


@automation(price="1 credit", plan=PLAN, persist_result=True)
def interrupted(contact: str, user: str) -> tuple[str, str, str | None]:
    answer = first_once(Ticket(customer=NAME, body="the export is late"))
    suspend_flow_run(timeout=600, key="once")
    return second(f"{answer}, {contact}"), where()[0].run_id, where()[0].owner.user


@pytest.mark.usefixtures("prefect")
def test_after_suspension_and_resumption_in_another_process(runtime: Runtime, echo: Echo):
    with get_client(sync_client=True) as client:
        run_id = deployed_run(client, interrupted, contact="Wolfram Zeitgeber", user="ana")
        with pytest.raises(Pause):
            execute(client, interrupted, run_id)
        run_values._runs.clear()  # as a process that has only begun
        resume_flow_run(run_id)
        pending: Any = Pending()
        client.set_flow_run_state(run_id, pending, force=True)
        state = execute(client, interrupted, run_id)
    answer, seen_run, seen_user = state.result()
    assert NAME in answer
    assert (seen_run, seen_user) == (str(run_id), "ana")
    assert len(echo.seen) == 2, "the first step is answered from its stored result"
    assert leaked(echo, *NAME.split(), "Wolfram", "Zeitgeber") == []
