"""``farebox metering``: sending outcomes to a metered-billing service."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from cyclopts import App, Parameter

from farebox.cli.app import app
from farebox.cli.output import print_json, terminal
from farebox.runtime import get_runtime

Json = Annotated[bool, Parameter(name="--json", negative="")]

metering = App(name="metering", help="Send outcomes to Stripe meters, OpenMeter or Lago.")
app.command(metering)

_out = terminal()


@metering.command
def send(*, json: Json = False) -> None:
    """Send outcomes that the service has not confirmed yet; run it on a schedule.

    Args:
        json: print JSON.
    """
    from farebox.metering import send_usage

    sent = send_usage(get_runtime())
    if json:
        print_json(asdict(sent))
    else:
        _out.print(f"{sent.collected} new outcomes; {sent.delivered} events confirmed, {sent.failed} to retry.")


@metering.command
def status(*, json: Json = False) -> None:
    """Show how many events were confirmed, wait, or failed.

    Args:
        json: print JSON.
    """
    from farebox.metering import outbox_of

    _, settings, outbox = outbox_of(get_runtime())
    found = outbox.state()
    if json:
        print_json(asdict(found))
        return
    _out.print(
        f"{settings.sink}: {found.delivered} confirmed, {found.waiting} waiting, {found.failing} of these failed."
    )
    if found.last_fault is not None:
        _out.print(f"last fault: {found.last_fault}", markup=False)
    if found.without_customer:
        _out.print(f"{found.without_customer} outcomes have no customer: name them under [metering.customers].")
