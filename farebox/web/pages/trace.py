"""The trace of one run: steps, turns, attempts and guards in a tree, with prompts and answers where they are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup, escape

from farebox.web.site import Site
from farebox.web.view import Link, PageRequest, PageRoute, View
from pricing import Captured, CapturedCall, UsageError, format_money
from pricing.reports import (
    AttemptLine,
    GuardEvent,
    Page,
    RunReport,
    RunTrace,
    TurnLine,
    clean_lines,
    duration,
    moment,
    plural,
    run_trace,
)

_TURNS = 100
"""Shown on one page."""
_OPEN_TURNS = 8
"""Turns up to which each is shown open."""


@dataclass(frozen=True, slots=True)
class TraceBar:
    """The time span of a row, in percent of the run's duration."""

    left: float
    width: float
    tone: str


@dataclass(frozen=True, slots=True)
class MaskedText:
    """A masked text of a turn."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Node:
    """One row of the tree."""

    name: str
    note: str = ""
    result: str = ""
    tone: str = "good"
    bars: tuple[TraceBar, ...] = ()
    cost: str = ""
    took: str = ""
    texts: tuple[MaskedText, ...] = ()
    children: tuple[Node, ...] = ()
    open: bool = False


def view(site: Site, asked: PageRequest) -> View:
    """The page of one run's trace.

    Raises:
        UsageError: there is no such run, or several begin or end like this; or ``from`` is not a number.
    """
    trace = run_trace(site.replica, asked.path["run"])
    report, first = trace.report, _first(asked)
    turns = report.turns[first : first + _TURNS]
    kept = site.runtime.captures.of_turns(turn.turn_id for turn in turns)
    calls = {call.call_id: call for call in site.runtime.captures.calls([turn.turn_id for turn in turns])}
    tree = _Tree(trace, turns, _tools(report, first), kept, calls).root()
    run = report.run
    page = Page(
        f"Trace of {run.automation}",
        f"Run {run.run_id}, began {moment(run.started_at.astimezone(site.zone))}, took {duration(run.duration_us)}",
        lead=(_content(site, report, len(kept)),),
    )
    links = (
        Link("Run", site.link("runs", run.run_id)),
        Link(run.automation, site.link("automations", run.automation)),
    )
    data = trace.to_json() | {
        "content": {turn_id: _plain(turn) for turn_id, turn in kept.items()},
        "calls": [_plain_call(call) for call in calls.values()],
    }
    extra = {"root": tree, "lines": _lines}
    pager = _pager(site, run.run_id, first, len(report.turns))
    return View(page, data, links=links, pager=pager, template="trace.html.j2", extra=extra)


def _first(asked: PageRequest) -> int:
    text = asked.given("from") or "0"
    if not text.isdecimal() or len(text) > 9:  # noqa: PLR2004 - no run has as many
        raise UsageError(f"{text[:40]!r} is not the number of a turn.", next_step="Begin with from=0.")
    return int(text)


def _tools(report: RunReport, first: int) -> list[AttemptLine]:
    """The tool costs that are shown beside the turns of one page."""
    begin = report.turns[first].started_at if 0 < first < len(report.turns) else None
    after = report.turns[first + _TURNS].started_at if first + _TURNS < len(report.turns) else None
    return [
        one
        for one in report.paid_requests
        if (begin is None or one.started_at >= begin) and (after is None or one.started_at < after)
    ]


def _pager(site: Site, run_id: str, first: int, turns: int) -> tuple[Link, ...]:
    def to(turn: int) -> str:
        return site.link("runs", run_id, "trace", **{"from": str(turn)})

    found = []
    if first:
        found.append(Link("← Turns before", to(max(0, first - _TURNS))))
    if first + _TURNS < turns:
        found.append(Link("Turns after →", to(first + _TURNS)))
    return tuple(found)


def _content(site: Site, report: RunReport, kept: int) -> str:
    """A sentence that says whether prompts and answers are kept, and how to keep them."""
    settings, automation = site.runtime.settings.content, report.run.automation
    if kept:
        return (
            f"Prompts and answers of {plural(kept, 'turn')} are shown, with personal data and keys masked. They are "
            f"kept for {plural(settings.days, 'day')}."
        )
    operations = {turn.operation for turn in report.turns}
    if any(settings.keeps(automation, operation) for operation in operations):
        return (
            f"Prompts and answers of this automation are kept for {plural(settings.days, 'day')}. This run's were "
            "deleted, or it ran before that was switched on."
        )
    return (
        "Prompts and answers of this run are not kept. To keep those of later runs, masked, add "
        f'[content] keep = ["{automation}"] to farebox.toml.'
    )


class _Tree:
    """Builds the tree of one run."""

    def __init__(
        self,
        trace: RunTrace,
        turns: Sequence[TurnLine],
        tools: Sequence[AttemptLine],
        kept: Mapping[str, Captured],
        calls: Mapping[str, CapturedCall],
    ) -> None:
        self._report = trace.report
        self._guards = trace.guards
        self._turns = turns
        self._tools = tools
        self._kept = kept
        self._calls = calls
        ends = [self._report.run.started_at, *(_end(turn) for turn in self._report.turns)]
        ends += [one.started_at + timedelta(microseconds=one.duration_us) for one in self._report.paid_requests]
        self._begin = min([self._report.run.started_at, *(turn.started_at for turn in self._report.turns)])
        last = max(ends + ([self._report.run.ended_at] if self._report.run.ended_at else []))
        self._span = max((last - self._begin).total_seconds(), 0.001)

    def root(self) -> Node:
        """The row of the run itself."""
        run, money = self._report.run, self._report.money
        parts = [*self._steps(), *((one.started_at, self._tool(one)) for one in self._tools)]
        children = tuple(node for _, node in sorted(parts, key=lambda part: part[0]))
        return Node(
            run.automation,
            f"quality {run.quality}",
            run.outcome.replace("_", " "),
            "good" if run.outcome == "completed" else "warn" if run.is_open else "bad",
            (TraceBar(0, 100, "quiet"),),
            format_money(money.spent_nano),
            duration(run.duration_us),
            children=children,
            open=True,
        )

    def _steps(self) -> Iterator[tuple[datetime, Node]]:
        """Start time and row of each step call where these are kept, else of each group of consecutive turns of one
        operation.
        """
        groups: list[tuple[CapturedCall | None, list[TurnLine]]] = []
        of_call = {turn_id: call for call in self._calls.values() for turn_id in call.turns}
        for turn in self._turns:
            call = of_call.get(turn.turn_id)
            if groups and groups[-1][0] is call and groups[-1][1][-1].operation == turn.operation:
                groups[-1][1].append(turn)
            else:
                groups.append((call, [turn]))
        for call, turns in groups:
            yield turns[0].started_at, self._step(call, turns)

    def _step(self, call: CapturedCall | None, turns: Sequence[TurnLine]) -> Node:
        begin, end = min(turn.started_at for turn in turns), max(_end(turn) for turn in turns)
        return Node(
            call.operation if call is not None else turns[0].operation,
            plural(len(turns), "turn"),
            bars=(self._bar(begin, end, "s5"),),
            cost=format_money(sum(turn.cost_nano for turn in turns)),
            took=duration(round((end - begin).total_seconds() * 1e6)),
            children=tuple(map(self._turn, turns)),
            open=True,
        )

    def _turn(self, turn: TurnLine) -> Node:
        answered = turn.outcome in {"answered", "stored", "replayed"}
        kept = self._kept.get(turn.turn_id)
        notes = [f"target {turn.target}"] if turn.target else []
        notes += [f"guards {duration(turn.guards_us)}"] if turn.guards_us else []
        notes += [f"waited {duration(turn.waited_us)}"] if turn.waited_us else []
        notes += [f"saved {format_money(turn.saved_nano)}"] if turn.saved_nano else []
        events = self._guards.get(turn.turn_id, [])
        shown = [one for one in events if one.action != "allow"]
        allowed = len(events) - len(shown)
        children = [*map(self._attempt, turn.attempts), *map(self._guard, shown)]
        if allowed:
            children.append(Node("guards", "decided allow", plural(allowed, "check"), "good"))
        return Node(
            f"turn {turn.operation}",
            ", ".join(notes),
            turn.outcome + (f" ({turn.reason})" if turn.reason else "") + (", repaired" if turn.repaired else ""),
            "good" if answered else "bad",
            (self._bar(turn.started_at, _end(turn), "s1" if answered else "bad"),),
            format_money(turn.cost_nano),
            duration(turn.duration_us),
            tuple(_texts(kept)) if kept is not None else (),
            tuple(children),
            open=len(self._turns) <= _OPEN_TURNS,
        )

    def _attempt(self, attempt: AttemptLine) -> Node:
        tokens = attempt.tokens
        counted = [f"{tokens.input:,} in"] if tokens.input is not None else []
        counted += [f"{tokens.cached:,} cached"] if tokens.cached else []
        counted += [f"{tokens.output:,} out"] if tokens.output is not None else []
        why = [attempt.reason] if attempt.reason else []
        priced = [] if attempt.priced == "usage" else [f"cost {attempt.priced.replace('_', ' ')}"]
        end = attempt.started_at + timedelta(microseconds=attempt.duration_us)
        ok = attempt.outcome == "ok"
        return Node(
            f"{attempt.target} {attempt.model}",
            ", ".join([*why, *counted, *priced]),
            f"{attempt.status or ''} {attempt.outcome.replace('_', ' ')}".strip(),
            "good" if ok else "bad",
            (self._bar(attempt.started_at, end, "s3" if ok else "bad"),),
            format_money(attempt.cost_nano),
            duration(attempt.duration_us),
        )

    def _tool(self, request: AttemptLine) -> Node:
        """The row of a tool cost; its ``model`` is its operation."""
        ok = request.outcome == "ok"
        end = request.started_at + timedelta(microseconds=request.duration_us)
        units = [] if request.units is None else [f"{request.units:,.10g} units"]
        return Node(
            f"tool {request.model}",
            ", ".join([request.provider, *units]),
            request.outcome.replace("_", " "),
            "good" if ok else "bad",
            (self._bar(request.started_at, end, "s4" if ok else "bad"),),
            format_money(request.cost_nano),
            duration(request.duration_us),
        )

    def _guard(self, event: GuardEvent) -> Node:
        found = ", ".join(f"{kind} × {times}" for kind, times in event.found.items())
        notes = [event.direction, event.mode, *([event.reason.replace("_", " ")] if event.reason else [])]
        tone = "bad" if event.action == "block" and event.mode == "enforce" else "warn"
        end = event.decided_at
        begin = end - timedelta(microseconds=event.latency_us)
        return Node(
            f"guard {event.guard}",
            ", ".join([*notes, *([found] if found else [])]),
            event.action,
            tone,
            (self._bar(begin, end, tone),),
            format_money(event.cost_nano) if event.cost_nano else "",
            duration(event.latency_us),
        )

    def _bar(self, begin: datetime, end: datetime, tone: str) -> TraceBar:
        left = min(max((begin - self._begin).total_seconds() / self._span, 0), 1) * 100
        width = max((end - begin).total_seconds(), 0) / self._span * 100
        return TraceBar(round(left, 3), round(min(width, 100 - left), 3), tone)


def _end(turn: TurnLine) -> datetime:
    ends = [turn.started_at + timedelta(microseconds=turn.duration_us or 0)]
    ends += [one.started_at + timedelta(microseconds=one.duration_us) for one in turn.attempts]
    return max(ends)


def _texts(turn: Captured) -> Iterator[MaskedText]:
    if turn.system:
        yield MaskedText("system", turn.system)
    for message in turn.messages:
        if message.get("text"):
            yield MaskedText(str(message["role"]), str(message["text"]))
        for call in message.get("tool_calls", ()):
            yield MaskedText(f"{message['role']} calls {call['name']}", str(call["arguments"]))
    if turn.answer:
        yield MaskedText("answer", turn.answer)
    for call in turn.tool_calls:
        yield MaskedText(f"answer calls {call['name']}", str(call["arguments"]))


def _lines(text: str) -> Markup:
    """A text of several lines as escaped HTML."""
    return escape(clean_lines(text))


def _plain(turn: Captured) -> dict[str, Any]:
    return {
        "system": turn.system,
        "messages": [dict(message) for message in turn.messages],
        "answer": turn.answer,
        "tool_calls": [dict(call) for call in turn.tool_calls],
    }


def _plain_call(call: CapturedCall) -> dict[str, Any]:
    return {"operation": call.operation, "turns": list(call.turns), "inputs": call.inputs, "answer": call.answer}


PAGE = PageRoute("/runs/{run}/trace", view)
