"""How long commands take beside an empty interpreter.

Usage: ``python -m benchmarks.command_line [--project DIR] [--times N] [--against DIR]``.

Each is measured as a process of its own, in processor seconds of it and its children and in wall time, alternating
with an empty interpreter and, with ``--against``, with the same command of another checkout of Farebox, so that a busy
machine slows all alike.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

RUN = "from farebox.cli import main; main()"
COMMANDS = (
    ("--version",),
    ("--help",),
    ("run", "--help"),
    ("runs",),
    ("report", "last"),
    ("report", "all"),
    ("budgets",),
    ("quotes", "audit"),
    ("models",),
    ("doctor",),
    ("quote", "summarize-notes"),
    ("run", "summarize-notes", "--budget", "0.0000001 USD"),
)
"""The last one is refused."""


class Taken(NamedTuple):
    """Durations of a process, in seconds."""

    processor: float
    wall: float


def seconds(words: Sequence[str], folder: Path, environment: dict[str, str]) -> Taken:
    began, before = time.perf_counter(), os.times()
    subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, check=False)
    after = os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return Taken(processor, time.perf_counter() - began)


def measure(
    command: Sequence[str], folder: Path, environment: dict[str, str], times: int, against: Path | None
) -> list[Taken]:
    """Medians of an empty interpreter, of the command, and of the command in the other checkout."""
    other = environment | {"PYTHONPATH": str(against)}
    variants = [(("-c", "pass"), environment), (("-c", RUN, *command), environment)]
    variants += [(("-c", RUN, *command), other)] if against else []
    for words, variables in variants:
        seconds(words, folder, variables)  # bytecode is compiled once
    rounds = [[seconds(words, folder, variables) for words, variables in variants] for _ in range(times)]
    return [
        Taken(statistics.median(one.processor for one in column), statistics.median(one.wall for one in column))
        for column in zip(*rounds, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, help="an existing project; a new one is made if left out")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--against", type=Path, help="the folder of another checkout of Farebox")
    given = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="farebox-commands-"))
    environment = {**os.environ, "PREFECT_HOME": str(scratch / "prefect"), "COLUMNS": "100"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installation keeps its bytecode
    environment.pop("PREFECT_API_URL", None)
    folder = given.project or scratch / "my-automations"
    try:
        if given.project is None:
            subprocess.run(
                [sys.executable, "-c", RUN, "new", str(folder)], env=environment, check=True, stdout=subprocess.DEVNULL
            )
            seconds(("-c", RUN, "run", "summarize-notes"), folder, environment)  # something to report
        headings = ["processor", "wall"] + (["processor before", "wall before"] if given.against else [])
        print(f"{'ms above an empty interpreter':<52}" + "".join(f"{heading:>18}" for heading in headings))
        for command in COMMANDS:
            empty, *taken = measure(command, folder, environment, given.times, given.against)
            above = [value for one in taken for value in (one.processor - empty.processor, one.wall - empty.wall)]
            print(f"{' '.join(command):<52}" + "".join(f"{1000 * value:>18.0f}" for value in above), flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
