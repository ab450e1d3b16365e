"""``farebox quote NAME --sample 5``: run a few items for real, and quote the whole run from them."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from farebox.automations import automation_of
from farebox.cli.output import print_json, terminal
from farebox.cli.run import run_here
from farebox.discovery import find_flow, read_parameters, with_defaults
from farebox.runs.admission import price_run
from farebox.runs.context import RunOwner
from farebox.runtime import get_runtime
from pricing import UsageError, format_money
from pricing.ledger import turn_costs
from pricing.quotes import Estimate, SampleQuote, quote_from_sample
from pricing.reports import plural

if TYPE_CHECKING:
    from prefect import Flow

_out = terminal()


def sample_quote(name: str, given: dict[str, str], items: int, *, whose: RunOwner, yes: bool, json: bool) -> None:
    """Run a sample for real, once a person agrees, and quote the whole run from it.

    Raises:
        UsageError: it was not confirmed, or the automation has no parameter for the number of items.
        FareboxError: the run of the sample did not complete.
    """
    runtime, flow = get_runtime(), find_flow(name)
    automation = automation_of(flow)
    whole = with_defaults(flow, read_parameters(flow, given, whose))
    driver = size_parameter(flow)
    items = min(items, whole[driver]) if isinstance(whole.get(driver), int) else items
    before, asked = price_run(runtime, automation, whole), price_run(runtime, automation, whole | {driver: items})
    amounts = f"about {format_money(asked.quote.p50)}, {format_money(asked.hold)} held"
    summary = f"{automation.name} with {driver} = {items}: {amounts}"
    if not yes:
        _agree(summary, json=json)
    result: dict[str, Any] = {}
    run_here(name, {**given, driver: str(items)}, asked.hold, whose=whose, as_json=True, emit=result.update)
    seen = turn_costs(runtime.ledger, result["run_id"])
    found = quote_from_sample(seen, asked.plan, before.plan)
    after = price_run(runtime, automation, whole).quote  # the sample is history now
    if json:
        print_json(
            {
                "automation": automation.name,
                "sample": {"items": items, "run_id": result["run_id"], "spent_nano": result["spent_nano"]},
                "p50": asdict(found.p50),
                "p95": asdict(found.p95),
                "unseen": found.unseen,
                "before": {"p50_nano": before.quote.p50, "p95_nano": before.quote.p95},
                "after": {"p50_nano": after.p50, "p95_nano": after.p95, "history": after.n},
            }
        )
        return
    _out.print(
        f"Sample: {summary}; it cost {format_money(result['spent_nano'])} (run {result['run_id']}).", markup=False
    )
    for line in lines(found):
        _out.print(line, markup=False)
    _out.print(
        f"Quote before: p50 {format_money(before.quote.p50)}, p95 {format_money(before.quote.p95)}. "
        f"Quote now: p50 {format_money(after.p50)}, p95 {format_money(after.p95)}, the sample in its history.",
        markup=False,
    )


def lines(found: SampleQuote) -> list[str]:
    """The quote from the sample, as lines for people."""
    amounts = f"p50 {_shown(found.p50)}, p95 {_shown(found.p95)}"
    texts = [f"The whole run, from the sample: {amounts}, from {plural(found.turns, 'turn')}."]
    if found.unseen:
        texts.append(f"Not in the sample, and left out: {', '.join(found.unseen)}.")
    return texts


def size_parameter(flow: Flow[..., Any]) -> str:
    """The parameter for the number of items of a run: a whole number that its plan's calls depend on.

    Raises:
        UsageError: there is no such parameter.
    """
    properties, drivers = flow.parameters.properties, automation_of(flow).plan.plan.drivers()
    sizes = [name for name, field in properties.items() if name in drivers and field.get("type") == "integer"]
    if not sizes:
        raise UsageError(
            f"{automation_of(flow).name} has no whole-number parameter that its planned calls depend on.",
            next_step="Run it once with a small input: `farebox run`; its next quote counts that run.",
        )
    return sizes[0]


def _agree(question: str, *, json: bool) -> None:
    asked = not json and sys.stdin.isatty()
    if asked and _out.input(f"{question}. Run it for real? [y/N] ").strip().lower() in {"y", "yes"}:
        return
    raise UsageError("The sample was not run, and nothing was spent.", next_step=f"Confirm with --yes ({question}).")


def _shown(one: Estimate) -> str:
    return f"{format_money(one.amount)} ({format_money(one.low)} to {format_money(one.high)})"
