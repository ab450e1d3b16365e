"""Processes that ask at the same moment: ``python -m tests.support.askers FOLDER PROCESSES TURNS``.

Each is forked once everything is imported, says ``ready``, waits until the folder has a file ``go``, has all its turns
under way at once, and says how many were answered.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import tests.conftest  # noqa: F401 - no way out of the machine for these processes either
from tests.support.project import REPOSITORY, Project
from tests.support.waiting import PATIENCE


def start(project: Project, processes: int, turns: int) -> subprocess.Popen[str]:
    """Start them; returns once all are ready."""
    arguments = [sys.executable, "-m", "tests.support.askers", str(project.root), str(processes), str(turns)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(arguments, cwd=project.root, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(processes):
        assert process.stdout.readline().strip() == "ready"
    return process


def finish(project: Project, process: subprocess.Popen[str]) -> list[int]:
    """Let them ask; how many turns each had answered."""
    (project.root / "go").touch()
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    return [int(line) for line in out.split()]


def _say(word: object) -> None:
    os.write(1, f"{word}\n".encode())


def _ask(project: Project, turns: int) -> None:
    from tests.support.turns import admitted, ask, unanswered

    with project.runtime_here() as runtime, admitted(runtime) as run:
        _say("ready")
        while not (project.root / "go").exists():
            time.sleep(0.002)
        _say(turns - len(unanswered(ask(runtime, run, turns, at_once=turns))))


def main() -> None:
    import tests.support.turns  # noqa: F401 - before the fork, once for all
    from pricing.rates.card import RateCard

    project, processes, turns = Project(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
    RateCard.load().worst("gpt-4.1-mini", "openai", 1, 1)  # reads the price list
    pids = []
    for _ in range(processes):
        if pid := os.fork():
            pids.append(pid)
            continue
        try:
            _ask(project, turns)
        except BaseException:  # noqa: BLE001 - whatever it is, a fork must not go on as its parent
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    sys.exit(max(os.waitpid(pid, 0)[1] for pid in pids) != 0)


if __name__ == "__main__":
    main()
