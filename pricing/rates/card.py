"""The rate card: what tokens cost, by provider, model and date. Unknown is an error, never $0."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple, Self

from pricing.errors import UnknownPrice
from pricing.money import Nano
from pricing.rates.hours import Hours, changes_of
from pricing.rates.model_ids import geography_of, same_name
from pricing.rates.own_rates import OwnRate, check_distinct, fingerprint
from pricing.rates.rate import Band, Rate
from pricing.rates.retirements import end_of_life
from pricing.rates.service_tiers import SERVICE_TIERS, STANDARD, ServiceTier
from pricing.rates.sources import ListPrices, PriceListOf
from pricing.usage import Usage

__all__ = ["OwnRate", "RateCard"]

LARGEST_INPUT = 2**62
"""More tokens than any request has."""


class _Dated(NamedTuple):
    """An own rate and the dates from which it holds."""

    valid_from: date
    hours: Hours | None
    rate: Rate


class RateCard:
    """List prices and own rates under one version.

    Rates are compiled once per model and UTC day, so pricing again costs microseconds. Make one with ``load``.
    """

    def __init__(
        self,
        own: Iterable[OwnRate] = (),
        *,
        published: Path | bytes | None = None,
        price_lists: PriceListOf | None = None,
    ) -> None:
        rates = sorted(own, key=lambda rate: (rate.valid_from or date.min, rate.hours is not None), reverse=True)
        check_distinct(rates)
        self._own_models = {(rate.provider, rate.model) for rate in rates}
        self._own: dict[tuple[str, str, str], list[_Dated]] = {}
        for rate in rates:
            key = (rate.provider, rate.model.strip().lower(), rate.service_tier)
            self._own.setdefault(key, []).append(_Dated(rate.valid_from or date.min, rate.hours, rate.compiled()))
        self._hourly = any(rate.hours is not None for rate in rates)
        self._list = ListPrices(published, price_lists)
        self._compiled: dict[tuple[str, str, str, date], Rate] = {}
        self.version = _version(self._list.version, rates)
        """What the prices rest on, such as ``genai-prices 0.2.3+own.1a2b3c4d``: stored with every attempt."""

    @classmethod
    def load(
        cls,
        overrides: Iterable[OwnRate] = (),
        *,
        published: Path | bytes | None = None,
        price_lists: PriceListOf | None = None,
    ) -> Self:
        """The card of the installed price list, with own rates before it. Quick: the list is read on first use.

        Args:
            overrides: own rates.
            published: a list in place of the installed one: its file, or its bytes.
            price_lists: from a provider's name to its id in the list; the id or alias that equals it, if left out.

        Example:
            >>> RateCard.load().price("gpt-4.1-mini", "openai", Usage(1_000_000, 0))
            400000000
        """
        return cls(overrides, published=published, price_lists=price_lists)

    def price(
        self, model: str, provider: str, usage: Usage, at: datetime | None = None, service_tier: str = STANDARD
    ) -> Nano:
        """Nano-dollars of one attempt, rounded up once, on the total.

        Args:
            model: the id as it is sent to the provider.
            provider: its name, like ``openai``, ``groq`` or ``bedrock``.
            usage: input includes cached, output includes reasoning.
            at: when the request was made (a time without zone is UTC); now, if left out.
            service_tier: the one that served it, as the reply says.

        Raises:
            UnknownPrice: no rate for this model at this service tier, or counts that a price needs are missing or
                negative.
        """
        if not usage.known or min(_counts(usage)) < 0:
            raise UnknownPrice(
                f"The tokens of an answer by {model!r} on {provider} are not known, so neither is its price.",
                next_step="Price such an attempt at its worst case (RateCard.worst).",
                model=model,
                provider=provider,
                nearest=[],
            )
        price = self._rate(model, provider, at, service_tier).price(usage)
        if price is None:
            raise self._unknown(model, provider, service_tier)
        return price

    def service_tier_saved(
        self, model: str, provider: str, usage: Usage, service_tier: str, at: datetime | None = None
    ) -> Nano:
        """What a service tier takes off the price at the standard one; less than nothing where it costs more, nothing
        where either price is not known.
        """
        if service_tier == STANDARD:
            return 0
        try:
            cost = self.price(model, provider, usage, at, service_tier)
            return self.price(model, provider, usage, at) - cost
        except UnknownPrice:
            return 0

    def billed_model(self, asked: str, replied: str | None, provider: str, at: datetime | None = None) -> str:
        """The model whose rates a reply is priced at: the one that it names, where that is another one and has a rate;
        else the one asked for.
        """
        if not replied or same_name(asked, replied, bedrock=provider == "bedrock"):
            return asked
        try:
            itself = self._rate(replied, provider, at)
        except UnknownPrice:
            return asked
        if itself.bands[0].output is None:
            return asked
        listed = {self._list.named(name, provider) for name in (asked, replied)}
        return asked if len(listed) == 1 and listed != {None} else replied

    def worst(
        self,
        model: str,
        provider: str,
        input_tokens: int,
        output_tokens: int,
        at: datetime | None = None,
        *,
        service_tier: str = STANDARD,
    ) -> Nano:
        """The most that an attempt with these tokens can cost.

        No cache hit, all input written to a five-minute cache where that costs more, the most expensive band that its
        input can reach. One-hour caches, which nothing here asks for, are left out.

        Raises:
            UnknownPrice: no rate for this model at this service tier.
        """
        if input_tokens < 0 or output_tokens < 0:
            raise ValueError("token counts cannot be negative")
        worst = self._rate(model, provider, at, service_tier).worst(input_tokens, output_tokens)
        if worst is None:
            raise self._unknown(model, provider, service_tier)
        return worst

    def bands(
        self,
        model: str,
        provider: str,
        at: datetime | None = None,
        service_tier: str = STANDARD,
        *,
        clock: datetime | None = None,
    ) -> list[tuple[int, int, Band]]:
        """The rates by input: each holds above the first count of tokens and up to the second.

        Args:
            model: the id as it is sent to the provider.
            provider: its name.
            at: the date whose rates apply; now, if left out.
            service_tier: the one that serves.
            clock: the moment whose hours apply, on whatever date; ``at``, if left out.

        Raises:
            UnknownPrice: no rate for this model at this service tier, or none for what it writes.
        """
        rate = self._rate(model, provider, at, service_tier, clock)
        if any(band.output is None for band in rate.bands):
            raise self._unknown(model, provider, service_tier)
        return list(zip((-1, *rate.starts), (*rate.starts, LARGEST_INPUT), rate.bands, strict=True))

    def source(self, model: str, provider: str, at: datetime | None = None, service_tier: str = STANDARD) -> str:
        """Where a rate comes from: ``own rate``, the list and its version, or who documents its multiple.

        Raises:
            UnknownPrice: no rate for this model at this service tier.

        Example:
            >>> RateCard.load().source("claude-opus-4-1", "anthropic", service_tier="batch")
            "Anthropic's documentation of batches: half of every price, cache prices included"
        """
        return self._rate(model, provider, at, service_tier).source

    def service_tiers(self, model: str, provider: str, at: datetime | None = None) -> list[ServiceTier]:
        """The service tiers for which a model has a price."""
        found = []
        for service_tier in SERVICE_TIERS:
            try:
                self._rate(model, provider, at, service_tier)
            except UnknownPrice:
                continue
            found.append(service_tier)
        return found

    def has_hours(self, model: str, provider: str, service_tier: str = STANDARD) -> bool:
        """Whether a model's price depends on the time of day."""
        return any(one.hours is not None for one in self._dated(model, provider, service_tier))

    def hour_changes(self, models: Iterable[tuple[str, str]], start: datetime, end: datetime) -> list[datetime]:
        """The moments after ``start`` and up to ``end`` at which the hours of a rate begin or end, at any service tier.

        Args:
            models: providers' names and model ids, in this order.
            start: aware.
            end: aware.
        """
        if not self._hourly:
            return []
        asked = [(provider, model, tier) for provider, model in set(models) for tier in SERVICE_TIERS]
        hours = [one.hours for provider, model, tier in asked for one in self._dated(model, provider, tier)]
        return changes_of({one for one in hours if one is not None}, start, end)

    def window(self, model: str, provider: str) -> int | None:
        """The model's context window in tokens, or ``None`` where the list does not know it."""
        return self._list.window(model, provider)

    def newest_date(self, today: date) -> date | None:
        """The newest date in the price list up to ``today``, whenever it was installed."""
        return self._list.newest_date(today)

    def known_models(self, provider: str, geography: str = "us") -> list[str]:
        """Ids with a rate per token, own ones included, sorted; profiles of Bedrock as in ``geography``."""
        own = {model for name, model in self._own_models if name == provider}
        return sorted(own.union(self._list.models(provider, geography)))

    def _rate(
        self,
        model: str,
        provider: str,
        at: datetime | None,
        service_tier: str = STANDARD,
        clock: datetime | None = None,
    ) -> Rate:
        moment = datetime.now(UTC) if at is None else at.replace(tzinfo=UTC) if at.tzinfo is None else at
        day = moment.date() if moment.tzinfo is UTC else moment.astimezone(UTC).date()
        key = (model, provider, service_tier, day)
        if (known := self._compiled.get(key)) is not None:
            return known
        by_hours = self.has_hours(model, provider, service_tier)
        if (own := self._own_rate(model, provider, service_tier, moment, clock or moment)) is not None:
            if not by_hours:
                self._compiled[key] = own
            return own
        # Who has a price of their own at the standard tier does not pay the list's at another one.
        owned = service_tier != STANDARD and self._own_rate(model, provider, STANDARD, moment, None) is not None
        listed = None if owned else self._list.rate(model, provider, moment, service_tier)
        if listed is None:
            raise self._unknown(model, provider, service_tier)
        rate, holds_all_day = listed
        if holds_all_day and not by_hours:
            self._compiled[key] = rate
        return rate

    def _own_rate(
        self, model: str, provider: str, service_tier: str, moment: datetime, clock: datetime | None
    ) -> Rate | None:
        """The own rate that holds on that date and when ``clock`` says so; of those without hours where that is
        ``None``.
        """
        day = moment.astimezone(UTC).date()
        for one in self._dated(model, provider, service_tier):
            if one.valid_from <= day and (one.hours is None or (clock is not None and one.hours.cover(clock))):
                return one.rate
        return None

    def _dated(self, model: str, provider: str, service_tier: str) -> Sequence[_Dated]:
        return self._own.get((provider, model.strip().lower(), service_tier), ())

    def _unknown(self, model: str, provider: str, service_tier: str = STANDARD) -> UnknownPrice:
        if service_tier != STANDARD and self._has_standard(model, provider):
            return UnknownPrice(
                f"No price is known for {model!r} on {provider} at the service tier {service_tier!r}.",
                next_step=(
                    "Ask for another service tier, or give it a rate of your own in farebox.toml: a [[rates]] table "
                    f'with provider = "{provider}", model = "{model}", service_tier = "{service_tier}", '
                    "input_per_mtok and output_per_mtok in US dollars."
                ),
                model=model,
                provider=provider,
                nearest=[],
            )
        from difflib import get_close_matches

        asked = geography_of(model) if provider == "bedrock" else ""
        known = self.known_models(provider, "us" if asked in {"", "global", "regional"} else asked)
        today = datetime.now(UTC).date()
        known = [name for name in known if (end := end_of_life(provider, name)) is None or not end.is_over(today)]
        nearest = get_close_matches(model.lower(), known, n=3, cutoff=0.5)
        hint = f"Did you mean {nearest[0]!r}? Else give" if nearest else "Give"
        return UnknownPrice(
            f"No price is known for {model!r} on {provider}.",
            next_step=(
                f"{hint} it a rate of your own in farebox.toml: a [[rates]] table with "
                f'provider = "{provider}", model = "{model}", input_per_mtok and output_per_mtok in US dollars.'
            ),
            model=model,
            provider=provider,
            nearest=nearest,
        )

    def _has_standard(self, model: str, provider: str) -> bool:
        try:
            self._rate(model, provider, None)
        except UnknownPrice:
            return False
        return True


def _counts(usage: Usage) -> list[int]:
    counts = (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cache_write_1h_tokens,
    )
    return [count or 0 for count in counts]


def _version(listed: str, own: list[OwnRate]) -> str:
    return f"{listed}+own.{fingerprint(own)}" if own else listed
