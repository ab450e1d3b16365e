"""The same tokens at the rates of another target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pricing.money import Nano
from pricing.rates.rate import Band

_MTOK = 1_000_000


@dataclass(frozen=True, slots=True)
class TargetRates:
    """A target, and what its model costs for inputs of usual length, in nano-dollars per million tokens."""

    target: str
    model: str
    rates: Band


def at_rates(tokens: Mapping[str, int | None], rates: Band) -> Nano:
    """What sums of tokens cost at other rates, cached ones as cached ones; columns as the ledger calls them."""
    read, written, kept = (tokens[f"cache_{name}_tokens"] or 0 for name in ("read", "write", "write_1h"))
    plain = max(0, (tokens["input_tokens"] or 0) - read - written - kept)
    priced = (
        (plain, rates.input),
        (read, rates.cache_read),
        (written, rates.cache_write),
        (kept, rates.cache_write_1h),
        (tokens["output_tokens"] or 0, rates.output),
    )
    return sum(count * (rate or 0) for count, rate in priced) // _MTOK
