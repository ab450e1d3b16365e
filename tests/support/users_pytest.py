"""pytest as a user runs it: in a process of its own, with the plugin of the distribution."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

from tests.support.project import REPOSITORY
from tests.support.waiting import PATIENCE


def installed() -> bool:
    return any(found.value == "farebox.pytest_plugin" for found in entry_points(group="pytest11"))


def users_pytest(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    plugin = [] if installed() else ["-p", "farebox.pytest_plugin"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{REPOSITORY}"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
