"""``farebox deploy``, ``serve`` and ``schedule``: automations on a Prefect server."""

from __future__ import annotations

from contextlib import chdir
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators
from rich.table import Table
from rich.text import Text

from farebox.cli.app import app
from farebox.cli.output import print_json, terminal
from farebox.runtime import get_runtime
from pricing import format_money

if TYPE_CHECKING:
    from farebox.prefect.forecast import Outlook

Json = Annotated[bool, Parameter(name="--json", negative="")]

_out = terminal()
_STYLES = {"fits": "green", "tight": "yellow", "needs_approval": "yellow", "refused": "red", "unpriced": "red"}


@app.command
def deploy(*, json: Json = False) -> None:
    """Create or update the deployments of prefect.yaml on the Prefect server, with today's prices on their forms.

    Run it again whenever prices, quotes or prefect.yaml have changed.

    Args:
        json: print JSON.
    """
    from farebox.prefect.deploy import deploy as put

    runtime = get_runtime()
    with chdir(runtime.root):  # parameters can be paths relative to the project
        done = put(runtime, runtime.root)
    if json:
        print_json([{"name": one.name, "schedules": one.schedules, "quality": one.priced} for one in done])
        return
    for one in done:
        _out.print(Text.assemble(("✓ ", "green"), (one.name, "bold"), f"  {', '.join(one.schedules)}"))
        if one.priced:
            _out.print(Text(f"    {one.priced}", style="dim"))
    _out.print("\nNow start a worker here: prefect worker start --pool farebox")


@app.command
def serve() -> None:
    """Run the deployments of prefect.yaml from this process: no work pool, no worker. Ctrl-C ends it."""
    from farebox.prefect.deploy import serve as serve_here

    runtime = get_runtime()
    with chdir(runtime.root):
        serve_here(runtime, runtime.root)


@app.command
def schedule(
    *,
    hours: Annotated[float, Parameter(validator=validators.Number(gt=0, lte=8_760))] = 24,
    refuse: Annotated[bool, Parameter(name="--refuse", negative="")] = False,
    json: Json = False,
) -> None:
    """Show what the runs that Prefect has scheduled will cost, and which of them exceed a budget.

    Args:
        hours: how far to look ahead.
        refuse: cancel runs that exceed a budget in Prefect before they start, as the look-ahead flow does.
        json: print JSON.
    """
    from farebox.prefect.forecast import forecast_schedule, shown

    runtime = get_runtime()
    with chdir(runtime.root):
        outlook = forecast_schedule(runtime, hours, refuse=refuse)
    if json:
        print_json(outlook.to_json())
        return
    _print_ended(outlook)
    zone = runtime.settings.zone
    if not outlook.runs:
        _out.print(f"No run of an automation is scheduled in the next {hours:g} hours.")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("at", "run", "p50", "p95", "hold", ""):
        table.add_column(name, justify="right" if name in {"p50", "p95", "hold"} else "left")
    for run in outlook.runs:
        chance = Text(run.chance, style=_STYLES[run.chance])
        at = f"{run.at.astimezone(zone):%m-%d %H:%M}"
        table.add_row(at, run.deployment, *map(shown, (run.p50_nano, run.p95_nano, run.hold_nano)), chance)
    _out.print(table)
    for move in outlook.moves:
        _out.print(str(move), style="yellow", markup=False)
    for why in dict.fromkeys(f"{run.chance}: {run.why}" for run in outlook.runs if run.why):
        _out.print(Text(why, style="dim"))
    _out.print(f"expected in the next {hours:g} hours: {format_money(outlook.expected_nano)}", style="bold")
    for spend in outlook.budgets:
        since = f"{spend.starts_at.astimezone(zone):%m-%d}"
        left, limit, expected = map(format_money, (spend.left_nano, spend.limit_nano, spend.expected_nano))
        _out.print(f"  {spend.budget} from {since}: {expected} expected of {left} left ({limit})")


def _print_ended(outlook: Outlook) -> None:
    for why, runs in (
        ("ended without a decision in time", outlook.undecided),
        ("ended, because its process went away", outlook.crashed),
        ("settled, because it was ended in Prefect while it was suspended", outlook.cancelled),
    ):
        for run_id in runs:
            _out.print(f"{why}: {run_id}")
