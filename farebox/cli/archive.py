"""``farebox sync`` and ``farebox archive``: the replica and the archive."""

from __future__ import annotations

import dataclasses
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from cyclopts import Parameter, validators

from farebox.cli.app import app
from farebox.cli.numbers import WHOLE
from farebox.cli.output import complain, print_json, terminal
from farebox.runtime import Runtime, get_runtime
from pricing import LedgerBusy, now_us
from pricing.replica import LEAST_DAYS

Json = Annotated[bool, Parameter(name="--json", negative="")]
Days = Annotated[int, WHOLE, Parameter(validator=validators.Number(gte=LEAST_DAYS, lte=36_500))]
Seconds = Annotated[float, Parameter(validator=validators.Number(gte=0.1, lte=86_400))]

_DAY_US = 86_400 * 1_000_000
_out = terminal()


@app.command
def sync(
    *, rebuild: bool = False, watch: Annotated[bool, Parameter(negative="")] = False, every: Seconds = 5.0
) -> None:
    """Bring the replica up to date with the ledger.

    Args:
        rebuild: delete it and build it again.
        watch: repeat until interrupted: for the one machine that keeps the replica for several.
        every: seconds between two syncs, with --watch.
    """
    runtime = get_runtime()
    if rebuild or not watch:
        _print_status(runtime, rebuild=rebuild)
    if watch:
        with _interruption() as interrupted:
            while not interrupted.is_set():
                try:
                    _print_status(runtime, quiet=True)
                except LedgerBusy as error:  # for example while its server restarts: the next round catches up
                    complain(error)
                interrupted.wait(every)
        raise KeyboardInterrupt


@app.command
def archive(*, days: Days | None = None, json: Json = False) -> None:
    """Move old runs out of the ledger, into Parquet files that reports still read.

    Args:
        days: runs that ended longer ago than this; archive.keep_days in farebox.toml, if left out.
        json: print JSON.
    """
    runtime = get_runtime()
    before = now_us() - (days or runtime.settings.archive.keep_days) * _DAY_US
    moved = runtime.archive.move(before)
    runtime.replica.sync()
    if json:
        print_json({**dataclasses.asdict(moved), "folder": str(runtime.archive.folder)})
    elif moved.runs:
        _out.print(f"{moved.runs:,} runs ({moved.rows:,} rows) are in {runtime.archive.folder} now.")
    else:
        _out.print("Nothing to archive: every run is younger, or quotes still use it.")


def _print_status(runtime: Runtime, *, rebuild: bool = False, quiet: bool = False) -> None:
    done = runtime.replica.rebuild() if rebuild else runtime.replica.sync()
    if not done.done:
        _out.print(f"{runtime.replica.path} is in use by another process; the next sync catches up.")
    elif done.rows or not quiet:
        how = "rebuilt" if done.rebuilt else "up to date"
        _out.print(f"{runtime.replica.path} is {how}: {done.rows} rows copied.")


@contextmanager
def _interruption() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets. A KeyboardInterrupt could be raised where it is lost, such as during garbage
    collection.
    """
    interrupted = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: interrupted.set())
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
