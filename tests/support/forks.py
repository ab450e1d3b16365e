"""Commands in processes of their own that are forked from one that has imported everything.

Starting an interpreter and importing Prefect takes some seconds of CPU, a fork some milliseconds; what runs after it is
the same: arguments, environment, folder, terminal, exit code and the end of the interpreter are the command's own.
"""

import array
import atexit
import gc
import json
import os
import random
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

_LARGEST_REQUEST = 1 << 20
_LISTENING = "listening"


class Forks:
    """Starts commands by forking a process that runs ``code`` up to its call of :func:`serve`.

    Args:
        code: Python that imports, calls ``serve(path)``, and then is the command; ``{path}`` stands for the path.
        environment: of the process that is forked.
        folder: where it is started.
    """

    def __init__(self, code: str, environment: Mapping[str, str], folder: Path) -> None:
        self._path = Path(tempfile.mkdtemp(prefix="farebox-forks-")) / "socket"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code.replace("{path}", str(self._path))],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        atexit.register(self.close)
        assert self._process.stdout is not None
        if self._process.stdout.readline().decode().strip() != _LISTENING:
            raise RuntimeError("the process that commands are forked from did not start")

    def close(self) -> None:
        """End it; commands that still run go on."""
        atexit.unregister(self.close)
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._path.unlink(missing_ok=True)
        self._path.parent.rmdir()

    def run(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        files: Sequence[int],
        seconds: float,
    ) -> int:
        """Run the command; its exit code, negative for a signal.

        Args:
            arguments: ``sys.argv``.
            folder: its working directory.
            environment: all of it.
            files: what it reads from, writes to and complains to.
            seconds: after which it is killed.

        Raises:
            subprocess.TimeoutExpired: it was killed.
        """
        request = json.dumps({"arguments": [*arguments], "folder": str(folder), "environment": dict(environment)})
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(str(self._path))
            connection.settimeout(seconds)
            socket.send_fds(connection, [b"\0"], list(files))
            connection.sendall(request.encode() + b"\n")
            with connection.makefile("r") as answers:
                pid = int(answers.readline())
                try:
                    return os.waitstatus_to_exitcode(int(answers.readline()))
                except TimeoutError:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired([*arguments], seconds) from None


def serve(path: str) -> None:
    """Fork for every request that comes; returns in each fork, which then is the command."""
    threads = Path("/proc/self/task")
    count = len([*threads.iterdir()]) if threads.exists() else threading.active_count()
    assert count == 1, f"{count - 1} threads would not survive the fork"
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    os.write(1, f"{_LISTENING}\n".encode())
    waiting = selectors.DefaultSelector()
    waiting.register(listener, selectors.EVENT_READ)
    waiting.register(0, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.fd == 0:
                sys.exit(0)
            connection, _ = listener.accept()
            if os.fork():
                connection.close()
                continue
            listener.close()
            waiting.close()
            _begin(connection)
            return


def _begin(connection: socket.socket) -> None:
    """Receive a request, fork once more, and become the command there; the other process waits for its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, ancillary, _, _ = connection.recvmsg(1, socket.CMSG_SPACE(3 * array.array("i").itemsize))
    files = array.array("i", ancillary[0][2])
    with connection.makefile("r") as requests:
        request = json.loads(requests.readline(_LARGEST_REQUEST))
    if pid := os.fork():
        _attend(connection, pid)
    connection.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    random.seed()
    sys.argv[:] = request["arguments"]


def _attend(connection: socket.socket, pid: int) -> NoReturn:
    connection.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    connection.sendall(f"{status}\n".encode())
    os._exit(0)
