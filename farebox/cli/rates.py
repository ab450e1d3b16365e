"""``farebox rates review`` and ``farebox rates``: the effect of price changes, and the prices themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from cyclopts import App, Parameter, validators
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from farebox.cli.app import app
from farebox.cli.output import print_json, terminal
from farebox.cli.periods import days_since
from farebox.runtime import get_runtime
from pricing import Nano, UsageError, format_money
from pricing.rates import SERVICE_TIERS, STANDARD, RateCard

if TYPE_CHECKING:
    from pricing.rates import Band
    from tasks.routing import Target

Json = Annotated[bool, Parameter(name="--json", negative="")]

rates = App(name="rates", help="Inspect the rate card.")
app.command(rates)

_out = terminal()
KINDS = ("input", "output", "cache_read", "cache_write")


class RateChange(NamedTuple):
    """A rate of a target that differs, in nano-dollars per million tokens."""

    target: str
    kind: str
    above: int
    before: Nano
    after: Nano
    service_tier: str = STANDARD

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "target": self.target,
            "service_tier": self.service_tier,
            "kind": self.kind,
            "above_input_tokens": self.above,
            "before_nano_per_mtok": self.before,
            "after_nano_per_mtok": self.after,
        }


@rates.command
def review(
    *,
    since: str = "30d",
    on: Annotated[str | None, Parameter(name="--date")] = None,
    card: Path | None = None,
    move: tuple[str, ...] = (),
    inflation: Annotated[float, Parameter(validator=validators.Number(gt=0, lte=10))] = 1.0,
    margin: Annotated[float, Parameter(validator=validators.Number(gte=0, lt=1))] = 0.6,
    json: Json = False,
) -> None:
    """Reprice past usage at other rates: what each automation would cost, its margin, what would restore it.

    Args:
        since: the start of the usage: 2026-11-01, 30d, 12h, today, ever.
        on: a date whose rates apply, like 2027-01-01; it may be in the future.
        card: a folder whose farebox.toml has other [[rates]].
        move: a target and its replacement, like haiku=gpt-oss; may be repeated.
        inflation: tokens of the replacement's tokenizer per token of the replaced one.
        margin: the gross margin to reach: 0.6 is 60 %.
        json: print JSON.
    """
    from farebox.price_review import ReviewQuery, make_review, write_review

    runtime = get_runtime()
    days = days_since(since, runtime.settings.zone)
    question = ReviewQuery(
        days, _day(on) if on is not None else None, card, dict(_pair(text) for text in move), inflation, margin
    )
    found = make_review(runtime, question)
    if json:
        print_json(found.to_json())
        return
    path = write_review(runtime, question, found)
    _out.print(Markdown(path.read_text("utf-8")))
    _out.print(f"\nwritten to {path}", style="dim", markup=False)


@rates.command
def show(model: str | None = None, /, *, json: Json = False) -> None:
    """Show what the project's targets cost by service tier, and the source of each price.

    Args:
        model: only these: a target, or a part of a model's name; all targets, if left out.
        json: print JSON; amounts are nano-dollars per million tokens.
    """
    from farebox.runs.models import tier_prices

    runtime = get_runtime()
    targets = runtime.targets if model is None else named_targets(runtime.targets, model)
    lines = [(target.name, one) for target in targets for one in tier_prices(runtime.rates, target)]
    if json:
        print_json([{"target": name, **asdict(one)} for name, one in lines])
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("target", "service tier", "in", "out", "cache read", "cache write", "source"):
        table.add_column(heading, justify="right" if heading in {"in", "out", "cache read", "cache write"} else "left")
    for name, one in lines:
        amounts = (one.input_per_mtok, one.output_per_mtok, one.cache_read_per_mtok, one.cache_write_per_mtok)
        table.add_row(Text(name), one.service_tier, *map(format_money, amounts), Text(one.source))
    _out.print(table)
    _out.print("Per million tokens of a request below every length threshold.", style="dim")


def named_targets(targets: Sequence[Target], name: str) -> list[Target]:
    """The target of a name, or else those whose name or model contains it.

    Raises:
        UsageError: there is none.
    """
    if exact := [target for target in targets if target.name == name]:
        return exact
    part = name.strip().lower()
    found = [target for target in targets if part and (part in target.name.lower() or part in target.model.lower())]
    if not found:
        raise UsageError(
            f"The project has no target and no model {name[:60]!r}.",
            next_step=f"Its targets are: {', '.join(target.name for target in targets)}.",
        )
    return found


@rates.command
def diff(before: str, after: str, /, *, json: Json = False) -> None:
    """Compare the rates of the project's targets at two dates, or on two cards.

    Args:
        before: a date like 2026-11-23, or a folder whose farebox.toml has [[rates]].
        after: likewise.
        json: print JSON.
    """
    runtime = get_runtime()
    sides = [_side(text, runtime.rates) for text in (before, after)]
    rate_changes: list[RateChange] = []
    for target in runtime.settings.targets:
        for service_tier in SERVICE_TIERS:
            bands = [_bands(card, target.model, target.provider, at, service_tier) for card, at in sides]
            rate_changes += changes(target.name, service_tier, *bands)
    if json:
        print_json([change.to_json() for change in rate_changes])
    elif not rate_changes:
        _out.print("No target's rates differ.")
    else:
        _out.print(differences(rate_changes))


def changes(
    target: str, service_tier: str, before: list[tuple[int, int, Band]], after: list[tuple[int, int, Band]]
) -> list[RateChange]:
    """The rates of a target that differ at a service tier, including those that are new."""
    return [
        RateChange(target, kind, max(above, 0), getattr(was, kind, 0), getattr(now, kind), service_tier)
        for place, (above, _, now) in enumerate(after)
        for was in (before[min(place, len(before) - 1)][2] if before else None,)
        for kind in KINDS
        if getattr(was, kind, 0) != getattr(now, kind)
    ]


def differences(rate_changes: Sequence[RateChange]) -> Table:
    """The rates that differ, as a table."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("target", "rate per million", "before", "after", "change"):
        table.add_column(heading, justify="left" if heading in {"target", "rate per million"} else "right")
    for one in rate_changes:
        at = "" if one.service_tier == STANDARD else f" at {one.service_tier}"
        what = one.kind.replace("_", " ") + at + (f" above {one.above:,} tokens" if one.above else "")
        change = f"{one.after / one.before - 1:+.0%}" if one.before else "new"
        table.add_row(Text(one.target), what, format_money(one.before), format_money(one.after), change)
    return table


def _bands(card: RateCard, model: str, provider: str, at: datetime, service_tier: str) -> list[tuple[int, int, Band]]:
    """The rates of a model; empty at a service tier that it does not have.

    Raises:
        UnknownPrice: it has no rates at the standard tier.
    """
    if service_tier != STANDARD and service_tier not in card.service_tiers(model, provider, at):
        return []
    return card.bands(model, provider, at, service_tier)


def _side(text: str, card: RateCard) -> tuple[RateCard, datetime]:
    from farebox.price_review import other_card

    if text and Path(text).is_dir():
        return other_card(Path(text)), datetime.now(UTC)
    return card, datetime.combine(_day(text), time(), UTC)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text[:40]!r} is not a valid date.", next_step="Write it like 2027-01-01.") from None


def _pair(text: str) -> tuple[str, str]:
    old, found, new = text.partition("=")
    if not (old and found and new):
        raise UsageError(
            f"{text[:40]!r} is not a move of one target to another.", next_step="Write it like --move haiku=gpt-oss."
        )
    return old, new
