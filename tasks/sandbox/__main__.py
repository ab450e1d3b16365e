"""``python -m tasks.sandbox --port N --journal FILE``: the sandbox as a process of its own, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from pricing import FareboxError
from tasks.sandbox.latency import Latency
from tasks.sandbox.server import HOST, Sandbox


def main() -> int:
    """Serve until stopped; the first line printed is the base URL."""
    usual = Latency()
    parser = argparse.ArgumentParser(prog="python -m tasks.sandbox", description="The sandbox provider.")
    parser.add_argument("--journal", type=Path, required=True, help="file that gets one line for every request")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes any that is free")
    parser.add_argument(
        "--host", default=HOST, help="this machine only, by default; anyone who can reach it can use it"
    )
    parser.add_argument("--base-latency", type=float, default=usual.base, metavar="SECONDS")
    parser.add_argument("--token-latency", type=float, default=usual.per_token, metavar="SECONDS")
    arguments = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    latency = Latency(arguments.base_latency, arguments.token_latency)
    try:
        with Sandbox(arguments.journal, latency=latency, port=arguments.port, host=arguments.host) as sandbox:
            sys.stdout.write(f"{sandbox.url}\n")
            sys.stdout.flush()
            ended.wait()
    except FareboxError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
