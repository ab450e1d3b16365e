"""A disk that is small, or goes read-only: a tmpfs of its own, where the machine lets us mount one."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_LAZILY = 2


class Disk:
    """A folder on a disk of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, leave: int = 0) -> None:
        """Use up all of it but so many bytes."""
        free = os.statvfs(self.folder)
        with (self.folder / "ballast").open("wb", buffering=0) as file:
            block = b"x" * 4096
            for _ in range(max(0, free.f_bavail * free.f_bsize - leave) // len(block)):
                file.write(block)

    def make_room(self) -> None:
        (self.folder / "ballast").unlink()

    def read_only(self, *, yes: bool = True) -> None:
        subprocess.run(["mount", "-o", f"remount,{'ro' if yes else 'rw'}", str(self.folder)], check=True)


@contextmanager
def small_disk(folder: Path, megabytes: int = 4) -> Iterator[Disk]:
    """A disk of that size."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk takes the right to mount one (root, outside of a locked container)")
    try:
        yield Disk(folder)
    finally:
        ctypes.CDLL(None).umount2(os.fsencode(folder), _LAZILY)
