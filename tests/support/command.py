"""The ``farebox`` command as people run it: a process of its own, in a project, on a machine without keys."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.project import REPOSITORY
from tests.support.waiting import PATIENCE

_RUN = """
import sys

def stay(event, given):
    if event == "socket.connect" and isinstance(given[1], tuple) and given[1][0] not in {"127.0.0.1", "::1", "0.0.0.0"}:
        raise PermissionError("tests may only reach loopback")

sys.addaudithook(stay)
from farebox.cli import main
main()
"""


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err


Call = Callable[..., Said]
"""The same in this process, with its runtime: ``call`` of ``tests.conftest``."""


def farebox(folder: Path, *arguments: str, timeout: float = PATIENCE, typed: str = "", **environment: str) -> Said:
    """Run the command, with these variables beside the scrubbed ones of the tests; ``typed`` comes from a terminal."""
    usual = {
        "PYTHONPATH": str(REPOSITORY),
        "COLUMNS": "120",
        "PYTHONUTF8": "1",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": f"{PATIENCE:.0f}",
    }
    keyboard, terminal = os.openpty()
    os.write(keyboard, typed.encode())
    try:
        done = subprocess.run(
            [sys.executable, "-c", _RUN, *arguments],
            cwd=folder,
            env={**os.environ, **usual, **environment},
            capture_output=True,
            stdin=terminal if typed else subprocess.DEVNULL,
            timeout=timeout,
            check=False,
        )
    finally:
        os.close(keyboard)
        os.close(terminal)
    return Said(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
