"""Money: integer nano-dollars (1e-9 USD) inside, ``Decimal`` and text at the edges, never float."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal
from typing import TypeAlias

from pricing.errors import MoneyError

Nano: TypeAlias = int
"""An amount in nano-dollars: 1_000_000_000 is one US dollar."""

USD: Nano = 1_000_000_000
LARGEST: Nano = 1_000_000_000 * USD
"""A billion dollars: more than that in one amount is taken for a slip of the keyboard (and still fits 64 bits)."""

_AMOUNT = re.compile(r"\s*\$?\s*(?P<number>[0-9][0-9_,]*(?:\.[0-9]+)?|\.[0-9]+)\s*(?P<currency>[A-Za-z]{3})?\s*")
_EXAMPLE = 'Write it like "0.50 USD".'


def parse_money(text: str | int | Decimal) -> Nano:
    """Nano-dollars of ``"0.50 USD"``, ``"$0.50"``, ``"5"``, or of a number of dollars.

    Raises:
        MoneyError: not an amount, negative, another currency, finer than a nano-dollar, or above ``LARGEST``.

    Example:
        >>> parse_money("0.50 USD"), parse_money("$5"), parse_money(2)
        (500000000, 5000000000, 2000000000)
    """
    shown = str(text)[:40]
    found = _AMOUNT.fullmatch(str(text))
    if found is None:
        sign = str(text).strip().lstrip("$").startswith("-")
        raise MoneyError(f"{shown!r} is {'negative' if sign else 'not an amount of money'}.", next_step=_EXAMPLE)
    if (currency := found["currency"]) and currency.upper() != "USD":
        raise MoneyError(f"{shown!r} is in {currency.upper()}; Farebox counts in USD.", next_step=_EXAMPLE)
    exact = Decimal(found["number"].replace(",", "").replace("_", "")) * USD
    if exact > LARGEST:
        raise MoneyError(f"{shown!r} is more than a billion dollars.", next_step=_EXAMPLE)
    nano = int(exact)
    if nano != exact:
        raise MoneyError(f"{shown!r} is finer than a nano-dollar (1e-9 USD).", next_step=_EXAMPLE)
    return nano


def dollars(nano: Nano) -> Decimal:
    """The amount in dollars, exactly.

    >>> dollars(250_000_000)
    Decimal('0.25')
    """
    return Decimal(nano) / USD


_SIGNIFICANT = 2
"""Digits of an estimate."""


def format_money(nano: Nano) -> str:
    """An amount as text: ``$0.0135``, ``$12.50``, ``-$0.000001``.

    Below a dollar it has four significant digits, from a dollar on cents. Zero is ``$0``; no other amount prints as
    zero.

    Example:
        >>> format_money(13_500_000), format_money(12_500_000_000), format_money(0)
        ('$0.0135', '$12.50', '$0')
    """
    sign, amount = ("-" if nano < 0 else ""), abs(dollars(nano))
    if amount >= 1:
        return f"{sign}${amount:,.2f}"
    if amount == 0:
        return "$0"
    places = 3 - amount.adjusted()
    text = f"{amount:.{min(places, 9)}f}"
    whole, _, fraction = text.rstrip("0").partition(".")
    return f"{sign}${whole}.{fraction.ljust(2, '0')}"


def format_estimate(nano: Nano) -> str:
    """An estimate, with two significant digits: ``$0.86``, ``$120.00``.

    >>> format_estimate(857_142_857), format_estimate(123_000_000_000)
    ('$0.86', '$120.00')
    """
    digits = len(str(abs(nano)))
    return format_money(round(nano, _SIGNIFICANT - digits) if digits > _SIGNIFICANT else nano)


def ceil_nano(amount: Decimal) -> Nano:
    """Round an amount in nano-dollars up to a whole one.

    >>> ceil_nano(Decimal("1.2"))
    2
    """
    return int(amount.to_integral_value(rounding=ROUND_CEILING))
