"""What several tests of the lockfile share."""

import datetime as dt

from farebox.calibration.lockfile import (
    LockedCandidate,
    LockedRoute,
)

DAY = dt.date(2026, 11, 26)


def candidate(*route: str, verdict: str, cost: int) -> LockedCandidate:
    figures = {"score_low": 0.7, "score_high": 0.9, "difference_low": -0.01234, "difference_high": 0.02}
    return LockedCandidate.model_validate(
        {"route": route, "verdict": verdict, "n": 240, "score": 0.8, "difference": 0.0, "cost": cost}
        | {"p50_seconds": 0.4, "p95_seconds": 1.25, "tokens": {"input": 210.5, "output": 30.0}}
        | figures
    )


def locked(expires: dt.date = dt.date(2100, 1, 1), *, sandbox: bool = True) -> LockedRoute:
    return LockedRoute(
        route=("gpt-oss",),
        models=("groq openai/gpt-oss-120b",),
        best="sonnet",
        sandbox=sandbox,
        margin=0.03,
        confidence=0.95,
        scorer="exact",
        cases="cases.jsonl",
        n=240,
        rates="2026-11-01",
        date=DAY,
        expires=expires,
        prompts={"classify.j2": "0123456789ab"},
        candidates=(
            candidate("sonnet", verdict="best", cost=2_000_000),
            candidate("gpt-oss", verdict="enough", cost=100_500),
        ),
    )
