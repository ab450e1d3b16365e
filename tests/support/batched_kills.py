"""Runs that wait for batches, killed at every stage of one and continued until they complete.

``python -m tests.support.batched_kills`` imports everything once and forks a process for each try that it reads from
its standard input: ``ROOT RUN_ID STAGE NUMBER``. The process kills itself when it comes to a stage for the so-manieth
time; without a stage (``-``) it runs to its end. A try says how it ended: ``completed``, then ``ended CODE``.
"""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, Self

import tests.conftest  # noqa: F401 - no way out of the machine for these processes either
from farebox import ask, automation, llm_task, plan
from farebox.prefect import collect_batches
from farebox.runtime import Runtime
from pricing.db import schema
from pricing.ledger import Batches, Ledger
from tasks.batches.openai import OpenAIBatchClient
from tasks.sandbox import read_journal
from tests.support.books import assert_ledger_adds_up, rows
from tests.support.due_runs import due_run
from tests.support.forked_tries import fork, serve_forks
from tests.support.project import REPOSITORY, Project
from tests.support.runs import at_once
from tests.support.waiting import PATIENCE

NOTES = [f"The importer stopped for {n} hours on Monday." for n in range(3)] + ["The same note for all."] * 2
TURNS = len(NOTES) + 2 * 2
"""Of one run: the notes, and two turns of each of two others."""


@llm_task(operation="say", max_tokens=60, max_turns=2)
def say(text: str) -> str:
    return ask("say.j2", text=text)


@llm_task(operation="twice", max_tokens=60, max_turns=2)
def twice(text: str) -> str:
    return ask("say.j2", text=ask("say.j2", text=text))


@automation(
    price="1 credit",
    plan=plan(say, calls=len(NOTES), input_tokens=60, output_tokens=60)
    + plan(twice, calls=4, input_tokens=60, output_tokens=60),
    due="6h",
)
def errand() -> None:
    """Never called: tries use it."""


def _call(one: tuple[Any, str]) -> str:
    step, text = one
    said: str = step(text)
    return said


@dataclass(frozen=True, slots=True)
class Stage:
    """Before or after the calls of a method, of which there are so many in a run."""

    owner: type
    method: str
    after: bool
    calls: int
    is_async: bool = False

    @property
    def name(self) -> str:
        return f"{'after' if self.after else 'before'}-{self.owner.__name__}.{self.method}"

    def arm(self, number: int) -> None:
        """Have this process kill itself at the call of this number."""
        made, original = [0], getattr(self.owner, self.method)

        def strikes() -> bool:
            made[0] += 1
            return made[0] == number

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            now = strikes()
            if now and not self.after:
                _die()
            result = original(*args, **kwargs)
            if now and self.after:
                _die()
            return result

        async def wrapped_async(*args: Any, **kwargs: Any) -> Any:
            now = strikes()
            if now and not self.after:
                _die()
            result = await original(*args, **kwargs)
            if now and self.after:
                _die()
            return result

        chosen: Callable[..., Any] = wrapped_async if self.is_async else wrapped
        setattr(self.owner, self.method, wraps(original)(chosen))


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


STAGES = [
    Stage(owner, method, after, calls, is_async)
    for owner, method, calls, is_async in (
        (Batches, "begin", 2, False),
        (OpenAIBatchClient, "submit", 2, True),
        (Batches, "created", 2, False),
        (OpenAIBatchClient, "status", 3, True),
        (Batches, "take", TURNS, False),
        (Batches, "collected", 2, False),
        (Ledger, "record_turn", TURNS, False),
        (Ledger, "settle", 1, False),
    )
    for after in (False, True)
]
"""Every stage of a batch, in order: written down, created, recorded, looked at, each result taken, all taken; then the
turns recorded, and the run settled."""


@dataclass
class Tally:
    """What became of the tries."""

    runs: int = 0
    kills: int = 0
    tries: int = 0
    stages: Counter[str] = field(default_factory=Counter)


class Driver:
    """Starts tries that kill themselves, and goes on until their run has completed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.batched_kills"],
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

    def complete(self, root: Path, run_id: str, kills: list[tuple[Stage, int]], tally: Tally) -> None:
        """Run it to its end, with a kill at each of these stages, one a try."""
        tally.runs += 1
        left = [*kills]
        while True:
            stage, number = left.pop(0) if left else (None, 0)
            said = self._try(f"{root} {run_id} {stage.name if stage else '-'} {number}")
            tally.tries += 1
            if said[-1] == f"ended {-signal.SIGKILL}":
                tally.kills += 1
                tally.stages[stage.name if stage else "?"] += 1
            elif "completed" in said:
                return
            else:
                raise AssertionError(said)

    def _try(self, words: str) -> list[str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{words}\n")
        self._process.stdin.flush()
        said: list[str] = []
        while not said or not said[-1].startswith("ended"):
            line = self._process.stdout.readline()
            assert line, "the process that starts tries has ended"
            said.append(line.strip())
        return said


def assert_paid_once(runtime: Runtime, journal: Path, tally: Tally) -> None:
    """No line is lost and none is paid twice, all of it within the holds, and the books agree."""
    collect_batches(runtime)  # one whose process died between its last line and the note that it was the last
    runtime.ledger.reap()
    assert runtime.batches.open() == []
    assert_ledger_adds_up(runtime)
    attempts = {row["attempt_id"]: row for row in rows(runtime.ledger, schema.attempts)}
    corrected = Counter[str]()
    for row in rows(runtime.ledger, schema.adjustments):
        corrected[row["attempt_id"]] += row["cost_delta_nano"]
    billed = [entry for entry in read_journal(journal) if entry.usage.known]
    assert len({entry.client_request_id for entry in billed}) == len(billed), "a line was billed twice"
    per_run = Counter(attempts[entry.client_request_id]["run_id"] for entry in billed)
    assert set(per_run.values()) == {TURNS}, per_run
    assert len(per_run) == tally.runs
    for entry in billed:
        attempt_id = entry.client_request_id or ""
        attempt = attempts[attempt_id]
        cost = attempt["cost_nano"] + corrected[attempt_id]
        tier = entry.service_tier or "standard"
        price = runtime.rates.price(attempt["model"], attempt["provider"], entry.usage, service_tier=tier)
        assert cost == price, attempt
    unbilled = set(attempts) - {entry.client_request_id for entry in billed}
    assert sum(attempts[one]["cost_nano"] + corrected[one] for one in unbilled) == 0
    for settlement in rows(runtime.ledger, schema.settlements):
        assert settlement["spent_nano"] <= settlement["held_nano"], settlement


def one_try(runtime: Runtime, run_id: str) -> None:
    """One try of a run."""
    work: list[tuple[Any, str]] = [(say.fn, note) for note in NOTES]
    work += [(twice.fn, f"Something about {name}.") for name in ("Acme", "Globex")]
    with due_run(runtime, errand, {}, run_id):
        at_once(_call, work, threads=len(work))


def _fork(words: str) -> int:
    root, run_id, name, number = words.split()

    def work() -> str:
        for stage in STAGES:
            if stage.name == name:
                stage.arm(int(number))
        os.chdir(root)
        with Project(Path(root)).runtime_here() as runtime:
            one_try(runtime, run_id)
        return "completed"

    return fork(work)


def main() -> None:
    serve_forks(_fork)


if __name__ == "__main__":
    from tests.support.batched_kills import main as imported  # so that classes are of one module

    imported()
