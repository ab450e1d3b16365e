"""A reconciliation for people: sentences and tables."""

from __future__ import annotations

from collections.abc import Iterator

from pricing.money import format_money
from pricing.reconciliation.comparison import Difference, Reconciliation
from pricing.reports.charts import Grid
from pricing.reports.format import percent, plural

MEANINGS = {
    "midnight": "in flight at midnight UTC: recorded on one day, billed on the next",
    "worst_case": "recorded at the worst case, billed less",
    "unanswered_retry": "retries that were billed without an answer",
    "past_farebox": "calls made past Farebox: the key is used elsewhere, too",
    "price": "another rate than the rate card's",
    "service_tier": "billed at another service tier",
    "rounding": "rounding",
    "credit": "credits and refunds",
    "discount": "discounts",
    "tax": "taxes",
    "late_export": "the export came before the provider had all of its last day",
    "unexplained": "not explained",
}
_SHOWN = 3


def reconciliation_sentences(found: Reconciliation) -> Iterator[str]:
    """The main figures of a reconciliation as sentences."""
    difference = found.billed_nano - found.recorded_nano
    sign = "more" if difference >= 0 else "less"
    yield (
        f"{found.provider} billed {format_money(found.billed_nano)} from {found.first} to {found.last}; "
        f"{format_money(found.recorded_nano)} is recorded: {format_money(abs(difference))} {sign} billed than recorded."
    )
    beyond = len(found.beyond)
    rest = f"{format_money(found.unexplained_nano)} remains unexplained" if found.unexplained_nano else "all explained"
    yield (
        f"{beyond} of {plural(len(found.differences), 'group')} differ by more than the tolerance; {rest} "
        f"({percent(found.explained)} of the money agrees or has a reason)."
    )
    if not found.by_account:
        yield "Accounts are not compared: map the export's with --account ID=NAME if several share this bill."
    if found.corrections:
        yield (
            f"--accept corrects {plural(len(found.corrections), 'attempt')} by {format_money(found.corrected_nano)} "
            "to what was billed."
        )


def cause_grid(found: Reconciliation) -> Grid:
    """The amount of each cause, as a table."""
    rows = tuple((cause, format_money(nano), MEANINGS[cause]) for cause, nano in found.causes.items())
    return Grid(("reason", "billed − recorded", "meaning"), rows, 1)


def difference_grid(found: Reconciliation, most: int) -> Grid:
    """The groups that differ by more than the tolerance, largest first, with the export's line numbers."""
    heads = ("day", "account", "model", "tier", "billed", "recorded", "difference", "reasons")
    return Grid(heads, tuple(_row(one) for one in found.beyond[:most]), 4)


def _row(one: Difference) -> tuple[str, ...]:
    day = str(one.day) if one.days == 1 else f"{one.day} + {one.days} days"
    key = (day, one.account or "–", one.model or "all", one.service_tier)
    amounts = (one.billed_nano, one.recorded_nano, one.difference_nano)
    return (*key, *map(format_money, amounts), "; ".join(_reasons(one)))


def _reasons(one: Difference) -> Iterator[str]:
    for reason in one.reasons:
        behind = [f"lines {_first(reason.lines, reason.rows)}"] if reason.rows else []
        behind += [f"attempts {_first(reason.attempts, reason.requests)}"] if reason.requests else []
        text = f"{reason.cause} {format_money(reason.nano)}" + (f", {reason.note}" if reason.note else "")
        yield f"{text} ({'; '.join(behind)})" if behind else text


def _first(names: tuple[object, ...], count: int) -> str:
    shown = ", ".join(str(name) for name in names[:_SHOWN])
    return shown if count <= _SHOWN else f"{shown} and {count - _SHOWN} more"
