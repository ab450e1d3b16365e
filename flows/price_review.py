"""A price review: recent usage at the rates of another day. To be scheduled each quarter."""

from __future__ import annotations

from datetime import date

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from farebox import ReviewQuery, get_runtime, reviewed, reviewed_version
from farebox.prefect import emit_rates_changed


@flow(name="price-review")
def price_review(
    days: int = 30, on: date | None = None, margin: float = 0.6, *, only_if_rates_changed: bool = False
) -> str | None:
    """Replay the usage of the last days, and publish what each automation would cost; nothing, where nothing was used.

    Args:
        days: how far back usage is taken from.
        on: the date whose rates apply; today, if left out.
        margin: the gross margin to reach.
        only_if_rates_changed: do nothing unless the rate card is another than at the last review.
    """
    runtime = get_runtime()
    before, now = reviewed_version(runtime), runtime.rates.version
    if before is not None and before != now:
        emit_rates_changed(before, now)
    if only_if_rates_changed and before == now:
        return None
    question = ReviewQuery(days=days, on=on, margin=margin)
    path = reviewed(runtime, question)
    if path is None:
        return None
    create_markdown_artifact(path.read_text("utf-8"), key="price-review", description=question.markdown)
    return str(path)
