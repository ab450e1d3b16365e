"""What several tests of the schedules share."""

from typing import Any

from pricing.errors import FareboxError
from tests.support.virtual_time import BEGAN, TARGETS, Played

_LAG = 0.02
"""Seconds: what is cut off at the deadline ends just after it."""


def assert_sound(played: Played, asked: int, deadline: float, most: int) -> None:
    """Every turn ended, within its limits, and is written down with all that was sent for it."""
    assert len(played.outcomes) == len(played.turns) == asked
    assert all(isinstance(outcome, str | FareboxError) for outcome in played.outcomes)
    assert played.in_flight == 0
    assert max(played.elapsed) <= deadline + _LAG
    assert len(played.sent) <= len(played.attempts)
    turns_of = {turn["turn_id"]: turn for turn in played.turns}
    for turn_id, attempts in played.by_turn().items():
        assert len(attempts) == turns_of[turn_id]["attempts"] <= most
        if attempts:
            assert all(attempt["started_at"] >= BEGAN * 1e6 for attempt in attempts)
        assert (turns_of[turn_id]["outcome"] == "answered") == (bool(attempts) and attempts[-1]["outcome"] == "ok")
        assert_matrix(attempts)


def assert_matrix(attempts: list[dict[str, Any]]) -> None:
    """What some failures forbid for the rest of their turn."""
    for number, failed in enumerate(attempts):
        later = [attempt["target"] for attempt in attempts[number + 1 :]]
        _, _, _, _, account, window = TARGETS[failed["target"]]
        match failed["outcome"]:
            case "context_overflow":
                assert all(TARGETS[name][5] > window for name in later)
            case "quota_exhausted" | "auth":
                assert all((TARGETS[name][0], TARGETS[name][4]) != (failed["provider"], account) for name in later)
            case "invalid_request" | "content_policy" | "refusal":
                assert later == []
            case "not_found":
                assert failed["target"] not in later
