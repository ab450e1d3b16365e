"""``farebox cases``: cases for calibrations, out of recorded runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter, validators

from farebox.cli.app import app
from farebox.cli.numbers import WHOLE
from farebox.cli.output import near, terminal
from farebox.runtime import get_runtime
from pricing.reports import plural

Days = Annotated[int, WHOLE, Parameter(validator=validators.Number(gte=1, lte=3_650))]
Most = Annotated[int, WHOLE, Parameter(validator=validators.Number(gte=1, lte=100_000))]

_out = terminal()
cases = App(name="cases", help="Cases for `farebox calibrate`.")
app.command(cases)


@cases.command
def collect(operation: str, /, *, days: Days = 30, limit: Most = 300, out: Path | None = None) -> None:
    """Make cases from recorded calls of a step (content capture); personal data and keys are masked.

    Args:
        operation: like classify; automation/operation where several have one of that name.
        days: how many days to look back.
        limit: how many at most, spread over time and outcomes.
        out: the file, .farebox/cases/AUTOMATION.OPERATION.jsonl if left out; never overwritten.
    """
    from farebox.calibration.collect import cases_text, expected_text, left_out_text, write_cases
    from farebox.calibration.collect import collect as collected_from
    from farebox.calibration.subject import find_subject

    runtime = get_runtime()
    subject = find_subject(operation)
    path = out or runtime.home / "cases" / f"{subject.automation}.{subject.operation}.jsonl"
    found = collected_from(runtime, subject, days, limit)
    write_cases(path, found.cases)
    made = plural(len(found.cases), "case")
    said = [f"{plural(found.calls, 'call')} of {found.key} kept in the last {days} days: {made}. {cases_text(found)}"]
    said += [f"Left out: {left_out_text(found.left_out)}."] if found.left_out else []
    said += [
        expected_text(found),
        "Personal data stays masked: models see placeholders such as [EMAIL_1].",
        f"Written to {near(path)}, readable by you only{_apart(path, runtime.home)}.",
        "Review it before you share it: it contains text that people wrote.",
    ]
    for line in said:
        _out.print(line, markup=False)
    judge = "" if found.compared else " --scorer judge"
    _out.print(f"Next: farebox calibrate {found.key} --cases {near(path)}{judge}", markup=False, soft_wrap=True)
    if judge and runtime.guards.judge(subject.automation, subject.operation) is None:
        _out.print("This needs a judge: declare [guards.judge] with criteria in farebox.toml.", markup=False)


def _apart(path: Path, home: Path) -> str:
    """A note that version control ignores the file, for those who review a lock that names it."""
    return "" if not path.is_relative_to(home) else ", in a folder that version control ignores (see --out)"
