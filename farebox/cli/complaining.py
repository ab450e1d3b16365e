"""How the command line tells of what went wrong."""

from __future__ import annotations

from farebox.cli.output import terminal
from pricing.errors import FareboxError


def complain(error: FareboxError) -> None:
    """Tell what went wrong and what to do about it."""
    console = terminal(stderr=True, soft_wrap=True)
    console.print(f"error: {error.message}", style="bold red")
    if error.next_step:
        console.print(f"  next: {error.next_step}")
