"""How the command line tells of what went wrong."""

from __future__ import annotations

from rich.console import Console

from pricing.errors import FareboxError


def complain(error: FareboxError) -> None:
    """Tell what went wrong and what to do about it."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(f"error: {error.message}", style="bold red", markup=False)
    if error.next_step:
        console.print(f"  next: {error.next_step}", markup=False)
