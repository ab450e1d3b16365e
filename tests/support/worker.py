"""Processes of their own that run automations: ``python -m tests.support.worker FOLDER JOB…``.

A job is ``digest:60``, ``again:5`` (digests under ids of their own; a process that is killed is started again at once,
under the same ids), ``triage:40``, ``flow:30`` (digests as Prefect flows, on the server at ``PREFECT_API_URL``), or
``admit:5`` (five runs held at once); each gets a process, forked once everything is imported. A job says ``ready``, waits until the folder has a file ``go``, and says how each run came out;
``admit`` then says ``decided`` and keeps its holds until there is a file ``settle``.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Self

import tests.conftest  # noqa: F401 - no way out of the machine for these processes either
from tests.support.project import REPOSITORY, Project
from tests.support.waiting import PATIENCE


class Crew:
    """The processes as a test sees them. What they complain of is in ``workers.log``."""

    def __init__(self, project: Project, *jobs: str) -> None:
        self._project = project
        self._jobs = jobs
        self._unread: list[str] = []
        self._pids: list[int] = []
        with (project.root / "workers.log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.worker", str(project.root), *jobs],
                cwd=project.root,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        (self._project.root / "settle").touch()
        for pid in self._pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        if self._process.poll() is None:
            self._process.terminate()
        self._process.communicate(timeout=PATIENCE)

    def wait_for_all(self, word: str) -> list[str]:
        """Read until every job has said that word; what they said meanwhile."""
        said: list[str] = []
        for _ in self._jobs:
            while (line := self._line()) != word:
                said.append(line)
        return said

    def pids(self) -> list[int]:
        """Of the jobs, in their order."""
        early: list[str] = []
        while not (line := self._line()).startswith("pids "):
            early.append(line)
        self._unread = early
        self._pids = [int(pid) for pid in line.split()[1:]]
        return self._pids

    def tell(self, word: str) -> None:
        """Let all of them go on."""
        (self._project.root / word).touch()

    def finish(self) -> list[str]:
        """What they said until they ended."""
        out, _ = self._process.communicate(timeout=PATIENCE)
        self._pids = []
        return [*self._unread, *out.splitlines()]

    def complaints(self) -> str:
        """The end of what they complained of, and how each job ended that failed."""
        return (self._project.root / "workers.log").read_text(errors="replace")[-3000:]

    def _line(self) -> str:
        if self._unread:
            return self._unread.pop(0)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(self.complaints())
        return line.strip()


def _say(word: str) -> None:
    os.write(1, f"{word}\n".encode())


def _wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.005)


def _run(project: Project, what: str, count: int, place: int) -> None:
    from pricing.errors import FareboxError
    from tests.support.runs import digest_run, flow_run, triage_run

    with project.runtime_here() as runtime:
        _say("ready")
        _wait_for(project.root / "go")

        def one(number: int) -> None:
            try:
                if what == "flow":
                    flow_run(str(project.documents), 2)
                elif what == "again":
                    digest_run(runtime, str(project.documents), 2, run_id=f"again-{project.root.name}-{place}-{number}")
                elif what == "digest":
                    digest_run(runtime, str(project.documents), 2, "best" if number % 5 == 4 else "fast")
                else:
                    triage_run(runtime, str(project.root / "tickets.csv"))
                _say("completed")
            except FareboxError as error:
                _say(type(error).__name__)
            if number % 4 == 0:  # the processes then race for the replica often enough
                runtime.replica.sync()

        with ThreadPoolExecutor(1 if what == "flow" else 3) as pool:
            list(pool.map(one, range(count)))


def _admit(project: Project, count: int) -> None:
    from farebox.automations import automation_of
    from farebox.runs.admission import AdmittedRun, admit
    from flows.daily_digest import daily_digest
    from pricing.errors import OverBudget

    with project.runtime_here() as runtime:
        parameters = {"source": str(project.documents), "limit": 2, "quality": "fast"}
        _say("ready")
        _wait_for(project.root / "go")

        def start(number: int) -> AdmittedRun | None:
            try:
                return admit(runtime, automation_of(daily_digest), f"{os.getpid()}-{number}", parameters)
            except OverBudget:
                return None

        with ThreadPoolExecutor(count) as pool:
            rides = list(pool.map(start, range(count)))
        for ride in rides:
            _say("admitted" if ride else "refused")
        _say("decided")
        _wait_for(project.root / "settle")
        for ride in rides:
            if ride:
                ride.finish(None)


def _fork(project: Project, job: str, place: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    what, count = job.split(":")
    try:
        (_admit if what == "admit" else lambda p, n: _run(p, what, n, place))(project, int(count))
    except BaseException:  # noqa: BLE001 - whatever it is, a fork must not go on as its parent
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main() -> None:
    import flows.daily_digest
    import flows.support_triage  # noqa: F401 - before the fork, once for all
    from pricing.rates.card import RateCard

    project = Project(Path(sys.argv[1]))
    RateCard.load().worst("gpt-4.1-mini", "openai", 1, 1)  # reads the price list
    assert threading.active_count() == 1, "forking would lose a thread"
    jobs = dict(enumerate(sys.argv[2:]))
    running = {_fork(project, job, place): place for place, job in jobs.items()}
    _say(" ".join(["pids", *map(str, running)]))
    codes = set()
    while running:
        pid, code = os.wait()
        place = running.pop(pid)
        if os.WIFSIGNALED(code) and os.WTERMSIG(code) == signal.SIGKILL and jobs[place].startswith("again"):
            running[_fork(project, jobs[place], place)] = place
        else:
            codes.add(code)
            if code:
                print(f"{jobs[place]} ended with {os.waitstatus_to_exitcode(code)}", file=sys.stderr)
    sys.exit(0 if codes == {0} else 1)


if __name__ == "__main__":
    main()
