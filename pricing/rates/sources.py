"""Where rates come from: the list prices of genai-prices, and the owner's own; both compiled to integers.

A rate is whole nano-dollars per million tokens, so that a price is a few integer multiplications and one division.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pricing.errors import ConfigError
from pricing.money import Nano, ceil_nano
from pricing.rates.bedrock_profiles import PROFILE_PRICES, is_offered, profiles_of
from pricing.rates.model_ids import bare_id, callable_id, is_same_model
from pricing.rates.price_lists import digest, read_list
from pricing.usage import Usage

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import MatchLogic, ModelInfo, ModelPrice, Provider

LIST_NAME = "genai-prices"
_BEDROCK = "aws"
"""The list's provider whose model ids have geographies, vendors and versions."""
PriceListOf: TypeAlias = Callable[[str], str | None]
"""From the name of a provider to its id in the list; ``None`` where the list has no prices of it."""

_DIGITS = 8
"""Of a list's digest, at the end of its file's name."""
_MILLION = 1_000_000
_NANO_PER_USD = 10**9
_DEAREST_RATE = Decimal(1_000_000)
"""USD per million tokens; a dollar a token is a slip of the keyboard."""


class Band(NamedTuple):
    """Nano-dollars per million tokens, by kind of token. ``output`` is ``None`` where the list has none."""

    input: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    output: int | None


@dataclass(frozen=True, slots=True)
class Rate:
    """What a model costs at one time.

    Past a threshold *all* tokens of the request cost the next band's rates (a cliff, as the providers bill it); the
    input, cached tokens included, decides. ``starts[i]`` input tokens are the last that ``bands[i]`` prices.
    """

    bands: tuple[Band, ...]
    starts: tuple[int, ...] = ()

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
        """The dearest that so many tokens can be, in any band they can reach."""
        reachable = self.bands[: bisect_left(self.starts, input_tokens) + 1]
        dearest_input = max(max(band.input, band.cache_read, band.cache_write) for band in reachable)
        outputs = [band.output for band in reachable if band.output is not None]
        if len(outputs) < len(reachable) and output_tokens:
            return None
        return -(-(input_tokens * dearest_input + output_tokens * max(outputs, default=0)) // _MILLION)


@dataclass(frozen=True, slots=True)
class OwnRate:
    """A rate of the owner's: negotiated, of a server of their own, or of a model that no list knows. It beats the list.

    USD per million tokens. A cache rate left out is the input rate (a one-hour write without a rate costs at least
    the five-minute one). From ``valid_from`` (UTC) on, until a later own rate of the same model takes over.

    Raises:
        ConfigError: a rate that is negative, not a number, absurdly high, or finer than a nano-dollar.
    """

    provider: str
    model: str
    input_per_mtok: Decimal
    output_per_mtok: Decimal
    cache_read_per_mtok: Decimal | None = None
    cache_write_per_mtok: Decimal | None = None
    cache_write_1h_per_mtok: Decimal | None = None
    valid_from: date | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not field.name.endswith("_mtok") or value is None:
                continue
            if not isinstance(value, Decimal) or not value.is_finite() or not 0 <= value <= _DEAREST_RATE:
                fault = "is not an amount of US dollars per million tokens"
            elif value * _NANO_PER_USD % 1:
                fault = "is finer than a nano-dollar per million tokens"
            else:
                continue
            raise ConfigError(
                f"The own rate of {self.model!r} on {self.provider}: {field.name} = {str(value)[:40]} {fault}.",
                next_step='Write it like input_per_mtok = "0.15" under [[rates]] in farebox.toml.',
                provider=self.provider,
                model=self.model,
            )

    def compiled(self) -> Rate:
        """The rate in integers."""
        return Rate(
            (
                _band(
                    self.input_per_mtok,
                    self.output_per_mtok,
                    self.cache_read_per_mtok,
                    self.cache_write_per_mtok,
                    self.cache_write_1h_per_mtok,
                ),
            )
        )


class ListPrices:
    """The list prices that genai-prices ships, looked up strictly. Loaded on first use (about 0.3 s).

    Reads the shipped data only: nothing is fetched, and no other user of that library can change what is read here.

    Args:
        price_lists: which of the list's providers is meant by a name; the one whose id or alias it is, if left out.
    """

    def __init__(self, published: Path | bytes | None = None, price_lists: PriceListOf | None = None) -> None:
        self._published = published
        self._price_lists = price_lists
        self._loaded: DataSnapshot | None = None

    @property
    def version(self) -> str:
        """The installed version, or the digest of the list that is used in its place."""
        from importlib.metadata import version

        if self._published is None:
            return f"{LIST_NAME} {version(LIST_NAME)}"
        told = self._published.stem[-_DIGITS:] if isinstance(self._published, Path) else digest(self._published)
        return f"{LIST_NAME} published.{told}"

    def rate(self, model: str, provider: str, at: datetime) -> tuple[Rate, bool] | None:
        """The model's rate at a time and whether it holds all that (UTC) day; ``None`` if it is not in the list."""
        from genai_prices.types import StartDateConstraint

        if (own := self._profile(model, provider)) is not None:
            return own, True
        found = self._find(model, provider)
        if found is None:
            return None
        rate = _compile(found.get_prices(at))
        if rate is None:
            return None
        conditions = () if not isinstance(found.prices, list) else found.prices
        by_day = all(c.constraint is None or isinstance(c.constraint, StartDateConstraint) for c in conditions)
        return rate, by_day

    def window(self, model: str, provider: str) -> int | None:
        """The context window in tokens, if the list has one."""
        found = self._find(model, provider)
        return found.context_window if found else None

    def newest_date(self, today: date) -> date | None:
        """The newest date in the list that is not in the future: when a price began to hold, or was checked."""
        from genai_prices.types import StartDateConstraint

        found: list[date] = []
        for provider in self._snapshot().providers:
            for model in provider.models:
                checked = getattr(model, "prices_checked", None)
                found += [checked] if isinstance(checked, date) else []
                conditions = model.prices if isinstance(model.prices, list) else []
                found += [c.constraint.start_date for c in conditions if isinstance(c.constraint, StartDateConstraint)]
        return max((day for day in found if day <= today), default=None)

    def named(self, model: str, provider: str) -> str | None:
        """The id that the list has the model under."""
        found = self._find(model, provider)
        return found.id if found else None

    def models(self, provider: str, geography: str = "us") -> list[str]:
        """Ids of the provider's models that have rates per token, sorted, as requests name them; profiles of Bedrock
        that are not global are those of ``geography``.
        """
        now = datetime.now(UTC)
        bedrock = self._listed(provider) == _BEDROCK
        priced = (
            model
            for model in self._models(provider)
            if (rate := _compile(model.get_prices(now))) and rate.bands[0].output is not None
        )
        named = (callable_id(model.id, geography) if bedrock else self._askable(model, provider) for model in priced)
        found = {name for name in named if name is not None and self._find(name, provider)}
        if bedrock:
            found = {name for name in found.union(profiles_of(geography)) if is_offered(name)}
        return sorted(found)

    def _profile(self, model: str, provider: str) -> Rate | None:
        """The rate of a Bedrock profile that has a price of its own."""
        if self._listed(provider) != _BEDROCK:
            return None
        price = PROFILE_PRICES.get(bare_id(model, bedrock=True))
        return None if price is None else Rate((_band(*price),))

    def _askable(self, model: ModelInfo, provider: str) -> str | None:
        """An id under which the provider is asked for a model: the list's own id of it, or one that it matches."""
        for name in (model.id, *_aliases(model.match, whole=True)):
            if self._find(name, provider) is model:
                return name
        return None

    def _find(self, model: str, provider: str) -> ModelInfo | None:
        listed = self._listed(provider)
        if listed is None:
            return None
        bedrock = listed == _BEDROCK
        asked = bare_id(model, bedrock=bedrock)
        try:
            _, found = self._snapshot().find_provider_model(asked, None, listed, None)
        except LookupError:
            return None
        return found if is_same_model(asked, found.id, _aliases(found.match), bedrock=bedrock) else None

    def _models(self, provider: str) -> list[ModelInfo]:
        listed = self._listed(provider)
        return [m for p in self._snapshot().providers if p.id == listed for m in p.models]

    def _listed(self, provider: str) -> str | None:
        """The list's provider that is meant by a name."""
        if self._price_lists is not None:
            return self._price_lists(provider)
        for one in self._snapshot().providers:
            if provider == one.id or (one.provider_match and provider in _aliases(one.provider_match)):
                return one.id
        return None

    def _providers(self) -> list[Provider]:
        if self._published is None:
            from genai_prices.data import providers

            return providers
        if isinstance(self._published, bytes):
            return read_list(self._published)
        try:
            return read_list(self._published.read_bytes())
        except (OSError, ConfigError):
            raise ConfigError(
                f"The price list {self._published} cannot be read.",
                next_step="Go back to the one before: `farebox rates update --undo`.",
            ) from None

    def _snapshot(self) -> DataSnapshot:
        if self._loaded is None:
            from genai_prices.data_snapshot import DataSnapshot

            self._loaded = DataSnapshot(providers=self._providers(), from_auto_update=False)
        return self._loaded


def _aliases(match: MatchLogic, *, whole: bool = False) -> Iterator[str]:
    """The texts that a list's matching rule is made of, or those among them that are ``whole`` ids.

    Patterns are left out: what they add are dates.
    """
    from genai_prices.types import ClauseContains, ClauseEndsWith, ClauseEquals, ClauseOr, ClauseStartsWith

    match match:
        case ClauseOr():
            for clause in match.or_:
                yield from _aliases(clause, whole=whole)
        case ClauseEquals():
            yield match.equals
        case _ if whole:
            return
        case ClauseStartsWith():
            yield match.starts_with
        case ClauseContains():
            yield match.contains
        case ClauseEndsWith():
            yield match.ends_with
        case _:
            return


def _compile(price: ModelPrice) -> Rate | None:
    """The list's price in integers; ``None`` if it has no rate for input tokens."""
    from genai_prices.types import TieredPrices

    keys = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok")
    listed: list[Decimal | TieredPrices | None] = [getattr(price, key) for key in keys]
    starts = sorted({tier.start for one in listed if isinstance(one, TieredPrices) for tier in one.tiers})

    def beyond(one: Decimal | TieredPrices | None, start: int | None) -> Decimal | None:
        if not isinstance(one, TieredPrices) or start is None:
            return one.base if isinstance(one, TieredPrices) else one
        return next((tier.price for tier in reversed(one.tiers) if tier.start <= start), one.base)

    bands = []
    for start in (None, *starts):
        input_rate, *others = (beyond(one, start) for one in listed)
        if input_rate is None:
            return None
        bands.append(_band(input_rate, *others))
    return Rate(tuple(bands), tuple(starts))


def _band(
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
    return ceil_nano(usd_per_mtok * _NANO_PER_USD)


def fingerprint(rates: Iterable[OwnRate]) -> str:
    """Eight hex digits that change with any own rate and not with their order."""
    from hashlib import sha256

    lines = sorted(
        "|".join("" if (value := getattr(rate, f.name)) is None else _stable(value) for f in fields(rate))
        for rate in rates
    )
    return sha256("\n".join(lines).encode()).hexdigest()[:8]


def _stable(value: object) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
