"""``farebox runs`` and ``farebox report``: what runs cost, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators
from rich.console import Console

from farebox.cli.app import app
from farebox.cli.output import print_json
from farebox.runtime import Runtime, get_runtime

Json = Annotated[bool, Parameter(name="--json", negative="")]
Count = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1_000_000))]

_out = Console(highlight=False)


@app.command
def runs(*, automation: str | None = None, limit: Count = 20, json: Json = False) -> None:
    """List past runs, newest first.

    Args:
        automation: only this one's.
        limit: how many.
        json: print JSON.
    """
    from pricing.reports import render_terminal
    from pricing.reports import runs as list_runs

    found = list_runs(_synced().replica, limit=limit, automation=automation)
    if json:
        print_json([line.to_json() for line in found])
    else:
        _out.print(render_terminal(found))


@app.command
def report(run_id: str = "last", /, *, html: Path | None = None, json: Json = False) -> None:
    """Report what a run cost, and why.

    Args:
        run_id: the run's id, its first characters, or "last".
        html: write it into this file as one page that needs nothing else, in place of showing it here.
        json: print JSON.
    """
    from pricing.reports import render_html, render_terminal, run_report

    found = run_report(_synced().replica, run_id)
    if html is not None:
        _written(html, render_html(found))
    if json:
        print_json(found.to_json())
    elif html is None:
        _out.print(render_terminal(found))


def _written(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    Console(stderr=True, highlight=False).print(f"written to {path}", style="dim", markup=False)


def _synced() -> Runtime:
    """The runtime, its replica up to date if nobody holds it."""
    runtime = get_runtime()
    runtime.replica.sync()
    return runtime
