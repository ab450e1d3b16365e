"""A rate in integers: nano-dollars per million tokens, so that a price is a few multiplications and one division."""

from __future__ import annotations

from bisect import bisect_left
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from pricing.money import Nano, ceil_nano
from pricing.rates.service_tiers import Multiple
from pricing.records import frozen_record
from pricing.usage import Usage

NANO_PER_USD = 10**9
_MILLION = 1_000_000


class Band(NamedTuple):
    """Nano-dollars per million tokens, by kind of token. ``output`` is ``None`` where the list has none."""

    input: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    output: int | None


@frozen_record(frozen=True, slots=True)
class Rate:
    """What a model costs at one time.

    Past a threshold *all* tokens of the request cost the next band's rates (a cliff, as the providers bill it); the
    input, cached tokens included, decides. ``starts[i]`` input tokens are the last that ``bands[i]`` prices.
    ``source`` says where it comes from.
    """

    bands: tuple[Band, ...]
    starts: tuple[int, ...] = ()
    source: str = ""

    def times(self, multiple: Multiple) -> Rate:
        """The rate of a service tier that costs a multiple of this one, rounded up to a nano-dollar per million."""
        return Rate(tuple(_multiplied(band, multiple) for band in self.bands), self.starts, multiple.source)

    def price(self, usage: Usage) -> Nano | None:
        """Nano-dollars of known usage, rounded up once; ``None`` where no rate covers its output.

        Cached tokens are part of the input and counted once. Should a provider report more cached than input, each
        kind is charged as reported.
        """
        read, write = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
        write_1h, output = usage.cache_write_1h_tokens or 0, usage.output_tokens or 0
        cached = read + write + write_1h
        total = max(usage.input_tokens or 0, cached)
        band = self.bands[bisect_left(self.starts, total)]
        if band.output is None and output:
            return None
        exact = (
            (total - cached) * band.input
            + read * band.cache_read
            + write * band.cache_write
            + write_1h * band.cache_write_1h
            + output * (band.output or 0)
        )
        return -(-exact // _MILLION)

    def worst(self, input_tokens: int, output_tokens: int) -> Nano | None:
        """The most that these tokens can cost, in any band they can reach."""
        reachable = self.bands[: bisect_left(self.starts, input_tokens) + 1]
        highest_input = max(max(band.input, band.cache_read, band.cache_write) for band in reachable)
        outputs = [band.output for band in reachable if band.output is not None]
        if len(outputs) < len(reachable) and output_tokens:
            return None
        return -(-(input_tokens * highest_input + output_tokens * max(outputs, default=0)) // _MILLION)


def _multiplied(band: Band, multiple: Multiple) -> Band:
    def times(rate: int, factor: Fraction) -> int:
        return -(-rate * factor.numerator // factor.denominator)

    sent = times(band.input, multiple.input)

    def cached(rate: int, factor: Fraction | None) -> int:
        if factor is not None:
            return times(rate, factor)
        if rate == band.input:  # the model has no price of its own for it
            return sent
        return times(rate, max(multiple.input, Fraction(1)))

    read = cached(band.cache_read, multiple.cache_read)
    return Band(
        input=sent,
        cache_read=read if multiple.cache_read is not None else min(read, sent),
        cache_write=cached(band.cache_write, multiple.cache_write),
        cache_write_1h=cached(band.cache_write_1h, multiple.cache_write),
        output=None if band.output is None else times(band.output, multiple.output),
    )


def band_of(
    input_rate: Decimal,
    output: Decimal | None,
    cache_read: Decimal | None = None,
    cache_write: Decimal | None = None,
    cache_write_1h: Decimal | None = None,
) -> Band:
    """A cache rate that nobody states is the input rate; a longer cache never costs less than a shorter one."""
    write = input_rate if cache_write is None else cache_write
    return Band(
        input=_nano(input_rate),
        cache_read=_nano(input_rate if cache_read is None else cache_read),
        cache_write=_nano(write),
        cache_write_1h=_nano(max(write, input_rate) if cache_write_1h is None else cache_write_1h),
        output=None if output is None else _nano(output),
    )


def _nano(usd_per_mtok: Decimal) -> int:
    return ceil_nano(usd_per_mtok * NANO_PER_USD)
