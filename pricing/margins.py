"""What is left of a price: gross margin is a share of the price, markup one of the cost, and the two are never mixed.

A markup of 25 % is a gross margin of 20 %.
"""

from __future__ import annotations

from pricing.money import Nano


def gross_margin(price: Nano | None, cost: Nano) -> float | None:
    """The share of a price that is left after the cost; negative when it is lost, ``None`` without a price."""
    return None if not price else (price - cost) / price


def markup(price: Nano | None, cost: Nano) -> float | None:
    """What a price is above the cost, as a share of the cost; ``None`` where either is unknown or the cost nothing."""
    return None if price is None or not cost else (price - cost) / cost
