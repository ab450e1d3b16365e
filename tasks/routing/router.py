"""Routes: which targets may answer a turn, in which order, and why each stands where it does.

The order in farebox.toml is the order of fallback. What routing decides is who is asked first: the first target of the
tier that is wanted, unless evidence moves it. Where enough is known of it, the cheapest target of its tier that meets
the operation's service level is asked first, its failures counted in; if it misses the service level, any that meets it
may be. A lock, which rests on measured quality, goes before all of that (``tasks.routing.locks``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from pricing import ConfigError, Nano, Usage, ceil_nano, format_money, record
from pricing.rates import STANDARD, ServiceTier
from tasks.providers.failure_kinds import Failure
from tasks.providers.registry import spec_of
from tasks.routing.slo import Quality, TargetSLO
from tasks.routing.target import Target, Tier, family_of

if TYPE_CHECKING:  # they take longer to load than this package
    from pricing.ledger import TargetStats
    from pricing.rates import RateCard
    from tasks.routing.locks import RouteLock

__all__ = [
    "Candidate",
    "Quality",
    "Route",
    "Router",
    "Size",
    "TargetScore",
    "after",
    "describe",
    "economic_reason",
    "warnings_of",
]

_RANK: dict[Tier, int] = {"last_resort": 0, "legacy": 1, "light": 2, "premium": 3}
_MOST_ROUTES = 512
_NOTHING: Mapping[str, TargetStats] = MappingProxyType({})


class Size(NamedTuple):
    """The tokens of a turn for which targets are compared."""

    input_tokens: int
    output_tokens: int


TYPICAL = Size(1000, 200)
"""Of a turn that no plan speaks of."""


@record(frozen=True, slots=True)
class Candidate:
    """A target of a route and the reason for its place.

    ``economic`` tells why the route begins with the cheapest, if it does. ``percent`` says how many of a hundred turns
    are expected to come here first, where complexity decides between two (``farebox.runs.planning``). ``lock`` marks
    the two that a cascade is made of: the second is asked when the first one's answer does not pass the step's
    verifier. ``thinking`` is the tokens that its model usually thinks before an answer of the step, on top of what is
    planned. ``service_tier`` is asked for there, ``None`` leaves that to the provider. ``live_percent`` is how many of
    a hundred turns are expected to be asked at the standard one after all, and ``live_at``, in microseconds UTC, from
    when on all are, since the time of the run is up.
    """

    target: Target
    reason: str
    economic: str | None = None
    percent: int | None = None
    lock: Literal["verified", "escalation"] | None = None
    thinking: int = 0
    service_tier: ServiceTier | None = None
    live_percent: int = 0
    live_at: int | None = None


Route: TypeAlias = tuple[Candidate, ...]


@record(frozen=True, slots=True)
class TargetScore:
    """A target's expected cost per accepted answer of an operation, failures included."""

    target: Target
    cost: Nano
    observed: TargetStats | None
    missed: str | None
    met: bool


class _Asked(NamedTuple):
    """The request for a route."""

    tier: Tier
    quality: Quality
    seconds: float | None
    size: Size
    economic: str | None
    lock: RouteLock | None = None
    service_tier: ServiceTier | None = None

    @property
    def wanted(self) -> Tier:
        """``best`` raises light to premium."""
        return "premium" if self.quality == "best" and self.tier == "light" else self.tier

    @property
    def level(self) -> TargetSLO:
        """The service level of the requested tier."""
        waits = self.service_tier in {"flex", "batch"} and self.seconds is None
        return TargetSLO.of(self.wanted, self.quality, inf if waits else self.seconds)


def _shipped_rates() -> RateCard:
    from pricing.rates import RateCard

    return RateCard.load()


class Router:
    """Orders targets.

    Args:
        targets: as farebox.toml declares them: primary light, upgraded, legacy, cross-provider, last resort.
        rates: prices them.
        evidence: what is known of each target's recent past, by name; the same object until something changes.

    Raises:
        ConfigError: there are none, or two have the same name.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        rates: RateCard | None = None,
        evidence: Callable[[], Mapping[str, TargetStats]] = lambda: _NOTHING,
    ) -> None:
        if not targets:
            raise ConfigError("There are no targets.", next_step="Declare at least one [[targets]] in farebox.toml.")
        names = [target.name for target in targets]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigError(
                f"Two targets are called {doubled[0]!r}.", next_step="Give each of the [[targets]] its own name."
            )
        self.targets = tuple(targets)
        self._rates = rates or _shipped_rates()
        self._evidence = evidence
        self._made: tuple[Mapping[str, TargetStats], dict[_Asked, Route]] = (_NOTHING, {})

    def price(self, target: Target, usage: Usage, service_tier: ServiceTier | None = None) -> Nano:
        """The cost of these tokens at a target and its requested service tier, in nano-dollars."""
        return self._rates.price(target.model, target.provider, usage, service_tier=service_tier or STANDARD)

    def service_tier(self, target: Target, asked: ServiceTier | None) -> ServiceTier | None:
        """The service tier that a request names at a target: what the step asks for where the target's provider sells
        its model so, else the standard one; what the target says where the step asks for none.
        """
        if asked is None:
            return target.service_tier
        offered = spec_of(target.provider).features.service_tiers
        if asked in offered and asked in self._rates.service_tiers(target.model, target.provider):
            return asked
        return STANDARD if STANDARD in offered else None

    def route(
        self,
        tier: Tier,
        quality: Quality = "fast",
        *,
        seconds: float | None = None,
        size: Size = TYPICAL,
        economic: str | None = None,
        lock: RouteLock | None = None,
        why: str = "",
        service_tier: ServiceTier | None = None,
    ) -> Route:
        """Every candidate for a turn of that tier, first choice first. A microsecond where it was asked for before.

        Args:
            tier: whose targets take the turn; with ``best``, light is raised to premium.
            quality: shifts the service level.
            seconds: the operation's own latency limit, in place of its tier's.
            size: by which costs are compared.
            economic: why the cheapest is to be first, if it is: then the route goes from the cheapest up.
            lock: of the operation. It is for ``fast``; who asks for the best gets the tier. When money runs short, that
                goes before it.
            why: what chose the tier, shown with the first candidate.
            service_tier: that the step asks for.

        Raises:
            UnknownPrice: a target has no rate.
            ConfigError: no target has that service tier.
        """
        asked = _Asked(tier, quality, seconds, size, economic, lock if quality == "fast" else None, service_tier)
        evidence = self._evidence()
        known, made = self._made
        if known is not evidence or len(made) >= _MOST_ROUTES:
            made = {}
            self._made = (evidence, made)
        route = made.get(asked)
        if route is None:
            route = self._with_service_tiers(self._made_of(self._standings(asked, evidence), asked), asked)
            made[asked] = route
        return (replace(route[0], reason=f"{route[0].reason}; {why}"), *route[1:]) if why else route

    def primary(self, tier: Tier) -> Target:
        """The first declared target of a tier, else the first of all: the first choice without any evidence."""
        return next((target for target in self.targets if target.tier == tier), self.targets[0])

    def standings(
        self,
        tier: Tier,
        quality: Quality = "fast",
        *,
        seconds: float | None = None,
        size: Size = TYPICAL,
        service_tier: ServiceTier | None = None,
    ) -> list[TargetScore]:
        """The score of each target for an operation, in the declared order.

        Raises:
            UnknownPrice: a target has no rate.
        """
        asked = _Asked(tier, quality, seconds, size, None, service_tier=service_tier)
        return self._standings(asked, self._evidence())

    def _with_service_tiers(self, route: Route, asked: _Asked) -> Route:
        found = tuple(
            candidate if wanted is None else replace(candidate, service_tier=wanted)
            for candidate in route
            for wanted in (self.service_tier(candidate.target, asked.service_tier),)
        )
        if asked.service_tier in {None, STANDARD} or any(one.service_tier == asked.service_tier for one in found):
            return found
        raise ConfigError(
            f"A step asks for the service tier {asked.service_tier!r}, which no target has.",
            next_step="Leave it out, or add a target that has it: `farebox models` lists them.",
        )

    def _made_of(self, standings: Sequence[TargetScore], asked: _Asked) -> Route:
        if asked.economic:
            return _from_the_cheapest(standings, asked.economic)
        usual = _declared(standings, asked)
        if asked.lock is None:
            return usual
        if why := asked.lock.unfit(self.targets):
            reason = f"{usual[0].reason}; its lock on {' → '.join(asked.lock.route)} is not obeyed: {why}"
            return (replace(usual[0], reason=reason), *usual[1:])
        return _locked(standings, asked.lock)

    def _standings(self, asked: _Asked, evidence: Mapping[str, TargetStats]) -> list[TargetScore]:
        level = asked.level
        found = []
        for target in self.targets:
            observed = evidence.get(target.name)
            missed, met = level.missed_by(observed), level.met_by(observed)
            cost = self._cost(target, asked, observed)
            found.append(TargetScore(target, cost, observed, missed, met))
        return found

    def _cost(self, target: Target, asked: _Asked, observed: TargetStats | None) -> Nano:
        """The expected cost of one accepted answer in nano-dollars: its price plus the cost of failures per answer."""
        price = self.price(target, Usage(*asked.size), self.service_tier(target, asked.service_tier))
        waste = observed.waste if observed is not None else None
        return price + ceil_nano(price * Decimal(waste)) if waste else price


def _declared(standings: Sequence[TargetScore], asked: _Asked) -> Route:
    """The declared order, with the first place given by evidence."""
    primary = next((one for one in standings if one.target.tier == asked.wanted), standings[0])
    first = _first(primary, standings)
    raised = " for quality=best" if asked.wanted != asked.tier else ""
    if first is not primary:
        reason = f"{first.target.tier}{raised}, before {primary.target.name}: " + (
            primary.missed
            or f"{format_money(first.cost)} a turn against {format_money(primary.cost)}, failures counted in"
        )
    else:
        reason = f"primary, {first.target.tier}{raised}" + (f", though {first.missed}" if first.missed else "")
    rest = (one for one in standings if one is not first)
    return (
        Candidate(first.target, reason),
        *(Candidate(one.target, _place(first.target, one.target, is_primary=one is primary)) for one in rest),
    )


def _locked(standings: Sequence[TargetScore], lock: RouteLock) -> Route:
    """The locked targets, then the others in the declared order."""
    targets = {one.target.name: one.target for one in standings}
    first, *then = (targets.pop(name) for name in lock.route)
    begin = Candidate(first, f"locked, {first.tier}: {lock.why}")
    if then:
        begin = replace(begin, percent=100, lock="verified")
    said_no = "locked: asked where the verifier says no"
    escalations = (Candidate(one, said_no, percent=lock.escalated, lock="escalation") for one in then)
    rest = (Candidate(one, _place(first, one, is_primary=False)) for one in targets.values())
    return (begin, *escalations, *rest)


def _first(primary: TargetScore, standings: Sequence[TargetScore]) -> TargetScore:
    """Who is asked first: only a target known to meet the service level can take the primary's place, if enough is
    known of it.

    A primary that meets it gives way to a cheaper target of its tier. One that misses it gives way to any, of its
    tier rather than of a higher one, and of a higher one rather than of a lower.
    """
    rank = _RANK[primary.target.tier]
    if primary.met:
        return min((one for one in standings if one.met and one.target.tier == primary.target.tier), key=_by_cost)
    if primary.missed is None:
        return primary
    meeting = [one for one in standings if one.met]
    return min(meeting, key=lambda one: (_distance(rank, _RANK[one.target.tier]), one.cost), default=primary)


def _distance(wanted: int, rank: int) -> int:
    return rank - wanted if rank >= wanted else len(_RANK) + wanted - rank


def _by_cost(one: TargetScore) -> Nano:
    return one.cost


def _from_the_cheapest(standings: Sequence[TargetScore], why: str) -> Route:
    """The economic route: cheapest first; targets known to miss the service level, last."""
    ordered = sorted(standings, key=lambda one: (one.missed is not None, one.cost))
    reasons = [f"economic: {format_money(one.cost)} a turn" for one in ordered]
    reasons[0] += f", the cheapest; {why}"
    return tuple(Candidate(one.target, reason, why) for one, reason in zip(ordered, reasons, strict=True))


def describe(route: Route) -> list[dict[str, Any]]:
    """The route as plain data, for the ledger and for reports."""
    return list(map(_described, route))


def _described(candidate: Candidate) -> dict[str, Any]:
    target = candidate.target
    fields: dict[str, Any] = {
        "target": target.name,
        "provider": target.provider,
        "model": target.model,
        "reason": candidate.reason,
    }
    if candidate.economic is not None:
        fields["economic"] = candidate.economic
    if candidate.percent is not None:
        fields["percent"] = candidate.percent
    if candidate.lock is not None:
        fields["lock"] = candidate.lock
    if candidate.thinking:
        fields["thinking"] = candidate.thinking
    if candidate.service_tier is not None and candidate.service_tier != STANDARD:
        fields["service_tier"] = candidate.service_tier
    if candidate.live_percent:
        fields["live_percent"] = candidate.live_percent
    return fields


def economic_reason(routes: Mapping[str, Sequence[Mapping[str, Any]]]) -> str | None:
    """The reason for the economic route, from the output of ``describe``; ``None`` if it is not that route."""
    return next((why for route in routes.values() for one in route[:1] if (why := one.get("economic"))), None)


def warnings_of(router: Router) -> list[tuple[str, str]]:
    """Weaknesses of the set of targets, each with a next step."""
    domains = sorted({target.failure_domain for target in router.targets})
    providers = sorted({target.provider for target in router.targets})
    found = []
    if len(domains) == 1:
        warning = f"all targets share one failure domain ({domains[0]}): one outage stops everything"
        found.append((warning, "Add a target of another provider or region."))
    elif len(providers) == 1:
        warning = f"all targets are of {providers[0]}: one account's trouble stops everything"
        found.append((warning, "Add a target of another provider."))
    if not any(target.tier == "premium" for target in router.targets):
        warning = "no target is premium: quality=best and answers of poor quality have nothing to rise to"
        found.append((warning, 'Give a stronger model tier = "premium".'))
    return found


def after(failure: Failure, failed: Target, rest: Route) -> Route:
    """The candidates that may still succeed after a failure, in the order to try them: the fallback matrix.

    Loss of service leaves the failure domain, for the same tier first; what shares the domain comes last, for when
    nothing else is left. Loss of quality goes to the second of a locked cascade, else up a tier, on the same
    infrastructure first. A refused credential or an exhausted quota leaves the account. An overflow goes to larger
    windows only. Our own mistakes go nowhere.
    """
    match failure.move:
        case "anywhere":
            other = [c for c in rest if c.target.failure_domain != failed.failure_domain]
            shared = [c for c in rest if c.target.failure_domain == failed.failure_domain]
            return (*sorted(other, key=lambda c: c.target.tier != failed.tier), *shared)
        case "other_account":
            same_model_only = failure.kind == "not_found"
            return tuple(c for c in rest if same_model_only or _account(c.target) != _account(failed))
        case "larger_quota":
            return tuple(c for c in rest if _has_larger_quota(c.target, failed))
        case "larger_window":
            return tuple(c for c in rest if c.target.window > failed.window)
        case "higher_tier":
            higher = [c for c in rest if c.lock == "escalation" or _RANK[c.target.tier] > _RANK[failed.tier]]
            shared_first = sorted(higher, key=lambda c: c.target.failure_domain != failed.failure_domain)
            return tuple(sorted(shared_first, key=lambda c: c.lock != "escalation"))
        case "nowhere":
            return ()


def at_standard(candidate: Candidate, why: str = "has no capacity") -> Candidate:
    """The candidate at the standard service tier, named where its provider has a word for it, and ``why``."""
    named = STANDARD in spec_of(candidate.target.provider).features.service_tiers
    reason = f"the service tier {candidate.service_tier} {why}"
    return replace(candidate, service_tier=STANDARD if named else None, live_percent=0, live_at=None, reason=reason)


def other_family_first(route: Route, model: str) -> Route:
    """The route with targets of another family than a model's first, as far as their tier is that of its first."""
    tier, family = route[0].target.tier, family_of(model)
    others = [c for c in route if c.target.tier == tier and c.target.family != family]
    if not others or others[0] is route[0]:
        return route
    why = f"another family than {family}, which it is to judge"
    return (replace(others[0], reason=why), *(candidate for candidate in route if candidate is not others[0]))


def named_first(route: Route, name: str) -> Route:
    """The route with the target of a name first, where that is one of it."""
    named = next((candidate for candidate in route if candidate.target.name == name), None)
    if named is None or named is route[0]:
        return route
    return (replace(named, reason="asked for by its name"), *(one for one in route if one is not named))


def _account(target: Target) -> tuple[str, str]:
    return target.provider, target.account


def _has_larger_quota(target: Target, failed: Target) -> bool:
    if failed.tokens_per_minute is None:  # its size is unknown: another account's may be larger
        return _account(target) != _account(failed)
    return target.tokens_per_minute is None or target.tokens_per_minute > failed.tokens_per_minute


def _place(first: Target, target: Target, *, is_primary: bool) -> str:
    if is_primary:
        return f"declared first, {target.tier}"
    if target.tier == "last_resort":
        return "last resort"
    if target.provider != first.provider:
        return f"cross-provider, {target.tier}"
    kind = {"premium": "upgraded", "legacy": "legacy"}.get(target.tier, "light")
    where = "same provider" if target.failure_domain == first.failure_domain else "same provider, other domain"
    return f"{kind}, {where}"
