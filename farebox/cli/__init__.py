"""The command line."""

from farebox.cli.entry import main

__all__ = ["main"]
