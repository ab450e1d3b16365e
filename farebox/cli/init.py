"""``farebox new`` and ``farebox init``: a new project, a new automation."""

from __future__ import annotations

from pathlib import Path

from farebox.cli.app import app
from farebox.cli.output import near, terminal

_out = terminal()


@app.command
def new(folder: Path, /, *, timezone: str = "UTC") -> None:
    """Create a project with a first automation in a folder of its own.

    Args:
        folder: the new folder, like my-automations; its name is the project's.
        timezone: where days, weeks and months of budgets begin at midnight, like Europe/Madrid.
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from farebox.scaffold import create_project
    from pricing import UsageError

    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"{timezone[:40]!r} is not a time zone.", next_step="Use one like Europe/Madrid.") from None
    created = create_project(folder, timezone)
    for path in created.paths:
        _out.print(f"✓ {near(path)}")
    if created.root != Path.cwd():
        _out.print(f"\nNow change to it: cd {near(created.root)}", soft_wrap=True)
    _out.print(f"Run its first automation: farebox run {created.name}")
    _out.print("Add another: farebox init NAME. README.md says how to test, schedule and watch them.")


@app.command
def init(name: str, /) -> None:
    """Add an automation to the project: its flow, prompt, test and deployment. It runs without changes.

    Args:
        name: its name, like weekly-notes.
    """
    from farebox.runtime import get_runtime
    from farebox.scaffold import create_automation

    runtime = get_runtime()
    created = create_automation(runtime.root, name, runtime.settings.timezone)
    for path in created.paths:
        _out.print(f"✓ {path.relative_to(runtime.root)}")
    _out.print(f"\nNow run it: farebox run {created.name}")
    _out.print("Then change its prompt, its step and its plan; `farebox deploy` puts it on its schedule.")
