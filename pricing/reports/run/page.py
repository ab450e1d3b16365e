"""A run's report as a page: what the outcome cost and sells for, where the money went, what was out of the ordinary."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

from pricing.money import format_money
from pricing.reports.cache_drops import drop_sentence
from pricing.reports.charts import BarRow, Bars, Chart, ChartTone, Grid, linear, shares
from pricing.reports.charts.data import LegendKey, Rect, tone
from pricing.reports.format import UNKNOWN, amount, count, duration, moment, percent, plural
from pricing.reports.page import Figure, Page, Section
from pricing.reports.run.data import RunReport, ToolLine, TurnLine
from pricing.reports.sentences import (
    Place,
    approval_sentence,
    basis,
    caching_sentences,
    cost_sentence,
    due_sentence,
    lowered_words,
    markup_words,
    money_sentence,
    place,
    price_words,
    quality_sentence,
    replayed_sentence,
    sandbox_sentence,
    saved_sentence,
    took_words,
    unknown_sentence,
)

MOST = 500
"""Turns drawn and listed; ``farebox report --json`` has all."""
_PLACES: dict[Place, ChartTone] = {
    "within the quote": "good",
    "above the p95": "warn",
    "above the ceiling": "bad",
    "not quoted": "quiet",
}
_ENDS: dict[str, tuple[str, ChartTone]] = {
    "completed": ("completed", "good"),
    "failed": ("failed", "bad"),
    "over_budget": ("was stopped by a budget", "warn"),
    "blocked": ("was blocked by a guard", "warn"),
    "cancelled": ("was cancelled", "warn"),
    "lost": ("was lost: its process ended", "bad"),
    "running": ("is running", "quiet"),
    "suspended": ("is suspended", "quiet"),
}
_TALLEST, _ROWS = 14, 420
"""Pixels: of one turn's row, and of all together."""


def run_page(report: RunReport) -> Page:
    """The page of one run."""
    run = report.run
    return Page(
        title=f"{run.automation} {_ENDS[run.outcome][0]}",
        under=f"Run {run.run_id}, quality {run.quality}, began {moment(run.started_at)}",
        warning=f"Sandbox: {text}." if (text := sandbox_sentence(report)) else "",
        lead=tuple(_lead(report)),
        figures=tuple(_figures(report)),
        sections=tuple(_sections(report)),
        foot="Amounts are US dollars, times UTC.",
    )


def _lead(report: RunReport) -> Iterator[str]:
    """What the cards below do not say: the first sentence answers what most people come for."""
    yield " ".join(text for text in (cost_sentence(report), quality_sentence(report)) if text)
    if due := due_sentence(report):
        yield due
    yield from map(approval_sentence, report.approvals)
    if text := replayed_sentence(report.tries):
        yield f"{text}."
    if report.run.reason:
        yield f"Reason: {report.run.reason}."
    if report.unknown.attempts:
        yield unknown_sentence(report)


def _figures(report: RunReport) -> Iterator[Figure]:
    quote, sold = report.quote, report.sold
    if quote.given:
        note = f"p95 {format_money(quote.p95_nano)}, ceiling {format_money(quote.ceiling_nano)}"
        yield Figure("Estimate", format_money(quote.point_nano), note, _PLACES[place(report)])
    else:
        yield Figure("Estimate", "none", "its steps were called outside an automation")
    if (price := price_words(sold)) is not None:
        yield _sale(report, price)
    turns, answered = len(report.turns), sum(one.answered for one in report.operations)
    fell = len(report.fallbacks)
    again = f", {fell:,} took more than one attempt" if fell else ""
    yield Figure("Turns answered", f"{answered:,} of {turns:,}", f"{_attempts(report)}{again}")
    if report.timing is not None:
        yield Figure("Took", duration(report.run.duration_us), took_words(report.timing))
    if text := saved_sentence(report.saved):
        yield Figure("Saved", format_money(report.saved.caching_nano + report.saved.stored_nano), text)


def _sale(report: RunReport, price: str) -> Figure:
    margin, above = report.sold.gross_margin, report.sold.markup
    if margin is not None:
        note = f"gross margin {percent(margin)}" + ("" if above is None else f", {markup_words(above)}")
    else:
        note = "not charged yet" if report.run.is_open else "nothing is charged"
        note = "what a credit is worth is not set" if report.run.outcome == "completed" else note
    return Figure("Sold for", price, note, None if margin is None else "good" if margin > 0 else "bad")


def _attempts(report: RunReport) -> str:
    return plural(sum(len(turn.attempts) for turn in report.turns), "attempt")


def _sections(report: RunReport) -> Iterator[Section]:
    drawn_quote = (_quote(report),) if report.quote.given else ()
    reasons = tuple(f"Quality lowered by {lowered_words(one)}." for one in report.lowered[1:])
    yield Section("Quoted and spent", (f"{money_sentence(report)}.", *reasons), drawn_quote)
    if report.operations:
        yield Section(
            "Cost by operation and target", (), (_by_operation(report), _by_model(report)), _operations(report)
        )
    caching = (*caching_sentences(report), *map(drop_sentence, report.cache_drops))
    if caching:
        yield Section("Prompt caching", caching)
    if report.tools:
        paid = tuple(
            (one.operation, one.provider, count(one.calls), count(one.failed), amount(one.units), *_cost(one))
            for one in report.tools
        )
        heads = ("operation", "provider", "requests", "failed", "units", "cost", "share")
        yield Section("Paid requests of tools", grid=Grid(heads, paid, 2))
    if report.turns:
        lanes = (_timeline(report),) if any(turn.attempts for turn in report.turns) else ()
        yield Section("Turn by turn", (), lanes, _turns(report), folded=True)
    if report.fallbacks:
        text = tuple(one.story for one in report.fallbacks[:MOST])
        yield Section("Turns that took more than one attempt", text)
    if report.guards:
        rows = tuple((g.guard, g.action, g.reason or UNKNOWN, g.mode, count(g.count)) for g in report.guards)
        yield Section("Guards", grid=Grid(("guard", "action", "reason", "mode", "times"), rows, 4))
    if report.tries:
        tries = tuple(
            (
                f"{t.number}",
                t.outcome,
                format_money(t.paid_nano),
                count(t.turns),
                count(t.replayed),
                format_money(t.saved_nano),
            )
            for t in report.tries
        )
        yield Section("Tries", grid=Grid(("try", "ended", "paid", "turns", "replayed", "which saved"), tries, 2))
    if report.adjustments:
        changes = tuple(
            (one.attempt_id, one.reason, moment(one.recorded_at), format_money(one.delta_nano))
            for one in report.adjustments
        )
        yield Section("Adjusted after it was settled", grid=Grid(("attempt", "why", "when", "change"), changes, 3))


def _quote(report: RunReport) -> Bars:
    quote, money = report.quote, report.money
    rows: list[tuple[str, int, ChartTone]] = [
        ("spent", money.spent_nano, _PLACES[place(report)]),
        ("estimate", quote.point_nano, "quiet"),
        ("p50", quote.p50_nano, "quiet"),
        ("p95", quote.p95_nano, "quiet"),
        ("held", money.held_nano, "quiet"),
    ]
    return shares(
        "Quote and actual cost",
        f"Quoted with {basis(report)}.",
        [BarRow(name, ((amount, shade),), format_money(amount)) for name, amount, shade in rows],
    )


def _by_operation(report: RunReport) -> Bars:
    rows = [
        BarRow(
            one.operation,
            ((one.cost_nano, tone(place)),),
            format_money(one.cost_nano),
            f"{plural(one.turns, 'turn')}, {percent(one.share)}",
        )
        for place, one in enumerate(report.operations)
    ]
    return shares("Cost by operation", "What each product action cost in this run.", rows)


def _by_model(report: RunReport) -> Bars:
    rows = [
        BarRow(
            one.target,
            ((one.cost_nano, "s1"),),
            format_money(one.cost_nano),
            f"{one.model_at} · {plural(one.attempts, 'attempt')}" + (f", {one.failed:,} failed" if one.failed else ""),
        )
        for one in report.models
    ]
    return shares("Cost by target", "Which targets answered, and what that cost.", rows)


def _operations(report: RunReport) -> Grid:
    heads = ("operation", "turns", "answered", "failed", "blocked", "attempts", "in", "cached", "out", "cost", "share")
    rows = tuple(
        (
            one.operation,
            *(count(n) for n in (one.turns, one.answered, one.failed, one.blocked, one.attempts)),
            *(count(n) for n in (one.tokens.input, one.tokens.cached, one.tokens.output)),
            format_money(one.cost_nano),
            percent(one.share),
        )
        for one in report.operations
    )
    return Grid(heads, rows)


def _timeline(report: RunReport) -> Chart:
    """One row per turn, a bar per attempt, from the run's beginning on."""
    turns = [turn for turn in report.turns if turn.attempts][:MOST]
    row = max(2.0, min(_TALLEST, _ROWS / len(turns)))
    moments = [
        (attempt.started_at, attempt.started_at + timedelta(microseconds=attempt.duration_us))
        for turn in turns
        for attempt in turn.attempts
    ]
    begin, end = min(start for start, _ in moments), max(end for _, end in moments)
    axis = linear(0, max((end - begin).total_seconds(), 0.001), lambda s: duration(round(s * 1_000_000)) if s else "0")
    shades: dict[str, ChartTone] = defaultdict(lambda: tone(len(shades)))
    for one in report.operations:
        shades[one.operation]
    rects = tuple(
        Rect(
            left,
            round(number * row, 1),
            max(round(axis.x((attempt.started_at - begin).total_seconds() + attempt.duration_us / 1e6) - left, 2), 0.3),
            round(row * 0.8, 1),
            shades[turn.operation] if attempt.outcome == "ok" else "bad",
            f"{turn.operation}: {attempt.target} {attempt.outcome}, {duration(attempt.duration_us)}, "
            f"{format_money(attempt.cost_nano)}",
        )
        for number, turn in enumerate(turns)
        for attempt in turn.attempts
        for left in [axis.x((attempt.started_at - begin).total_seconds())]
    )
    failed = any(rect.tone == "bad" for rect in rects)
    keys = [LegendKey(name, shade) for name, shade in shades.items()] + (
        [LegendKey("failed attempt", "bad")] if failed else []
    )
    return Chart(
        "When each turn was asked",
        "A row per turn, a bar per attempt; bars side by side are asked at the same time.",
        _attempt_grid(turns),
        height=round(row * len(turns)) + 4,
        across=axis.across(),
        rects=rects,
        legend=tuple(keys),
        across_label="since the first request",
    )


def _attempt_grid(turns: list[TurnLine]) -> Grid:
    heads = ("turn", "operation", "target", "model", "why", "outcome", "in", "out", "cost", "by", "took")
    rows = tuple(
        (
            f"{number}.{attempt.ordinal + 1}",
            turn.operation,
            attempt.target,
            attempt.model_at,
            attempt.reason,
            f"{attempt.status or ''} {attempt.outcome}".strip()
            + ("" if attempt.priced == "usage" else f" ({attempt.priced})"),
            count(attempt.tokens.input),
            count(attempt.tokens.output),
            format_money(attempt.cost_nano),
            attempt.priced.replace("_", " "),
            duration(attempt.duration_us),
        )
        for number, turn in enumerate(turns, 1)
        for attempt in turn.attempts
    )
    return Grid(heads, rows, names=6)


def _turns(report: RunReport) -> Grid:
    heads = ("turn", "operation", "outcome", "target", "attempts", "cost", "provider", "guards", "queue", "took")
    rows = tuple(
        (
            f"{number}",
            turn.operation,
            turn.outcome + (f" ({turn.reason})" if turn.reason else "") + (", repaired" if turn.repaired else ""),
            turn.target or UNKNOWN,
            f"{len(turn.attempts)}",
            format_money(turn.cost_nano),
            *(duration(part) if part else UNKNOWN for part in _parts(turn)),
            duration(turn.duration_us),
        )
        for number, turn in enumerate(report.turns[:MOST], 1)
    )
    return Grid(heads, rows, names=4)


def _parts(turn: TurnLine) -> tuple[int | None, ...]:
    """What a turn took at providers, in guards and in the queue."""
    return sum(one.duration_us for one in turn.attempts), turn.guards_us, turn.waited_us


def _cost(one: ToolLine) -> tuple[str, str]:
    return format_money(one.cost_nano), percent(one.share)
