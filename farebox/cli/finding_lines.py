"""What the doctor found, one line each, and below it what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farebox.doctor import Finding, State
from farebox.economics import Symptom
from pricing import format_money
from pricing.reports import clean

_SIGNS: dict[State, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "warn": ("!", "yellow"),
    "fail": ("✗", "red"),
    "skipped": ("–", "dim"),
}


def finding_lines(findings: Sequence[Finding]) -> RenderableType:
    """All findings, and how many of each kind."""
    table = _table()
    for finding in findings:
        told = Text(clean(finding.told))
        if finding.next_step:
            told.append(f"\n→ {clean(finding.next_step)}", "bold" if finding.state == "fail" else "dim")
        table.add_row(_sign(finding.state), Text(clean(finding.check), "dim"), told)
    counts = Counter(finding.state for finding in findings)
    return _summed(table, f"{counts['ok']} fine, {counts['warn']} to look at, {counts['fail']} failed")


def symptom_lines(symptoms: Sequence[Symptom]) -> RenderableType:
    """All symptoms, those that were found with what is at stake and what to do."""
    table = _table()
    for one in symptoms:
        told = Text(clean(one.told))
        if one.at_stake:
            told.append(f"; at stake: {format_money(one.at_stake)}", "bold")
        if one.next_step:
            told.append(f"\n→ {clean(one.next_step)}", "dim")
        table.add_row(_sign("warn" if one.found else "ok"), Text(one.check, "dim"), told)
    found = sum(one.found for one in symptoms)
    return _summed(table, f"{len(symptoms) - found} fine, {found} to look at")


def _table() -> Table:
    """A sign, what was looked at, and what was found."""
    table = Table.grid(padding=(0, 1))
    table.add_column()
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _sign(state: State) -> Text:
    return Text(*_SIGNS[state])


def _summed(table: Table, summary: str) -> RenderableType:
    return Group(table, Text(), Text(summary, "bold"))
