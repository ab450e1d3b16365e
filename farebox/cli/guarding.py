"""``farebox guards``: what guards did, whether they were right, and letting them act."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter, validators
from rich.table import Table
from rich.text import Text

from farebox.cli.app import app
from farebox.cli.output import print_json, terminal
from farebox.cli.review_blocks import entry_lines
from farebox.runtime import Runtime, get_runtime
from guardrails import Labelled
from pricing import UsageError, format_money
from pricing.reports import GuardLine, GuardReport, clean, duration, guard_report, percent, plural

Json = Annotated[bool, Parameter(name="--json", negative="")]
Days = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=3_650))]
Most = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1_000))]

_out = terminal()
_DAY_US, _TENTH = 86_400_000_000, 100_000
guards = App(name="guards", help="Show what guards did; calibrate a judge; let a guard act.")
app.command(guards)


@guards.default
def show(*, days: Days = 30, json: Json = False) -> None:
    """Show what guards stopped and changed, how long they took, what they cost, how often they were wrong.

    Args:
        days: how far to look back.
        json: print JSON.
    """
    report = guard_report(_synced().replica, time.time_ns() // 1000 - days * _DAY_US)
    if json:
        print_json(report.to_json())
        return
    for part in _report_lines(report):
        _out.print(part)


@guards.command
def promote(guard: str, /, *, force: Annotated[bool, Parameter(negative="")] = False) -> None:
    """Move a guard from shadow to enforce: with 200 reviewed decisions, at most 2 % of them wrong.

    Args:
        guard: its name.
        force: do it without the evidence; what is missing is told.
    """
    from farebox.promoting import enforce, missing_evidence

    runtime = _synced()
    declared = runtime.settings.guards.declared("", "").get(guard, {})
    missing = missing_evidence(guard, str(declared.get("use", "")), guard_report(runtime.replica).guards)
    if missing and not force:
        raise UsageError(
            f"{guard!r} stays in shadow: {'; '.join(missing)}.",
            next_step="Review with `farebox review-blocks`, or force it with --force.",
        )
    enforce(runtime.root, guard)
    lacking = f" Missing: {'; '.join(missing)}." if missing else ""
    _out.print(f"{guard} is enforced from the next run on; farebox.toml says so.{lacking}", markup=False)


@guards.command
def calibrate(*, labels: Path, at: str = "", save: Path | None = None, json: Json = False) -> None:
    """Compare a judge's verdicts with people's: TPR, TNR and kappa, with 95 % intervals.

    Answers without a verdict are judged now, in a run of its own that is quoted, held and paid like any.

    Args:
        labels: JSON Lines, each with "label" (a person's: pass or fail), and "judged" or the "answer" to be judged;
            "facts" are what it may rely on.
        at: whose judge is tried, like support-triage or support-triage/reply; the one for everywhere if left out.
        save: write the labels with the verdicts to this file.
        json: print JSON.
    """
    from guardrails import ENOUGH, as_lines, pairs_of, read_labels
    from guardrails import measure_agreement as compare

    labelled = read_labels(labels)
    waiting = [row for row in labelled if row.judged is None]
    stand_in = False
    if waiting:
        judged, stand_in = _tried(waiting, at, quiet=json)
        labelled = [*(row for row in labelled if row.judged is not None), *judged]
    if save is not None:
        save.write_text(as_lines(labelled), "utf-8")
    found = compare(pairs_of(labelled))
    if json:
        print_json(asdict(found))
        return
    for name, rate in (("TPR", found.tpr), ("TNR", found.tnr)):
        _out.print(f"{name}  {rate.share:.2f}  ({rate.low:.2f}–{rate.high:.2f})  {rate.right} of {rate.of}")
    _out.print(f"κ    {found.kappa:.2f}  ({found.kappa_low:.2f}–{found.kappa_high:.2f})  on a balanced set")
    if (missing := len(labelled) - found.tpr.of - found.tnr.of) > 0:
        _out.print(f"{plural(missing, 'answer')} could not be judged and {'is' if missing == 1 else 'are'} left out.")
    if stand_in:
        _out.print("The sandbox judged, by a rule (figures and names): this says nothing of a model.", style="yellow")
    if found.tpr.of + found.tnr.of < ENOUGH:
        _out.print(f"Fewer than {ENOUGH} labels: label more before you rely on this.", style="yellow")


def _tried(waiting: list[Labelled], place: str, *, quiet: bool) -> tuple[list[Labelled], bool]:
    """The answers with the judge's verdicts, and whether the sandbox gave them."""
    from farebox.cli.display import RunDisplay
    from farebox.judge_trial import try_judge

    runtime = get_runtime()
    if not quiet:
        runtime.watchers.append(RunDisplay(_out))
    return try_judge(runtime, waiting, place), any(target.stand_in for target in runtime.router.targets)


def _report_lines(report: GuardReport) -> list[Text | Table]:
    if not report.guards:
        return [Text("No guard has decided anything yet.")]
    stopped = sum(report.stopped.values())
    shares = [f"{reason} {percent(turns / report.turns)}" for reason, turns in report.stopped.items()]
    parts: list[Text | Table] = [
        Text(f"{plural(report.turns, 'turn')}, {stopped} stopped" + (f": {', '.join(shares)}" if shares else "")),
        Text(f"Context-limit hits: {report.stopped.get('context_limit', 0)} · leak incidents: {len(report.leaks)}"),
        Text(),
        _table(report.guards),
    ]
    if report.leaks:
        parts += [Text("\nLeaks", "bold"), *(entry_lines(leak) for leak in report.leaks[:10])]
    return parts


def _table(lines: Sequence[GuardLine]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("guard", "mode", "seen", "stopped", "changed", "p50", "p95", "cost", "wrong"):
        table.add_column(heading, justify="left" if heading in {"guard", "mode"} else "right")
    for line in lines:
        wrong = "–"
        if line.reviewed:
            wrong = f"{percent(line.wrong_share)} ({percent(line.wrong_low)}–{percent(line.wrong_high)})"
        counts = (line.decisions, line.blocked + line.retried, line.redacted)
        took = (_milliseconds(line.p50_us), _milliseconds(line.p95_us))
        name = Text(clean(line.guard))
        table.add_row(name, line.mode, *map(str, counts), *took, format_money(line.cost_nano), wrong)
    return table


def _milliseconds(microseconds: int) -> str:
    """Of hundredths of one, as most guards take less than one; longer ones as everywhere."""
    return f"{microseconds / 1000:.2f} ms" if microseconds < _TENTH else duration(microseconds)


def _synced() -> Runtime:
    runtime = get_runtime()
    runtime.replica.sync()
    return runtime
