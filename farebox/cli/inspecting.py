"""``farebox models`` and ``farebox doctor``: what there is, and whether it works."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter, validators

from farebox.cli.app import app
from farebox.cli.output import print_json, terminal
from farebox.project import find_root
from farebox.runtime import get_runtime

Json = Annotated[bool, Parameter(name="--json", negative="")]

_out = terminal()


@app.command
def models(*, prices: Annotated[bool, Parameter(negative="")] = False, json: Json = False) -> None:
    """List the targets in the order of fallback: what each costs, where it is, how it did lately.

    Args:
        prices: show what caches cost, too.
        json: print JSON.
    """
    from farebox.cli.model_lines import model_lines
    from farebox.models import list_targets

    runtime = get_runtime()
    runtime.replica.sync(wait=1.0)
    lines = list_targets(runtime)
    if json:
        print_json({"rate_version": runtime.rates.version, "targets": [line.to_json() for line in lines]})
    else:
        _out.print(model_lines(lines, runtime.rates.version, cache_prices=prices))


@app.command
def doctor(
    *,
    economics: Annotated[bool, Parameter(negative="")] = False,
    days: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=3_650))] = 90,
    margin: Annotated[float, Parameter(validator=validators.Number(gte=0, lt=1))] = 0.6,
    json: Json = False,
) -> None:
    """Check everything a run needs, and say what to do; spends no token. Exit code 1 if a check fails.

    Args:
        economics: look instead for decisions that cost money, in what past runs did; exit code 1 if there are any.
        days: how far back to look for them.
        margin: the gross margin to reach: 0.6 is 60 %.
        json: print JSON.
    """
    if economics:
        _economics(days, margin, as_json=json)
        return
    from farebox.cli.finding_lines import finding_lines
    from farebox.doctor import examine

    findings = examine(find_root())
    if json:
        print_json([finding.to_json() for finding in findings])
    else:
        _out.print(finding_lines(findings))
    if any(finding.state == "fail" for finding in findings):
        sys.exit(1)


def _economics(days: int, margin: float, *, as_json: bool) -> None:
    from farebox.cli.finding_lines import symptom_lines
    from farebox.economics import diagnose
    from pricing.reports import plural

    runtime = get_runtime()
    runtime.replica.sync()
    found = diagnose(runtime, days=days, margin=margin)
    if as_json:
        print_json([symptom.to_json() for symptom in found or ()])
    elif found is None:
        _out.print(
            f"Nothing ran in the last {plural(days, 'day')}: there is nothing to judge. --days looks further back."
        )
    else:
        _out.print(symptom_lines(found))
    if any(symptom.found for symptom in found or ()):
        sys.exit(1)
