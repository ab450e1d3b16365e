"""The same calls through Farebox and its peers: ``python -m benchmarks peers``.

One server, in a process of its own; each peer in another, with an environment of its own (see ``environments``). They
take turns within each round, so that a noisy machine is noisy to all of them. ``--rounds`` makes it longer.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from statistics import median, quantiles
from typing import IO, Any, cast

from benchmarks import harness
from benchmarks.peers.environments import PEERS, Missing, Peer, interpreter

ONE_BY_ONE, CROWD, SLOW = 150, 600, 100
"""Calls of a round; of httpx, whose pool collapses under many at once, fewer."""


class Worker:
    """One peer's process."""

    def __init__(self, peer: Peer, python: str, url: str) -> None:
        environment = os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "CRITICAL"}
        self.peer = peer
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed when the worker stops
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.peers.worker", peer.client, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=harness.ROOT,
            env=environment,
        )
        self.send({"document": harness.DOCUMENT})

    def send(self, command: dict[str, Any]) -> None:
        requests = cast("IO[str]", self._process.stdin)
        requests.write(json.dumps(command) + "\n")
        requests.flush()

    def receive(self) -> Any:
        """The next answer; other output of a library is skipped."""
        for line in cast("IO[str]", self._process.stdout):
            if line.startswith(("{", "[")):
                return json.loads(line)
        self._errors.seek(0)
        raise Missing((self._errors.read().strip().splitlines() or ["it ended"])[-1][:120])

    def ask(self, **command: int) -> Any:
        self.send(command)
        return self.receive()

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()


def import_milliseconds(python: str, module: str) -> float:
    """What importing it adds to starting an interpreter."""

    def taken(code: str) -> float:
        started = time.perf_counter()
        subprocess.run([python, "-c", code], check=True, cwd=harness.ROOT, capture_output=True)
        return (time.perf_counter() - started) * 1000

    return median(taken(f"import {module}") - taken("pass") for _ in range(3))


def start(stack: ExitStack, peer: Peer, url: str) -> Worker:
    """A process of the peer that has made its first calls."""
    worker = Worker(peer, interpreter(peer), url)
    stack.callback(worker.stop)
    worker.receive()
    return worker


def both(first: Worker, second: Worker, calls: int) -> float:
    """Calls per second of two processes at once."""
    for worker in (first, second):
        worker.send({"at_once": calls})
    slowest = max(float(first.receive()["seconds"]), float(second.receive()["seconds"]))
    return 2 * calls / slowest


def measure(stack: ExitStack, rounds: int) -> None:
    server = stack.enter_context(harness.serving("benchmarks.loopback"))
    workers, absent = [], []
    for peer in PEERS:
        try:
            workers.append(start(stack, peer, server.url))
        except Missing as why:
            absent.append(f"{peer.name} ({', '.join(peer.pins)}) is not measured: {why}")
    one, rate, cpu, added = (defaultdict[str, list[float]](list) for _ in range(4))
    twice: list[float] = []
    second = start(stack, PEERS[-1], server.url)
    for _ in range(rounds):
        base = 0.0
        for worker in workers:
            name = worker.peer.name
            samples = worker.ask(one=ONE_BY_ONE)
            base = base or median(samples)
            one[name] += samples
            added[name].append(median(samples) - base)
            calls = SLOW if worker.peer.client == "httpx" else CROWD
            took = worker.ask(at_once=calls)
            rate[name].append(calls / took["seconds"])
            cpu[name].append(took["cpu"] * 1000 / calls)
        twice.append(both(workers[-1], second, CROWD))
    rows = [
        (
            worker.peer.name,
            f"{median(one[worker.peer.name]):.2f}",
            f"{median(added[worker.peer.name]):+.2f}",
            f"{quantiles(one[worker.peer.name], n=100)[-1]:.2f}",
            f"{median(rate[worker.peer.name]):,.0f}",
            f"{median(cpu[worker.peer.name]):.2f}",
            f"{import_milliseconds(interpreter(worker.peer), worker.peer.imports):.0f}",
            worker.peer.records,
        )
        for worker in workers
    ]
    pins = ", ".join(pin for peer in PEERS for pin in peer.pins)
    harness.table(
        f"peers: {rounds} rounds of {ONE_BY_ONE} calls one by one, ms, and {CROWD} with 50 in flight",
        ("", "p50", "added", "p99", "calls/s", "CPU ms", "import ms", "commits or records per call"),
        rows,
        [
            *absent,
            f"{PEERS[-1].name}, two processes at once: {median(twice):,.0f} calls/s together.",
            f"Pinned: {pins}. Farebox also masks personal data, looks for keys, prices and holds each call.",
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    harness.quiet_environment()
    with ExitStack() as stack:
        measure(stack, rounds)


if __name__ == "__main__":
    main()
