"""Targets in the terminal: three calm lines each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from farebox.models import EXAMPLE, Prices, TargetLine
from pricing import format_money
from pricing.reports import clean, duration

_INDENT = "   "


def model_lines(lines: Sequence[TargetLine], rate_version: str, *, cache_prices: bool) -> RenderableType:
    """The targets in the order of fallback."""
    shown = [part for number, line in enumerate(lines, 1) for part in (_target(number, line, cache_prices), Text())]
    example = f"{EXAMPLE.input_tokens:,} + {EXAMPLE.output_tokens:,} tokens"
    notes = [Text(f"Per million tokens; example: {example}, no cache. Rates: {rate_version}.", "dim")]
    if any(line.target.stand_in for line in lines):
        notes.append(Text("sandbox, no key: `farebox doctor` tells where one was looked for.", "dim"))
    return Group(*shown, *notes)


def _target(number: int, line: TargetLine, cache_prices: bool) -> RenderableType:  # noqa: FBT001 - what --prices asks
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
        _line(f"reads {target.window:,}, writes {target.max_output:,} tokens · {_health(line)}"),
        _priced(line.prices),
    ]
    if cache_prices and line.prices:
        kept = line.prices
        rates = (kept.cache_read_per_mtok, kept.cache_write_per_mtok, kept.cache_write_1h_per_mtok)
        read, write, write_1h = map(format_money, rates)
        parts.append(_line(f"cache: read {read} · write {write} · write for an hour {write_1h}"))
    return Group(*parts)


def _priced(prices: Prices | None) -> Text:
    if prices is None:
        return Text(f"{_INDENT}no price is known: runs that could reach it are refused", "red")
    told = f"{format_money(prices.input_per_mtok)} in, {format_money(prices.output_per_mtok)} out"
    return Text.assemble(_INDENT, told, f" · example {format_money(prices.example)}")


def _health(line: TargetLine) -> str:
    health = line.health
    if health is None:
        return "not used yet"
    took = f"p50 {duration(health.p50_us)}" if health.p50_us is not None else "no answer yet"
    return f"{took} · {health.failed} of last {health.attempts} failed"


def _line(text: str) -> Text:
    return Text(_INDENT + clean(text), "dim", overflow="fold")
