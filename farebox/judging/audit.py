"""Audits of past answers by the judge: a share of them at random, and all that a guard had something against.

They read what content capture kept. What is found becomes a decision of the guard ``judge`` in mode ``audit`` about the
audited turn, which ``farebox guards`` counts and ``farebox guards review`` shows a person.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import BaseModel

from farebox.config.guard_settings import JUDGE
from farebox.judging.answers import UNJUDGED, judge_answer
from farebox.runtime import Runtime, get_runtime
from guardrails import Reason
from guardrails.guards import JudgeGuard
from pricing import Captured, ConfigError, UsageError, Waiting, format_money, now_us
from pricing.analysis import wilson
from pricing.ledger import Reviews
from pricing.reports import escape_markdown, percent, plural
from tasks import current_step

_LISTED = 50
_WHOLE = 1 << 32


class Audited(BaseModel):
    """What an audit found of one answer; ``rule`` names the criteria that failed, ``outcome`` is unknown when it could
    not be judged. No text of the answer is in it.
    """

    turn_id: str
    run_id: str = ""
    automation: str = ""
    operation: str = ""
    flagged: bool
    outcome: Literal["pass", "fail", "unknown"]
    rule: str = ""
    cost_nano: int = 0


class Audit(BaseModel):
    """One audit; ``left_out`` answers were due beyond the most that it takes."""

    audited: int
    failed: int
    unknown: int
    left_out: int
    cost_nano: int


def due(share: float, hours: int) -> list[Waiting]:
    """The answers of the last hours that are to be judged, flagged ones first.

    Which ones are drawn at random is decided by their ids: who asks twice gets the same, and no answer is judged twice.

    Raises:
        UsageError: no answers are kept.
        ConfigError: there is no judge where they are kept.
    """
    runtime = get_runtime()
    if not runtime.settings.content.keep:
        raise UsageError(
            "No answers are kept, so none can be audited.",
            next_step='Write [content] keep = ["AUTOMATION"] into farebox.toml; docs/guardrails.md says what is kept.',
        )
    waiting = runtime.captures.waiting(datetime.now(UTC) - timedelta(hours=hours))
    judged = [turn for turn in waiting if turn.operation != JUDGE and _judge(runtime, turn) is not None]
    if not judged and (waiting or runtime.guards.judge("", "") is None):
        raise ConfigError(
            "No judge is declared for the answers that are kept.",
            next_step='Declare [guards.judge] with criteria; with mode = "off" it judges in audits only.',
        )
    return sorted((turn for turn in judged if turn.flagged or _drawn(turn.turn_id, share)), key=lambda t: not t.flagged)


def audit_answer(turn_id: str) -> Audited:
    """Judge one answer that is kept, in the step that is under way, and write down what was found.

    Raises:
        OverBudget: the run has no money left for it.
    """
    runtime = get_runtime()
    turn = runtime.captures.of_turns([turn_id]).get(turn_id)
    judge = None if turn is None else _judge(runtime, turn)
    if turn is None or judge is None:  # deleted since, or too old by now
        return Audited(turn_id=turn_id, flagged=False, outcome="unknown")
    seen = Audited(
        turn_id=turn_id,
        run_id=turn.run_id,
        automation=turn.automation,
        operation=turn.operation,
        flagged=turn.flagged,
        outcome="unknown",
    )
    texts = (turn.answer or "", *(call["arguments"] for call in turn.tool_calls))
    models = {target.name: target.model for target in runtime.targets}
    by = models.get(turn.target or "", "")
    run_id, names = current_step().run_id, {"automation": turn.automation, "operation": turn.operation}
    started = time.perf_counter_ns()
    try:
        judged = runtime.engine.loop.run(judge_answer(judge, texts, run_id=run_id, answered_by=by, **names))
    except UNJUDGED:
        return seen
    found = seen.model_copy(update={"outcome": judged.outcome, "rule": judged.rule, "cost_nano": judged.cost_nano})
    _record(runtime, turn, judge, found, (time.perf_counter_ns() - started) // 1000)
    return found


def audit_page(found: Sequence[Audited], left_out: int) -> tuple[Audit, str]:
    """The audit in figures, and as a page of Markdown for Prefect."""
    judged = [one for one in found if one.outcome != "unknown"]
    audit = Audit(
        audited=len(judged),
        failed=sum(one.outcome == "fail" for one in judged),
        unknown=len(found) - len(judged),
        left_out=left_out,
        cost_nano=sum(one.cost_nano for one in found),
    )
    return audit, "\n\n".join(_lines(audit, judged)) + "\n"


def _lines(audit: Audit, judged: Sequence[Audited]) -> Iterator[str]:
    yield "# Audit of answers"
    yield f"{plural(audit.audited, 'answer')} judged, {audit.failed} failed, {format_money(audit.cost_nano)}."
    if audit.unknown:
        yield f"{audit.unknown} could not be judged."
    if audit.left_out:
        yield f"{audit.left_out} more were due than one audit takes."
    drawn = [one for one in judged if not one.flagged]
    if drawn:
        bad = sum(one.outcome == "fail" for one in drawn)
        low, high = map(percent, wilson(bad, len(drawn)))
        share = f"{percent(bad / len(drawn))} ({low}–{high} with 95 % confidence)"
        yield f"Of {len(drawn)} drawn at random {bad} failed: {share}."
    failed = [one for one in judged if one.outcome == "fail"]
    if failed:
        counts = Counter((one.automation, one.operation, one.rule) for one in failed).most_common()
        rows = [(*map(escape_markdown, names), str(number)) for names, number in counts]
        yield _table(("automation", "operation", "failed", "answers"), rows)
        listed = [
            (escape_markdown(one.run_id), escape_markdown(one.operation), escape_markdown(one.rule))
            for one in failed[:_LISTED]
        ]
        yield _table(("run", "operation", "failed"), listed)
        yield "Read one: `farebox content show RUN`. Say whether the judge was right: `farebox guards review`."


def _judge(runtime: Runtime, turn: Waiting | Captured) -> JudgeGuard | None:
    return runtime.guards.judge(turn.automation, turn.operation)


def _drawn(turn_id: str, share: float) -> bool:
    return int.from_bytes(hashlib.sha256(turn_id.encode()).digest()[:4], "big") < share * _WHOLE


def _record(runtime: Runtime, turn: Captured, judge: JudgeGuard, found: Audited, latency_us: int) -> None:
    why = "flagged" if found.flagged else "sample"
    facts = {"judged": found.outcome, "audited": why} | ({"rule": found.rule} if found.rule else {})
    Reviews(runtime.ledger.store).add(
        {
            "run_id": turn.run_id,
            "operation": turn.operation,
            "guard": judge.name,
            "version": judge.version,
            "mode": "audit",
            "direction": judge.direction,
            "action": "block" if found.rule else "allow",
            "reason": Reason.POLICY if found.rule else None,
            "latency_us": latency_us,
            "cost_nano": found.cost_nano,
            "spans": "[]",
            "facts": json.dumps(facts),
            "turn_id": turn.turn_id,
            "decided_at": now_us(),
        }
    )
    runtime.captures.audited(turn.turn_id)


def _table(heads: Sequence[str], rows: Sequence[tuple[str, ...]]) -> str:
    rule = ["---"] * len(heads)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows))
