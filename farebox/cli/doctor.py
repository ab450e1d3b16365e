"""``farebox models`` and ``farebox doctor``."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from farebox.cli.app import app
from farebox.cli.output import print_json, terminal
from farebox.cli.periods import days_since
from farebox.project import find_root
from farebox.runtime import get_runtime
from pricing import format_money
from pricing.reports import clean, duration

if TYPE_CHECKING:
    from farebox.doctor.checks import CheckFinding, CheckState
    from farebox.doctor.economics import EconomicFinding
    from farebox.runs.models import Prices, TargetLine

_SIGNS: dict[CheckState, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "warn": ("!", "yellow"),
    "fail": ("✗", "red"),
    "skipped": ("–", "dim"),
}


def finding_lines(findings: Sequence[CheckFinding]) -> RenderableType:
    """All findings, and how many of each kind."""
    table = _table()
    for finding in findings:
        message = Text(clean(finding.message))
        if finding.next_step:
            message.append(f"\n→ {clean(finding.next_step)}", "bold" if finding.state == "fail" else "dim")
        table.add_row(_sign(finding.state), Text(clean(finding.check), "dim"), message)
    counts = Counter(finding.state for finding in findings)
    return _summed(table, f"{counts['ok']} fine, {counts['warn']} warnings, {counts['fail']} failed")


def symptom_lines(symptoms: Sequence[EconomicFinding]) -> RenderableType:
    """All findings; those with a problem have the amount at stake and a next step."""
    table = _table()
    for one in symptoms:
        message = Text(clean(one.message))
        if one.at_stake:
            message.append(f"; at stake: {format_money(one.at_stake)}", "bold")
        if one.next_step:
            message.append(f"\n→ {clean(one.next_step)}", "dim")
        table.add_row(_sign("warn" if one.found else "ok"), Text(one.check, "dim"), message)
    found = sum(one.found for one in symptoms)
    return _summed(table, f"{len(symptoms) - found} fine, {found} to review")


def _table() -> Table:
    """A sign, the check, and its result."""
    table = Table.grid(padding=(0, 1))
    table.add_column()
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _sign(state: CheckState) -> Text:
    return Text(*_SIGNS[state])


def _summed(table: Table, summary: str) -> RenderableType:
    return Group(table, Text(), Text(summary, "bold"))


_INDENT = "   "


def model_lines(lines: Sequence[TargetLine], rate_version: str, *, cache_prices: bool) -> RenderableType:
    """The targets in the order of fallback."""
    from farebox.runs.models import EXAMPLE

    shown = [part for number, line in enumerate(lines, 1) for part in (_target(number, line, cache_prices), Text())]
    example = f"{EXAMPLE.input_tokens:,} + {EXAMPLE.output_tokens:,} tokens"
    notes = [Text(f"Per million tokens; example: {example}, no cache. Rates: {rate_version}.", "dim")]
    if any(line.target.stand_in for line in lines):
        notes.append(Text("sandbox, no key: `farebox doctor` lists the places that were searched.", "dim"))
    return Group(*shown, *notes)


def _target(number: int, line: TargetLine, cache_prices: bool) -> RenderableType:  # noqa: FBT001 - what --prices asks
    from farebox.runs.models import abilities, media_limits

    target = line.target
    without = ("sandbox", "yellow") if line.answers else ("no key: left out", "dim")
    kind = without if target.stand_in else ("real", "green")
    heading = Text.assemble(f"{number}  ", (clean(target.name), "bold"), f"  {target.tier.replace('_', ' ')}  ", kind)
    where = " · ".join(part for part in (target.provider, target.region) if part)
    domain = "" if target.failure_domain == "/".join(p for p in (target.provider, target.region) if p) else (
        f" · domain {target.failure_domain}"
    )  # fmt: skip
    parts = [
        heading,
        _line(f"{where} · {target.model}{domain}"),
        _line(f"takes {', '.join(abilities(target))}"),
        *([_line(f"media limits: {', '.join(limits)}")] if (limits := media_limits(target)) else []),
        _line(f"reads {target.window:,}, writes {target.max_output:,} tokens · {_health(line)}"),
        _line(_reasoning(line)),
        _priced(line.prices),
        *_tiers(line),
    ]
    today = datetime.now(UTC).date()
    if line.ends is not None and line.ends.is_near(today):
        parts.append(Text(_INDENT + clean(line.ends.sentence(target.name, target.model, today)), "yellow"))
    if cache_prices and line.prices:
        kept = line.prices
        rates = (kept.cache_read_per_mtok, kept.cache_write_per_mtok, kept.cache_write_1h_per_mtok)
        read, write, write_1h = map(format_money, rates)
        parts.append(_line(f"cache: read {read} · write {write} · write for an hour {write_1h}"))
    return Group(*parts)


def _priced(prices: Prices | None) -> Text:
    if prices is None:
        return Text(f"{_INDENT}no known price: runs that could reach it are refused", "red")
    prices_text = f"{format_money(prices.input_per_mtok)} in, {format_money(prices.output_per_mtok)} out"
    return Text.assemble(_INDENT, prices_text, f" · example {format_money(prices.example)}")


def _tiers(line: TargetLine) -> list[RenderableType]:
    """The service tiers beside the standard one, and which one is asked for."""
    others = [
        f"{one.service_tier} {format_money(one.input_per_mtok)} in, {format_money(one.output_per_mtok)} out"
        for one in line.tier_prices
        if one.service_tier != "standard"
    ]
    asked = line.target.service_tier
    parts = [*([f"asks for the service tier {asked}"] if asked else []), *([" · ".join(others)] if others else [])]
    return [_line(": ".join(parts))] if parts else []


def _reasoning(line: TargetLine) -> str:
    reasoning = line.to_json()["reasoning"]
    others = [level for level in reasoning["levels"] if level != reasoning["setting"]]
    return f"reasoning {reasoning['setting']}" + (f"; can: {', '.join(others)}" if others else "")


def _health(line: TargetLine) -> str:
    health = line.health
    if health is None:
        return "not used yet"
    took = f"p50 {duration(health.p50_us)}" if health.p50_us is not None else "no answer yet"
    return f"{took} · {health.failed} of last {health.attempts} failed"


def _line(text: str) -> RenderableType:
    return Padding(Text(clean(text), "dim", overflow="fold"), (0, 0, 0, len(_INDENT)))


Json = Annotated[bool, Parameter(name="--json", negative="")]

_out = terminal()


@app.command
def models(*, prices: Annotated[bool, Parameter(negative="")] = False, json: Json = False) -> None:
    """List the targets in the order of fallback, with prices, locations, and recent latency and failures.

    Args:
        prices: also show cache prices.
        json: print JSON.
    """
    from farebox.runs.models import list_targets

    runtime = get_runtime()
    runtime.replica.sync(wait=1.0)
    lines = list_targets(runtime)
    if json:
        print_json({"rate_version": runtime.rates.version, "targets": [line.to_json() for line in lines]})
    else:
        _out.print(model_lines(lines, runtime.rates.version, cache_prices=prices))


@app.command
def doctor(
    *,
    economics: Annotated[bool, Parameter(negative="")] = False,
    since: str = "30d",
    margin: Annotated[float, Parameter(validator=validators.Number(gte=0, lt=1))] = 0.6,
    json: Json = False,
) -> None:
    """Check everything that a run needs, without spending a token. Exit code 1 if a check fails.

    Args:
        economics: search past runs for decisions that cost money instead; exit code 1 if there are any.
        since: the start of the period: 2026-11-01, 30d, 12h, today, ever.
        margin: the gross margin to reach: 0.6 is 60 %.
        json: print JSON.
    """
    if economics:
        _economics(since, margin, as_json=json)
        return
    from farebox.doctor.checks import examine

    findings = examine(find_root())
    if json:
        print_json([finding.to_json() for finding in findings])
    else:
        _out.print(finding_lines(findings))
    if any(finding.state == "fail" for finding in findings):
        sys.exit(1)


def _economics(since: str, margin: float, *, as_json: bool) -> None:
    from farebox.doctor.economics import diagnose

    runtime = get_runtime()
    runtime.replica.sync()
    found = diagnose(runtime, days=days_since(since, runtime.settings.zone), margin=margin)
    if as_json:
        print_json([symptom.to_json() for symptom in found or ()])
    elif found is None:
        _out.print("No run in this period. Use an earlier --since.")
    else:
        _out.print(symptom_lines(found))
    if any(symptom.found for symptom in found or ()):
        sys.exit(1)
