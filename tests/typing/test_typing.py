"""Signatures and types survive the decorators, as mypy sees it: wrong calls are errors, right ones keep their types."""

import subprocess
import sys
from pathlib import Path

from tests.support.waiting import PATIENCE

ROOT = Path(__file__).absolute().parents[2]


def test_types_survive():
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "pyproject.toml"]
    told = subprocess.run(
        [*command, "tests/typing/automations_keep_types.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert told.returncode == 0, told.stdout + told.stderr
