"""``farebox credits``: the credits that users and organisations pay for outcomes."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from cyclopts import App, Parameter, validators

from farebox.cli.app import app
from farebox.cli.numbers import WHOLE
from farebox.cli.output import moment, print_json, terminal
from farebox.runtime import get_runtime

Json = Annotated[bool, Parameter(name="--json", negative="")]

credit = App(name="credits", help="Grant credits to a user or an organisation, and show how they were spent.")
app.command(credit)

Credits = Annotated[int, WHOLE, Parameter(validator=validators.Number(lte=1_000_000_000_000))]
Rollover = Annotated[int, WHOLE, Parameter(validator=validators.Number(gte=0, lte=1_000_000_000_000))]
Priority = Annotated[int, WHOLE, Parameter(validator=validators.Number(gte=-1_000_000, lte=1_000_000))]

_out = terminal()


@credit.command
def grant(
    wallet: str,
    amount: Credits,
    /,
    *,
    expires: datetime | None = None,
    priority: Priority = 0,
    rollover: Rollover = 0,
    json: Json = False,
) -> None:
    """Grant credits to a wallet. The first grant opens it; from then on its runs are refused if it has too few.

    Args:
        wallet: org:NAME or user:NAME. A user's own pays first; if it has too few, the organisation's.
        amount: how many.
        expires: the date from which they cannot be spent any more, in the project's time zone.
        priority: grants with a lower one are spent first; of the same, those that expire first.
        rollover: how many of them, unspent when they expire, are carried over, once, for as long again.
        json: print JSON.
    """
    runtime = get_runtime()
    until = expires.replace(tzinfo=runtime.settings.zone) if expires and expires.tzinfo is None else expires
    made = runtime.wallets.grant(wallet, amount, expires=until, priority=priority, rollover=rollover)
    left = runtime.wallets.balance(wallet).available
    if json:
        print_json({"grant_id": made, "wallet": wallet, "available": left})
    else:
        _out.print(f"{wallet}: {amount} credits granted, {left} available.", markup=False)


@credit.command
def balance(wallet: str | None = None, /, *, json: Json = False) -> None:
    """Show a wallet's credits, by grant in the order they are spent; every wallet by default.

    Args:
        wallet: org:NAME or user:NAME.
        json: print JSON.
    """
    wallets, zone = get_runtime().wallets, get_runtime().settings.zone
    found = [wallets.balance(name) for name in ([wallet] if wallet else wallets.ids())]
    if json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        _out.print("There is no wallet yet: credits are not enforced. `farebox credits grant org:NAME 100` opens one.")
    for one in found:
        held = f", {one.held} set aside for runs under way" if one.held else ""
        _out.print(f"{one.wallet_id}: {one.available} credits{held}", markup=False)
        for part in one.grants:
            until = f"until {moment(part.expires_at, zone)}" if part.expires_at else "without expiry"
            order = f", priority {part.priority}" if part.priority else ""
            carried = f", {part.rollover} of them carried over then" if part.rollover else ""
            _out.print(f"  {part.available} of {part.granted} {until}{carried}{order}", style="dim")


@credit.command
def statement(wallet: str, /, *, json: Json = False) -> None:
    """Show every movement of a wallet, oldest first.

    Args:
        wallet: org:NAME or user:NAME.
        json: print JSON.
    """
    lines, zone = get_runtime().wallets.statement(wallet), get_runtime().settings.zone
    if json:
        print_json([asdict(line) for line in lines])
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("when", "what", "credits", "balance", "run"):
        table.add_column(heading, justify="right" if heading in {"credits", "balance"} else "left")
    for line in lines:
        signed = f"{line.change:+d}" if line.change else f"({line.credits})"
        table.add_row(moment(line.at, zone), line.kind, signed, str(line.balance), (line.run_id or "")[:8])
    _out.print(table)
