"""What a guard says, whether it answers at once or has to wait."""

from guardrails.base import Guard, GuardInput, Verdict


async def verdict_of(guard: Guard, exchange: GuardInput) -> Verdict:
    """The guard's verdict."""
    told = guard.check(exchange)
    return told if isinstance(told, Verdict) else await told
