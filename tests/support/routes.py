"""What several tests of the routes share."""

from pricing.ledger.target_stats import TargetStats
from tasks.routing.router import Router
from tasks.routing.target import Target


def target(name: str, tier: str, provider: str, model: str, domain: str = "") -> Target:
    return Target(name, provider, model, tier, 100_000, 8_000, "http://127.0.0.1", domain or provider)  # type: ignore[arg-type]


HAIKU = target("haiku", "light", "anthropic", "claude-haiku-4-5")


SONNET = target("sonnet", "premium", "anthropic", "claude-sonnet-4-5")


OSS = target("gpt-oss", "light", "groq", "openai/gpt-oss-120b")


LEGACY = target("old", "legacy", "anthropic", "claude-3-5-haiku-20241022")


LAST = target("mini", "last_resort", "openai", "gpt-4.1-mini")


TARGETS = [HAIKU, SONNET, LEGACY, OSS, LAST]


FAILING = TargetStats(n=100, success=0.62, p50=0.5, p95=1.0, waste=0.2)


def router(**evidence: TargetStats) -> Router:
    named = {name.replace("_", "-"): seen for name, seen in evidence.items()}
    return Router(TARGETS, evidence=lambda: named)


def names(route) -> list[str]:
    return [candidate.target.name for candidate in route]
