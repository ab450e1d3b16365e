"""List prices: those of genai-prices, those of Bedrock's profiles, and documented multiples for service tiers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pricing.errors import ConfigError
from pricing.rates.bedrock_profiles import PROFILE_PRICES, PROFILE_SOURCE, is_offered, profiles_of
from pricing.rates.model_ids import bare_id, callable_id, is_same_model
from pricing.rates.price_lists import digest, read_list
from pricing.rates.rate import Rate, band_of
from pricing.rates.service_tiers import LIST_CONTEXT, STANDARD, documented_multiple

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
        suffix = self._published.stem[-_DIGITS:] if isinstance(self._published, Path) else digest(self._published)
        return f"{LIST_NAME} published.{suffix}"

    def rate(self, model: str, provider: str, at: datetime, service_tier: str = STANDARD) -> tuple[Rate, bool] | None:
        """The model's rate at a time and whether it holds all that (UTC) day; ``None`` if neither the list nor the
        provider's documentation has it.
        """
        rate = self._profile(model, provider)
        found = None if rate else self._find(model, provider)
        if found is not None and service_tier != STANDARD and (listed := self._variant(found, at, service_tier)):
            return listed, _by_day(found)
        if found is not None:
            rate = _compile(found.get_prices(at), self.version)
        if rate is None:
            return None
        by_day = found is None or _by_day(found)
        if service_tier == STANDARD:
            return rate, by_day
        bedrock = (price_list := self._listed(provider)) == _BEDROCK
        asked = bare_id(model, bedrock=bedrock)
        multiple = documented_multiple(price_list or "", asked, found.id if found else asked, service_tier)
        return None if multiple is None else (rate.times(multiple), by_day)

    def _variant(self, found: ModelInfo, at: datetime, service_tier: str) -> Rate | None:
        """The list's own rate of a service tier; ``None`` where it has none at that time."""
        context = LIST_CONTEXT.get(service_tier)
        if context is None or not any(
            variant.when == context
            and variant.prices.input_mtok is not None
            and (variant.constraint is None or variant.constraint.active(at))
            for variant in found.price_variants or ()
        ):
            return None
        return _compile(found.get_prices(at, context), self.version)

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
        """The id of the model in the list; ``None`` if it has none."""
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
        """The rate of a Bedrock profile that has its own price."""
        if self._listed(provider) != _BEDROCK:
            return None
        price = PROFILE_PRICES.get(bare_id(model, bedrock=True))
        return None if price is None else Rate((band_of(*price),), source=PROFILE_SOURCE)

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
        """The list's provider for a provider name."""
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


def _by_day(found: ModelInfo) -> bool:
    """Whether the prices hold for whole days (UTC)."""
    from genai_prices.types import StartDateConstraint

    conditions = [*(found.prices if isinstance(found.prices, list) else ()), *(found.price_variants or ())]
    return all(one.constraint is None or isinstance(one.constraint, StartDateConstraint) for one in conditions)


def _compile(price: ModelPrice, source: str = "") -> Rate | None:
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
        bands.append(band_of(input_rate, *others))
    return Rate(tuple(bands), tuple(starts), source)
