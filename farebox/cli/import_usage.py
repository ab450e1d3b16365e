"""``farebox import``: usage from elsewhere as history of an automation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from farebox.cli.app import app
from farebox.cli.output import print_json, terminal
from pricing import UsageError, format_money

Json = Annotated[bool, Parameter(name="--json", negative="")]
Given = Annotated[str, Parameter(show=False)]

_out = terminal()


@app.command(name="import")
def import_usage(
    source: Literal["litellm", "langfuse", "otel", "openai", "anthropic", "openrouter", "csv"],
    file: Path,
    /,
    *,
    automation: str,
    quality: Literal["fast", "best"] = "fast",
    map_: Annotated[tuple[str, ...], Parameter(name="--map")] = (),
    dry_run: Annotated[bool, Parameter(name="--dry-run", negative="")] = False,
    json: Json = False,
    **parameters: Given,
) -> None:
    """Import usage as history of an automation, for its quotes, packaging and price reviews.

    Imported runs do not count for budgets, wallets, statements, bills or closed months. Importing a file again adds
    nothing. If one line is wrong, nothing is imported.

    Args:
        source: the program that wrote the file.
        file: JSON, JSON lines or CSV.
        automation: the automation whose history it is.
        quality: fast or best.
        map_: FIELD=COLUMN, the column of a field; may be repeated. For JSON, a path with dots.
        dry_run: show what would be imported, and write nothing.
        json: print JSON; amounts are nano-dollars.
        parameters: the automation's own, of a run like the imported ones; its defaults otherwise.
    """
    from farebox.usage_import import import_file

    columns: dict[str, str] = {}
    for pair in map_:
        field, sign, column = pair.partition("=")
        if not sign or not column:
            raise UsageError(f"--map {pair[:60]!r} is not FIELD=COLUMN.", next_step="Such as --map model=model_name.")
        columns[field] = column
    made = import_file(
        source, file, automation, quality=quality, columns=columns, parameters=parameters, write=not dry_run
    )
    if json:
        print_json(
            {
                "automation": automation, "quality": quality, "written": not dry_run and not made.again,
                "rows": made.added, "runs": made.runs, "requests": made.requests, "cost_nano": made.cost_nano,
                "known_rows": made.known, "known_file": made.again,
            }
        )  # fmt: skip
        return
    if made.again:
        _out.print(f"{file.name} was imported before: nothing was added.", markup=False)
        return
    what = "Would import" if dry_run else "Imported"
    summary = f"{what} {made.runs:,} runs of {automation} ({quality}): {made.requests:,} requests"
    known = f"; {made.known:,} were known already" if made.known else ""
    _out.print(f"{summary}, {format_money(made.cost_nano)}{known}.", markup=False)
