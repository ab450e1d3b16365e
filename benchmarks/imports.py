"""How long it takes to begin: ``python -m benchmarks.imports``.

Each in a fresh interpreter, by turns, as what it adds to one that does nothing. CPU is what the process computed: on
a machine that others use too it says more than the clock.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from statistics import median

from benchmarks import harness

ROUNDS = 7
_TASKS = "import tasks.ask, tasks.agent, tasks.llm_step, tasks.turn.executor"
_PREFECT = "; import sys; sys.stdout.write('with Prefect' if 'prefect' in sys.modules else 'without Prefect')"
WHAT = {
    "nothing": ("-c", "pass"),
    "tasks: ask, agents, llm_task, turns": ("-c", _TASKS + _PREFECT),
    "import farebox": ("-c", "import farebox" + _PREFECT),
    "every name of farebox": ("-c", "from farebox import *" + _PREFECT),
    "farebox --help": ("-c", "import sys; sys.argv[:] = ['farebox', '--help']; from farebox.cli import main; main()"),
    "import prefect": ("-c", "import prefect"),
}


def main() -> None:
    harness.quiet_environment()
    taken: dict[str, list[float]] = {name: [] for name in WHAT}
    computed: dict[str, list[float]] = {name: [] for name in WHAT}
    said: dict[str, str] = {}
    for number in range(-1, ROUNDS):
        for name, command in WHAT.items():
            started, cpu = time.perf_counter(), cpu_of_children()
            done = subprocess.run(
                [sys.executable, *command], capture_output=True, text=True, check=False, cwd=harness.ROOT
            )
            milliseconds = (time.perf_counter() - started) * 1000
            if done.returncode != 0:
                raise SystemExit(f"{name} failed:\n{done.stderr}")
            said[name] = done.stdout if "Prefect" in done.stdout[:20] else ""
            if number >= 0:
                taken[name].append(milliseconds)
                computed[name].append((cpu_of_children() - cpu) * 1000)
    bare, least = median(taken["nothing"]), median(computed["nothing"])
    rows = [
        (name, harness.spread(taken[name], 0), added(taken[name], bare), added(computed[name], least), said[name])
        for name in WHAT
    ]
    heads = ("", "all in all", "added", "CPU added", "")
    harness.table(f"imports: fresh interpreters, {ROUNDS} of each, ms", heads, rows)


def added(samples: list[float], base: float) -> str:
    return f"{median(samples) - base:.0f}"


def cpu_of_children() -> float:
    """User and system CPU time of all ended child processes, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
