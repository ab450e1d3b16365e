"""``farebox statement``: an organisation's charges for a month, as a page, CSV and PDF."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from farebox.cli.app import app
from farebox.cli.output import near, print_json, terminal
from farebox.cli.tables import grid_table
from farebox.runtime import Runtime, get_runtime
from pricing import UsageError, to_us
from pricing.ledger import Statements, read_key

if TYPE_CHECKING:
    from pricing.reports import ChargebackStatement

Json = Annotated[bool, Parameter(name="--json", negative="")]

_out = terminal()
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
_FLAGS = ("--headless", "--disable-gpu", "--no-first-run", "--disable-sync", "--no-pdf-header-footer")
_AS_ROOT = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
"""Chromium refuses to run as root without it; the page is generated here and makes no network request."""
_PRINT_SECONDS = 120.0


@app.command
def statement(
    org: str,
    month: str,
    /,
    *,
    preview: Annotated[bool, Parameter(negative="")] = False,
    with_cost: Annotated[bool, Parameter(negative="")] = False,
    folder: Path | None = None,
    json: Json = False,
) -> None:
    """Issue an organisation's statement for a month: outcomes, charges and credits.

    The statement gets a number and is stored: issuing it again gives the same one. HTML and CSV are written, and PDF if
    Chromium or Chrome is installed.

    Args:
        org: the organisation.
        month: such as 2026-11; it must be over.
        preview: show its present state without a number, and write no file.
        with_cost: also show what the outcomes cost you; not for the customer.
        folder: where to write the files; by default `.farebox/statements/`.
        json: print JSON; amounts are nano-dollars.
    """
    runtime = get_runtime()
    found = _issued(runtime, read_key("org", org), month, preview=preview, with_cost=with_cost)
    files = [] if preview else _write(found_folder(folder, runtime.home), found)
    if json:
        print_json(found.to_json() | {"files": [str(path) for path in files]})
    else:
        _print_statement(found, files)


def _issued(runtime: Runtime, org: str, month: str, *, preview: bool, with_cost: bool) -> ChargebackStatement:
    """The statement with its number, or as it is now without one."""
    from pricing.reports import chargeback_statement, month_bounds, read_statement

    now, zone = datetime.now(UTC), runtime.settings.zone
    _, ends = month_bounds(month, zone)
    if not preview and now < ends:
        raise UsageError(
            f"{month} is not over.", next_step=f"Issue it from {ends:%Y-%m-%d} on; --preview shows it until then."
        )
    runtime.ledger.reap()
    runtime.replica.sync()
    found = chargeback_statement(runtime.replica, org, month, zone, now, with_cost=with_cost)
    if not found.items and found.credits is None:
        raise UsageError(
            f"{org!r} has no runs in {month} and no credits.",
            next_step="`farebox report all --by org --since ever` lists the organisations.",
        )
    if preview:
        return found
    issued = Statements(runtime.ledger.store).issue(org, month, found.canonical(), to_us(now), with_cost=with_cost)
    return read_statement(issued.figures, issued.number)


def _print_statement(found: ChargebackStatement, files: list[Path]) -> None:
    from pricing.reports import statement_grids, statement_sentences

    _out.print(f"{found.title}: {found.org}", style="bold", markup=False)
    for sentence in statement_sentences(found):
        _out.print(sentence, markup=False)
    for title, grid in statement_grids(found):
        _out.print(grid_table(title, grid))
    for path in files:
        _out.print(f"written to {near(path)}", style="dim", markup=False)
    if files and not any(path.suffix == ".pdf" for path in files):
        _out.print("No PDF: neither Chromium nor Chrome is installed. Print the page from a browser.", style="dim")


def found_folder(folder: Path | None, home: Path) -> Path:
    """Where files go; made if need be.

    Raises:
        UsageError: it cannot be made.
    """
    place = folder or home / "statements"
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{place} cannot be made ({error.strerror}).", next_step="Choose another --folder.") from None
    return place


def _write(folder: Path, found: ChargebackStatement) -> list[Path]:
    from pricing.reports import render_page, statement_csv, statement_page

    stem = f"statement-{found.month}-{found.number:06}"
    texts = {".html": render_page(statement_page(found)), ".csv": statement_csv(found)}
    files = []
    for suffix, text in texts.items():
        path = folder / f"{stem}{suffix}"
        try:
            path.write_text(text, "utf-8")
        except OSError as error:
            raise UsageError(
                f"{path} cannot be written ({error.strerror}).", next_step="Choose another --folder."
            ) from None
        files.append(path)
    pdf = folder / f"{stem}.pdf"
    return [*files, pdf] if _print(files[0], pdf) else files


def _print(page: Path, pdf: Path) -> bool:
    """Print a page as PDF by a headless browser; false where there is none, or it failed."""
    browser = next((found for name in _BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        return False
    with tempfile.TemporaryDirectory(prefix="farebox-print-") as profile:
        command = [
            browser, *_FLAGS, *_AS_ROOT, f"--user-data-dir={profile}", f"--print-to-pdf={pdf}",
            page.resolve().as_uri(),
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, timeout=_PRINT_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return False
    return done.returncode == 0 and pdf.exists()
