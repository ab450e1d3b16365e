"""Environments of the peers: one each, outside of the project, made when first needed.

Nothing of them is a dependency. They live in ``$XDG_CACHE_HOME/farebox-peers`` (``~/.cache`` if unset); a changed pin
makes a new one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

_INSTALL_SECONDS = 600


class Peer(NamedTuple):
    """Whom Farebox is measured against.

    ``pins`` is what its environment holds; none: this interpreter's own.
    """

    name: str
    client: str
    pins: tuple[str, ...]
    imports: str
    records: str


PEERS = (
    Peer("aiohttp", "aiohttp", ("aiohttp==3.14.5",), "aiohttp", "nothing"),
    Peer("httpx", "httpx", ("httpx==0.28.1",), "httpx", "nothing"),
    # 1.82.7, 1.82.8 and 1.107.0 were compromised; this one is safe
    Peer("LiteLLM Router", "litellm", ("litellm==1.106.2",), "litellm", "cost in memory"),
    Peer("TensorZero embedded", "tensorzero", ("tensorzero==2026.6.0",), "tensorzero", "nothing: ClickHouse is off"),
    Peer("Farebox, ask.aio", "farebox_aio", (), "tasks.ask", "intent before, completion, turn, guards: committed"),
    Peer("Farebox, on its loop", "farebox_loop", (), "tasks.ask", "the same"),
)


class Missing(Exception):
    """A peer that is not available here; the message is the reason."""


def interpreter(peer: Peer) -> str:
    """The Python that has the peer.

    Raises:
        Missing: it cannot be installed.
    """
    if not peer.pins:
        return sys.executable
    name = "-".join(pin.replace("==", "-") for pin in peer.pins)
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "farebox-peers" / name
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.exists():
        print(f"installing {', '.join(peer.pins)} into {folder}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--only-binary", ":all:", *peer.pins])
        ready.touch()
    return str(python)


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_INSTALL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(type(error).__name__) from None
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise Missing((errors or done.stderr.splitlines() or ["it does not install"])[0][:120])
