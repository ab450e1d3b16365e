"""What an attempt costs: at most before it is sent, and at the service tier that its reply names once it is there.

Tokens that are unknown are never free, and a service tier whose price is unknown is never the standard one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from pricing import Nano, UnknownPrice, Usage, from_us
from pricing.ledger import Intent, PriceBasis
from pricing.rates import STANDARD, ServiceTier
from tasks.routing.target import Target
from tasks.turn.usage_check import was_counted

if TYPE_CHECKING:  # it takes longer to load than this package
    from pricing.rates import RateCard


class AttemptPrice(NamedTuple):
    """What an attempt cost, where that figure comes from, the service tier it is priced at, and what prompt caching
    and the service tier took off it: negative when a cache was written and not yet read, or the tier costs more.
    """

    cost_nano: Nano
    priced: PriceBasis
    service_tier: str
    saved_nano: Nano = 0
    service_tier_saved_nano: Nano = 0


class AttemptPrices:
    """Prices attempts.

    Args:
        rates: the rate card.
        unpriced_tier: called with an attempt that was served at a service tier without a price, and at which.
    """

    def __init__(self, rates: RateCard, unpriced_tier: Callable[[Intent, str], None]) -> None:
        self._rates = rates
        self._unpriced_tier = unpriced_tier
        self._served: dict[tuple[str, ServiceTier | None], set[str]] = {}
        """By target and service tier asked for, the others that replies named: a project's own setting decides which
        one serves a request that names none.
        """

    def worst(self, target: Target, input_tokens: int, output_tokens: int, asked: ServiceTier | None) -> Nano:
        """The most that one attempt of so many tokens can cost: at the service tier that is asked for, or at one that
        replies to such requests have named since, where that costs more.

        Raises:
            UnknownPrice: the target's model has no rate at the service tier that is asked for.
        """

        def at(service_tier: str) -> Nano:
            return self._rates.worst(
                target.model, target.provider, input_tokens, output_tokens, service_tier=service_tier
            )

        served = self._served.get((target.name, asked), ())
        return max(at(asked or STANDARD), *map(at, served)) if served else at(asked or STANDARD)

    def of(
        self, intent: Intent, usage: Usage, served: str | None, stated: Nano | None, *, maybe_billed: bool
    ) -> AttemptPrice:
        """What an attempt costs.

        Args:
            intent: the attempt, with the model that answered.
            usage: the counts that were accepted.
            served: the service tier that its reply names, if it names one.
            stated: what the provider itself says that it bills, whatever the rates say.
            maybe_billed: whether it may have been charged though nothing was counted.
        """
        service_tier = served or intent.service_tier_asked or STANDARD
        if stated is not None:
            return AttemptPrice(stated, "usage" if was_counted(usage) else "stated", service_tier)
        if not was_counted(usage):
            if maybe_billed:
                return AttemptPrice(intent.worst_nano, "worst_case", service_tier)
            return AttemptPrice(0, "unbilled", service_tier)
        at = from_us(intent.started_at)
        try:
            cost = self._price(intent, usage, service_tier, at)
        except UnknownPrice:
            self._unpriced_tier(intent, service_tier)
            return AttemptPrice(self._most(intent, usage, at), "worst_case", service_tier)
        if service_tier != (intent.service_tier_asked or STANDARD):
            self._served.setdefault((intent.target, intent.service_tier_asked), set()).add(service_tier)
        less = self._rates.service_tier_saved(intent.model, intent.provider, usage, service_tier, at)
        return AttemptPrice(cost, "usage", service_tier, self._saved(intent, usage, service_tier, at), less)

    def _most(self, intent: Intent, usage: Usage, at: datetime) -> Nano:
        """Of counts whose service tier has no price: the worst case, or the cost of the most expensive tier with a
        price.
        """
        known = self._rates.service_tiers(intent.model, intent.provider, at)
        return max(intent.worst_nano, *(self._price(intent, usage, one, at) for one in known))

    def _saved(self, intent: Intent, usage: Usage, service_tier: str, at: datetime) -> Nano:
        if not any((usage.cache_read_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens)):
            return 0
        uncached = Usage(usage.input_tokens, usage.output_tokens)
        return self._price(intent, uncached, service_tier, at) - self._price(intent, usage, service_tier, at)

    def _price(self, intent: Intent, usage: Usage, service_tier: str, at: datetime) -> Nano:
        """At the rates of the moment the request was made, which may be yesterday's by now."""
        return self._rates.price(intent.model, intent.provider, usage, at, service_tier)
