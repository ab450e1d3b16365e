"""A run's report in the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from pricing.money import format_money
from pricing.reports.cache_drops import drop_sentence
from pricing.reports.format import UNKNOWN, amount, count, duration, moment, percent, plural
from pricing.reports.run.data import RunReport, TurnLine
from pricing.reports.sentences import (
    Place,
    approval_sentence,
    basis,
    caching_sentences,
    cost_sentence,
    due_sentence,
    money_sentence,
    place,
    quality_sentence,
    replayed_sentence,
    sandbox_sentence,
    saved_sentence,
    took_words,
    unknown_sentence,
)
from pricing.reports.tables import FAILURE, GOOD, QUIET, WARNING, line, outcome, savings_table, table

MOST = 20
"""Turns and stories shown; the file and ``--json`` have all."""
_BAR = 32
_PLACES: Mapping[Place, str] = {
    "within the quote": GOOD,
    "above the p95": WARNING,
    "above the ceiling": FAILURE,
    "not quoted": QUIET,
}


def run_in_terminal(report: RunReport) -> Group:
    """Heading, quote against actual, where the money went, and what was out of the ordinary, if anything was."""
    return Group(*_parts(report))


def run_summary(report: RunReport) -> Group:
    """What to show right after a run, below its quote and its closing line: neither is repeated."""
    return Group(*_summary(report))


def _summary(report: RunReport) -> Iterator[RenderableType]:
    yield from _verdict(report)
    yield from _savings_and_time(report)
    if report.operations:
        yield _operations(report)
    yield from _stories(report)
    yield from _unknown(report)


def _parts(report: RunReport) -> Iterator[RenderableType]:
    yield from _heading(report)
    yield Text()
    yield from _quote(report)
    if report.operations:
        yield _operations(report)
    if report.saved.any:
        yield savings_table((one.operation, one.saved) for one in report.operations if one.saved.any)
    yield from _caching(report)
    if report.models:
        yield _models(report)
    if report.tools:
        yield _tools(report)
    if report.turns:
        yield _turns(report)
    yield from _stories(report)
    if report.guards:
        events: list[list[str | Text]] = [
            [event.guard, outcome(event.action), event.reason or UNKNOWN, event.mode, count(event.count)]
            for event in report.guards
        ]
        yield table("Guards", ["guard", "action", "reason", "mode", "times"], events, names=4)
    if report.tries:
        yield _tries(report)
    if report.adjustments:
        changes = [
            [one.attempt_id[:8], one.reason, moment(one.recorded_at), format_money(one.delta_nano)]
            for one in report.adjustments
        ]
        yield table("Adjustments after the run was settled", ["attempt", "why", "when", "change"], changes, names=2)
    yield from _unknown(report)


def _unknown(report: RunReport) -> Iterator[Text]:
    if report.unknown.attempts:
        yield Text()
        yield line((unknown_sentence(report), WARNING))


def _heading(report: RunReport) -> Iterator[Text]:
    run = report.run
    yield line((run.automation, "bold"), ("  quality ", QUIET), run.quality, ("  run ", QUIET), run.run_id)
    end = outcome(run.outcome)
    yield end + line((f"  started {moment(run.started_at)}", QUIET))
    if run.reason:
        yield line((run.reason, QUIET))
    yield from _verdict(report)


def _verdict(report: RunReport) -> Iterator[Text]:
    """What it cost, what lowered its quality, who approved it."""
    if due := due_sentence(report):
        yield line(due)
    if sentence := sandbox_sentence(report):
        yield line((sentence, WARNING))
    lowered = bool(report.lowered)
    yield line((cost_sentence(report), "bold"), (f" {quality_sentence(report) or ''}", WARNING if lowered else ""))
    for one in report.approvals:
        yield line(approval_sentence(one))


def _quote(report: RunReport) -> Iterator[Text]:
    quote, money = report.quote, report.money
    if quote.given:
        yield line(
            ("Quote   ", QUIET),
            (format_money(quote.point_nano), "bold"),
            (" estimate · ", QUIET),
            format_money(quote.p95_nano),
            (" p95 · ", QUIET),
            format_money(quote.ceiling_nano),
            (f" ceiling   {basis(report)}", QUIET),
        )
    else:
        yield line(("Quote   ", QUIET), basis(report))
    if money.spent_nano and quote.given:
        yield line("        ") + _bar(report)
    yield line(("Money   ", QUIET), money_sentence(report))
    yield from _savings_and_time(report)


def _savings_and_time(report: RunReport) -> Iterator[Text]:
    if sentence := saved_sentence(report.saved):
        yield line(("Saved   ", QUIET), sentence)
    if sentence := replayed_sentence(report.tries):
        yield line(("Retried ", QUIET), sentence)
    if report.timing is not None:
        yield line(("Took    ", QUIET), f"{duration(report.run.duration_us)}: {took_words(report.timing)}")


def _caching(report: RunReport) -> Iterator[Text]:
    """A line for each operation that read or wrote a cache, and for each that reads less than it did."""
    sentence = caching_sentences(report)
    if sentence:
        yield Text()
        yield line(("Prompt caching", "bold"))
        yield from (line(f"  {one}") for one in sentence)
    yield from (line((f"  {drop_sentence(drop)}", WARNING)) for drop in report.cache_drops)


def _bar(report: RunReport) -> Text:
    """Spent against the p95, which the mark is at."""
    spent, p95 = report.money.spent_nano, report.quote.p95_nano
    scale = max(spent, p95, 1)
    filled, mark = -(-spent * _BAR // scale), min(p95 * _BAR // scale, _BAR - 1)
    style = _PLACES[place(report)]
    cells = [("━", style) if cell < filled else ("─", QUIET) for cell in range(_BAR)]
    cells[mark] = ("┃", "bold")
    return line(*cells, (f" p95 {format_money(p95)}", QUIET))


def _operations(report: RunReport) -> RenderableType:
    rows = [
        [
            one.operation,
            count(one.turns),
            count(one.answered),
            count(one.attempts),
            count(one.tokens.input),
            count(one.tokens.cached),
            count(one.tokens.output),
            format_money(one.cost_nano),
            percent(one.share),
        ]
        for one in report.operations
    ]
    columns = ["operation", "turns", "answered", "attempts", "in", "cached", "out", "cost", "share"]
    return table("Operations", columns, rows)


def _models(report: RunReport) -> RenderableType:
    rows = [
        [
            one.target + (" (sandbox)" if one.stand_in and not report.run.stand_in else ""),
            one.model_at,
            count(one.attempts),
            count(one.failed),
            count(one.tokens.input),
            count(one.tokens.output),
            format_money(one.cost_nano),
            percent(one.share),
        ]
        for one in report.models
    ]
    columns = ["target", "model", "attempts", "failed", "in", "out", "cost", "share"]
    return table("Models", columns, rows, names=2)


def _tries(report: RunReport) -> RenderableType:
    rows: list[list[str | Text]] = []
    for one in report.tries:
        amounts = format_money(one.paid_nano), count(one.turns), count(one.replayed), format_money(one.saved_nano)
        rows.append([str(one.number), outcome(one.outcome), *amounts])
    return table("Tries", ["try", "ended", "paid", "turns", "replayed", "which saved"], rows, names=2)


def _tools(report: RunReport) -> RenderableType:
    rows = [
        [
            one.operation,
            one.provider,
            count(one.calls),
            count(one.failed),
            amount(one.units),
            format_money(one.cost_nano),
            percent(one.share),
        ]
        for one in report.tools
    ]
    columns = ["operation", "provider", "requests", "failed", "units", "cost", "share"]
    return table("Paid requests of tools", columns, rows, names=2)


def _turns(report: RunReport) -> Group:
    rows = [_turn(number, turn) for number, turn in enumerate(report.turns[:MOST], 1)]
    columns = ["turn", "outcome", "target", "attempts", "cost", "took"]
    shown = table("Turns", columns, rows, names=3)
    return Group(shown, *_more(len(report.turns), "turn"))


def _turn(number: int, turn: TurnLine) -> list[str | Text]:
    end = outcome(turn.outcome) + line((f" {turn.reason}" if turn.reason else "", QUIET))
    return [
        f"{number} {turn.operation}",
        end + line((" repaired" if turn.repaired else "", QUIET)),
        turn.target or UNKNOWN,
        count(len(turn.attempts)),
        format_money(turn.cost_nano),
        duration(turn.duration_us),
    ]


def _stories(report: RunReport) -> Iterator[RenderableType]:
    """Only when there was one; the same moves of many turns are shown once."""
    sentence = Counter(one.story for one in report.fallbacks)
    if not sentence:
        return
    yield Text()
    yield line(("Turns that took more than one attempt", "bold"))
    for story, times in sentence.most_common(MOST):
        yield line(f"  {story}", (f"  × {times}" if times > 1 else "", QUIET))
    yield from _more(len(sentence), "story", "stories")


def _more(number: int, one: str, many: str | None = None) -> Iterator[Text]:
    if number > MOST:
        yield line((f"… and {plural(number - MOST, one, many)} more: `--json` has them all.", QUIET))
