"""Calibrations below Prefect: of cascades, by every scorer, by two processes at once on either ledger."""

import datetime as dt
import json
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from farebox import ask, automation, llm_task, plan
from farebox.automations import automation_of
from farebox.calibration.bench import Bench, Chosen
from farebox.calibration.cases import distinct, read_cases
from farebox.calibration.lockfile import LOCK_FILE, LockedRoute, read_lock_file
from farebox.calibration.run import bench_of
from farebox.calibration.verify import stale
from farebox.cli.calibrate import calibrate as command
from farebox.cli.display import RunDisplay
from farebox.cli.output import terminal
from farebox.judging.audit import due
from farebox.runs.admission import Priced, price_run
from farebox.runs.context import starter_context
from farebox.runtime import Runtime
from flows.audit_answers import audit_answers, judge
from flows.calibrate import calibrate
from flows.sources import load_tickets
from flows.support_triage import support_triage
from pricing.db import schema
from pricing.errors import TurnFailed, UsageError
from pricing.money import Nano, parse_money
from tasks.context import current_run, use_run
from tasks.sandbox import Latency, Sandbox, read_journal
from tests.runs.conftest import Inject
from tests.support.books import assert_ledger_adds_up, assert_ledger_equals_journal, rows
from tests.support.echo import TARGET, Echo
from tests.support.lockfile import locked
from tests.support.project import REPOSITORY, SUBJECTS, TARGETS, Project, make_project
from tests.support.runs import calibrate_run, riding
from tests.support.waiting import PATIENCE, until

TWO = "[[targets]]" + "[[targets]]".join(TARGETS.split("[[targets]]")[i] for i in (2, 4))
"""Sonnet and gpt-oss."""
KEY = "cascading/say"
SEEN: set[str] = set()


def hard(answer: str) -> bool:
    return zlib.crc32(answer.encode()) % 4 == 0


def is_right(answer: str) -> bool:
    """A cheap model's answer to what is hard is wrong. The sandbox says the same as every model; of an answer that
    comes again, the first was the cheap one's.
    """
    pin = current_run().pin_of("say")
    if pin is not None and pin.target is not None:
        return pin.target != "gpt-oss" or not hard(answer)
    if not hard(answer) or answer in SEEN:
        return True
    SEEN.add(answer)
    return False


@llm_task(operation="say", max_tokens=60, verify=is_right)
def say(text: str) -> str:
    return ask("say.j2", text=text)


def broken(answer: str) -> bool:
    raise KeyError(answer)


@llm_task(operation="fail", max_tokens=60, verify=broken)
def fail(text: str) -> str:
    return ask("say.j2", text=text)


@llm_task(operation="tell", max_tokens=60)
def tell(text: str) -> str:
    return ask("say.j2", text=text)


@automation(
    price="1 credit",
    plan=plan(say, calls=40, input_tokens=30, output_tokens=20)
    + plan(fail, input_tokens=30, output_tokens=20)
    + plan(tell, input_tokens=30, output_tokens=1),
)
def cascading() -> None:
    """Never called: the tests run inside it."""


def half(answer: str, expected: object) -> float:
    return 0.5


def raising(answer: str, expected: object) -> float:
    raise ValueError(answer)


TEXTS = [f"The {subject} stopped {n} times on day {n * 7}." for n in range(5) for subject in SUBJECTS]


@pytest.fixture
def here(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose automation is this file's."""
    return calibrated(make_project(tmp_path / "project", sandbox.url, targets=TWO), monkeypatch)


DECLARED = "from farebox import automation\n\n\n@automation()\ndef cascading(): ...\n"


def calibrated(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    (project.root / "flows").mkdir()
    (project.root / "flows" / "cascading.py").write_text(DECLARED)
    monkeypatch.setitem(sys.modules, "flows.cascading", sys.modules[__name__])
    cases = [{"id": str(number), "inputs": {"text": text}} for number, text in enumerate(TEXTS)]
    (project.root / "cases.jsonl").write_text("\n".join(map(json.dumps, cases)))
    SEEN.clear()
    return project


def lock_of(project: Project, key: str = KEY) -> LockedRoute:
    return read_lock_file(project.root / LOCK_FILE)[key]


def test_a_cascade_is_locked_at_its_true_cost_and_routing_obeys_it(here: Project, sandbox: Sandbox):
    """What the lock says of a case is what a turn costs afterwards, to the nano-dollar."""
    with here.runtime_here() as runtime:
        _, told = calibrate_run(runtime, "say", "cases.jsonl", 0.2)
        lock = lock_of(here)
        standing = {one.route: one for one in lock.candidates}
        assert lock.route == ("gpt-oss", "sonnet"), told
        assert standing["gpt-oss",].score < 1 == standing["gpt-oss", "sonnet"].score
        assert lock.chosen.cost < lock.reference.cost
        assert 0 < lock.escalated < 0.5
        assert_ledger_equals_journal(runtime, sandbox.journal)
        assert list(stale(runtime, KEY, lock, lock.date)) == []
    paid = len(read_journal(sandbox.journal))
    with here.runtime_here() as runtime:
        assert price_run(runtime, automation_of(cascading), {}).routes["say"][1].percent == round(100 * lock.escalated)
        with riding(runtime, cascading, {}) as ride:
            for text in TEXTS[: lock.chosen.n]:
                say.fn(text)
        attempts = [row for row in rows(runtime.ledger, schema.attempts) if row["run_id"] == ride.run.run_id]
        asked = Counter(row["target"] for row in attempts)
        assert asked == {"gpt-oss": lock.chosen.n, "sonnet": round(lock.escalated * lock.chosen.n)}
        spent = sum(row["cost_nano"] for row in attempts)
        assert round(spent / lock.chosen.n) == lock.chosen.cost
        assert len(read_journal(sandbox.journal)) - paid == len(attempts)
        assert_ledger_equals_journal(runtime, sandbox.journal)


def test_a_broken_verifier_ends_a_calibration_with_one_line(here: Project, sandbox: Sandbox):
    with here.runtime_here() as runtime:
        with pytest.raises(TurnFailed, match="The verifier broken of the step 'fail' raised KeyError"):
            calibrate_run(runtime, "fail", "cases.jsonl", threads=1)
        assert_ledger_equals_journal(runtime, sandbox.journal)


def test_schemas_that_are_not_kept_are_wrong_answers_and_lead_to_cascades(
    tmp_path: Path, sandbox: Sandbox, inject: Inject
):
    """Groq answers broken JSON now and then: asked alone it loses those cases, in a cascade it does not."""
    inject({"kind": "invalid_json", "target": "gpt-oss", "probability": 0.4, "seed": 5})
    project = repository(make_project(tmp_path / "project", sandbox.url, targets=TWO, retries=0))
    with project.runtime_here() as runtime:
        calibrate_run(runtime, "classify", "cases.jsonl", 0.2, threads=1)
        lock = lock_of(project, "daily-digest/classify")
        standing = {one.route: one for one in lock.candidates}
        assert standing["gpt-oss",].score < standing["gpt-oss", "sonnet"].score == standing["sonnet",].score
        assert standing["gpt-oss",].cost < standing["gpt-oss", "sonnet"].cost
        assert_ledger_adds_up(runtime)


def repository(project: Project, count: int = 40) -> Project:
    (project.root / "flows").symlink_to(REPOSITORY / "flows")
    cases = (REPOSITORY / "flows" / "cases" / "classify.jsonl").read_text("utf-8").splitlines()
    (project.root / "cases.jsonl").write_text("\n".join(cases[:count]), "utf-8")
    return project


def test_a_lock_covers_an_agents_turns_in_runs_and_in_quotes(tmp_path: Path, sandbox: Sandbox):
    project = make_project(tmp_path / "project", sandbox.url, targets=TWO)
    (project.root / "flows").symlink_to(REPOSITORY / "flows")
    tickets = load_tickets(str(REPOSITORY / "flows" / "data" / "tickets.csv"))
    cases = [
        {"id": f"{n}", "inputs": {"ticket": {**ticket.model_dump(mode="json"), "subject": f"{ticket.subject} {n}"}}}
        for n, ticket in enumerate((tickets * 20)[:20])
    ]
    (project.root / "cases.jsonl").write_text("\n".join(map(json.dumps, cases)), "utf-8")
    with project.runtime_here() as runtime:
        calibrate_run(runtime, "triage", "cases.jsonl", 0.5)
        lock = lock_of(project, "support-triage/triage")
        assert (lock.route, lock.covers) == (("gpt-oss",), ("tool_selection",))
    with project.runtime_here() as runtime:
        given = {"tickets": str(REPOSITORY / "flows" / "data" / "tickets.csv"), "quality": "fast"}
        priced = price_run(runtime, automation_of(support_triage), given)
        for operation in ("triage", "tool_selection"):
            assert priced.routes[operation][0].reason.startswith("locked, light")
        assert not priced.routes["reply"][0].reason.startswith("locked")


CALIBRATE = """
import sys
from pathlib import Path
import tests.conftest
from tests.support.project import Project
from tests.support.runs import calibrate_run

project = Project(Path(sys.argv[1]))
with project.runtime_here() as runtime:

    def wait() -> None:
        print("ready", flush=True)
        sys.stdin.readline()

    print(calibrate_run(runtime, "classify", "cases.jsonl", before=wait, last_first=True)[1], flush=True)
"""


def test_two_calibrations_at_once_pay_each_case_once(tmp_path: Path, database_url: str):
    """Of whatever is under way at the other, each waits for the score: both see all of it and lock the same. One begins
    at the last case, so that both take part.
    """
    with Sandbox(tmp_path / "slow.jsonl", latency=Latency(0.4, 0)) as slow:
        project = repository(make_project(tmp_path / "project", slow.url, ledger_url=database_url), 20)
        other = subprocess.Popen(
            [sys.executable, "-c", CALIBRATE, str(project.root)],
            cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"

        def let_it_begin() -> None:
            assert other.stdin is not None
            other.stdin.write("\n")
            other.stdin.flush()
            until("first question of the other", slow.journal.read_bytes)

        with project.runtime_here() as runtime:
            _, told = calibrate_run(runtime, "classify", "cases.jsonl", before=let_it_begin)
            said, _ = other.communicate(timeout=PATIENCE)
            assert other.returncode == 0
            scored = rows(runtime.ledger, schema.calibration_scores)
            assert all(row["score"] is not None for row in scored)
            assert len(scored) == len(read_journal(slow.journal)) >= 100
            assert len({row["run_id"] for row in scored}) == 2, "both took part"
            assert_ledger_equals_journal(runtime, slow.journal)
            assert_ledger_adds_up(runtime)
        assert said.strip() == told, "and say the same"


def test_a_calibration_is_quoted_for_what_it_asks(tmp_path: Path, sandbox: Sandbox):
    """What is known is not quoted again."""
    project = repository(make_project(tmp_path / "project", sandbox.url), 20)
    given = {"operation": "classify", "cases": "cases.jsonl", "margin": 0.5, "confidence": 0.95, "scorer": ""}
    given |= {"most": 0, "best": ""}
    with project.runtime_here() as runtime:
        quote = price_run(runtime, automation_of(calibrate), given).quote
        run_id, _ = calibrate_run(runtime, "classify", "cases.jsonl")
        spent = runtime.ledger.spent(run_id)
        assert spent * 0.75 < quote.point < spent * 1.25
        assert quote.p95 < 10 * spent
        assert price_run(runtime, automation_of(calibrate), given).quote.point == 0
        dearest = price_run(runtime, automation_of(calibrate), given | {"best": "gpt-oss"}).quote.point
        assert dearest == 0, "who is the best changes nothing about what is known"


def test_a_budget_takes_as_many_cases_as_are_sure_to_fit(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    project = repository(make_project(tmp_path / "project", sandbox.url))
    limit, taken = parse_money("0.03 USD"), []

    def run_here(name: str, given: dict[str, str], most_spent: Nano | None, **_: object) -> None:
        taken.append((name, int(given["most"]), most_spent))
        raise UsageError("far enough")

    monkeypatch.setattr("farebox.cli.run.run_here", run_here)
    given = {
        "operation": "classify",
        "cases": "cases.jsonl",
        "margin": 0.5,
        "confidence": 0.95,
        "scorer": "",
        "best": "",
    }
    with project.runtime_here() as runtime:
        with pytest.raises(UsageError, match="far enough"):
            command("classify", cases=Path("cases.jsonl"), margin=0.5, budget="0.03 USD")
        [(name, most, most_spent)] = taken
        assert (name, most_spent) == ("calibrate", limit)
        holds = [price_run(runtime, automation_of(calibrate), given | {"most": one}).hold for one in (most, most + 1)]
        assert holds[0] <= limit < holds[1]


def test_a_calibration_that_its_limit_stops_locks_nothing_false_and_goes_on_later(
    here: Project, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    """It is held on far too little: the run stops on its way."""

    def priced(*of_what: Any, **more: Any) -> Priced:
        found = price_run(*of_what, **more)
        return replace(found, hold=parse_money("0.006 USD"))

    with here.runtime_here() as runtime:
        with monkeypatch.context() as patched:
            patched.setattr("farebox.runs.admission.price_run", priced)
            with use_run(starter_context(budget_nano=parse_money("0.007 USD"))):
                _, told = calibrate_run(runtime, "tell", "cases.jsonl", 0.2, scorer="schema")
        first = lock_of(here, "cascading/tell")
        assert (first.route, 0 < first.n < len(TEXTS)) == (("sonnet",), True)
        assert f"The budget was spent after {first.n} cases, before all was decided" in told
        paid = [row["score_key"] for row in rows(runtime.ledger, schema.calibration_scores)]
        asked = len(read_journal(sandbox.journal))
        assert len(paid) == asked
        _, told = calibrate_run(runtime, "tell", "cases.jsonl", 0.2, scorer="schema")
        assert "budget" not in told
        assert lock_of(here, "cascading/tell").route == ("gpt-oss",)
        scored = [row["score_key"] for row in rows(runtime.ledger, schema.calibration_scores)]
        assert set(paid) < set(scored)
        assert len(scored) == len(read_journal(sandbox.journal)), "each case is paid once"
        assert_ledger_equals_journal(runtime, sandbox.journal)


def test_cases_that_are_the_same_count_once(here: Project):
    case = {"id": "x", "inputs": {"text": "the same"}}
    lines = [case, case | {"id": "y"}, case | {"id": "z", "expected": "another"}]
    (here.root / "cases.jsonl").write_text("\n".join(map(json.dumps, lines)))
    cases, again = distinct(read_cases(here.root / "cases.jsonl"))
    assert ([one.id for one in cases], again) == (["x", "z"], ["y"])
    with here.runtime_here() as runtime:
        assert len(Bench.of(runtime, Chosen("say", "cases.jsonl", "schema")).cases) == 2


def test_by_a_function_of_ones_own(here: Project):
    name = f"{__name__}.half"
    with here.runtime_here() as runtime:
        calibrate_run(runtime, "say", "cases.jsonl", 0.5, scorer=name)
        assert lock_of(here).reference.score == 0.5
        assert lock_of(here).scorer == name
        with pytest.raises(UsageError, match="raising raised ValueError") as failed:
            calibrate_run(runtime, "say", "cases.jsonl", scorer=f"{__name__}.raising", threads=1)
        assert "stopped" not in str(failed.value)
        with pytest.raises(UsageError, match="There is no scorer 'nowhere'"):
            calibrate_run(runtime, "say", "cases.jsonl", scorer="nowhere")


def test_the_best_is_the_first_declared_premium_or_who_is_named(here: Project):
    with here.runtime_here() as runtime:
        calibrate_run(runtime, "say", "cases.jsonl", 0.5)
        assert lock_of(here).best == "sonnet"
        calibrate_run(runtime, "say", "cases.jsonl", 0.5, best="openai/gpt-oss-120b")
        assert lock_of(here).best == "gpt-oss"
        with pytest.raises(UsageError, match="'opus' is not among the targets"):
            calibrate_run(runtime, "say", "cases.jsonl", 0.5, best="opus")


# The judge ------------------------------------------------------------------------------------------------------------

JUDGE = '[guards.judge]\nmode = "off"\ncriteria = { grounded = "States nothing that the facts do not say." }\n'


def judging(_: dict[str, Any], said: str) -> object:
    outcome = "fail" if "cheese" in said.partition("<answer>")[2] else "pass"
    return {"criteria": [{"evidence": "says so", "criterion": "grounded", "outcome": outcome}], "outcome": outcome}


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as running:
        running.fill = judging
        yield running


def test_by_the_judge_and_its_turns_are_quoted_and_paid(tmp_path: Path, echo: Echo, monkeypatch: pytest.MonkeyPatch):
    other = TARGET.replace('"mini"', '"large"').replace("gpt-4.1-mini", "gpt-4.1").replace('"light"', '"premium"')
    project = calibrated(make_project(tmp_path / "p", echo.url, targets=TARGET + other, more=JUDGE), monkeypatch)
    texts = [{"id": str(n), "inputs": {"text": f"{'cheese' if n < 5 else 'bread'} {n}"}} for n in range(20)]
    (project.root / "cases.jsonl").write_text("\n".join(map(json.dumps, texts)))
    with project.runtime_here() as runtime:
        runtime.watchers.append(display := RunDisplay(terminal(file=StringIO())))
        run_id, _ = calibrate_run(runtime, "say", "cases.jsonl", 0.5, scorer="judge")
        assert display._progress is not None
        assert display._progress._turns == {"calibrate": 40, "score": 40}, "what is planned is what moves"
        lock = lock_of(project)
        assert {one.score for one in lock.candidates} == {0.75}
        counted = Counter(row["operation"] for row in rows(runtime.ledger, schema.attempts))
        assert counted == {"say": 40, "judge": 40}
        assert lock.reference.cost * 20 < runtime.ledger.spent(run_id), "what the judge takes is no candidate's cost"
        given = {"operation": "say", "cases": "cases.jsonl", "margin": 0.5, "confidence": 0.95, "scorer": "judge"}
        plan = price_run(runtime, automation_of(calibrate), given | {"most": 0, "best": ""}).plan
        assert [(step.operation, step.calls) for step in plan.steps] == [("calibrate", 0), ("score", 0)]
        (project.root / "cases.jsonl").write_text("\n".join(map(json.dumps, [t | {"expected": "1"} for t in texts])))
        bench_of.cache_clear()
        plan = price_run(runtime, automation_of(calibrate), given | {"most": 0, "best": ""}).plan
        assert [(step.operation, step.calls) for step in plan.steps] == [("calibrate", 40), ("score", 40)]


@llm_task(operation="chat", max_turns=99)
def chat(text: str) -> str:
    return ask("say.j2", text=text)


@automation(name="letters", price="1 credit", plan=plan(chat, input_tokens=900, output_tokens=90, calls=9))
def letters() -> None:
    """Never called: the tests run inside it."""


def test_drift_is_found_by_what_the_judge_says_of_live_answers(tmp_path: Path, echo: Echo):
    project = make_project(tmp_path / "p", echo.url, targets=TARGET, more=JUDGE + '[content]\nkeep = ["letters"]\n')
    lock = locked().model_copy(update={"scorer": "judge", "date": dt.datetime.now(dt.UTC).date()})
    with project.runtime_here() as runtime:
        assert drift(runtime, lock) == []
        live(runtime, ["bread"] * 15 + ["cheese"] * 4)
        assert drift(runtime, lock) == [], "19 are too few"
        live(runtime, ["cheese"] * 16)
        [told] = drift(runtime, lock)
        assert told == "live quality has drifted: the judge passes 43 % of 35 answers, not 80 %"
        assert drift(runtime, lock.model_copy(update={"scorer": "exact"})) == []
        tomorrow = lock.date + dt.timedelta(days=1)
        assert drift(runtime, lock.model_copy(update={"date": tomorrow})) == [], "only what came after it counts"


def live(runtime: Runtime, texts: list[str]) -> None:
    with riding(runtime, letters, {}):
        for text in texts:
            chat.fn(text)
    with riding(runtime, audit_answers, {}):
        for answer in due(1, 24):
            audited = judge.fn(answer.turn_id)
            assert audited.outcome in {"pass", "fail"}


def drift(runtime: Runtime, lock: LockedRoute) -> list[str]:
    return [told for told in stale(runtime, "letters/chat", lock, lock.date) if "drifted" in told]
