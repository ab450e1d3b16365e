"""A process that runs automations over and over, and what it holds meanwhile."""

import gc
import os
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Self

import httpx

from pricing.db import schema
from pricing.reports import render_html, run_report, runs
from tasks.sandbox import Latency, Sandbox
from tests.support.books import rows
from tests.support.project import make_project
from tests.support.runs import digest_run, triage_run

GROWTH = 0.05
POOLED = {"files": 8, "threads": 3}
"""How many more there may be: pools of connections and threads grow with the busiest moment there was."""
_MEGABYTE = 1024 * 1024
_FAULTS: tuple[list[dict[str, Any]], ...] = (
    [],
    [],
    [],
    [{"kind": "503", "nth": 2}],
    [{"kind": "429", "nth": 2, "retry_after": 0}],
    [{"kind": "malformed", "nth": 2}],
)
_TICKETS = (
    "id,customer,plan,subject,body,opened\n"
    "1,Ana,pro,The export fails,It stops after a minute since Monday.,2026-03-31\n"
    "2,Bo,free,An invoice,Where do I find the invoice of March?,2026-03-30\n"
)
_BREAKER = "[breaker]\nquarantine_seconds = 0.2\ncap_seconds = 0.5\n"


@dataclass(frozen=True)
class Held:
    """What a process holds at one moment; ``wal`` is the ledger's write-ahead log."""

    runs: int
    resident: int
    objects: int
    files: int
    threads: int
    in_flight: int
    holds: int
    wal: int

    def cells(self) -> tuple[str, ...]:
        """For a table."""
        sizes = (f"{self.resident / _MEGABYTE:.1f}", f"{self.objects / 1000:.0f}k objects")
        counts = (self.files, self.threads, self.in_flight, self.holds)
        return (f"{self.runs:,}", *sizes, *map(str, counts), f"{self.wal / _MEGABYTE:.1f}")


class Soak:
    """Runs one automation after another in this process, with a sandbox that fails now and then.

    Args:
        folder: where project, ledger and journal lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._sandbox = self._stack.enter_context(Sandbox(self._folder / "journal.jsonl", latency=Latency(0, 0)))
        self._project = make_project(self._folder / "project", self._sandbox.url, documents=2, more=_BREAKER)
        (self._project.root / "tickets.csv").write_text(_TICKETS)
        self.runtime = self._stack.enter_context(self._project.runtime_here())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self) -> None:
        """One more run, and now and then a sync and a report."""
        faults = _FAULTS[self._count % len(_FAULTS)]
        httpx.post(f"{self._sandbox.url}/_sandbox/faults", json=faults).raise_for_status()
        if self._count % 4 == 3:
            triage_run(self.runtime, str(self._project.root / "tickets.csv"))
        else:
            digest_run(self.runtime, str(self._project.documents), 2)
        self._count += 1
        if self._count % 5 == 0:
            self.runtime.replica.sync()
            [latest] = runs(self.runtime.replica, limit=1)
            render_html(run_report(self.runtime.replica, latest.run_id))

    def measure(self) -> Held:
        """What is held now, once what nobody uses is collected."""
        gc.collect()
        ledger, wal = self.runtime.ledger, self._project.home / "ledger.db-wal"
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return Held(
            runs=self._count,
            resident=pages * os.sysconf("SC_PAGE_SIZE"),
            objects=len(gc.get_objects()),
            files=len(list(Path("/proc/self/fd").iterdir())),
            threads=threading.active_count(),
            in_flight=len(rows(ledger, schema.inflight)),
            holds=len(rows(ledger, schema.holds)),
            wal=wal.stat().st_size if wal.exists() else 0,
        )


def growth(samples: list[Held], *, resident: bool = True) -> list[str]:
    """What grew between the first and the last third of the samples, as text; nothing when all is flat.

    Args:
        samples: in their order.
        resident: whether memory counts: within a few seconds it grows by what the allocator keeps.
    """
    third = max(1, len(samples) // 3)
    first, last = samples[:third], samples[-third:]
    found = []
    flat = {"objects": GROWTH, "files": 0, "threads": 0, "wal": 1.0} | ({"resident": GROWTH} if resident else {})
    for name, allowed in flat.items():
        before, after = (median(getattr(sample, name) for sample in part) for part in (first, last))
        if after > before * (1 + allowed) + POOLED.get(name, 0):
            found.append(f"{name} grew from {before:,.0f} to {after:,.0f}")
    return found + [f"{name} remain" for name in ("in_flight", "holds") if any(getattr(s, name) for s in samples)]
