"""``farebox rates review`` and ``farebox rates``: what prices will do, and what they did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter, validators
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from farebox.cli.app import app
from farebox.cli.output import print_json, terminal
from farebox.cli.periods import days_since
from farebox.runtime import get_runtime
from pricing import Nano, UsageError, format_money
from pricing.rates import RateCard

Json = Annotated[bool, Parameter(name="--json", negative="")]

rates = App(name="rates", help="Look into the rate card.")
app.command(rates)

_out = terminal()
KINDS = ("input", "output", "cache_read", "cache_write")


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
    """Replay what was used at other rates: what each automation would cost, its margin, what would restore it.

    Args:
        since: from when on usage is taken: 2026-11-01, 30d, 12h, today, ever.
        on: a date whose rates apply, like 2027-01-01; it may be in the future.
        card: a folder whose farebox.toml has other [[rates]].
        move: a target and the one in its place, like haiku=gpt-oss; may be repeated.
        inflation: how many tokens the tokenizer of the target in its place makes out of one.
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
def diff(before: str, after: str, /, *, json: Json = False) -> None:
    """Compare the rates of the project's targets at two dates, or on two cards.

    Args:
        before: a date like 2026-11-23, or a folder whose farebox.toml has [[rates]].
        after: likewise.
        json: print JSON.
    """
    runtime = get_runtime()
    sides = [_side(text, runtime.rates) for text in (before, after)]
    told = []
    for target in runtime.settings.targets:
        bands = [card.bands(target.model, target.provider, at) for card, at in sides]
        for index, (above, _, now) in enumerate(bands[1]):
            was = bands[0][min(index, len(bands[0]) - 1)][2]
            told += [
                (target.name, kind, max(above, 0), getattr(was, kind), getattr(now, kind))
                for kind in KINDS
                if getattr(was, kind) != getattr(now, kind)
            ]
    if json:
        names = ("target", "kind", "above_input_tokens", "before_nano_per_mtok", "after_nano_per_mtok")
        print_json([dict(zip(names, row, strict=True)) for row in told])
    elif not told:
        _out.print("No target's rates differ.")
    else:
        _out.print(differences(told))


def differences(told: Sequence[tuple[str, str, int, Nano, Nano]]) -> Table:
    """Rates that differ, as a table."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("target", "rate per million", "before", "after", "change"):
        table.add_column(heading, justify="left" if heading in {"target", "rate per million"} else "right")
    for name, kind, above, was, now in told:
        what = kind.replace("_", " ") + (f" above {above:,} tokens" if above else "")
        table.add_row(Text(name), what, format_money(was), format_money(now), f"{now / was - 1:+.0%}" if was else "new")
    return table


def _side(text: str, card: RateCard) -> tuple[RateCard, datetime]:
    from farebox.price_review import other_card

    if text and Path(text).is_dir():
        return other_card(Path(text)), datetime.now(UTC)
    return card, datetime.combine(_day(text), time(), UTC)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text[:40]!r} is no date.", next_step="Write it like 2027-01-01.") from None


def _pair(text: str) -> tuple[str, str]:
    old, found, new = text.partition("=")
    if not (old and found and new):
        raise UsageError(f"{text[:40]!r} moves nothing.", next_step="Write it like --move haiku=gpt-oss.")
    return old, new
