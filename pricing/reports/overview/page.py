"""The overview as a page for a product owner: what outcomes cost and sell for, what is left, what was refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pricing.money import format_money
from pricing.reports.charts import ChartTone, Grid
from pricing.reports.format import SANDBOX, UNKNOWN, count, duration, moment, percent, plural
from pricing.reports.overview import drawings as draw
from pricing.reports.overview.data import AutomationLine, BurnDown, Overview, SpendSection
from pricing.reports.overview.sentences import (
    HONEST,
    LEAST_RUNS,
    about,
    bills_note,
    block_words,
    buffer_sentence,
    completed_sentences,
    explained,
    period,
    routing_sentence,
    size_sentences,
)
from pricing.reports.page import Figure, Page, Section
from pricing.reports.sentences import markup_figure, markup_words, saved_sentence

_AGREES = 0.99
_DRAWN = 4
"""Automations whose distribution is drawn: those that cost most."""
_FEW = 1
"""Runs of a budget's window that a chart would show nothing of."""
_MOST_BLOCKS = 5
_MOST_SIZES = 40
"""Rows of coverage by size: four of each automation and quality."""


def overview_page(overview: Overview) -> Page:
    """The page of many runs; of the sandbox's, where no model has answered."""
    shown = overview.real or overview.sandbox
    title = "What runs cost"
    under = f"{about(overview)}, {period(overview)}"
    if shown is None:
        return Page(title, under, lead=("There were no runs in this time.",))
    return Page(
        title=title,
        under=under,
        warning=_warning(overview, shown),
        lead=(*completed_sentences(shown), *overview.changes),
        figures=(*_figures(shown), *_bills(overview)),
        sections=tuple(_parts(overview, shown)),
        foot=f"Days are those of {overview.zone}; amounts are US dollars. Gross margin is a share of the price, markup "
        "of the cost. Nothing here is an estimate unless it says so.",
    )


def _warning(overview: Overview, shown: SpendSection) -> str:
    if shown.stand_in:
        return f"Sandbox: {SANDBOX}."
    apart = overview.sandbox
    texts = [f"{format_money(shown.stand_in_nano)} of the cost: {SANDBOX}."] if shown.stand_in_nano else []
    if apart is not None:
        texts.append(
            f"{plural(apart.runs, 'run')} of the sandbox ({format_money(apart.spent_nano)}) are left out here."
        )
    return " ".join(texts)


def _figures(section: SpendSection) -> Iterator[Figure]:
    sold, refused = section.sold, section.refused
    if sold.outcomes:
        each = -(-section.spent_nano // sold.outcomes)
        yield Figure("Cost of a completed run", format_money(each), "failed runs included")
        if sold.charged_nano is not None:
            yield Figure("Price", format_money(sold.charged_nano // sold.outcomes), "of a completed run, on average")
    if sold.gross_margin is not None:
        tone: ChartTone = "good" if sold.gross_margin > 0 else "bad"
        above = "" if sold.markup is None else markup_words(sold.markup)
        yield Figure("Gross margin", percent(sold.gross_margin), above, tone)
    note = "by a budget, before any call" if refused else "nothing was refused before it began"
    yield Figure("Runs refused", count(refused), note, "warn" if refused else None)
    coverage = section.coverage
    if coverage.runs and coverage.share is not None:
        good = coverage.share >= HONEST
        note = f"of {plural(coverage.runs, 'completed run')} cost no more than their p95"
        yield Figure("Quotes held", percent(coverage.share), note, "good" if good else "warn")


def _bills(overview: Overview) -> Iterator[Figure]:
    share = explained(overview)
    if share is not None:
        tone: ChartTone = "good" if share >= _AGREES else "warn"
        yield Figure("Explained against bills", percent(share), bills_note(overview), tone)


def _parts(overview: Overview, section: SpendSection) -> Iterator[Section]:
    yield _economics(section)
    charts = (draw.cost_per_day(section), draw.by_model(section))
    yield Section("Cost by day, operation and model", (), charts, _operations(section), folded=True)
    if overview.budgets:
        yield _budgets(overview.budgets)
    yield _quotes(section)
    if section.saved.any or section.routing is not None:
        yield _savings(section)
    yield _fallback(overview, section)
    if section.blocks or section.guards:
        yield _refusals(section)


def _budgets(budgets: Sequence[BurnDown]) -> Section:
    """What is left, as a table; a chart of those that several runs took from is there on demand."""
    heads = ("budget", "window", "from", "limit", "left", "left of it", "runs")
    rows = tuple(
        (
            f"{one.scope} {one.key}",
            f"per {one.span}",
            f"{one.begins}",
            format_money(one.limit_nano),
            format_money(one.left[-1][1]),
            percent(max(one.left[-1][1], 0) / one.limit_nano) if one.limit_nano else UNKNOWN,
            count(len(one.left)),
        )
        for one in budgets
    )
    drawn = [one for one in budgets if len(one.left) > _FEW][:_DRAWN]
    texts = "What was left of each budget after its last run, in its newest window."
    charts = tuple(draw.burn_down(one) for one in drawn)
    return Section("Budgets", (texts,), charts, Grid(heads, rows, 3), folded_drawings=True)


def automation_grid(section: SpendSection) -> Grid:
    """The unit economics of each automation, as a table."""
    heads = (
        *("automation", "runs", "completed", "refused", "run p50", "run p95", "cost of an outcome", "price"),
        *("gross margin", "markup", "margin at p95", "spent"),
    )
    rows = tuple(
        (
            one.automation,
            *(count(n) for n in (one.runs, one.outcomes, one.refused)),
            *(UNKNOWN if n is None else format_money(n) for n in (one.p50_nano, one.p95_nano, one.cost_nano)),
            UNKNOWN if one.price_nano is None else format_money(one.price_nano),
            *(percent(one.gross_margin), markup_figure(one.markup), percent(one.at_p95)),
            format_money(one.spent_nano),
        )
        for one in section.automations
    )
    return Grid(heads, rows)


def _economics(section: SpendSection) -> Section:
    drawn = [one for one in section.automations if len(one.bins) > 1][:_DRAWN]  # one cost does not make a distribution
    enough = [one for one in drawn if one.runs >= LEAST_RUNS] if len(section.automations) == 1 else []
    texts = [sentence for one in enough if (sentence := buffer_sentence(one)) is not None]
    lost = [one for one in section.automations if one.at_p95 is not None and one.at_p95 < 0]
    return Section(
        "What each automation earns" if len(section.automations) > 1 else "What it earns",
        (*(_risk(one) for one in lost), *texts),
        tuple(draw.distribution(one) for one in drawn),
        automation_grid(section),
        folded_drawings=True,
    )


def _risk(line: AutomationLine) -> str:
    return f"{line.automation} loses money on its most expensive runs: a run at the p95 costs more than it sells for."


def _operations(section: SpendSection) -> Grid:
    heads = ("operation", "model", "attempts", "failed", "in", "cached", "out", "cost", "share")
    rows = tuple(
        (
            one.operation,
            one.model,
            count(one.attempts),
            count(one.failed),
            *(count(n) for n in (one.tokens.input, one.tokens.cached, one.tokens.output)),
            format_money(one.cost_nano),
            percent(one.share),
        )
        for one in section.operations
    )
    return Grid(heads, rows, names=2)


def _quotes(section: SpendSection) -> Section:
    coverage = section.coverage
    texts = []
    if coverage.runs:
        texts.append(
            f"{coverage.within:,} of {plural(coverage.runs, 'completed run')} cost no more than their p95; 95 % should."
        )
    if coverage.stopped:
        texts.append(f"A budget stopped {plural(coverage.stopped, 'more run')} half-way.")
    texts += size_sentences(section)
    drawn = (draw.quoted(section),) if len(section.newest) > 1 else ()
    sizes = _sizes(section)
    texts = [" ".join(texts[:2]), *texts[2:]] if texts else ["No run has ended yet."]
    return Section("Quotes against actual cost", tuple(texts), drawn, sizes, folded=True, folded_drawings=True)


def _sizes(section: SpendSection) -> Grid | None:
    """Coverage by size, where sizes vary."""
    heads = ("automation", "quality", "quoted at", "runs", "within p95", "95 % interval")
    rows = tuple(
        (
            one.automation,
            one.quality,
            f"{format_money(one.low_nano)} to {format_money(one.high_nano)}",
            count(one.runs),
            percent(one.share),
            f"{percent(one.low)} to {percent(one.high)}",
        )
        for one in section.sizes[:_MOST_SIZES]
    )
    return Grid(heads, rows, names=3) if rows else None


def _savings(section: SpendSection) -> Section:
    texts = []
    if section.routing is not None and section.routing.spent_nano:
        texts.append(f"{routing_sentence(section.routing)}.")
    if sentence := saved_sentence(section.saved):
        texts.append(f"{sentence}.")
    return Section("Savings", tuple(texts), (draw.savings(section),), folded_drawings=True)


def _fallback(overview: Overview, section: SpendSection) -> Section:
    fell = section.fallbacks
    texts = [
        f"{fell.fell_back:,} of {plural(fell.turns, 'turn')} that asked a model went on to another target: "
        f"{percent(fell.share)}."
        if fell.fell_back
        else f"None of {plural(fell.turns, 'turn')} had to go on to another target."
    ]
    rows = tuple(
        (one.target, one.reason or UNKNOWN, moment(one.last_at), count(one.opened), duration(one.away_us))
        for one in overview.circuits
    )
    if rows:
        texts.append("Targets that lost service were left alone by the circuit breaker, and tried again afterwards.")
    grid = Grid(("target", "last reason", "last time", "times", "left alone for"), rows, 3) if rows else None
    drawn = (draw.fallback(section),) if section.moves else ()
    return Section("Fallbacks", tuple(texts), drawn, grid, folded=True, folded_drawings=True)


def _refusals(section: SpendSection) -> Section:
    heads = ("guard", "mode", "did", "reason", "times", "reviewed", "of these wrong")
    rows = tuple(
        (
            *(one.guard, one.mode, one.action, one.reason or UNKNOWN),
            *(count(one.times), count(one.reviewed), percent(one.wrong / one.reviewed) if one.reviewed else UNKNOWN),
        )
        for one in section.guards
    )
    drawn = (draw.blocks(section),) if section.blocks else ()
    texts = (f"{', '.join(block_words(one) for one in section.blocks[:_MOST_BLOCKS])}.",) if section.blocks else ()
    grid = Grid(heads, rows, 4) if rows else None
    return Section("Refusals and blocks", texts, drawn, grid, folded=True, folded_drawings=True)
