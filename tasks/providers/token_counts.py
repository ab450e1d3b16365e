"""Output tokens, reasoning included once, wherever a server counts it."""

from __future__ import annotations

from pricing import NOT_A_COUNT


def whole_output(read: int | None, written: int | None, reasoning: int | None, total: int | None) -> int | None:
    """All tokens of output: servers count reasoning inside of it, beside it, or in the total only.

    Args:
        read: tokens of input.
        written: tokens of output, as they are called.
        reasoning: tokens of reasoning, if reported.
        total: all tokens, if reported.

    Example:
        >>> inside = whole_output(100, 40, 30, 140)
        >>> beside = whole_output(100, 10, 30, 140)
        >>> only_in_total = whole_output(100, 10, None, 140)
        >>> inside, beside, only_in_total
        (40, 40, 40)
    """
    if NOT_A_COUNT in {read, written, reasoning, total} or read is None or written is None:
        return written
    if total is not None and total > read + written:
        return total - read
    if reasoning is not None and reasoning > written:
        return written + reasoning
    return written
