"""Fallback stories: how a turn went from target to target, in one readable line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pricing.reports.run.data import AttemptLine, FallbackLine, TurnLine, at_service_tier

_ERROR_STATUS = 400


def fallbacks(turns: Iterable[TurnLine]) -> tuple[FallbackLine, ...]:
    """The stories of the turns that took more than one attempt:
    ``summarize: haiku 503 server_error → retry 1 503 server_error → groq-oss ok``.
    """
    return tuple(FallbackLine(turn.turn_id, turn.operation, _story(turn)) for turn in turns if len(turn.attempts) > 1)


def _story(turn: TurnLine) -> str:
    return f"{turn.operation}: " + " → ".join(_steps(turn))


def _steps(turn: TurnLine) -> Iterator[str]:
    before: AttemptLine | None = None
    for attempt in turn.attempts:
        status = f"{attempt.status} " if attempt.status is not None and attempt.status >= _ERROR_STATUS else ""
        yield f"{_place(attempt, before)} {status}{_end(attempt)}"
        before = attempt
    if turn.outcome == "unfinished":
        yield "unfinished"
    elif turn.outcome not in {"answered", "stored", "replayed"}:
        yield f"{turn.outcome} ({turn.reason})" if turn.reason else turn.outcome


def _place(attempt: AttemptLine, before: AttemptLine | None) -> str:
    """A new target's name; on the same one, what it was asked again for, or at which service tier."""
    if before is None or attempt.target != before.target:
        return at_service_tier(attempt.target, attempt.service_tier)
    if attempt.hop != before.hop or attempt.service_tier != before.service_tier:
        return f"{attempt.target} at {attempt.service_tier}"
    kind, _, rest = attempt.reason.partition(" ")
    if kind == "retry":
        return f"retry {rest.partition(' ')[0]}"
    return f"repair ({rest})" if kind == "repair:" else "again"


def _end(attempt: AttemptLine) -> str:
    """How it ended; a line of a batch that was not reached in time has expired."""
    expired = attempt.service_tier == "batch" and attempt.outcome == "timeout" and attempt.status is None
    return "expired" if expired else attempt.outcome
