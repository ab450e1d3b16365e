"""Lists of runs and overviews in the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from pricing.money import Nano, format_money
from pricing.reports.breakdowns import Breakdown, BreakdownLine
from pricing.reports.format import SANDBOX, UNKNOWN, count, duration, moment, percent, plural
from pricing.reports.overview.data import Overview, SpendSection
from pricing.reports.overview.sentences import (
    LEAST_RUNS,
    about,
    bills_note,
    buffer_sentence,
    explained,
    outcome_sentences,
    period,
    routing_sentence,
    size_sentences,
)
from pricing.reports.run_list_terminal import nothing_in_terminal
from pricing.reports.sentences import saved_sentence
from pricing.reports.tables import GOOD, QUIET, WARNING, line, savings_table, table

_MOST_DAYS = 31
_MOST_ROWS = 20
_BAR = 24


def overview_in_terminal(overview: Overview) -> Group:
    """What was spent and where, for models and for the sandbox apart."""
    sections = [section for section in (overview.real, overview.sandbox) if section is not None]
    if not sections:
        return nothing_in_terminal("No runs in this period." if overview.since or overview.until else "No runs yet.")
    parts: list[RenderableType] = [_period(overview)]
    parts += [line((sentence, WARNING)) for sentence in overview.changes]
    if (share := explained(overview)) is not None:
        parts.append(line((f"Explained against bills: {percent(share)} {bills_note(overview)}.", QUIET)))
    for section in sections:
        parts += _section(section)
    if overview.circuits:
        rows = [
            [one.target, one.reason or UNKNOWN, moment(one.last_at), count(one.opened), duration(one.away_us)]
            for one in overview.circuits
        ]
        parts.append(
            table("Left alone by the breaker", ["target", "last reason", "last time", "times", "in all"], rows, names=3)
        )
    return Group(*parts)


def breakdown_in_terminal(found: Breakdown) -> Group:
    """One table for what models answered, one for the sandbox."""
    if not found.lines:
        return nothing_in_terminal("No runs in this period.")
    parts: list[RenderableType] = [line((sentence, WARNING)) for sentence in found.changes]
    for stand_in in (False, True):
        mine = [one for one in found.lines if one.stand_in == stand_in]
        if mine:
            title = f"{'Sandbox, by' if stand_in else 'By'} {', '.join(found.by)}"
            heads, cells = (_RUN_HEADS, _run_cells) if found.of_runs else (_COST_HEADS, _cost_cells)
            rows = [[*one.names, *cells(one)] for one in mine]
            parts.append(table(title, [*found.by, *heads], rows, names=len(found.by)))
            if stand_in:
                parts.append(line((SANDBOX, WARNING)))
    return Group(*parts)


_RUN_HEADS = ("runs", "completed", "run p50", "run p95", "spent", "share", "charged", "margin")
_COST_HEADS = ("attempts", "failed", "in", "cached", "out", "cost", "share")


def _run_cells(one: BreakdownLine) -> list[str]:
    return [
        count(one.runs),
        count(one.outcomes),
        _money(one.p50_nano),
        _money(one.p95_nano),
        format_money(one.cost_nano),
        percent(one.share),
        _money(one.charged_nano),
        percent(one.gross_margin),
    ]


def _cost_cells(one: BreakdownLine) -> list[str]:
    tokens = (one.input_tokens, one.cache_read_tokens, one.output_tokens)
    numbers = map(count, (one.attempts, one.failed, *tokens))
    return [*numbers, format_money(one.cost_nano), percent(one.share)]


def _period(overview: Overview) -> Text:
    return line((about(overview), "bold"), (f"  {period(overview)}", QUIET))


def _section(section: SpendSection) -> Iterator[RenderableType]:
    yield Text()
    if section.stand_in:
        yield line(("Sandbox  ", "bold"), _totals(section))
        yield line((SANDBOX, WARNING))
    else:
        yield line(("Spent  ", "bold"), _totals(section))
        if section.stand_in_nano:
            yield line((f"{format_money(section.stand_in_nano)} of it: {SANDBOX}", WARNING))
    yield line((", ".join(f"{count(one.runs)} {one.outcome.replace('_', ' ')}" for one in section.outcomes), QUIET))
    for sentence in outcome_sentences(section):
        yield line(sentence)
    yield from _quality(section)
    if text := saved_sentence(section.saved):
        yield line(("Saved   ", QUIET), text)
    if section.routing is not None and section.routing.spent_nano:
        yield line(("Saved   ", QUIET), routing_sentence(section.routing))
    yield from _automations(section)
    yield _days(section)
    if section.operations:
        yield _operations(section)
    if section.savings:
        yield savings_table((one.operation, one.saved) for one in section.savings[:_MOST_ROWS])
    if section.blocks:
        rows = [[one.reason, one.what, count(one.count)] for one in section.blocks]
        yield table("Refused", ["reason", "what", "times"], rows, names=2)


def _totals(section: SpendSection) -> str:
    text = (plural(section.runs, "run"), plural(section.turns, "turn"), plural(section.attempts, "attempt"))
    return f"{format_money(section.spent_nano)} in {', '.join(text)}"


def _quality(section: SpendSection) -> Iterator[Text]:
    """Coverage of quotes and the share of fallbacks."""
    coverage, fell = section.coverage, section.fallbacks
    if coverage.runs:
        style = GOOD if coverage.within * 100 >= 95 * coverage.runs else WARNING
        stopped = f" ({count(coverage.stopped)} more stopped by a budget)" if coverage.stopped else ""
        of_these = f" of {plural(coverage.runs, 'completed run')} within the p95"
        yield line(("Quotes  ", QUIET), (percent(coverage.share), style), of_these, (stopped, QUIET))
    for sentence in size_sentences(section):
        yield line((sentence, WARNING))
    if fell.turns:
        yield line(("Fell back  ", QUIET), f"{percent(fell.share)} of {plural(fell.turns, 'turn')}")


def _automations(section: SpendSection) -> Iterator[RenderableType]:
    """The unit economics of each automation."""
    shown = section.automations[:_MOST_ROWS]
    rows = [
        [
            one.automation,
            count(one.runs),
            _money(one.p50_nano),
            _money(one.p95_nano),
            _money(one.cost_nano),
            percent(one.gross_margin),
            percent(one.at_p95),
            format_money(one.spent_nano),
        ]
        for one in shown
    ]
    heads = ["automation", "runs", "run p50", "run p95", "outcome", "margin", "at p95", "spent"]
    yield table("Automations", heads, rows)
    for one in shown:
        if one.runs >= LEAST_RUNS and (text := buffer_sentence(one)):
            yield line((text, QUIET))


def _days(section: SpendSection) -> RenderableType:
    shown = section.days[-_MOST_DAYS:]
    most = max((day.spent_nano for day in shown), default=0)
    rows: list[list[str | Text]] = [
        [
            f"{day.day:%a %Y-%m-%d}",
            Text("━" * (-(-day.spent_nano * _BAR // most) if most else 0), GOOD),
            count(day.runs),
            format_money(day.spent_nano),
        ]
        for day in shown
    ]
    title = "Days" if len(shown) == len(section.days) else f"Days, the last {_MOST_DAYS} with runs"
    return table(title, ["day", "", "runs", "spent"], rows, names=2)


def _operations(section: SpendSection) -> RenderableType:
    rows = [
        [
            one.operation,
            one.model,
            count(one.attempts),
            count(one.failed),
            count(one.tokens.input),
            count(one.tokens.output),
            format_money(one.cost_nano),
            percent(one.share),
        ]
        for one in section.operations[:_MOST_ROWS]
    ]
    columns = ["operation", "model", "attempts", "failed", "in", "out", "cost", "share"]
    return table("Operations by model", columns, rows, names=2)


def _money(amount: Nano | None) -> str:
    return UNKNOWN if amount is None else format_money(amount)
