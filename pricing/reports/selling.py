"""Sentences about prices and margins, the same on every page."""

from __future__ import annotations

from pricing.money import format_money
from pricing.reports.run_shapes import RunReport, SaleFacts
from pricing.reports.words import percent, plural


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
