"""Runs that are killed and continued until they complete: mapped steps, identical questions, agents and tools.

``python -m tests.support.continued_runs`` imports everything once and forks a process for each try that it reads
from its standard input: ``ROOT RUN_ID SEED WAY``. A try says ``began``, and how it ended; then ``ended CODE``.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import tests.conftest  # noqa: F401 - no way out of the machine for these processes either
from farebox import Agent, ask, automation, llm_task, plan, tool
from farebox.runtime import Runtime
from pricing.db import schema
from pricing.errors import ToolInterrupted
from tasks.sandbox import SandboxEntry, read_journal
from tests.support.books import assert_ledger_adds_up, rows
from tests.support.forked_tries import fork, serve_forks
from tests.support.project import REPOSITORY, Project
from tests.support.runs import at_once, riding
from tests.support.waiting import PATIENCE

NOTES = [f"The importer stopped for {n} hours on Monday." for n in range(5)] + ["The same note for all."] * 3
CASES = ("Look up the account of Acme and say its plan.", "Look up the account of Globex and say its plan.")
EFFECTS = "effects.log"
_TOOL_SECONDS = 0.01


class Broken(Exception):
    """What a try's own code raises, for its process to try again."""


def effect(name: str) -> None:
    """Leave a trace of a tool that took effect."""
    with Path(EFFECTS).open("a", encoding="utf-8") as log:
        log.write(f"{name}\n")
    time.sleep(_TOOL_SECONDS)


@llm_task(operation="say", max_turns=20)
def say(text: str) -> str:
    return ask("say.j2", text=text)


def look_up(customer: str) -> dict[str, str]:
    """The account of a customer."""
    effect(f"look_up {customer}")
    return {"customer": customer, "plan": "team"}


@tool(cost="0.005 USD", provider="serper")
def search(query: str) -> str:
    """Search the web."""
    effect(f"search {query}")
    return f"results for {query}"


helper = Agent(prompt="say.j2", tools=[look_up], max_turns=4, max_tokens=200)


@llm_task(operation="help", max_turns=6)
def help_out(text: str) -> str:
    return helper.run(text=text)


@automation(
    price="1 credit",
    plan=plan(say, calls=len(NOTES), input_tokens=60, output_tokens=60)
    + plan(helper, calls=4, input_tokens=200, output_tokens=60)
    + plan(search, calls=2),
)
def errand() -> None:
    """Never called: tries use it."""


def whole_errand(order: random.Random) -> None:
    """Everything that a run does, mapped steps in an order of their own."""
    notes = list(NOTES)
    order.shuffle(notes)
    at_once(say.fn, notes)
    search("trains")
    at_once(help_out.fn, CASES)
    search("boats")


def one_try(runtime: Runtime, run_id: str, seed: int, way: str) -> str:
    """One try of a run; how it ended.

    ``retry``: its code raises once, and the same process tries again; ``suspend``: it suspends itself after its first
    half; ``run``: to its end.
    """
    order = random.Random(seed)
    try:
        if way == "retry":
            with suppress(Broken), riding(runtime, errand, {}, run_id):
                at_once(say.fn, NOTES[:4])
                raise Broken
        with riding(runtime, errand, {}, run_id) as ride:
            os.write(1, b"began\n")
            if way == "suspend":
                at_once(say.fn, NOTES[3:])
                ride.suspend(datetime.now(UTC) + timedelta(hours=1))
                os.write(1, b"suspended\n")
                os._exit(0)  # as Prefect does: nothing is settled
            whole_errand(order)
    except ToolInterrupted:
        os.write(1, b"interrupted\n")  # before it is decided: a kill in between is not to hide it
        runtime.journal.decide(run_id, "retry")
        return "interrupted"
    return "completed"


@dataclass
class Tally:
    """What became of the tries of one driver."""

    runs: int = 0
    kills: int = 0
    tries: int = 0
    interrupted: int = 0
    ways: Counter[str] = field(default_factory=Counter)


class Driver:
    """Starts tries, kills them at random moments, and goes on until their run has completed."""

    def __init__(self, seed: int) -> None:
        self._moments = random.Random(seed)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.continued_runs"],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate("", timeout=PATIENCE)

    def complete(self, roots: Sequence[Path], run_id: str, kills: int, within: float, tally: Tally) -> None:
        """Run it to its end, with so many kills on the way, each within so many seconds of a try's begin.

        Args:
            roots: projects that share a ledger: each try is in the next one, as on another host.
            run_id: of the run.
            kills: how often one of its processes is killed.
            within: seconds.
            tally: counts what became of it.
        """
        tally.runs += 1
        left, completed = kills, False
        while not completed:
            way = self._moments.choice(("run", "run", "retry", "suspend")) if left else "run"
            root = roots[tally.tries % len(roots)]
            said = self._try(f"{root} {run_id}", way, within if left else None)
            tally.tries += 1
            tally.ways[way] += 1
            tally.interrupted += "interrupted" in said
            killed = said[-1] == f"ended {-signal.SIGKILL}"
            tally.kills += killed
            left -= killed
            assert killed or {"completed", "suspended", "interrupted"} & set(said), said
            completed = "completed" in said

    def _try(self, run: str, way: str, kill_within: float | None) -> list[str]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{run} {self._moments.randrange(10**6)} {way}\n")
        self._process.stdin.flush()
        pid = int(self._line().removeprefix("pid "))
        said: list[str] = []
        while (line := self._line()) != "began":
            said.append(line)
            if line.startswith("ended"):
                return said
        if kill_within is not None:
            time.sleep(self._moments.uniform(0, kill_within))
            with suppress(ProcessLookupError):  # it has ended before
                os.kill(pid, signal.SIGKILL)
        while not said or not said[-1].startswith("ended"):
            said.append(self._line())
        return said

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process that starts tries has ended"
        return line.strip()


def assert_paid_once(runtime: Runtime, roots: Sequence[Path], journal: Path, tally: Tally) -> Counter[str]:
    """Every turn was answered once, every tool called once, and the books agree; what is more is named.

    Returns how attempts ended.
    """
    runtime.ledger.reap()
    attempts = _of_models(runtime, journal)
    assert_ledger_adds_up(runtime)
    completed = Counter(str(a["outcome"]) for a in attempts)
    per_run = Counter(a["run_id"] for a in attempts if a["outcome"] == "ok")
    turns = len(NOTES) + 2 * len(CASES)
    assert set(per_run.values()) == {turns}, "a turn that was answered was asked again, or one is missing"
    assert len(per_run) == tally.runs
    assert set(completed) <= {"ok", "lost"}
    served: list[SandboxEntry] = read_journal(journal)
    assert len(served) <= tally.runs * turns + completed["lost"]
    called = Counter(line for root in roots for line in _lines(root / EFFECTS))
    assert len(called) == len(CASES) + 2, called
    for count in called.values():
        assert tally.runs <= count <= tally.runs + tally.interrupted, called
    return completed


def _of_models(runtime: Runtime, journal: Path) -> list[dict[str, Any]]:
    """The attempts that are a model's, each compared with what the sandbox has billed."""
    served = {entry.client_request_id: entry for entry in read_journal(journal)}
    found = [a for a in rows(runtime.ledger, schema.attempts) if a["kind"] == "model"]
    known = {a["attempt_id"] for a in found}
    assert set(served) <= known, "the sandbox served what the ledger does not know"
    adjusted = {row["attempt_id"] for row in rows(runtime.ledger, schema.adjustments)}
    for attempt in found:
        entry = served.get(attempt["attempt_id"])
        if attempt["outcome"] == "ok":
            assert entry is not None, attempt
            assert attempt["cost_nano"] == runtime.rates.price(attempt["model"], attempt["provider"], entry.usage)
        else:
            assert attempt["outcome"] == "lost", attempt
            assert attempt["cost_nano"] == attempt["worst_nano"] or attempt["attempt_id"] in adjusted
    return found


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.exists() else []


def _fork(words: str) -> int:
    root, run_id, seed, way = words.split()

    def work() -> str:
        os.chdir(root)
        with Project(Path(root)).runtime_here() as runtime:
            return one_try(runtime, run_id, int(seed), way)

    return fork(work)


def main() -> None:
    serve_forks(_fork, say_pid=True)


if __name__ == "__main__":
    from tests.support.continued_runs import main as imported  # so that pickles and classes are of one module

    imported()
