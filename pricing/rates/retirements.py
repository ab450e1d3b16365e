"""When models end: the known end-of-life dates of every provider, in one table.

Sources: the providers' pages of deprecations and LiteLLM's price list (1.110.2), both read on 2026-11-28.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Final

from pricing.rates.model_ids import released_name
from pricing.records import record

WARNED_DAYS: Final = 60
"""How long before its end a model is warned of."""


@record(frozen=True, slots=True)
class EndOfLife:
    """The day a model ends. It is ``certain`` where the provider itself has said so."""

    on: date
    certain: bool = True

    def days_left(self, today: date) -> int:
        """Whole days until the model ends; negative afterwards."""
        return (self.on - today).days

    def is_over(self, today: date) -> bool:
        """Whether the model has ended, by its provider's own statement."""
        return self.certain and self.days_left(today) <= 0

    def is_near(self, today: date) -> bool:
        """Whether it is within ``WARNED_DAYS``, or over."""
        return self.days_left(today) <= WARNED_DAYS

    def sentence(self, target: str, model: str, today: date) -> str:
        """A sentence about a target: ``mini (gpt-4.1-mini) retires in 47 days, on 2027-01-14``."""
        left, name = self.days_left(today), f"{target} ({model})"
        if left <= 0:
            return f"{name} {'retired' if self.certain else 'was reported to retire'} on {self.on}"
        days = f"{left} day" if left == 1 else f"{left} days"
        return f"{name} {'retires' if self.certain else 'is reported to retire'} in {days}, on {self.on}"


_ENDS: Final[Mapping[str, Mapping[str, str]]] = {
    "bedrock": {
        "2026-04-28": "claude-3-7-sonnet",
        "2026-05-31": "claude-opus-4",
        "2026-06-19": "claude-3-5-haiku",
        "2026-07-07": "meta.llama3-1-405b-instruct meta.llama3-2-1b-instruct meta.llama3-2-3b-instruct "
        "meta.llama3-2-11b-instruct meta.llama3-2-90b-instruct",
        "2026-07-30": "claude-3-sonnet",
        "2026-10-14": "claude-sonnet-4",
        "2026-11-26": "ai21.jamba-1-5-large ai21.jamba-1-5-mini",
        "2027-01-08": "claude-opus-4-1",
        "2027-03-30": "deepseek.r1 deepseek.v3 google.gemma-3-4b-it google.gemma-3-12b-it google.gemma-3-27b-it "
        "meta.llama3-8b-instruct meta.llama3-70b-instruct meta.llama3-1-8b-instruct meta.llama3-1-70b-instruct "
        "meta.llama3-3-70b-instruct meta.llama4-maverick-17b-instruct meta.llama4-scout-17b-instruct "
        "minimax.minimax-m2 minimax.minimax-m2.1 mistral.devstral-2-123b mistral.mistral-7b-instruct-v0:2 "
        "mistral.mixtral-8x7b-instruct-v0:1 moonshot.kimi-k2-thinking qwen.qwen3-coder-30b-a3b "
        "qwen.qwen3-coder-480b-a35b zai.glm-4.7 zai.glm-4.7-flash",
        "2027-04-08": "claude-sonnet-4-5",
    },
    "anthropic": {
        "2026-02-19": "claude-3-5-haiku claude-3-7-sonnet",
        "2026-04-20": "claude-3-haiku",
        "2026-06-15": "claude-sonnet-4 claude-opus-4",
        "2026-08-05": "claude-opus-4-1",
        "2026-11-30": "claude-sonnet-4-5",
    },
    "openai": {
        "2026-07-23": "gpt-5-chat gpt-5-codex gpt-5.1-chat gpt-5.1-codex gpt-5.1-codex-max gpt-5.1-codex-mini "
        "gpt-5.2-codex o3-deep-research o4-mini-deep-research",
        "2026-08-10": "gpt-5.2-chat gpt-5.3-chat",
        "2026-10-23": "gpt-3.5-turbo gpt-3.5-turbo-0125 gpt-3.5-turbo-16k gpt-4 gpt-4-0613 gpt-4-1106-preview "
        "gpt-4-turbo gpt-4.1-nano gpt-4o-2024-05-13 o1 o1-pro o3-mini o4-mini",
        "2026-12-11": "gpt-5 gpt-5-mini gpt-5-nano gpt-5-pro o3 o3-pro",
        "2027-01-14": "gpt-4o gpt-4o-mini gpt-4.1 gpt-4.1-mini",
        "2027-04-01": "gpt-5.1 gpt-5.3-codex gpt-5.4-nano",
    },
    "groq": {
        "2025-03-20": "mixtral-8x7b-32768",
        "2026-08-16": "llama-3.3-70b-versatile llama-3.1-8b-instant",
    },
    "deepseek": {"2026-07-24": "deepseek-chat deepseek-reasoner"},
    "gemini": {
        "2026-05-25": "gemini-3.1-flash-lite-preview",
        "2027-05-07": "gemini-3.1-flash-lite",
    },
}
"""By provider and day, names without geography, vendor ``anthropic.``, version and release date."""
_UNCERTAIN: Final = frozenset({("anthropic", "claude-sonnet-4-5"), ("anthropic", "claude-3-7-sonnet")})
"""Dates of a single source."""


def _listed() -> Iterator[tuple[tuple[str, str], EndOfLife]]:
    for provider, days in _ENDS.items():
        for day, names in days.items():
            for name in names.split():
                ends = EndOfLife(date.fromisoformat(day), (provider, name) not in _UNCERTAIN)
                yield (provider, released_name(name, bedrock=provider == "bedrock")[0]), ends


_BY_NAME: Final[Mapping[tuple[str, str], EndOfLife]] = dict(_listed())


def end_of_life(provider: str, model: str) -> EndOfLife | None:
    """When a model ends at a provider, or ``None`` where no date is known.

    Args:
        provider: as farebox.toml names it.
        model: the id as it is sent: with geography, version and release date, or without.

    Example:
        >>> end_of_life("bedrock", "us.anthropic.claude-3-5-haiku-20241022-v1:0").on
        datetime.date(2026, 6, 19)
    """
    for name in released_name(model, bedrock=provider == "bedrock"):
        if (found := _BY_NAME.get((provider, name))) is not None:
            return found
    return None
