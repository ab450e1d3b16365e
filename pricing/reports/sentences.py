"""Sentences about a run's money, prices and margins, the same in every output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from pricing.ledger.budgets import budget_label
from pricing.money import format_money
from pricing.reports.format import SANDBOX, duration, moment, percent, plural, ratio
from pricing.reports.run.data import (
    ApprovalLine,
    DueFacts,
    LoweredQuality,
    OperationLine,
    RunReport,
    SaleFacts,
    Savings,
    Timing,
    TryLine,
)

_MINUTE_US = 60_000_000
_MOST_MARKUP = 10.0
"""As a share of the cost: up to which it is said in percent."""


def price_words(sold: SaleFacts) -> str | None:
    """``3 credits ($0.30)``, ``$0.50``; None where the outcome has no price."""
    counted = None if sold.price_credits is None else plural(sold.price_credits, "credit")
    worth = None if sold.price_nano is None else format_money(sold.price_nano)
    return f"{counted} ({worth})" if counted and worth else counted or worth


def margin_words(gross_margin: float | None, markup: float | None) -> str | None:
    """``a gross margin of 80 % (markup 400 %)``; None where there is none to tell."""
    if gross_margin is None:
        return None
    above = "" if markup is None else f" ({markup_words(markup)})"
    return f"a gross margin of {percent(gross_margin)}{above}"


def markup_words(markup: float) -> str:
    """A markup as text; as a multiple of the cost where a percentage would tell nobody anything.

    >>> markup_words(4.0), markup_words(835.47)
    ('markup 400 %', '836 times the cost')
    """
    return f"markup {percent(markup)}" if markup < _MOST_MARKUP else f"{markup + 1:,.0f} times the cost"


def markup_figure(markup: float | None) -> str:
    """The same as a figure of a table: ``25 %``, ``836 ×``, a dash where there is none."""
    if markup is None or markup < _MOST_MARKUP:
        return percent(markup)
    return f"{markup + 1:,.0f} ×"


def cost_sentence(report: RunReport) -> str:
    """What a run cost against its estimate."""
    run, money, quote = report.run, report.money, report.quote
    if run.outcome == "over_budget" and not money.spent_nano and not money.held_nano:
        return "It was refused before any call: no model was called, and nothing is charged."
    so_far = " so far" if run.is_open else ""
    cost = f"It cost {format_money(money.spent_nano)}{so_far}" if money.spent_nano else f"It cost nothing{so_far}"
    if not quote.given:
        return f"{cost}; it had no quote, and [adhoc] per_run allows {format_money(quote.ceiling_nano)}."
    if money.of_point is None or not money.spent_nano:
        return f"{cost}."
    if run.is_open:
        return f"{cost}, {percent(money.of_point)} of its estimate."
    return f"{cost}, {percent(money.of_point)} of its estimate and {place(report)}."


def quality_sentence(report: RunReport) -> str | None:
    """Whether its quality was lowered, and why; None for a run that asked no model."""
    if report.lowered:
        first, *rest = report.lowered
        more = f", and {plural(len(rest), 'more reason')}" if rest else ""
        return f"Its quality was lowered: {lowered_words(first)}{more}."
    return "Its quality was not lowered." if any(turn.attempts for turn in report.turns) else None


def lowered_words(one: LoweredQuality) -> str:
    """One reason why a run's quality was lowered."""
    where = f" in {plural(one.turns, 'turn')}" if one.turns else ""
    return f"{one.kind}{where} ({one.why})"


def approval_sentence(one: ApprovalLine) -> str:
    """Who decided what about the run."""
    held = format_money(one.hold_nano)
    budgets = " and ".join(
        f"{budget_label(budget_id)} by {format_money(amount)}" for budget_id, amount in one.budgets.items() if amount
    )
    beyond = f", beyond {budgets}" if budgets else ""
    sentence = {
        "once": f"approved it once: {held} to hold{beyond}",
        "cheaper": f"approved it with cheaper models: {held} to hold{beyond}",
        "raise": f"raised {budgets or 'its budget'} for it",
        "finish": "had it finish with what it had",
        "refuse": "refused it",
    }
    when = moment(one.decided_at)
    if one.choice not in sentence:
        return f"Nobody decided about it in time ({when})."
    return f"{one.by or 'Somebody'} {sentence[one.choice]} ({when})."


def took_words(timing: Timing) -> str:
    """How a run's time divides: what is not there is left out."""
    parts = (
        (timing.provider_us, "at providers"),
        (timing.guards_us, "in guards"),
        (timing.queue_us, "in the queue"),
        (timing.outside_us, "outside of turns"),
    )
    return ", ".join(f"{duration(amount)} {where}" for amount, where in parts if amount)


Place: TypeAlias = Literal["within the quote", "above the p95", "above the ceiling", "not quoted"]


def basis(report: RunReport) -> str:
    """What the quote rests on."""
    quote = report.quote
    if not quote.given:
        return f"nothing was quoted: its steps were called outside an automation; rates {quote.rate_version}"
    return f"{quote.method.replace('_', '-')}, {plural(quote.history, 'past run')}, rates {quote.rate_version}"


def money_sentence(report: RunReport) -> str:
    """What was held and what became of it."""
    money, holds = report.money, len(report.settlements)
    if not holds:
        return f"{format_money(money.held_nano)} to hold, not settled yet"
    if not money.held_nano and not money.spent_nano:
        return "nothing was held and nothing spent"
    often = f" in {plural(holds, 'hold')}" if holds > 1 else ""
    if holds == 1 and 0 < money.asked_nano < money.held_nano:
        more = format_money(money.held_nano - money.asked_nano)
        often = f" ({format_money(money.asked_nano)} at first, extended by {more})"
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
    end = "done" if report.run.outcome == "completed" else "ended"
    done = f"Due {moment(due.due_at)}, {end} {moment(due.done_at)}, {apart}.{_batched(due)}"
    if due.saved_nano > 0:
        whole = format_money(spent + due.saved_nano)
        return f"{done} Asking later saved {format_money(due.saved_nano)}: {format_money(spent)} in place of {whole}."
    return f"{done} Asking later saved nothing."


def _batched(due: DueFacts) -> str:
    """How many turns batches answered, how long the run waited for them, and what became of the others."""
    live = f"{plural(due.live, 'turn')} {_were(due.live)} asked live"
    if due.batched:
        rest = f"; {live}" if due.live else ""
        return f" {plural(due.batched, 'turn')} answered by batches, which took {duration(due.waited_us)}{rest}."
    ends = [
        f"{plural(number, 'line')} {end}"
        for number, end in (
            (due.expired, "expired"),
            (due.cancelled, f"{_were(due.cancelled)} cancelled"),
            (due.failed, "failed"),
        )
        if number
    ]
    if not ends:
        return ""
    rest = f". {live}" if due.live else ""
    return f" No turn was answered by a batch: {', '.join(ends)}{rest}."


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def unknown_sentence(report: RunReport) -> str:
    """How much of the cost is a worst case, because the true one was not reported."""
    unknown = report.unknown
    return (
        f"{plural(unknown.attempts, 'attempt')} may have been billed without reporting usage: counted at the worst "
        f"case, {format_money(unknown.worst_nano)} in all."
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
    return [sentence for one in report.operations if (sentence := _caching(one)) is not None]


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
