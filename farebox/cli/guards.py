"""``farebox guards``: what guards did, whether they were right, and letting them act."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter, validators
from rich.markup import escape
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from farebox.cli.app import app
from farebox.cli.content import captured_lines
from farebox.cli.numbers import WHOLE
from farebox.cli.output import print_json, terminal
from farebox.runtime import Runtime, get_runtime
from guardrails import Labelled
from pricing import Captured, UsageError, format_money, mark_key, to_us
from pricing.ledger import ReviewFinding, Reviews
from pricing.reports import (
    GuardLine,
    GuardReport,
    Reviewable,
    clean,
    clean_lines,
    duration,
    guard_report,
    moment,
    percent,
    plural,
    review_queue,
)

Json = Annotated[bool, Parameter(name="--json", negative="")]
Days = Annotated[int, WHOLE, Parameter(validator=validators.Number(gte=1, lte=3_650))]
Most = Annotated[int, WHOLE, Parameter(validator=validators.Number(gte=1, lte=1_000))]

_out = terminal()
_DAY_US, _TENTH = 86_400_000_000, 100_000
guards = App(name="guards", help="Show what guards did, review it, measure a judge, let a guard act.")
app.command(guards)


@guards.default
def show(*, days: Days = 30, json: Json = False) -> None:
    """Show what guards blocked and changed, their latency, their cost, and how often they were wrong.

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
        force: promote it without enough evidence; missing evidence is listed.
    """
    from farebox.config.guards import enforce, missing_evidence

    runtime = _synced()
    declared = runtime.settings.guards.declared("", "").get(guard, {})
    missing = missing_evidence(guard, str(declared.get("use", "")), guard_report(runtime.replica).guards)
    if missing and not force:
        raise UsageError(
            f"{guard!r} stays in shadow: {'; '.join(missing)}.",
            next_step="Review with `farebox guards review`, or use --force.",
        )
    enforce(runtime.root, guard)
    lacking = f" Missing: {'; '.join(missing)}." if missing else ""
    _out.print(f"{guard} is enforced from the next run on (written to farebox.toml).{lacking}", markup=False)


@guards.command
def agreement(*, labels: Path, at: str = "", save: Path | None = None, json: Json = False) -> None:
    """Compare a judge's verdicts with people's: TPR, TNR and kappa, with 95 % intervals.

    Answers without a verdict are judged now, in a separate run that is quoted, held and paid like any other.

    Args:
        labels: JSON Lines, each with "label" (a person's: pass or fail), and "judged" or the "answer" to judge;
            "facts" are the sources of the answer.
        at: the judge to try, like support-triage or support-triage/reply; the project-wide one by default.
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
        _out.print(
            "The sandbox judged, by a fixed rule (figures and names): the figures do not represent a model.",
            style="yellow",
        )
    if found.tpr.of + found.tnr.of < ENOUGH:
        _out.print(f"Fewer than {ENOUGH} labels: label more before you rely on these figures.", style="yellow")


def _tried(waiting: list[Labelled], place: str, *, quiet: bool) -> tuple[list[Labelled], bool]:
    """The answers with the judge's verdicts, and whether the sandbox gave them."""
    from farebox.cli.display import RunDisplay
    from farebox.judging.trial import try_judge

    runtime = get_runtime()
    if not quiet:
        runtime.watchers.append(RunDisplay(_out))
    return try_judge(runtime, waiting, place), any(target.stand_in for target in runtime.router.targets)


def _report_lines(report: GuardReport) -> list[Text | Table]:
    if not report.guards:
        return [Text("No guard decisions yet.")]
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
    """With two decimals, since most guards take less than a millisecond; longer times as everywhere."""
    return f"{microseconds / 1000:.2f} ms" if microseconds < _TENTH else duration(microseconds)


def _synced() -> Runtime:
    runtime = get_runtime()
    runtime.replica.sync()
    return runtime


_FINDINGS: dict[str, ReviewFinding] = {"r": "right", "w": "wrong"}


@guards.command
def review(
    *,
    guard: str | None = None,
    right: Annotated[tuple[int, ...], WHOLE] = (),
    wrong: Annotated[tuple[int, ...], WHOLE] = (),
    limit: Most = 20,
    show_list: Annotated[bool, Parameter(name="--list", negative="")] = False,
    json: Json = False,
) -> None:
    """Mark guard decisions as right or wrong, one by one.

    The masked text is shown if content capture stored it ([content] in farebox.toml); else only its place and kind.

    Args:
        guard: only this one's.
        right: numbers of decisions that were right, without asking.
        wrong: numbers of decisions that were wrong, without asking.
        limit: how many at most.
        show_list: only list the queue.
        json: print the queue as JSON.
    """
    runtime = get_runtime()
    runtime.replica.sync()
    reviews = Reviews(runtime.ledger.store)
    if right or wrong:
        marked: list[tuple[int, ReviewFinding]] = [
            *((one, "right") for one in right),
            *((one, "wrong") for one in wrong),
        ]
        for decision, finding in marked:
            reviews.mark(decision, finding)
    else:
        _go_through(runtime, review_queue(runtime.replica, guard, limit), reviews, ask=not show_list, json=json)
    runtime.replica.sync()


def _go_through(runtime: Runtime, queue: Sequence[Reviewable], reviews: Reviews, *, ask: bool, json: bool) -> None:
    kept = runtime.captures.of_turns(entry.turn_id for entry in queue if entry.turn_id)
    if json:
        print_json([entry.to_json() | {"text": _pieces(entry, kept)} for entry in queue])
    elif not queue:
        _out.print("No decision waits for review.")
    elif ask and sys.stdin.isatty():
        _ask_about(queue, kept, reviews)
    else:
        for entry in queue:
            _out.print(_lines(entry, kept))


def _ask_about(queue: Sequence[Reviewable], kept: Mapping[str, Captured], reviews: Reviews) -> None:
    said = Counter[ReviewFinding]()
    for number, entry in enumerate(queue, 1):
        _out.print(Rule(f"{number} of {len(queue)}", style="dim", align="left"))
        _out.print(_lines(entry, kept))
        answer = _answer(kept.get(entry.turn_id or ""))
        if answer == "q":
            break
        if finding := _FINDINGS.get(answer):
            reviews.mark(entry.decision, finding)
            said[finding] += 1
    _out.print(f"{said['right']} right, {said['wrong']} wrong. `farebox guards` shows the totals per guard.")


def _answer(turn: Captured | None) -> str:
    """One of r, w, s and q; after ``t`` the whole turn is shown and the question repeats."""
    more = ", [t]he whole turn" if turn else ""
    while True:
        said = _out.input(escape(f"[r]ight, [w]rong, [s]kip{more}, [q]uit? ")).strip().lower()[:1]
        if said == "t" and turn:
            _out.print(captured_lines(turn))
        elif said in {"r", "w", "s", "q"}:
            return said


def _lines(entry: Reviewable, kept: Mapping[str, Captured]) -> Text:
    lines = entry_lines(entry)
    for piece in _pieces(entry, kept):
        for line in clean_lines(piece).splitlines():
            lines.append("\n   ┃ ", "dim")
            _highlighted(lines, line)
    return lines


def _highlighted(lines: Text, line: str) -> None:
    """Add a line; text between ⟦ and ⟧ is highlighted."""
    before, found, rest = line.partition("⟦")
    lines.append(before)
    if found:
        place, _, after = rest.partition("⟧")
        lines.append(place, "bold reverse")
        _highlighted(lines, after)


def _pieces(entry: Reviewable, kept: Mapping[str, Captured]) -> tuple[str, ...]:
    """The stored text that the decision was about: the matched places, else the text that the guard received."""
    from guardrails import excerpt

    turn = kept.get(entry.turn_id or "")
    if turn is None:
        return ()
    if marks := turn.marks.get(mark_key(entry.guard, to_us(entry.decided_at))):
        return marks
    asked = [message["text"] for message in turn.messages if message["role"] == "user"]
    text = (turn.answer or "") if entry.direction == "output" else "\n".join(asked[-1:])
    return (excerpt(text),) if text else ()


def entry_lines(entry: Reviewable) -> Text:
    """A decision without its text: guard, place and kind."""
    found = ", ".join(f"{number} × {kind}" for kind, number in entry.found.items())
    facts = ", ".join(f"{name} {value}" for name, value in (entry.facts or {}).items())
    summary = " · ".join(filter(None, (found, facts)))
    return Text(
        clean(
            f"{entry.decision}  {entry.guard} {entry.action} ({entry.reason}, {entry.mode})  {entry.operation}  "
            f"run {entry.run_id[-8:]}  {moment(entry.decided_at)}"
        )
        + (f"\n   {clean(summary)}" if summary else "")
    )
