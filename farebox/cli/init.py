"""``farebox init``: a new automation."""

from __future__ import annotations

from pathlib import Path

from farebox.cli.app import app
from farebox.cli.output import terminal
from pricing import UsageError

_out = terminal()


@app.command
def init(name: str, /) -> None:
    """Write a new automation with its prompt, its test and its deployment; it runs as it is.

    Args:
        name: how it is called, like weekly-notes.
    """
    from farebox.runtime import get_runtime
    from farebox.scaffold import begin

    runtime = get_runtime()
    if not Path.cwd().is_relative_to(runtime.root):  # other commands may do with the project that is installed
        raise UsageError(
            "There is no project here: no farebox.toml in this folder or above it.",
            next_step=f"Go into the project that it is for, like {runtime.root}.",
        )
    begun = begin(runtime.root, name, runtime.settings.timezone)
    for path in begun.paths:
        _out.print(f"✓ {path.relative_to(runtime.root)}")
    _out.print(f"\nNow run it: farebox run {begun.name}")
    _out.print("Then change its prompt, its step and its plan; `farebox deploy` puts it on its schedule.")
