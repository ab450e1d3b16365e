"""How long commands take beside an empty interpreter: ``python -m benchmarks.command_line [--project DIR] [--times N]``.

Each is measured as a process of its own, alternating with an empty interpreter, so that a busy machine slows both.
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

RUN = "from farebox.cli import main; main()"
COMMANDS = (
    ("--version",),
    ("--help",),
    ("run", "--help"),
    ("models",),
    ("runs",),
    ("budgets",),
    ("report", "last"),
    ("quote", "summarize-notes"),
    ("run", "summarize-notes", "--budget", "0.0000001 USD"),
)
"""The last one is refused."""


def seconds(words: Sequence[str], folder: Path, environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, check=False)
    return time.perf_counter() - began


def measure(command: Sequence[str], folder: Path, environment: dict[str, str], times: int) -> tuple[float, float]:
    """Median seconds of an empty interpreter and of the command."""
    seconds(("-c", RUN, *command), folder, environment)
    pairs = [
        (seconds(("-c", "pass"), folder, environment), seconds(("-c", RUN, *command), folder, environment))
        for _ in range(times)
    ]
    return statistics.median(empty for empty, _ in pairs), statistics.median(taken for _, taken in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, help="an existing project; a new one is made if left out")
    parser.add_argument("--times", type=int, default=5)
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
        print(f"{'farebox …':<52}{'× empty':>9}{'ms above':>10}")
        for command in COMMANDS:
            empty, taken = measure(command, folder, environment, given.times)
            print(f"{' '.join(command):<52}{taken / empty:>9.1f}{1000 * (taken - empty):>10.0f}", flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
