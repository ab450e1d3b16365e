"""What the command line offers; ``commands`` adds to it."""

from __future__ import annotations

from cyclopts import App

app = App(
    name="farebox",
    help="AI automations as Prefect flows that know their price before they run.",
    version="0.1.0",
    help_on_error=False,
)
