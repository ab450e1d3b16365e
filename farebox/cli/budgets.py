"""``farebox budgets``: the limits that hold, what is left of each, and their history."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated, Any

from cyclopts import App, Parameter, validators

from farebox.cli.app import app
from farebox.cli.numbers import WHOLE
from farebox.cli.output import moment, print_json, terminal, warn
from farebox.discovery import automation_names
from farebox.runtime import Runtime, get_runtime
from pricing import format_money, parse_money
from pricing.ledger import SOFT, WILDCARD, BudgetState, Limit, read_scope, read_window

Json = Annotated[bool, Parameter(name="--json", negative="")]

Count = Annotated[int, WHOLE, Parameter(validator=validators.Number(gte=1, lte=1_000_000))]

budgets = App(name="budgets", help="List budgets, set limits, and show their history.")
app.command(budgets)

_out = terminal()
_FIELDS = ("name", "scope", "key", "window", "starts_at", "resets_at", "limit", "spent", "held", "left")
_SOFT = ("soft", "soft_at")


@budgets.default
@budgets.command(name="list")
def list_budgets(*, json: Json = False) -> None:
    """List the budgets whose window is open: limit, spent, held, left, reset; and the limits that were set.

    Args:
        json: print JSON.
    """
    runtime, zone = get_runtime(), get_runtime().settings.zone
    states, stated = runtime.ledger.budgets(), runtime.limits.all()
    if json:
        print_json(budget_states(runtime))
        return
    if states:
        _out.print(_table(states, "resets", [moment(state.resets_at, zone) or "with the run" for state in states]))
    else:
        _out.print("No budget has an open window yet; the first run opens one.")
    for limit in stated:
        _out.print(
            f"set: {limit.scope} {limit.key} per {limit.window}, {format_money(limit.limit)}, soft {limit.soft}",
            style="dim",
            markup=False,
        )


@budgets.command(name="set")
def set_budget(scope: str, key: str, window: str, limit: str, /, *, soft: str = SOFT) -> None:
    """Set a limit for future runs; it replaces the same one in farebox.toml.

    A lower limit that the automation declares still applies.

    Args:
        scope: automation, operation, user, org or tag.
        key: which one; "*" for each of them on its own.
        window: day, week or month.
        limit: an amount like "50 USD", or "none" to remove what was set.
        soft: when to warn, once per window: "80%", an amount, or "none".
    """
    runtime, where = get_runtime(), (read_scope(scope), key, read_window(window))
    if limit.strip().lower() == "none":
        runtime.limits.unset(*where)
        _out.print(f"Removed: {scope} {key} per {window}.", markup=False)
        return
    stated = Limit(*where, parse_money(limit), soft)
    runtime.limits.set(stated)
    names = automation_names(runtime.root) if scope == "automation" and key != WILDCARD else [key]
    if key not in names:
        near = get_close_matches(key, names, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or 'none'}."
        warn(f"There is no automation {key[:60]!r} yet; {hint} The limit applies once it exists.")
    _out.print(f"Set: {scope} {key} per {window} {format_money(stated.limit)}, soft {soft}.", markup=False)


@budgets.command
def history(scope: str, key: str, /, *, limit: Count = 20, json: Json = False) -> None:
    """Show what was spent in a budget's windows, and how its limits changed.

    Args:
        scope: automation, operation, user, org or tag.
        key: which one.
        limit: how many of each, newest first.
        json: print JSON.
    """
    runtime, wanted = get_runtime(), read_scope(scope)
    windows = runtime.limits.windows(wanted, key, limit=limit)
    changes = runtime.limits.changes(wanted, key, limit=limit)
    if json:
        entries = [{name: getattr(c, name) for name in ("at", "window", "limit", "soft", "origin")} for c in changes]
        print_json({"windows": [_plain(state) for state in windows], "changes": entries})
        return
    if not windows and not changes:
        _out.print(f"No history of a budget of {scope} {key}.", markup=False)
        return
    zone = runtime.settings.zone
    if windows:
        _out.print(
            _table(windows, "soft threshold reached", [moment(state.soft_at, zone) or "no" for state in windows])
        )
    for change in changes:
        what = "taken back" if change.limit is None else format_money(change.limit)
        how = "set" if change.origin == "set" else "in force"
        _out.print(f"{moment(change.at, zone)}  per {change.window}: {what} ({how})", style="dim")


def budget_states(runtime: Runtime) -> list[dict[str, Any]]:
    """The budgets whose windows are open, as plain data; amounts are nano-dollars."""
    return [_plain(state) for state in runtime.ledger.budgets()]


def _plain(state: BudgetState) -> dict[str, Any]:
    return {field: getattr(state, field) for field in (*_FIELDS, *_SOFT)}


def _table(states: Sequence[BudgetState], last: str, cells: Sequence[str]) -> Any:
    from rich.table import Table
    from rich.text import Text

    zone = get_runtime().settings.zone
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("budget", "from", "limit", "spent", "held", "left", last):
        table.add_column(heading, justify="left" if heading in {"budget", "from", last} else "right")
    for state, cell in zip(states, cells, strict=True):
        amounts = (state.limit, state.spent, state.held, state.left)
        style = "yellow" if state.soft_at else ""
        since = f"{state.starts_at.astimezone(zone):%Y-%m-%d}"
        table.add_row(Text(state.name, style), since, *(format_money(amount) for amount in amounts), cell)
    return table
