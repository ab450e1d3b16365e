"""No reply, of a provider or of a feed, takes more memory than an answer can need: each is measured in a process."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pricing.errors import SourceError
from tasks.providers.feeds import fetch
from tests.support.hostile_replies import REPLIES, Server
from tests.support.project import REPOSITORY

MOST = 64
"""Megabytes above what the process had."""


def test_every_hostile_reply_takes_little_memory_and_is_no_crash(tmp_path: Path):
    with Server() as server:
        command = [sys.executable, "-m", "tests.support.hostile_replies", str(tmp_path), server.url, *REPLIES]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["kind"] for one in found] == list(REPLIES), done.stderr
    assert [one for one in found if one["above"] > MOST] == []
    assert [one for one in found if one["said"].startswith(("crashed", "answered"))] == []


def test_a_feed_has_one_deadline_however_its_bytes_are_spread():
    """A byte every tenth of a second would never run into a time-out for each read."""
    import socket
    import threading

    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/feed"
    left = threading.Event()

    def drip() -> None:
        for start in (b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nx-slow: "):
            connection, _ = listening.accept()
            with connection:
                try:
                    connection.sendall(start)
                    while not left.wait(0.1):
                        connection.sendall(b"x")
                except OSError:
                    continue

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    for _ in ("in its body", "in its headers"):
        started = time.monotonic()
        with pytest.raises(SourceError, match="was not complete after 1 s"):
            fetch(url, seconds=1)
        assert time.monotonic() - started < 600  # of an endless reply: a hang, not a measurement
    left.set()
    listening.close()
