"""A price review as Markdown: for its file and for Prefect's artifact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pricing.money import format_money
from pricing.reports.format import UNKNOWN, percent
from pricing.reports.markdown_text import escape_markdown

if TYPE_CHECKING:
    from pricing.analysis.price_review import Review, ReviewLine

_HEADS = ("automation", "quality", "runs", "billed", "before", "after", "change", "gross margin")


def review_markdown(review: Review, title: str) -> str:
    """The review as a page; ``title`` says what is compared with what."""
    versions = dict.fromkeys(map(escape_markdown, (review.version_before, review.version_after)))
    parts = [
        f"# Price review: {escape_markdown(title)}",
        f"What was used from {review.since:%Y-%m-%d} to {review.until:%Y-%m-%d}"
        + (" (answers by the sandbox, not by a model)" if review.stand_in else "")
        + f", at {' and at '.join(versions)}.",
        *map(escape_markdown, review.changes),
        *map(escape_markdown, review.hours),
        "\n".join(_table(_HEADS, (_row(line) for line in review.lines))),
        *(_advice(line, review.target_margin) for line in review.lines if line.below_target),
        *(
            f"**{escape_markdown(ending.target)}** ({escape_markdown(ending.model)}) retires on {ending.on}; "
            f"{ending.attempts:,} attempts used it."
            for ending in review.retirements
        ),
    ]
    return "\n\n".join(parts) + "\n"


def change(line: ReviewLine) -> str:
    """By how much the cost changes: ``+33 %``."""
    return f"{line.after_nano / line.before_nano - 1:+.0%}" if line.before_nano else UNKNOWN


def _row(line: ReviewLine) -> Sequence[str]:
    amounts = map(format_money, (line.billed_nano, line.before_nano, line.after_nano))
    margin = f"{percent(line.margin_before)} → {percent(line.margin_after)}"
    return (
        escape_markdown(line.automation),
        escape_markdown(line.quality),
        f"{line.runs:,}",
        *amounts,
        change(line),
        margin,
    )


def _advice(line: ReviewLine, target: float) -> str:
    automation, quality = map(escape_markdown, (line.automation, line.quality))
    name = f"**{automation}** ({quality}) falls below a gross margin of {percent(target)}"
    if line.restored_by is None:
        return f"{name}, and no target there is would restore it: raise its price."
    route = line.restored_by
    return (
        f"{name}. Cheapest target that restores it: {escape_markdown(route.target)}, {format_money(route.cost_nano)} "
        f"for the same tokens, {percent(route.margin)}; check its quality first."
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return ["| " + " | ".join(cells) + " |" for cells in (heads, rule, *rows)]
