"""Whether the token counts that a provider reports can be the usage of the request that was sent.

A count is accepted as long as the request, the model's window and ``max_tokens`` allow it; the bounds are generous,
since a count that is refused is charged at the attempt's worst case. A count beyond them is a fault of the provider,
a proxy or an attacker, and never reaches the ledger.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Final, Self

from pricing import Usage, record
from tasks.providers import spec_of
from tasks.routing.target import Target

NOT_PLAUSIBLE: Final = "implausible_usage"
"""The ``code`` of an attempt whose counts were refused, unless the provider gave a code of its own."""
PROVIDER_TOKENS: Final = 32_768
"""Input tokens that a provider may add to a request: system text around tools (below 1,000 where it is documented),
chat formats, safety preambles, and what a model with server-side search reads before it answers."""
EXTRA_OUTPUT: Final = 16
"""Output tokens beyond the limit: stop tokens, and the last step of speculative decoding."""
_COUNTS = tuple(field.name for field in fields(Usage))
_WORTH_COMPARING = 1_000
"""Tokens of a prompt from which on an estimate is sure enough to hold a provider's count against it."""
_SHARE_READ = 0.6
"""Of the estimate: it is off by a quarter at most for languages other than English, never by this much."""


def was_counted(usage: Usage) -> bool:
    """Whether the provider counted. Every request has tokens: an input of 0 was not counted, and is not free."""
    return usage.known and bool(usage.input_tokens)


def was_cut(target: Target, estimated: int | None, usage: Usage) -> bool:
    """Whether a server that truncates silently read only a part of the prompt: Ollama cuts what is past its window,
    and reports it nowhere but in the count (ollama issues 4967, 17889).
    """
    truncates = spec_of(target.provider).features.truncates_silently
    if not truncates or usage.input_tokens is None or estimated is None:
        return False
    return estimated >= _WORTH_COMPARING and usage.input_tokens < _SHARE_READ * estimated


@record(frozen=True, slots=True)
class UsageLimits:
    """The most tokens that one attempt can count.

    Args:
        input_tokens: the bytes of the request body plus ``PROVIDER_TOKENS``: no tokenizer in use makes more than one
            token of a byte. At most the target's window, or the worst case that was set aside if that is more, since
            the window of a self-hosted model is often larger than farebox.toml says.
        output_tokens: ``max_tokens`` as it was sent, plus ``EXTRA_OUTPUT``.
        with_reasoning: the same where the model reasons, as some providers apply ``max_tokens`` to the answer alone:
            at least the target's ``max_output``.

    Example:
        >>> UsageLimits(33_968, 316, 16_400).fault(Usage(input_tokens=10**12, output_tokens=20))
        'input_tokens above 33,968'
    """

    input_tokens: int
    output_tokens: int
    with_reasoning: int

    @classmethod
    def of(cls, target: Target, *, body: bytes, most_input: int, max_tokens: int) -> Self:
        """The limits of a request as it is sent; ``most_input`` is the input that its worst case is priced with."""
        return cls(
            input_tokens=min(len(body) + PROVIDER_TOKENS, max(target.window, most_input)),
            output_tokens=max_tokens + EXTRA_OUTPUT,
            with_reasoning=max(max_tokens, target.max_output) + EXTRA_OUTPUT,
        )

    def fault(self, usage: Usage, *, reasons: bool = False) -> str | None:
        """What is wrong with the counts, without their values, or ``None`` if they are plausible.

        Args:
            usage: counts as the provider's adapter read them; ``None`` is not reported and never a fault.
            reasons: whether the target is a reasoning model.
        """
        for name in _COUNTS:
            count = getattr(usage, name)
            if count is not None and count < 0:
                return f"{name} is not a count"
        most_output = self.with_reasoning if reasons or usage.reasoning_tokens else self.output_tokens
        for name, most in (("input_tokens", self.input_tokens), ("output_tokens", most_output)):
            if (getattr(usage, name) or 0) > most:
                return f"{name} above {most:,}"
        cached = [usage.cache_read_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens]
        for part, whole, name in (
            (sum(count or 0 for count in cached), usage.input_tokens, "cached tokens above input_tokens"),
            (usage.reasoning_tokens or 0, usage.output_tokens, "reasoning_tokens above output_tokens"),
        ):
            if part > (self.with_reasoning + self.input_tokens if whole is None else whole):
                return name
        return None
