"""Which service tier a turn asks for, by when its run is due.

A batch and the flex tier cost about half. A batch is the cheapest way where its results are back in time; what is not
back is asked live, at the standard price, so that some time before the due time is kept in reserve for that. Flex
answers within minutes, may be refused when the provider is busy, and is asked as long as there is time for that too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from pricing import Nano, UnknownPrice, Usage, record
from pricing.rates import ServiceTier
from tasks.providers.registry import spec_of
from tasks.routing.batch_history import BatchHistory, BatchTime
from tasks.routing.router import Candidate, Route
from tasks.routing.target import Target

if TYPE_CHECKING:  # it takes longer to load than this package
    from pricing.rates import RateCard


RESERVE: Final = 15 * 60.0
"""Seconds before the due time that are kept for asking live what a batch or the flex tier did not answer."""
FLEX_SECONDS: Final = 15 * 60.0
"""Seconds that one flex request may take where nothing else is set: what the providers advise as its time-out."""
FLEX_MEDIAN: Final = 60.0
"""Seconds after which about half of all flex requests are answered."""


class ServiceTierChoice(NamedTuple):
    """A service tier, why it was chosen, and until when it may be waited for.

    ``live_at``, in microseconds UTC, is when what was not answered yet is asked at the standard tier; ``None`` where
    there is nothing to wait for.
    """

    service_tier: ServiceTier
    why: str
    live_at: int | None = None


_STANDARD: Final[ServiceTier] = "standard"
_US: Final = 1_000_000
_NONE: Final = BatchHistory()
_NO_BATCHES: Final[Mapping[str, BatchHistory]] = MappingProxyType({})


@record(frozen=True, slots=True)
class TierOffer:
    """What a target offers for one turn: its price in nano-dollars by service tier, and how long its batches take.

    ``batch`` is ``None`` where the turn cannot be part of one: the provider has none, or the step's turns cannot wait.
    """

    prices: Mapping[ServiceTier, Nano]
    batch: BatchTime | None = None


def choose_service_tier(
    offer: TierOffer,
    *,
    due_at: int | None,
    now: int,
    named: ServiceTier | None = None,
    reserve: float = RESERVE,
    flex_seconds: float = FLEX_SECONDS,
) -> ServiceTierChoice:
    """The service tier that a turn asks for: the cheapest that answers in time.

    Of two that cost the same, a batch goes before flex, which goes before standard.

    Args:
        offer: what the target offers.
        due_at: by when the run is to be done, in microseconds UTC; ``None``: as soon as possible.
        now: the present, likewise.
        named: the service tier that the step or the target names: it is asked for, whatever it costs.
        reserve: seconds before the due time that are kept for asking live what was not answered.
        flex_seconds: what one flex request may take.

    Example:
        >>> offer = TierOffer({"standard": 100, "flex": 50, "batch": 50}, BatchTime(3600, 4 * 3600))
        >>> hour = 3_600_000_000
        >>> [choose_service_tier(offer, due_at=due * hour, now=0).service_tier for due in (0, 1, 6)]
        ['standard', 'flex', 'batch']
    """
    if named is not None:
        return ServiceTierChoice(named, "named by the step or the target")
    if due_at is None:
        return ServiceTierChoice(_STANDARD, "the run has no due time")
    left = (due_at - now) / _US - reserve
    standard = offer.prices.get(_STANDARD)
    live_at = due_at - round(reserve * _US)
    in_time = [
        (price, order, service_tier, why)
        for order, (service_tier, needs, why) in enumerate(_ways(offer, flex_seconds))
        if needs <= left and (price := offer.prices.get(service_tier)) is not None
        if standard is None or price < standard
    ]
    if not in_time:
        return ServiceTierChoice(_STANDARD, "nothing cheaper is back before the run is due")
    _, _, cheapest, why = min(in_time)
    return ServiceTierChoice(cheapest, why, live_at)


class ServiceTiers:
    """What targets offer beside the standard tier, and which service tier a turn asks for.

    Args:
        rates: prices it.
        histories: past batches, by provider; asked at each choice.
        flex_seconds: what one flex request may take.
    """

    def __init__(
        self,
        rates: RateCard,
        histories: Callable[[], Mapping[str, BatchHistory]] = lambda: _NO_BATCHES,
        *,
        flex_seconds: float = FLEX_SECONDS,
    ) -> None:
        self._rates = rates
        self._histories = histories
        self.flex_seconds = flex_seconds

    def offer(self, target: Target, usage: Usage, *, batched: bool) -> TierOffer:
        """What a target offers for a turn of these tokens, which can be part of a batch if it is ``batched``.

        Raises:
            UnknownPrice: the target has no rate.
        """
        features = spec_of(target.provider).features
        offered: list[ServiceTier] = [_STANDARD]
        if "flex" in features.service_tiers:
            offered.append("flex")
        if batched and features.batches:
            offered.append("batch")
        prices: dict[ServiceTier, Nano] = {}
        for service_tier in offered:
            try:
                prices[service_tier] = self._rates.price(
                    target.model, target.provider, usage, service_tier=service_tier
                )
            except UnknownPrice:  # it is not offered then, but for the standard tier, without which nothing is
                if service_tier == _STANDARD:
                    raise
        return TierOffer(prices, self.history(target.provider).time if "batch" in prices else None)

    def history(self, provider: str) -> BatchHistory:
        """The past batches of a provider."""
        return self._histories().get(provider, _NONE)

    def by_due_time(self, route: Route, usage: Usage, *, due_at: int, now: int) -> Route:
        """A route whose targets are asked at the flex tier where that is cheaper and there is time; what steps and
        targets name stays.

        Raises:
            UnknownPrice: a target has no rate.
        """
        return tuple(self._by_due_time(one, usage, due_at, now) for one in route)

    def _by_due_time(self, one: Candidate, usage: Usage, due_at: int, now: int) -> Candidate:
        choice = self.choose(one.target, usage, due_at=due_at, now=now, batched=False, named=one.service_tier)
        if choice.live_at is None:
            return one
        return replace(one, service_tier=choice.service_tier, live_at=choice.live_at - round(self.flex_seconds * _US))

    def choose(
        self,
        target: Target,
        usage: Usage,
        *,
        due_at: int | None,
        now: int,
        batched: bool,
        named: ServiceTier | None = None,
        reserve: float = RESERVE,
    ) -> ServiceTierChoice:
        """The service tier that a turn asks a target for: see :func:`choose_service_tier`.

        Raises:
            UnknownPrice: the target has no rate.
        """
        if named is not None or due_at is None:
            return choose_service_tier(TierOffer({}), due_at=due_at, now=now, named=named)
        offer = self.offer(target, usage, batched=batched)
        return choose_service_tier(offer, due_at=due_at, now=now, reserve=reserve, flex_seconds=self.flex_seconds)


def _ways(offer: TierOffer, flex_seconds: float) -> list[tuple[ServiceTier, float, str]]:
    """The cheaper service tiers in order of preference, with the seconds that they need and the reason."""
    ways: list[tuple[ServiceTier, float, str]] = []
    if offer.batch is not None:
        number = offer.batch.batches
        based = "1 past batch" if number == 1 else f"{number or 'no'} past batches"
        ways.append(("batch", offer.batch.p95, f"95% of batches are back in time, by {based}"))
    return [*ways, ("flex", flex_seconds, "flex answers in time")]
