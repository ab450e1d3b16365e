"""Rates of the owner's, as ``[[rates]]`` in farebox.toml states them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from pricing.errors import ConfigError
from pricing.rates.hours import Hours, changes_of
from pricing.rates.rate import NANO_PER_USD, Rate, band_of
from pricing.rates.service_tiers import STANDARD
from pricing.records import record

OWN: Final = "own rate"
"""The source of such a rate."""
_HIGHEST_RATE = Decimal(1_000_000)
"""USD per million tokens; a dollar a token is a slip of the keyboard."""


@record(frozen=True, slots=True)
class OwnBand:
    """What an own rate is for requests above so many input tokens (cached ones included): all of their tokens cost it.

    USD per million tokens; a cache rate left out is the input rate.
    """

    tokens: int
    input_per_mtok: Decimal
    output_per_mtok: Decimal
    cache_read_per_mtok: Decimal | None = None
    cache_write_per_mtok: Decimal | None = None
    cache_write_1h_per_mtok: Decimal | None = None


@record(frozen=True, slots=True)
class OwnRate:
    """A rate of the owner's: negotiated, of a server of their own, or of a model that no list knows. It beats the list.

    USD per million tokens. A cache rate left out is the input rate (a one-hour write without a rate costs at least
    the five-minute one). From ``valid_from`` (UTC) on, until a later own rate of the same model takes over. It holds
    for one ``service_tier``: ``standard``, ``priority``, ``flex``, ``batch``, or a provider's word for one of its own.
    ``above`` are the bands of larger requests, in order. With ``hours`` it holds for requests made in them only, before
    a rate without hours; at other times that one is paid, or the list's.

    Raises:
        ConfigError: a rate that is negative, not a number, absurdly high, or finer than a nano-dollar; bands that are
            not in order.

    Example:
        >>> rate = OwnRate("openai", "mine", Decimal(1), Decimal(4), above=(OwnBand(200_000, Decimal(2), Decimal(6)),))
        >>> rate.compiled().starts
        (200000,)
    """

    provider: str
    model: str
    input_per_mtok: Decimal
    output_per_mtok: Decimal
    cache_read_per_mtok: Decimal | None = None
    cache_write_per_mtok: Decimal | None = None
    cache_write_1h_per_mtok: Decimal | None = None
    valid_from: date | None = None
    service_tier: str = STANDARD
    above: tuple[OwnBand, ...] = ()
    hours: Hours | None = None

    def __post_init__(self) -> None:
        states: tuple[OwnRate | OwnBand, ...] = (self, *self.above)
        for band in states:
            for field in fields(band):
                value = getattr(band, field.name)
                if field.name.endswith("_mtok") and value is not None and (fault := _rate_fault(value)):
                    raise self._wrong(
                        f"{field.name} = {str(value)[:40]} {fault}", 'Write it like input_per_mtok = "0.15"'
                    )
        starts = [band.tokens for band in self.above]
        if starts != sorted({start for start in starts if start > 0}):
            raise self._wrong(
                f"the bands above {', '.join(map(str, starts))} tokens are not in ascending order from 1 on",
                "Write the lowest first, each once",
            )

    def _wrong(self, fault: str, remedy: str) -> ConfigError:
        return ConfigError(
            f"The own rate of {self.model!r} on {self.provider}: {fault}.",
            next_step=f"{remedy} under [[rates]] in farebox.toml.",
            provider=self.provider,
            model=self.model,
        )

    def compiled(self) -> Rate:
        """The rate in integers of nano-dollars."""
        states: tuple[OwnRate | OwnBand, ...] = (self, *self.above)
        bands = (
            band_of(
                one.input_per_mtok,
                one.output_per_mtok,
                one.cache_read_per_mtok,
                one.cache_write_per_mtok,
                one.cache_write_1h_per_mtok,
            )
            for one in states
        )
        return Rate(tuple(bands), tuple(band.tokens for band in self.above), OWN)


def check_distinct(rates: Iterable[OwnRate]) -> None:
    """Check that no two own rates hold for the same requests.

    Raises:
        ConfigError: two do: which of them is paid would be left to their order.
    """
    among: dict[tuple[str, str, str, date | None], list[OwnRate]] = {}
    for rate in rates:
        others = among.setdefault((rate.provider, rate.model.strip().lower(), rate.service_tier, rate.valid_from), [])
        for other in others:
            if _meet(rate.hours, other.hours):
                since = f" from {rate.valid_from} on" if rate.valid_from else ""
                shown = f" at {rate.hours} and {other.hours}" if rate.hours and other.hours else ""
                raise ConfigError(
                    f"Two own rates hold for {rate.model!r} on {rate.provider} at the service tier "
                    f"{rate.service_tier!r}{since}{shown}.",
                    next_step="Keep one of them under [[rates]] in farebox.toml, or give them other hours or dates.",
                    provider=rate.provider,
                    model=rate.model,
                )
        others.append(rate)


def _meet(hours: Hours | None, others: Hours | None) -> bool:
    """Whether both hold at some time, in winter or in summer; a rate with hours takes precedence over one without."""
    if hours is None or others is None:
        return hours is others
    for start in _WEEKS:
        moments = [start, *changes_of({hours, others}, start, start + timedelta(days=7))]
        if any(hours.cover(moment) and others.cover(moment) for moment in moments):
            return True
    return False


_WEEKS: Final = tuple(datetime(2026, month, 12, tzinfo=UTC) for month in (1, 7))


def _rate_fault(value: object) -> str | None:
    """The fault of an amount in US dollars per million tokens; ``None`` if it is valid."""
    if not isinstance(value, Decimal) or not value.is_finite() or not 0 <= value <= _HIGHEST_RATE:
        return "is not an amount of US dollars per million tokens"
    return "is finer than a nano-dollar per million tokens" if value * NANO_PER_USD % 1 else None


def fingerprint(rates: Iterable[OwnRate]) -> str:
    """Eight hex digits that change with any own rate and not with their order."""
    from hashlib import sha256

    lines = sorted(
        "|".join("" if (value := getattr(rate, f.name)) is None else _stable(value) for f in fields(rate))
        for rate in rates
    )
    return sha256("\n".join(lines).encode()).hexdigest()[:8]


def _stable(value: object) -> str:
    if isinstance(value, tuple):
        return ";".join(",".join(_stable(getattr(band, f.name)) for f in fields(band)) for band in value)
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
