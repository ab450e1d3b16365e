"""Reading files that somebody else put there: regular ones only, and never more than asked for."""

from __future__ import annotations

import os
import stat
from pathlib import Path

MAX_BYTES = 5_000_000
"""Largest file, feed or table that is read at all."""

HEAD_BYTES = 262_144
"""How much of a text file is read: far more than a document keeps."""

# Non-blocking, since opening a named pipe would wait for its writer.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


class NotRegular(OSError):
    """What was opened is a folder, a device, a pipe or a socket."""


def read_at_most(path: str | Path, size: int, *, follow: bool = True) -> bytes:
    """The first ``size`` bytes of a regular file.

    Args:
        path: the file.
        size: bytes to read at most.
        follow: whether ``path`` itself may be a symbolic link.

    Raises:
        NotRegular: it is not a regular file.
        OSError: it cannot be opened or read.
    """
    descriptor = os.open(path, _FLAGS if follow else _FLAGS | _NO_LINK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotRegular(f"{path} is not a regular file")
        return file.read(size)
