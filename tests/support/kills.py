"""Processes killed in the middle of their runs."""

import os
import random
import signal
import time
from pathlib import Path

from tests.support.project import Project
from tests.support.waiting import until
from tests.support.worker import Crew


def kill_one_by_one(project: Project, jobs: list[str], seed: int, within: float, latency: float, journal: Path) -> int:
    """Start the jobs at once, and kill each at a moment of its own; how many runs they had completed.

    The last one dies just after the sandbox, which takes ``latency`` seconds, has begun to answer it.
    """
    moments = random.Random(seed)
    with Crew(project, *jobs) as crew:
        pids = crew.pids()
        crew.wait_for_all("ready")
        crew.tell("go")
        completed = len(jobs) + crew.wait_for_all("completed").count("completed")
        for pid in pids[:-1]:
            time.sleep(moments.uniform(0.0, within))
            os.kill(pid, signal.SIGKILL)
        time.sleep(1.5 * latency)  # what the others had sent is in the journal by now
        before = journal.stat().st_size
        until("request of the last process", lambda: journal.stat().st_size > before, pause=0.002)
        os.kill(pids[-1], signal.SIGKILL)
        completed += crew.finish().count("completed")
    (project.root / "go").unlink()
    return completed
