"""The ``farebox`` command as people run it: a process of its own, in a project, on a machine without keys."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.forks import Forks
from tests.support.prefect_runs import migrated_database, server_of_commands
from tests.support.project import REPOSITORY
from tests.support.waiting import PATIENCE

_STAY = """
import sys

def stay(event, given):
    if event == "socket.connect" and isinstance(given[1], tuple) and given[1][0] not in {"127.0.0.1", "::1", "0.0.0.0"}:
        raise PermissionError("tests may only reach loopback")

sys.addaudithook(stay)
"""
_RUN = f"""{_STAY}
from farebox.cli import main
main()
"""
_FORKED = f"""{_STAY}
from tests.support.command import imported
from tests.support.forks import serve

imported()
serve("{{path}}")
import prefect.context
prefect.context.refresh_global_settings_context()
from farebox.cli import main
main()
"""
_USUAL = {
    "PYTHONPATH": str(REPOSITORY),
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": f"{PATIENCE:.0f}",
}
_NEED_A_SERVER = {"run", "demo", "calibrate"}
"""Commands that would each start a server of their own, which takes more CPU than most runs."""
_READ_ONCE = ("PREFECT_LOGGING", "PYTHON")
"""Variables that are read at the start or at an import: a command with others than usual starts an interpreter."""


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
    return _said(folder, arguments, environment, timeout, typed, None)


def farebox_into(stdout: int, folder: Path, *arguments: str, **environment: str) -> Said:
    """Run the command likewise, while what it prints goes elsewhere."""
    return _said(folder, arguments, environment, PATIENCE, "", stdout)


def _said(
    folder: Path,
    arguments: tuple[str, ...],
    environment: Mapping[str, str],
    timeout: float,
    typed: str,
    stdout: int | None,
) -> Said:
    variables = {**os.environ, **_USUAL, "PREFECT_HOME": str(_home()), **environment}
    if arguments[0] in _NEED_A_SERVER and not any(name.startswith("PREFECT_") for name in environment):
        variables["PREFECT_API_URL"] = server_of_commands(_home())
    if "PREFECT_API_URL" not in variables:
        migrated_database(Path(variables["PREFECT_HOME"]) / "prefect.db")
    keyboard, terminal = os.openpty()
    os.write(keyboard, typed.encode())
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, Path(os.devnull).open("rb") as nothing:
        files = (terminal if typed else nothing.fileno(), out.fileno() if stdout is None else stdout, err.fileno())
        try:
            code = _run(arguments, folder, variables, files, timeout)
        finally:
            os.close(keyboard)
            os.close(terminal)
        told = []
        for file in (out, err):
            file.seek(0)
            told.append(file.read().decode("utf-8", "replace"))
    return Said(code, *told)


def _run(
    arguments: tuple[str, ...],
    folder: Path,
    environment: Mapping[str, str],
    files: tuple[int, int, int],
    seconds: float,
) -> int:
    usual = {**os.environ, **_USUAL}
    if all(usual.get(name) == value for name, value in environment.items() if name.startswith(_READ_ONCE)):
        return _forks().run(["-c", *arguments], folder, environment, files, seconds)
    stdin, stdout, stderr = files
    return subprocess.run(
        [sys.executable, "-c", _RUN, *arguments],
        cwd=folder, env=environment, stdin=stdin, stdout=stdout, stderr=stderr, timeout=seconds, check=False,
    ).returncode  # fmt: skip


@cache
def _home() -> Path:
    """Where Prefect keeps its files when a test does not say: never where the user's are."""
    folder = tempfile.mkdtemp(prefix="farebox-prefect-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@cache
def _forks() -> Forks:
    return Forks(_FORKED, {**os.environ, **_USUAL}, REPOSITORY)


def imported() -> None:
    """Import what most commands do, and nothing of a project: its flows are imported where the command runs.

    DuckDB is left out: it starts threads, which would not survive the fork.
    """
    from farebox.cli.app import load_all
    from farebox.cli.main import _QUIET

    load_all()

    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import prefect  # noqa: F401

    from pricing.rates.card import RateCard

    RateCard.load()
