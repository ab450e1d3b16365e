"""``farebox guards`` and ``farebox review-blocks``: what guards did, whether they were right, and letting them act."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter, validators
from rich.console import Console
from rich.table import Table
from rich.text import Text

from farebox.cli.app import app
from farebox.cli.output import print_json
from farebox.runtime import Runtime, get_runtime
from guardrails.calibration import Labelled
from pricing.errors import UsageError
from pricing.money import format_money
from pricing.reports.guard_report import GuardLine, GuardReport, Reviewable, guard_report, review_queue
from pricing.reports.words import clean, duration, moment, percent, plural
from pricing.reviews import Finding, Reviews

Json = Annotated[bool, Parameter(name="--json", negative="")]
Days = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=3_650))]
Most = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1_000))]

_out = Console(highlight=False)
_DAY_US = 86_400_000_000
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
    from guardrails.calibration import ENOUGH, as_lines, pairs_of, read_labels
    from guardrails.calibration import calibrate as compare

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


@app.command(name="review-blocks")
def review_blocks(
    *,
    guard: str | None = None,
    right: tuple[int, ...] = (),
    wrong: tuple[int, ...] = (),
    limit: Most = 20,
    show_list: Annotated[bool, Parameter(name="--list", negative="")] = False,
    json: Json = False,
) -> None:
    """Mark what guards stopped or changed as right or wrong, one by one. Texts are not kept, so none is shown.

    Args:
        guard: only this one's.
        right: numbers of decisions that were right, without asking.
        wrong: numbers of decisions that were wrong, without asking.
        limit: how many at most.
        show_list: only list the queue.
        json: print the queue as JSON.
    """
    runtime = _synced()
    reviews = Reviews(runtime.ledger.store)
    marked: list[tuple[int, Finding]] = [(one, "right") for one in right]
    marked += [(one, "wrong") for one in wrong]
    for decision, finding in marked:
        reviews.mark(decision, finding)
    if not marked:
        queue = review_queue(runtime.replica, guard, limit)
        if json:
            print_json([entry.to_json() for entry in queue])
        elif not queue:
            _out.print("Nothing waits for a review.")
        elif show_list or not sys.stdin.isatty():
            for entry in queue:
                _out.print(_entry(entry))
        else:
            _ask_about(queue, reviews)
    runtime.replica.sync()


def _ask_about(queue: Sequence[Reviewable], reviews: Reviews) -> None:
    answers: dict[str, Finding] = {"r": "right", "w": "wrong"}
    for entry in queue:
        _out.print(_entry(entry))
        said = _out.input("[r]ight, [w]rong, [s]kip, [q]uit? ", markup=False).strip().lower()[:1]
        if said == "q":
            return
        if said in answers:
            reviews.mark(entry.decision, answers[said])


def _entry(entry: Reviewable) -> Text:
    found = ", ".join(f"{number} × {kind}" for kind, number in entry.found.items())
    facts = ", ".join(f"{name} {value}" for name, value in (entry.facts or {}).items())
    told = " · ".join(filter(None, (found, facts)))
    return Text(
        clean(
            f"{entry.decision}  {entry.guard} {entry.action} ({entry.reason}, {entry.mode})  {entry.operation}  "
            f"run {entry.run_id[:13]}  {moment(entry.decided_at)}"
        )
        + (f"\n   {clean(told)}" if told else "")
    )


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
        parts += [Text("\nLeaks", "bold"), *(_entry(leak) for leak in report.leaks[:10])]
    return parts


def _table(lines: Sequence[GuardLine]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("guard", "mode", "seen", "stopped", "changed", "p50", "cost", "wrong"):
        table.add_column(heading, justify="left" if heading in {"guard", "mode"} else "right")
    for line in lines:
        wrong = "–"
        if line.reviewed:
            wrong = f"{percent(line.wrong_share)} ({percent(line.wrong_low)}–{percent(line.wrong_high)})"
        stopped, took, cost = str(line.blocked + line.retried), duration(line.p50_us), format_money(line.cost_nano)
        table.add_row(
            Text(clean(line.guard)), line.mode, str(line.decisions), stopped, str(line.redacted), took, cost, wrong
        )
    return table


def _synced() -> Runtime:
    runtime = get_runtime()
    runtime.replica.sync()
    return runtime
