"""What the form in the Prefect UI says about money: what each quality costs now, and what a parameter adds.

Prefect shows one description per parameter and none per choice, so that of ``quality`` tells both prices.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from farebox.automations import automation_of
from farebox.discovery import with_defaults
from farebox.runs.admission import Automation, price_run
from farebox.runs.due_prices import expected_words
from farebox.runtime import Runtime
from pricing import ConfigError, FareboxError, Nano, format_estimate, now_us
from pricing.quotes import Quote
from pricing.reports import escape_markdown

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.utilities.callables import ParameterSchema

_A_DAY_US = 24 * 3_600_000_000


def priced_form(runtime: Runtime, flow: Flow[..., Any], parameters: Mapping[str, Any]) -> ParameterSchema:
    """The parameter schema of a flow with prices in its descriptions, if the flow is an automation.

    Args:
        runtime: prices it.
        flow: whose form it is.
        parameters: what the deployment sets; the others are at their defaults.
    """
    from prefect.utilities.callables import parameter_schema

    schema = parameter_schema(flow)
    try:
        automation = automation_of(flow)
    except ConfigError:
        return schema
    try:
        texts = _descriptions(runtime, automation, with_defaults(flow, dict(parameters)), schema.properties)
    except FareboxError as error:  # a plan that cannot be resolved for these parameters is the run's to refuse
        texts = dict.fromkeys(list(schema.properties)[:1], f"No price is available: {escape_markdown(error.message)}")
    for name, text in texts.items():
        field = schema.properties[name]
        field["description"] = "\n\n".join(filter(None, [field.get("description", "").strip(), text]))
    return schema


def _descriptions(
    runtime: Runtime, automation: Automation, given: dict[str, Any], properties: Mapping[str, Any]
) -> dict[str, str]:
    """Descriptions with prices, by parameter."""

    def quoted(**changed: Any) -> Quote:
        return price_run(runtime, automation, given | changed).quote

    texts = {}
    now = quoted()
    if "quality" in properties:
        texts["quality"] = _compared(quoted(quality="fast"), quoted(quality="best"))
    if "due" in properties:
        texts["due"] = _by_due_time(runtime, automation, given, now)
    for name in sorted(automation.plan.plan.drivers() & properties.keys() - {"quality"}):
        value = given.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            more = quoted(**{name: value + 1}).point - now.point
            texts[name] = (
                f"Drives the cost: {about(now.p50)} at {value}, {about(more)} for one more."
                if more > 0
                else f"Drives the cost: {about(now.p50)} at {value}; one more adds nothing at present."
            )
        else:
            texts[name] = f"Drives the cost: {about(now.p50)} as it is set here."
    return texts


def _by_due_time(runtime: Runtime, automation: Automation, given: dict[str, Any], now: Quote) -> str:
    """The description of the due time: ``… Now ≈ $0.31 · due in a day ≈ $0.16``."""
    text = given.get("due") or automation.due
    usual = escape_markdown(str(text)) if text else "as soon as possible"
    example = f"For example 6h, 07:00 or 2026-11-30T07:00; if left empty: {usual}. Now {about(now.p50)}"
    later = price_run(runtime, automation, given, due_at=now_us() + _A_DAY_US)
    if later.expected is None or later.quote.p50 >= now.p50:
        return f"{example}, and no less later."
    return f"{example} · due in a day {about(later.quote.p50)}, done {expected_words(later.expected)}."


def _compared(fast: Quote, best: Quote) -> str:
    """``fast ≈ $0.02 · best ≈ $0.31, 15 ×; p95 $0.05 · $0.60``."""
    times = f", {float(f'{best.p50 / fast.p50:.2g}'):,g} ×" if fast.p50 and best.p50 != fast.p50 else ""
    p95s = f"p95 {format_estimate(fast.p95)} · {format_estimate(best.p95)}"
    return f"fast {about(fast.p50)} · best {about(best.p50)}{times}; {p95s}"


def about(amount: Nano) -> str:
    """An amount with two significant digits: ``≈ $0.027``."""
    return f"≈ {format_estimate(amount)}"
