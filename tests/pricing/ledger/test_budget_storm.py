"""Several processes on one budget: never overspent, and never refused while it covers the run (the benchmark has 32)."""

import subprocess
import sys
from pathlib import Path

from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[3]


def test_processes_at_once_use_a_budget_up_and_no_more(empty_database_url: str):
    code = (
        "import sys; from benchmarks.budget_storm import storm, verdict; out = storm(sys.argv[1], 6, 60); "
        "print(verdict(out), out.admitted, out)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, empty_database_url],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=PATIENCE,
    ).stdout.split()
    assert said[0] == "yes", said
    assert int(said[1]) > 20
