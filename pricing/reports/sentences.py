"""Sentences about a run's money, prices and margins, the same in every output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from pricing.money import format_money
from pricing.reports.format import SANDBOX, duration, moment, percent, plural
from pricing.reports.run.data import DueFacts, OperationLine, RunReport, SaleFacts, Savings, TryLine, ratio

_MINUTE_US = 60_000_000


def price_words(sold: SaleFacts) -> str | None:
    """``3 credits ($0.30)``, ``$0.50``; None where the outcome has no price."""
    counted = None if sold.price_credits is None else plural(sold.price_credits, "credit")
    worth = None if sold.price_nano is None else format_money(sold.price_nano)
    return f"{counted} ({worth})" if counted and worth else counted or worth


def margin_words(gross_margin: float | None, markup: float | None) -> str | None:
    """``a gross margin of 92 % (markup 1,150 %)``; None where there is none to tell."""
    if gross_margin is None:
        return None
    above = "" if markup is None else f" (markup {percent(markup)})"
    return f"a gross margin of {percent(gross_margin)}{above}"


def sale_sentence(report: RunReport) -> str | None:
    """What the outcome was sold for and what is left of it; None before it is settled or without a price."""
    sold, spent = report.sold, report.money.spent_nano
    if (price := price_words(sold)) is None or report.run.outcome == "running":
        return None
    if report.run.outcome != "completed":
        return f"Its outcome is sold for {price}; it was not reached, so nothing is charged."
    if sold.charged_nano is None:
        return f"Its outcome is sold for {price}; what a credit is worth is not known, so neither is the margin."
    left = f"{format_money(sold.charged_nano - spent)} is left"
    told = margin_words(sold.gross_margin, sold.markup)
    return f"Its outcome is sold for {price}: {left}" + (f", {told}." if told else ".")


Place: TypeAlias = Literal["within the quote", "above the p95", "above the ceiling", "not quoted"]


def basis(report: RunReport) -> str:
    """What the quote rests on."""
    quote = report.quote
    if not quote.given:
        return f"nothing was quoted: its steps were called outside an automation; rates {quote.rate_version}"
    return f"{quote.method.replace('_', '-')}, {plural(quote.history, 'past run')}, rates {quote.rate_version}"


def against_quote(report: RunReport) -> str:
    """The quote against the actual, in one sentence."""
    money = report.money
    if not money.spent_nano:
        return "nothing was spent"
    if not report.quote.given:
        return f"not quoted; at most {format_money(report.quote.ceiling_nano)} by [adhoc] per_run"
    if money.of_point is None or money.of_p95 is None:
        return "the quote was nothing"
    return f"{percent(money.of_point)} of the point, {percent(money.of_p95)} of the p95: {place(report)}"


def money_sentence(report: RunReport) -> str:
    """What was held and what became of it."""
    money, holds = report.money, len(report.settlements)
    if not holds:
        return f"{format_money(money.held_nano)} to hold, not settled yet"
    if not money.held_nano and not money.spent_nano:
        return "nothing was held and nothing spent"
    often = f" in {plural(holds, 'hold')}" if holds > 1 else ""
    parts = [f"{format_money(money.held_nano)} held{often}", f"{format_money(money.spent_nano)} spent"]
    parts.append(f"{format_money(money.released_nano)} released")
    if money.adjusted_nano:
        parts.append(f"{format_money(money.adjusted_nano)} adjusted later")
    if money.unsettled_nano:
        parts.append(f"{format_money(money.unsettled_nano)} not settled yet")
    return ", ".join(parts)


def sandbox_sentence(report: RunReport) -> str | None:
    """That the sandbox answered, and for how much of the cost if not for all; None where no stand-in was asked."""
    if report.run.stand_in:
        return SANDBOX
    if any(one.stand_in for one in report.models):
        return f"{format_money(report.money.stand_in_nano)} of the cost: {SANDBOX}"
    return None


def due_sentence(report: RunReport) -> str | None:
    """When a run was due and done, and what asking later saved; None for a run without a due time."""
    due, spent = report.due, report.money.spent_nano
    if due is None:
        return None
    if due.early_us is None:
        return f"Due {moment(due.due_at)}.{_batched(due)}"
    apart = f"{duration(abs(due.early_us))} {'before' if due.early_us >= 0 else 'late'}"
    if 0 <= due.early_us < _MINUTE_US:
        apart = "in time"
    done = f"Due {moment(due.due_at)}, done {moment(due.done_at)}, {apart}.{_batched(due)}"
    if due.saved_nano > 0:
        whole = format_money(spent + due.saved_nano)
        return f"{done} Asking later saved {format_money(due.saved_nano)}: {format_money(spent)} in place of {whole}."
    return f"{done} Asking later saved nothing."


def _batched(due: DueFacts) -> str:
    """How many turns batches answered, and how long the run waited for them."""
    if not due.waited_us:
        return ""
    return f" {plural(due.batched, 'turn')} answered by batches, which took {duration(due.waited_us)}."


def unknown_sentence(report: RunReport) -> str:
    """How much of the cost is a worst case, because nobody told the true one."""
    unknown = report.unknown
    return (
        f"{plural(unknown.attempts, 'attempt')} may have been billed without telling: counted at the worst case, "
        f"{format_money(unknown.worst_nano)} in all."
    )


def saved_sentence(saved: Savings) -> str | None:
    """What prompt caching and stored answers took off the cost; None where neither had a part in it."""
    parts = []
    if saved.caching_nano:
        written = " (caches were written and hardly read)" if saved.caching_nano < 0 else ""
        parts.append(f"{format_money(saved.caching_nano)} by prompt caching{written}")
    if saved.stored_turns:
        parts.append(f"{format_money(saved.stored_nano)} by {plural(saved.stored_turns, 'stored answer')}")
    return ", ".join(parts) or None


def caching_sentences(report: RunReport) -> list[str]:
    """What prompt caching saved or cost, one line for each operation that had a part in it."""
    return [told for one in report.operations if (told := _caching(one)) is not None]


def _caching(one: OperationLine) -> str | None:
    read, written, saved = one.tokens.cached or 0, one.tokens.written or 0, one.saved.caching_nano
    if not saved:  # neither read nor written, or at the price of other input
        return None
    share = f" ({percent(ratio(read, one.tokens.input or 0))} of its input)" if read else ""
    parts = [f"{one.operation}: {read:,} tokens read from the cache{share}"]
    if written:
        parts.append(f"{written:,} written to it")
    ending = f"saved {format_money(saved)}" if saved >= 0 else f"cost {format_money(-saved)} more than without a cache"
    return f"{', '.join(parts)}: {ending}"


def replayed_sentence(tries: Sequence[TryLine]) -> str | None:
    """What later tries of a run did not pay again; None where nothing was replayed."""
    again = [one for one in tries if one.replayed]
    if not again:
        return None
    turns, saved = sum(one.replayed for one in again), sum(one.saved_nano for one in again)
    were = "was" if turns == 1 else "were"
    return (
        f"{plural(len(tries), 'try', 'tries')}: {plural(turns, 'answer')} of earlier ones {were} replayed, "
        f"not paid again, which saved {format_money(saved)}"
    )


def place(report: RunReport) -> Place:
    """Where the actual cost fell."""
    spent, quote = report.money.spent_nano, report.quote
    if not quote.given:
        return "not quoted"
    if spent <= quote.p95_nano:
        return "within the quote"
    return "above the p95" if spent <= quote.ceiling_nano else "above the ceiling"
