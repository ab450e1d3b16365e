"""The report of one run: what it was quoted, what it cost and where that went, attempt by attempt."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import TypeVar

from pricing.clock import from_us
from pricing.margins import gross_margin, markup
from pricing.reports.format import ratio
from pricing.reports.query import ReadableReplica, ReplicaReading, Row, read_replica
from pricing.reports.run.data import (
    AdjustmentLine,
    ApprovalLine,
    AttemptLine,
    DueFacts,
    ModelLine,
    MoneyFacts,
    OperationLine,
    QuoteFacts,
    RunFacts,
    RunGuardLine,
    RunReport,
    SaleFacts,
    Savings,
    Settlement,
    TokenSums,
    ToolLine,
    TryLine,
    TurnLine,
    Unknown,
)
from pricing.reports.run.fallbacks import fallbacks
from pricing.reports.run.quality import lowered_quality
from pricing.reports.run.time_spent import guard_times, time_spent
from pricing.reports.run_lookup import find_run

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

_QUOTE = ("point_nano", "p50_nano", "p95_nano", "ceiling_nano", "method", "history", "rate_version")
_ATTEMPT = (
    *("attempt_id", "hop", "ordinal", "target", "provider", "model", "tier", "stand_in", "reason", "outcome"),
    *("status", "cost_nano", "saved_nano", "priced", "duration_us", "kind", "units"),
    *("service_tier", "service_tier_asked"),
)


def run_report(replica: ReadableReplica, run_id: str) -> RunReport:
    """The report of one run, as far as the replica knows it.

    Args:
        replica: the copy of the ledger to read, or of this run alone.
        run_id: the run's id, at least four characters that it alone begins with, or ``last``.

    Raises:
        UsageError: no such run, or several; the next step names some ids.
        LedgerBusy: somebody holds the replica's file.
    """
    with read_replica(replica) as source:
        return read_report(source, run_id)


def read_report(source: ReplicaReading, run_id: str) -> RunReport:
    """The same from a replica that is being read; it is narrowed to the run.

    Raises:
        UsageError: no such run, or several.
    """
    found = find_run(source, run_id)
    source.narrow(found)
    [run] = source.rows("run", run_id=found)
    settled = source.rows("run_settlements", run_id=found)
    attempted = source.rows("run_attempts", run_id=found)
    turn_rows = source.rows("run_turns", run_id=found)
    guarded = guard_times(source.rows("run_guard_times", run_id=found))
    decided = source.rows("run_approvals", run_id=found)
    turns = _turns(turn_rows, [row for row in attempted if row["kind"] == "model"], guarded)
    guards = source.rows("run_guards", run_id=found)
    adjusted = source.rows("run_adjustments", run_id=found)
    settlements = tuple(_settlement(row) for row in settled)
    adjustments = tuple(
        AdjustmentLine(row["attempt_id"], row["reason"], row["cost_delta_nano"], from_us(row["recorded_at"]))
        for row in adjusted
    )
    quote = QuoteFacts(**{name: run[name] for name in _QUOTE})
    paid = _attempts(row for row in attempted if row["kind"] != "model")
    attempts = [*(attempt for turn in turns for attempt in turn.attempts), *paid]
    spent = _cost(attempts)
    unknown = [attempt for attempt in attempts if attempt.priced == "worst_case"]
    facts = _run(run, settlements, suspended=found in source.suspended())
    return RunReport(
        run=facts,
        quote=quote,
        money=_money(run["held_nano"], quote, attempts, settlements, sum(line.delta_nano for line in adjustments)),
        sold=_sold(run, [row["charged_nano"] for row in settled], spent),
        saved=_savings(turns),
        settlements=settlements,
        operations=_operations(turns, paid, spent),
        models=_models(attempts, spent),
        turns=turns,
        fallbacks=fallbacks(turns),
        guards=tuple(RunGuardLine(r["guard"], r["action"], r["reason"], r["mode"], r["events"]) for r in guards),
        adjustments=adjustments,
        unknown=Unknown(len(unknown), _cost(unknown)),
        tools=_tools(paid, spent),
        paid_requests=paid,
        tries=_tries(settled, turn_rows, attempted, suspended=facts.outcome == "suspended"),
        due=_due(run, settlements, attempted),
        timing=time_spent(facts, turns, paid),
        lowered=lowered_quality(run["routes"], turns, {row["turn_id"]: row["route"] for row in turn_rows}),
        approvals=tuple(_approval(row) for row in decided),
    )


def _approval(row: Row) -> ApprovalLine:
    return ApprovalLine(
        choice=row["choice"],
        by=row["decided_by"],
        hold_nano=row["hold_nano"],
        budgets=json.loads(row["budgets"]),
        asked_at=from_us(row["asked_at"]),
        decided_at=from_us(row["decided_at"]),
    )


def _due(run: Row, settlements: Sequence[Settlement], attempts: Sequence[Row]) -> DueFacts | None:
    """When it was due; ``None`` for a run that was to be done as soon as possible."""
    if run["due_at"] is None:
        return None
    due, done = from_us(run["due_at"]), settlements[-1].ended_at if settlements else None
    early = None if done is None else round((due - done).total_seconds() * 1_000_000)
    saved = sum(row["service_tier_saved_nano"] for row in attempts)
    lines = [row for row in attempts if row["service_tier"] == "batch"]
    answered = {row["turn_id"] for row in lines if row["outcome"] == "ok"}
    sent = {row["turn_id"] for row in lines}
    live = {row["turn_id"] for row in attempts if row["turn_id"] in sent and row["outcome"] == "ok"} - answered
    ends = [row["outcome"] for row in lines if row["outcome"] != "ok"]
    expired, cancelled = ends.count("timeout"), ends.count("cancelled")
    return DueFacts(
        due_at=due,
        done_at=done,
        early_us=early,
        saved_nano=saved,
        batched=len(answered),
        waited_us=_covered(lines),
        live=len(live),
        expired=expired,
        cancelled=cancelled,
        failed=len(ends) - expired - cancelled,
    )


def _covered(attempts: Sequence[Row]) -> int:
    """Microseconds in which any of these attempts was under way: those of one batch wait together."""
    covered, until = 0, 0
    for begin, end in sorted((row["started_at"], row["started_at"] + row["duration_us"]) for row in attempts):
        covered += max(0, end - max(begin, until))
        until = max(until, end)
    return covered


def _tries(
    settled: Sequence[Row], turns: Sequence[Row], attempts: Sequence[Row], *, suspended: bool
) -> tuple[TryLine, ...]:
    """The tries of a run side by side; none where there was one, or where executions were not written down."""
    ends = [(row["execution"], row["outcome"]) for row in settled if row["held_nano"] or row["execution"]]
    newest = max((row["execution"] for row in (*turns, *attempts)), default=0)
    if any(execution == 0 for execution, _ in ends) or not ends:
        return ()
    if newest > ends[-1][0]:
        ends.append((newest, "suspended" if suspended else "running"))
    lines, after = list[TryLine](), 0
    for number, (last, outcome) in enumerate(ends, 1):
        mine = [row for row in turns if after < row["execution"] <= last]
        again = [row for row in mine if row["outcome"] == "replayed"]
        paid = sum(row["cost_nano"] for row in attempts if after < row["execution"] <= last)
        saved = sum(row["saved_nano"] for row in again)
        lines.append(TryLine(number, outcome, paid, len(mine), len(again), saved))
        after = last
    return tuple(lines) if len(lines) > 1 else ()


def _run(run: Row, settlements: Sequence[Settlement], *, suspended: bool) -> RunFacts:
    """Which run; one that is suspended has not ended, whatever an earlier try of it came to."""
    last = settlements[-1] if settlements and not suspended else None
    started, ended = from_us(run["started_at"]), last.ended_at if last else None
    return RunFacts(
        run_id=run["run_id"],
        automation=run["automation"],
        quality=run["quality"],
        outcome="suspended" if suspended else last.outcome if last else "running",
        reason=last.reason if last else None,
        stand_in=run["stand_in"],
        started_at=started,
        ended_at=ended,
        duration_us=round((ended - started).total_seconds() * 1_000_000) if ended else None,
    )


def _settlement(row: Row) -> Settlement:
    amounts = row["held_nano"], row["spent_nano"], row["released_nano"]
    return Settlement(row["outcome"], row["reason"], *amounts, from_us(row["ended_at"]))


def _money(
    asked: int,
    quote: QuoteFacts,
    attempts: Sequence[AttemptLine],
    settlements: Sequence[Settlement],
    adjusted: int,
) -> MoneyFacts:
    spent = _cost(attempts)
    return MoneyFacts(
        asked_nano=asked,
        held_nano=sum(one.held_nano for one in settlements) if settlements else asked,
        spent_nano=spent,
        released_nano=sum(one.released_nano for one in settlements),
        adjusted_nano=adjusted,
        unsettled_nano=spent - adjusted - sum(one.spent_nano for one in settlements),
        stand_in_nano=_cost(attempt for attempt in attempts if attempt.stand_in),
        of_point=ratio(spent, quote.point_nano),
        of_p95=ratio(spent, quote.p95_nano),
    )


def _sold(run: Row, charged: Sequence[int | None], spent: int) -> SaleFacts:
    earned = None if not charged or None in charged else sum(one or 0 for one in charged)
    return SaleFacts(
        run["price_credits"], run["price_nano"], earned, gross_margin(earned, spent), markup(earned, spent)
    )


def _turns(turns: Iterable[Row], attempts: Iterable[Row], guarded: Mapping[str, int]) -> tuple[TurnLine, ...]:
    """Turns with their attempts, in the order they began; those whose end is not written down included."""
    of_turn: dict[str, list[Row]] = defaultdict(list)
    for row in attempts:
        of_turn[row["turn_id"]].append(row)
    lines = [_turn(row, of_turn.pop(row["turn_id"], []), guarded) for row in turns]
    lines += [_turn(_unfinished(rows), rows, guarded) for rows in of_turn.values()]
    return tuple(sorted(lines, key=lambda line: (line.started_at, line.turn_id)))


def _unfinished(attempts: Sequence[Row]) -> Row:
    first = attempts[0]
    known = {name: first[name] for name in ("turn_id", "operation", "started_at")}
    repaired = any(row["reason"].startswith("repair: ") for row in attempts)
    end = {"outcome": "unfinished", "reason": None, "target": None, "saved_nano": 0, "duration_us": None}
    return known | end | {"repaired": repaired}


def _turn(row: Row, attempts: Sequence[Row], guarded: Mapping[str, int]) -> TurnLine:
    lines = _attempts(attempts)
    return TurnLine(
        turn_id=row["turn_id"],
        operation=row["operation"],
        outcome=row["outcome"],
        reason=row["reason"],
        target=row["target"],
        repaired=row["repaired"],
        attempts=lines,
        cost_nano=_cost(lines),
        saved_nano=row["saved_nano"],
        started_at=from_us(row["started_at"]),
        duration_us=row["duration_us"],
        guards_us=guarded.get(row["turn_id"], 0),
    )


def _attempts(rows: Iterable[Row]) -> tuple[AttemptLine, ...]:
    return tuple(
        AttemptLine(
            **{name: row[name] for name in _ATTEMPT},
            tokens=TokenSums(row["input_tokens"], row["output_tokens"], row["cache_read_tokens"], _written(row)),
            started_at=from_us(row["started_at"]),
        )
        for row in rows
    )


def _tools(paid: Iterable[AttemptLine], spent: int) -> tuple[ToolLine, ...]:
    lines = []
    for (operation, provider), group in _grouped(paid, attrgetter("model", "provider")).items():
        units = [one.units for one in group if one.units is not None]
        failed = sum(one.outcome != "ok" for one in group)
        cost = _cost(group)
        bought = sum(units) if units else None
        lines.append(ToolLine(operation, provider, len(group), failed, bought, cost, ratio(cost, spent)))
    return tuple(sorted(lines, key=lambda line: (-line.cost_nano, line.operation, line.provider)))


def _operations(turns: Iterable[TurnLine], paid: Iterable[AttemptLine], spent: int) -> tuple[OperationLine, ...]:
    """What each operation cost; a paid request of a tool is an attempt of its operation, and no turn."""
    lines, by_operation = [], _grouped(turns, attrgetter("operation"))
    of_tools = _grouped(paid, attrgetter("model"))
    for operation in dict.fromkeys((*by_operation, *of_tools)):
        group = by_operation.get(operation, [])
        attempts = [*(attempt for turn in group for attempt in turn.attempts), *of_tools.get(operation, ())]
        ends = [turn.outcome for turn in group]
        answered = sum(end in {"answered", "stored", "replayed"} for end in ends)
        failed, blocked = (ends.count(outcome) for outcome in ("failed", "blocked"))
        lines.append(
            OperationLine(
                operation=operation,
                turns=len(group),
                answered=answered,
                failed=failed,
                blocked=blocked,
                open=len(group) - answered - failed - blocked,
                attempts=len(attempts),
                tokens=_tokens(attempts),
                cost_nano=_cost(attempts),
                share=ratio(_cost(attempts), spent),
                saved=_savings(group),
            )
        )
    return tuple(sorted(lines, key=lambda line: (-line.cost_nano, line.operation)))


def _models(attempts: Iterable[AttemptLine], spent: int) -> tuple[ModelLine, ...]:
    lines = []
    for group in _grouped(
        attempts, attrgetter("target", "provider", "model", "tier", "stand_in", "service_tier")
    ).values():
        one, cost = group[0], _cost(group)
        ok = sum(attempt.outcome == "ok" for attempt in group)
        lines.append(
            ModelLine(
                target=one.target,
                provider=one.provider,
                model=one.model,
                tier=one.tier,
                stand_in=one.stand_in,
                attempts=len(group),
                ok=ok,
                failed=len(group) - ok,
                tokens=_tokens(group),
                cost_nano=cost,
                share=ratio(cost, spent),
                service_tier=one.service_tier,
            )
        )
    return tuple(sorted(lines, key=lambda line: (-line.cost_nano, line.target, line.model, line.service_tier)))


def _grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    groups: dict[K, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups


def _cost(attempts: Iterable[AttemptLine]) -> int:
    return sum(attempt.cost_nano for attempt in attempts)


def _savings(turns: Sequence[TurnLine]) -> Savings:
    attempts = [attempt for turn in turns for attempt in turn.attempts]
    return Savings(
        caching_nano=sum(attempt.saved_nano for attempt in attempts),
        stand_in_nano=sum(attempt.saved_nano for attempt in attempts if attempt.stand_in),
        stored_nano=sum(turn.saved_nano for turn in turns if turn.outcome == "stored"),
        stored_turns=sum(turn.outcome == "stored" for turn in turns),
    )


def _tokens(attempts: Iterable[AttemptLine]) -> TokenSums:
    counts = [attempt.tokens for attempt in attempts]
    return TokenSums(
        _shared_value(tokens.input for tokens in counts),
        _shared_value(tokens.output for tokens in counts),
        _shared_value(tokens.cached for tokens in counts),
        _shared_value(tokens.written for tokens in counts),
    )


def _written(row: Row) -> int | None:
    """What was written to caches of either lifetime."""
    return _shared_value((row["cache_write_tokens"], row["cache_write_1h_tokens"]))


def _shared_value(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
