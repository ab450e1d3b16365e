"""Processes that are started, waited for, measured and ended, each with all that it started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")
PATIENCE = 120.0
"""Seconds that a part may take to start, on a busy machine."""


class Failed(Exception):
    """A part of the set-up failed; the message names it and has its last output."""


class Part:
    """A process with all its children; its output is in its log."""

    def __init__(
        self,
        name: str,
        command: tuple[str, ...],
        *,
        log: Path,
        environment: Mapping[str, str],
        folder: Path,
        prefix: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*prefix, *command],
                cwd=folder,
                env={"FAREBOX_PROJECT": str(folder), **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu(self) -> float:
        """Seconds of CPU of it and of all that it started and that has ended or still runs."""
        return tree_cpu(self._process.pid)

    def own_cpu(self) -> float:
        """Seconds of CPU of the process itself."""
        try:
            times = psutil.Process(self._process.pid).cpu_times()
        except psutil.NoSuchProcess:
            return 0.0
        return float(times.user + times.system)

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        """With all that it started, as when a machine loses its power."""
        for child in _tree(self._process.pid):
            child.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """Ask it to end, then see that it does."""
        if not self.ended():
            os.killpg(self._process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(15)
        self.kill()


def python(*module: str) -> tuple[str, ...]:
    return (sys.executable, "-m", *module)


def tree_cpu(pid: int) -> float:
    """Seconds of CPU of a process and its descendants, the dead ones that were waited for among them."""
    total = 0.0
    for process in _tree(pid):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:  # its waiting caller has its times
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _tree(pid: int) -> list[psutil.Process]:
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def free_port(address: str) -> int:
    with socket.create_server((address, 0)) as taken:
        return int(taken.getsockname()[1])


def until(what: str, look: Callable[[], T], seconds: float = PATIENCE, *parts: Part) -> T:
    """The result of ``look`` as soon as there is one; fails at once if a part has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        for part in parts:
            if part.ended():
                raise Failed(f"{part.name} ended: {part.said()[-800:]}")
        time.sleep(0.2)
    raise Failed(f"no {what} after {seconds:.0f} s")
