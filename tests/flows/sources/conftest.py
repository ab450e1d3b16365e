from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

Git: TypeAlias = Callable[..., str]


@pytest.fixture(autouse=True)
def _no_git_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The developer's own git settings do not matter to the tests."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """Runs git in a new repository at ``tmp_path / "repo"``; ``day`` dates commits within March 2026."""
    folder = tmp_path / "repo"
    folder.mkdir()

    def run(*arguments: str, day: int = 1, hour: int = 12, cwd: Path = folder) -> str:
        date = f"2026-03-{day:02}T{hour:02}:00:00+00:00"
        who = {"NAME": "Ada", "EMAIL": "ada@example.com", "DATE": date}
        environment = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
        done = subprocess.run(
            ["git", *arguments], cwd=cwd, env=os.environ | environment, check=True, capture_output=True
        )
        return done.stdout.decode()

    run("init", "-q", "-b", "main")
    return run


@pytest.fixture
def repo(tmp_path: Path, git: Git) -> Path:
    del git
    return tmp_path / "repo"


@contextmanager
def _nobody(folder: Path) -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    closed = [(above, above.stat().st_mode & 0o7777) for above in (folder, *folder.parents)]
    closed = [(above, mode) for above, mode in closed if not mode & 0o001]
    for above, mode in closed:
        above.chmod(mode | 0o055)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        for above, mode in closed:
            above.chmod(mode)


@pytest.fixture
def as_nobody(tmp_path: Path) -> AbstractContextManager[None]:
    """Root reads everything, so that a test of permissions runs as somebody else within this."""
    return _nobody(tmp_path)
