"""A process of its own that runs automations: ``python -m tests.support.worker FOLDER WHAT COUNT``.

It prints ``ready`` once everything is loaded, waits for a line, and then works; every line it prints afterwards is an
outcome. ``WHAT`` is ``digest``, ``triage``, or ``admit`` (COUNT runs held at once until another line comes).
"""

import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tests.conftest  # noqa: F401 - no way out of the machine for this process either
from tests.support.project import REPOSITORY, Project


def start_worker(project: Project, what: str, count: int) -> subprocess.Popen[str]:
    """Start one; what it complains of goes to a file in the project."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with (project.root / "workers.log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.support.worker", str(project.root), what, str(count)],
            cwd=project.root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )


def wait_for_line(worker: subprocess.Popen[str], wanted: str) -> None:
    """Read until that line."""
    assert worker.stdout is not None
    for line in worker.stdout:
        if line.strip() == wanted:
            return
    raise AssertionError(f"the worker ended with {worker.wait()} instead of saying {wanted!r}")


def tell(worker: subprocess.Popen[str]) -> None:
    """Let it go on."""
    assert worker.stdin is not None
    worker.stdin.write("\n")
    worker.stdin.flush()


def finish(workers: Iterable[subprocess.Popen[str]], timeout: float = 120) -> list[str]:
    """What they said until they ended, all well."""
    said = []
    for worker in workers:
        out, _ = worker.communicate(timeout=timeout)
        assert worker.returncode == 0, out
        said += out.split()
    return said


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def _run(project: Project, what: str, count: int) -> None:
    from flows import daily_digest, support_triage  # noqa: F401 - loaded before the signal to start
    from pricing.errors import FareboxError
    from tests.support.riding import digest_run, triage_run

    with project.runtime_here() as runtime:
        runtime.rates.worst("gpt-4.1-mini", "openai", 1, 1)  # reads the price list
        _say("ready")
        sys.stdin.readline()

        def one(number: int) -> None:
            try:
                if what == "digest":
                    digest_run(runtime, str(project.documents), 2, "best" if number % 5 == 4 else "fast")
                else:
                    triage_run(runtime, str(project.root / "tickets.csv"))
                _say("completed")
            except FareboxError as error:
                _say(type(error).__name__)
            if number % 4 == 0:  # the two processes then race for its file often enough
                runtime.replica.sync()

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(one, range(count)))


def _admit(project: Project, count: int) -> None:
    from farebox.automations import automation_of
    from farebox.gate import Ride, admit
    from flows.daily_digest import daily_digest
    from pricing.errors import OverBudget

    with project.runtime_here() as runtime:
        parameters = {"source": str(project.documents), "limit": 2, "quality": "fast"}
        _say("ready")
        sys.stdin.readline()

        def start(number: int) -> Ride | None:
            try:
                return admit(runtime, automation_of(daily_digest), f"{os.getpid()}-{number}", parameters)
            except OverBudget:
                return None

        with ThreadPoolExecutor(count) as pool:
            rides = list(pool.map(start, range(count)))
        for ride in rides:
            _say("admitted" if ride else "refused")
        _say("decided")
        sys.stdin.readline()
        for ride in rides:
            if ride:
                ride.finish(None)


def main() -> None:
    project, what, count = Project(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
    if what == "admit":
        _admit(project, count)
    else:
        _run(project, what, count)


if __name__ == "__main__":
    main()
