"""``farebox calibrate``: the cheapest route that the evidence supports."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, validators
from rich.table import Table

from farebox.calibration.decision import PILOT, AcceptanceCriteria
from farebox.calibration.lockfile import LOCK_FILE, LockedRoute, read_lock_file
from farebox.cli.app import app
from farebox.cli.output import near, print_json, terminal
from farebox.cli.routes import Json, routes
from farebox.runs.context import ANONYMOUS
from farebox.runtime import Runtime, get_runtime
from pricing import FareboxError, Nano, UsageError, format_money, parse_money

Share = Annotated[float, Parameter(validator=validators.Number(gt=0, lt=1))]

_out = terminal()
_NAMED = 3
"""Of several cases, so many are named."""


@app.command
def calibrate(
    operation: str,
    /,
    *,
    cases: Path | None = None,
    outcomes: Path | None = None,
    margin: Share = 0.03,
    confidence: Annotated[float, Parameter(validator=validators.Number(gte=0.5, lt=1))] = 0.95,
    budget: str | None = None,
    scorer: str = "",
    best: str = "",
    replace: bool = False,
    json: Json = False,
) -> None:
    """Try an operation on every target, and lock the cheapest route that is proven good enough.

    Args:
        operation: like classify; automation/operation where several have one of that name.
        cases: a file of JSON lines: id, inputs by name, expected.
        outcomes: a CSV or Parquet file instead, with case, model, score, cost (USD), latency (seconds); asks no model.
        margin: the mean score (0 to 1) that a cheaper route may lose against the best.
        confidence: the probability that a route which loses more is not locked.
        budget: the most it may cost, like "5 USD": as many cases are tried as are sure to fit.
        scorer: exact, schema, judge, or a function(answer, expected) of yours, like package.module.function.
        best: the target, by name or model, that others are compared with; the first premium one if left out.
        replace: lock the result even if the present lock is based on more cases.
        json: print JSON.
    """
    limit = None if budget is None else parse_money(budget)
    if (cases is None) == (outcomes is None):
        raise UsageError(
            f"There is {'nothing' if cases is None else 'two things'} to calibrate on.",
            next_step=f"Give --cases FILE, which `farebox cases collect {operation[:60]}` makes, or --outcomes FILE.",
        )
    if outcomes is not None:
        _replay(operation, outcomes, AcceptanceCriteria(margin, confidence), best, replace=replace, as_json=json)
        return
    given = {"cases": str(cases), "margin": f"{margin}", "confidence": f"{confidence}", "scorer": scorer, "best": best}
    given["replace"] = f"{replace}"
    _run(operation, given, limit, as_json=json)


def _replay(
    operation: str, outcomes: Path, terms: AcceptanceCriteria, best: str, *, replace: bool, as_json: bool
) -> None:
    from farebox.calibration.replay import replay
    from farebox.calibration.subject import find_subject

    runtime, key = get_runtime(), find_subject(operation).key
    before = read_lock_file(runtime.root / LOCK_FILE).get(key)
    message, found = replay(runtime, operation, outcomes, terms, best, replace=replace)
    if not as_json:
        _out.print(message, markup=False)
    _conclude(runtime, key, before, found, {"message": message}, as_json=as_json)


def _run(operation: str, given: dict[str, str], limit: Nano | None, *, as_json: bool) -> None:
    from farebox.calibration.subject import find_subject
    from farebox.cli.run import run_here

    runtime, key = get_runtime(), find_subject(operation).key
    _warn_of_repeated(Path(given["cases"]))
    given = {"operation": key} | given
    if limit is not None:
        given["most"] = str(_fitting(given, limit))
    before = read_lock_file(runtime.root / LOCK_FILE).get(key)
    ran: dict[str, Any] = {}
    run_here("calibrate", given, limit, as_json=as_json, emit=ran.update)  # it prints the locked route
    _conclude(runtime, key, before, None, {"message": ran.get("result"), "run": ran}, as_json=as_json)


def _conclude(
    runtime: Runtime,
    key: str,
    before: LockedRoute | None,
    found: LockedRoute | None,
    fields: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    """Show the new lock if one was ``found``, else the present one, and where it is stored."""
    from farebox.calibration.page import write_page

    path = runtime.root / LOCK_FILE
    now = read_lock_file(path).get(key)
    lock, page = found or now, None
    if now and (found is None or now != before):
        page = write_page(runtime, key, now)
    if as_json:
        figures = None if lock is None else lock.model_dump(mode="json")
        print_json({**fields, "lock": figures, "page": page and str(page)})
        return
    _out.print()
    if lock:
        _show(lock)
    if page:
        _out.print(f"Page: {near(page)}", markup=False)
    if now and now == before:
        _out.print(f"{path.name} is unchanged.")
    elif now:
        _out.print(f"Written to {path.name}: review it, commit it, check it in CI with `farebox routes verify`.")


def _warn_of_repeated(path: Path) -> None:
    """Report the cases of a file that are duplicates."""
    from farebox.calibration.cases import distinct, read_cases

    cases, again = distinct(read_cases(path))
    if again:
        ids = ", ".join(again[:_NAMED]) + (" …" if len(again) > _NAMED else "")
        console = terminal(stderr=True)
        console.print(
            f"{len(again)} of {len(cases) + len(again)} cases are duplicates and left out: {ids}.",
            markup=False,
        )


@routes.command
def verify(*, json: Json = False) -> None:
    """Check that the evidence of routes.lock.toml is still valid; exit code 1 if a lock is stale.

    Args:
        json: print JSON.
    """
    from farebox.calibration.verify import stale

    runtime = get_runtime()
    locks = read_lock_file(runtime.root / LOCK_FILE)
    today = datetime.now(UTC).date()
    found = {key: list(stale(runtime, key, lock, today)) for key, lock in locks.items()}
    if json:
        print_json(
            [
                {"operation": key, "route": lock.route, "expires": lock.expires, "stale": found[key]}
                for key, lock in locks.items()
            ]
        )
    elif not locks:
        _out.print(f"There are no locks in {LOCK_FILE}: `farebox calibrate` writes them.")
    else:
        for key, lock in locks.items():
            unknown = "" if lock.prompts else ", unless its prompt has changed (the lock does not record which it was)"
            result = "; ".join(found[key]) or f"valid until {lock.expires}{unknown}"
            _out.print(f"{key} on {' → '.join(lock.route)}: {result}.", markup=False)
    bad = [key for key, reasons in found.items() if reasons]
    if bad:
        raise FareboxError(
            f"{len(bad)} of {len(locks)} locks in {LOCK_FILE} stale.",
            next_step=f"Calibrate again: farebox calibrate {bad[0]} --cases FILE.",
        )


def _fitting(given: dict[str, str], limit: Nano) -> int:
    """How many cases fit: the largest number whose hold is within the limit."""
    from farebox.automations import automation_of
    from farebox.calibration.cases import distinct, read_cases
    from farebox.discovery import find_flow, read_parameters
    from farebox.runs.admission import price_run

    flow, runtime = find_flow("calibrate"), get_runtime()

    def hold(most: int) -> Nano:
        parameters = read_parameters(flow, given | {"most": str(most)}, ANONYMOUS)
        return price_run(runtime, automation_of(flow), parameters).hold

    number = len(distinct(read_cases(Path(given["cases"])))[0])
    low, high = 0, number
    if hold(high) <= limit:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if hold(middle) <= limit else (low, middle)
    if not low:
        raise UsageError(
            f"{format_money(limit)} is not enough for one case, which needs {format_money(hold(1))}.",
            next_step="Give a larger --budget.",
        )
    few = "" if low >= PILOT else f" Less than {PILOT} decide nothing yet; run it again to continue."
    terminal(stderr=True).print(f"{low} of the {number} cases are sure to fit in {format_money(limit)}.{few}")
    return low


def _show(lock: LockedRoute) -> None:
    from farebox.calibration.report import COLUMNS, FIGURES, rows

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in COLUMNS:
        table.add_column(heading, justify="right" if heading in FIGURES else "left")
    for row in rows(lock):
        table.add_row(*row, style="bold" if row[0].endswith("*") else "")
    _out.print(table)
    _out.print("* locked. Score: 0 to 1. In brackets: the confidence interval.", style="dim")
