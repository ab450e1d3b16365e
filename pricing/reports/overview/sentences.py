"""Sentences about many runs, for a product owner: the same in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Iterator

from pricing.money import format_money
from pricing.reports.format import moment, percent, plural
from pricing.reports.overview.data import AutomationLine, BlockLine, Overview, RoutingSavings, SpendSection
from pricing.reports.run.data import OPEN
from pricing.reports.sentences import margin_words

HONEST = 0.93
"""A p95 that covers less than this share of runs is too low."""
_MOST_MARKUP = 10.0
"""As a share of the cost: beyond it, more exact figures tell nobody anything."""
LEAST_RUNS = 20
"""Runs from which on their distribution shows what buffer they need."""
_NOTABLE = 0.05
"""A share of what was spent that is worth a sentence."""


def period(overview: Overview) -> str:
    """The period of the report as text."""
    since = moment(overview.since) if overview.since else "the first run"
    return f"from {since} to {moment(overview.until) if overview.until else 'now'}"


def about(overview: Overview) -> str:
    """The selection of runs as text."""
    named = [
        overview.automation,
        None if overview.org is None else f"organisation {overview.org}",
        None if overview.user is None else f"user {overview.user}",
    ]
    return ", ".join(name for name in named if name is not None) or "All automations"


def completed_sentences(section: SpendSection) -> Iterator[str]:
    """The number of completed runs, their cost, and the cost of the others, as sentences."""
    spent, completed = format_money(section.spent_nano), section.sold.outcomes
    yield f"{completed:,} of {plural(section.runs, 'run')} completed, for {spent} in all."
    if completed and section.sold.unpriced:
        yield (
            f"{plural(section.sold.unpriced, 'completed run')} had no price, so there is no margin. Give the "
            "automation a price, and credits a value."
        )
    unearned = sum(one.spent_nano for one in section.outcomes if one.outcome not in {"completed", *OPEN})
    if unearned > _NOTABLE * section.spent_nano:
        ended = sum(one.runs for one in section.outcomes if one.outcome not in {"completed", *OPEN})
        yield (
            f"{format_money(unearned)} of it, {percent(unearned / section.spent_nano)}, went into "
            f"{plural(ended - section.refused, 'run')} that did not complete."
        )


def outcome_sentences(section: SpendSection) -> Iterator[str]:
    """Cost and price of a completed run and refusals, as sentences, for views without cards."""
    yield from completed_sentences(section)
    sold = section.sold
    if sold.outcomes:
        yield f"Each completed run cost {format_money(-(-section.spent_nano // sold.outcomes))} on average."
    if sold.charged_nano:
        left = sold.charged_nano - section.spent_nano
        text = margin_words(sold.gross_margin, sold.markup)
        yield f"Sold for {format_money(sold.charged_nano)}, which leaves {format_money(left)}: {text}."
    if section.refused:
        yield (
            f"{plural(section.refused, 'run')} {'was' if section.refused == 1 else 'were'} refused by a budget before "
            "any call, and cost nothing."
        )


def block_words(one: BlockLine) -> str:
    """The number of refusals for a reason: ``budget: 30 runs``."""
    return f"{one.reason.replace('_', ' ')}: {plural(one.count, one.what)}"


def routing_sentence(routing: RoutingSavings) -> str:
    """The savings of routing against one premium model for everything, as a sentence."""
    if routing.saved_nano <= 0:
        return f"Routing saved nothing against {routing.target} for everything."
    share = percent(routing.saved_nano / routing.premium_nano)
    return (
        f"{format_money(routing.saved_nano)} by routing, {share} of what the same tokens would have cost at "
        f"{routing.target} alone ({format_money(routing.premium_nano)})"
    )


def buffer_sentence(line: AutomationLine) -> str | None:
    """Whether the price covers the buffer that single customers' invoices need; None where nothing was simulated."""
    if not line.buffers:
        return None
    needs = ", ".join(f"{percent(one.needed)} for {plural(one.runs, 'run')}" for one in line.buffers)
    text = (
        f"For 95 % of invoices of {line.automation} to lose nothing, its price must be above the mean cost by {needs}"
    )
    if line.markup is None:
        return f"{text} per invoice."
    fitting = [one.runs for one in line.buffers if one.needed <= line.markup]
    fits = f"enough from {plural(fitting[0], 'run')} per invoice on" if fitting else "not enough for any of these"
    above = percent(line.markup) if line.markup < _MOST_MARKUP else f"more than {percent(_MOST_MARKUP)}"
    return f"{text} per invoice. It is above it by {above}: {fits}."


def size_sentences(section: SpendSection) -> Iterator[str]:
    """Sentences about sizes of runs whose p95 is too low with certainty."""
    for one in section.sizes:
        if one.high < HONEST:
            yield (
                f"{one.automation} {one.quality}, runs quoted at {format_money(one.low_nano)} to "
                f"{format_money(one.high_nano)}: only {percent(one.share)} of {one.runs:,} cost no more than their p95."
            )


def explained(overview: Overview) -> float | None:
    """The share of what was billed that agrees with the ledger or has a reason; None without a reconciled bill."""
    largest = sum(max(one.billed_nano, one.recorded_nano) for one in overview.bills)
    return 1 - sum(one.unexplained_nano for one in overview.bills) / largest if largest else None


def bills_note(overview: Overview) -> str:
    """Whose bills were reconciled, and until when."""
    billed = format_money(sum(one.billed_nano for one in overview.bills))
    names = ", ".join(f"{one.provider} until {one.last_day}" for one in overview.bills)
    return f"of {billed} billed: {names}"
