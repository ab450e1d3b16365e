"""Routes: which targets may answer a turn, in which order, and why each stands where it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pricing.errors import ConfigError
from tasks.providers.kinds import Failure
from tasks.targets import Target, Tier

Quality: TypeAlias = Literal["fast", "best"]
_RANK: dict[Tier, int] = {"last_resort": 0, "legacy": 1, "light": 2, "premium": 3}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A target of a route and the reason for its place."""

    target: Target
    reason: str


Route: TypeAlias = tuple[Candidate, ...]


class Router:
    """Orders targets. The order they are declared in is the order of fallback.

    Args:
        targets: as farebox.toml declares them: primary light, upgraded, legacy, cross-provider, last resort.

    Raises:
        ConfigError: there are none, or two have the same name.
    """

    def __init__(self, targets: Sequence[Target]) -> None:
        if not targets:
            raise ConfigError("There are no targets.", next_step="Declare at least one [[targets]] in farebox.toml.")
        names = [target.name for target in targets]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigError(
                f"Two targets are called {doubled[0]!r}.", next_step="Give each of the [[targets]] its own name."
            )
        self.targets = tuple(targets)

    def route(self, tier: Tier, quality: Quality = "fast") -> Route:
        """Every candidate for a turn of that tier, first choice first; ``best`` raises light to premium."""
        wanted: Tier = "premium" if quality == "best" and tier == "light" else tier
        first = next((target for target in self.targets if target.tier == wanted), self.targets[0])
        raised = " for quality=best" if wanted != tier else ""
        rest = [target for target in self.targets if target is not first]
        return (
            Candidate(first, f"primary, {first.tier}{raised}"),
            *(Candidate(target, _place(first, target)) for target in rest),
        )


def describe(route: Route) -> list[dict[str, Any]]:
    """The route as plain data, for the ledger and for people."""
    return [
        {
            "target": candidate.target.name,
            "provider": candidate.target.provider,
            "model": candidate.target.model,
            "reason": candidate.reason,
        }
        for candidate in route
    ]


def after(failure: Failure, failed: Target, rest: Route) -> Route:
    """The candidates that may still mend a failure, in the order to try them: the fallback matrix.

    Loss of service leaves the failure domain, for the same tier first; what shares the domain comes last, for when
    nothing else is left. Loss of quality goes up a tier, on the same infrastructure first. A refused credential or an
    exhausted quota leaves the account. An overflow goes to larger windows only. Our own mistakes go nowhere.
    """
    match failure.move:
        case "anywhere":
            other = [c for c in rest if c.target.failure_domain != failed.failure_domain]
            shared = [c for c in rest if c.target.failure_domain == failed.failure_domain]
            return (*sorted(other, key=lambda c: c.target.tier != failed.tier), *shared)
        case "other_account":
            account = (failed.provider, failed.account)
            same_model_only = failure.kind == "not_found"
            return tuple(c for c in rest if same_model_only or (c.target.provider, c.target.account) != account)
        case "larger_quota":
            return tuple(c for c in rest if _quota(c.target) > _quota(failed))
        case "larger_window":
            return tuple(c for c in rest if c.target.window > failed.window)
        case "higher_tier":
            higher = [c for c in rest if _RANK[c.target.tier] > _RANK[failed.tier]]
            return tuple(sorted(higher, key=lambda c: c.target.failure_domain != failed.failure_domain))
        case "nowhere":
            return ()


def _quota(target: Target) -> float:
    return float("inf") if target.tokens_per_minute is None else target.tokens_per_minute


def _place(first: Target, target: Target) -> str:
    if target.tier == "last_resort":
        return "last resort"
    if target.provider != first.provider:
        return f"cross-provider, {target.tier}"
    kind = {"premium": "upgraded", "legacy": "legacy"}.get(target.tier, "light")
    where = "same provider" if target.failure_domain == first.failure_domain else "same provider, other domain"
    return f"{kind}, {where}"
