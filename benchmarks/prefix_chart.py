"""What turns with a shared prompt cost, as a picture: two bars per dialect, each with what the ledger says beside it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from pricing.money import Nano, format_money

WIDTH, BAR, GAP, LEFT, HEAD = 760, 22, 26, 130, 58
_MOST = WIDTH - LEFT - 250
_SHADES = {"first": "#2a7d2a", "at once": "#c0392b"}


class Cost(NamedTuple):
    """What so many turns cost in one way, in nano-dollars, by the sandbox's journal and by the ledger."""

    dialect: str
    way: str
    journal_nano: Nano
    ledger_nano: Nano
    writers: int


def svg(title: str, rows: Sequence[Cost]) -> str:
    """The picture: bars of one dialect stand together."""
    dialects = list(dict.fromkeys(row.dialect for row in rows))
    height = HEAD + len(rows) * (BAR + 4) + len(dialects) * GAP + 10
    most = max(row.journal_nano for row in rows)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
            f'font-size="13"><rect width="{WIDTH}" height="{height}" fill="white"/>'
        ),
        f'<text x="10" y="22" font-weight="bold">{escape(title)}</text>',
        '<text x="10" y="42" fill="#555">Bars: the billing journal of the sandbox. Beside them: the ledger.</text>',
    ]
    y = HEAD
    for dialect in dialects:
        parts.append(f'<text x="10" y="{y + BAR + 6}">{escape(dialect)}</text>')
        for row in rows:
            if row.dialect != dialect:
                continue
            width = max(1, round(_MOST * row.journal_nano / most))
            writes = f"{row.writers} write" + ("" if row.writers == 1 else "s")
            label = f"{format_money(row.journal_nano)} · ledger {format_money(row.ledger_nano)} · {writes}"
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{width}" height="{BAR}" fill="{_SHADES[row.way]}"/>')
            parts.append(f'<text x="{LEFT + width + 8}" y="{y + 15}" font-size="11">{row.way}: {label}</text>')
            y += BAR + 4
        y += GAP
    return "\n".join([*parts, "</svg>", ""])
