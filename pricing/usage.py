"""Token counts of one attempt, in OpenTelemetry's meaning."""

from __future__ import annotations

from dataclasses import fields
from typing import Final, Self

from pricing.records import frozen_record

NOT_A_COUNT: Final = -1
"""In place of a count that a provider did report, but not as a whole number of tokens."""


@frozen_record(frozen=True, slots=True)
class Usage:
    """What a provider said it counted. A count that it did not report is ``None``, never 0.

    ``input_tokens`` includes cached reads and writes, ``output_tokens`` includes reasoning
    (OpenTelemetry GenAI conventions, ``gen_ai.usage.*``).

    Example:
        >>> usage = Usage(input_tokens=1_200, output_tokens=180, cache_read_tokens=1_000)
        >>> usage.known, usage.reasoning_tokens is None
        (True, True)
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    """Written to a five-minute cache (or one whose lifetime the provider does not tell)."""
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None

    @property
    def known(self) -> bool:
        """Whether the counts that a price needs are there."""
        return self.input_tokens is not None and self.output_tokens is not None

    def __add__(self, other: Self) -> Self:
        sums = {
            field.name: None if a is None and b is None else (a or 0) + (b or 0)
            for field in fields(self)
            for a, b in [(getattr(self, field.name), getattr(other, field.name))]
        }
        return type(self)(**sums)
