"""The coverage table as a picture: one row per scenario, its p95 and p50 beside where an honest quote's lie."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH, ROW, LEFT, HEAD = 760, 34, 150, 46
P95, P50 = (0.93, 0.97), (0.45, 0.55)
_PANELS = ((LEFT, 0.85, 1.0, P95, "p95 covers"), (LEFT + 310, 0.35, 0.65, P50, "p50 covers"))
_PANEL = 270


class Covered(NamedTuple):
    """A scenario: which shares of its runs cost no more than their p95 and, where it was asked, their p50."""

    name: str
    p95: float
    p50: float | None


def svg(rows: Sequence[Covered]) -> str:
    """The picture; green dots are within the band, red ones are not."""
    height = HEAD + ROW * len(rows) + 26
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
            f'font-size="13"><rect width="{WIDTH}" height="{height}" fill="white"/>'
        )
    ]
    bottom = HEAD + ROW * len(rows)
    for left, low, high, band, title in _PANELS:
        begin, end = (_at(value, left, low, high) for value in band)
        parts.append(f'<text x="{left}" y="20" font-weight="bold">{title}</text>')
        parts.append(
            f'<rect x="{begin}" y="{HEAD - 12}" width="{end - begin}" height="{bottom - HEAD}" fill="#dcefdc"/>'
        )
        parts += [
            f'<text x="{_at(value, left, low, high)}" y="{bottom + 8}" text-anchor="middle" fill="#555">{value:.0%}</text>'
            for value in (low, *band, high)
        ]
    for number, row in enumerate(rows):
        y = HEAD + ROW * number + 6
        parts.append(f'<text x="10" y="{y + 4}">{escape(row.name)}</text>')
        for (left, low, high, band, _), share in zip(_PANELS, (row.p95, row.p50), strict=True):
            if share is None:
                continue
            x = _at(min(max(share, low), high), left, low, high)
            color = "#2a7d2a" if band[0] <= share <= band[1] else "#c0392b"
            parts.append(f'<circle cx="{x}" cy="{y}" r="5" fill="{color}"><title>{share:.1%}</title></circle>')
            parts.append(f'<text x="{x + 9}" y="{y + 4}" fill="{color}" font-size="11">{share:.1%}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _at(value: float, left: int, low: float, high: float) -> float:
    return round(left + _PANEL * (value - low) / (high - low), 1)
