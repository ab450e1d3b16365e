"""Cases from recorded runs: the calls of a step that content capture kept, sampled, without duplicates.

A case holds a call's inputs, not the prompt made from them, so that it can be tried on a new prompt, and an agent
calls its tools again. Masked data stays masked; models see the mask.
"""

from __future__ import annotations

import inspect
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from farebox.calibration.cases import CalibrationCase
from farebox.calibration.comparable import Comparable
from farebox.calibration.subject import Subject
from farebox.config.guard_settings import JUDGE
from farebox.runtime import Runtime
from pricing import CallNote, CapturedCall, SourceError, UsageError, to_us
from pricing.reports import JudgedAnswer, judged_answers

PERSON = "review"
"""The source of ``expected`` if a reviewer overruled the judge's objection to the answer."""
_AT_ONCE = 100
_USUAL, _WIDE = 250, 80
"""Cases needed to accept a candidate that loses none of them, at a margin of 0.03 and of 0.1."""
_BLOCKED = "stopped by a guard"
_NO_JSON = "with an argument that is not JSON"
_OLD = "kept by an older version, without inputs"
_SAME = "with the same inputs as another"
_UNFIT = "whose inputs do not fit the step (any more)"
_MORE = "beyond --limit"


@dataclass(frozen=True, slots=True)
class CollectedCalls:
    """The result of collecting: the cases, and why other calls were left out.

    Args:
        key: the step, as ``automation/operation``.
        calls: how many calls are stored.
        left_out: how many calls are not used, by reason.
        cases: spread over time and outcomes; so is every prefix of them.
        best: the target whose recorded answers count as expected.
        stand_in: whether the sandbox gave these answers.
        compared: whether answers of the step can be compared at all: not if they are texts only.
    """

    key: str
    calls: int
    left_out: Mapping[str, int]
    cases: Sequence[CalibrationCase]
    best: str
    stand_in: bool
    compared: bool

    @property
    def expected_from(self) -> Mapping[str, int]:
        """How many cases have an expected answer, by its source."""
        return Counter(case.expected_from for case in self.cases if case.expected_from)


def collect(runtime: Runtime, subject: Subject, days: int, limit: int) -> CollectedCalls:
    """The cases of a step from its calls of the past days.

    Raises:
        UsageError: none of its calls is stored, or none can be a case.
    """
    since = datetime.now(UTC) - timedelta(days=days)
    notes = runtime.captures.noted_calls(subject.automation, subject.operation, since)
    old = runtime.captures.without_calls(subject.automation, subject.operation, since)
    if not notes and not old:
        raise _nothing(runtime, subject, days)
    expecting = _Expecting.of(runtime, subject, since)
    left = Counter({_OLD: old})
    chosen = list(_each_once(notes, expecting, left))
    found = map(expecting.case, _calls(runtime, _spread(chosen)))
    cases = list(islice(_fitting(subject, found, left), limit))
    if not cases:
        raise UsageError(
            f"None of {len(notes) + old} calls of {subject.key} is a case: {left_out_text(left)}.",
            next_step="Run it again with [content] kept, or write cases by hand: docs/calibration.md shows how.",
        )
    left[_MORE] = len(chosen) - len(cases) - left[_UNFIT]
    return CollectedCalls(
        subject.key,
        len(notes) + old,
        +left,
        cases,
        expecting.best,
        expecting.stand_in,
        expecting.comparable is not None,
    )


def left_out_text(left_out: Mapping[str, int]) -> str:
    """How many calls were left out, by reason, as text."""
    return ", ".join(f"{number} {why}" for why, number in left_out.items() if number)


def expected_text(found: CollectedCalls) -> str:
    """Where the expected answers come from, and how the cases are scored as a result."""
    if not found.compared:
        return "No case has an expected answer: answers of this step contain no choice, number or date to compare."
    names = {PERSON: "approved in review", found.best: f"as {found.best}, the best, answered then"}
    sources = [f"{number} {names[source]}" for source, number in found.expected_from.items()]
    number, all_of_them = sum(found.expected_from.values()), len(found.cases)
    said = f"{number} of {all_of_them} have an expected answer: {', '.join(sources)}."
    if not number:
        said = f"No case has an expected answer: only answers of {found.best}, the best, count, and none is from it."
    elif found.stand_in:
        said += " These are the sandbox's answers: they do not represent real models."
    if number < all_of_them:
        automation = found.key.partition("/")[0]
        said += (
            f" Fill `expected` into the others, or collect again after `farebox run {automation} --quality best`; "
            "else they are scored by whether the answer has its type."
        )
    return said


def cases_text(found: CollectedCalls) -> str:
    """A warning if there are too few cases; empty if there are enough."""
    if len(found.cases) >= _USUAL:
        return ""
    return f"That is few: to lock a cheaper route takes some {_WIDE} cases at --margin 0.1, some {_USUAL} at 0.03."


def write_cases(path: Path, cases: Iterable[CalibrationCase]) -> None:
    """Write the cases as JSON lines to a file that only its owner can read.

    Raises:
        UsageError: the file exists already, or cannot be written.
    """
    text = "".join(f"{case.model_dump_json(exclude_defaults=True)}\n" for case in cases)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{path} exists already.", next_step="Name another with --out, or delete it.") from None
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written ({error.strerror}).", next_step="Name another with --out."
        ) from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


@dataclass(frozen=True)
class _Expecting:
    """Which answers count as expected: those that a reviewer approved, and those of the best target."""

    best: str
    stand_in: bool
    judged: Mapping[str, JudgedAnswer]
    comparable: Comparable | None

    @classmethod
    def of(cls, runtime: Runtime, subject: Subject, since: datetime) -> _Expecting:
        runtime.replica.sync()
        comparable = Comparable(inspect.signature(subject.function).return_annotation) if subject.typed else None
        return cls(
            best=runtime.router.primary("premium").name,
            stand_in=all(target.stand_in for target in runtime.router.targets),
            judged=judged_answers(runtime.replica, JUDGE, to_us(since)),
            comparable=comparable if comparable and comparable.any else None,
        )

    def source(self, call: CallNote | CapturedCall) -> str:
        """Where the knowledge comes from that the answer is right; empty if there is none."""
        if call.outcome != "answered" or self.comparable is None or (call.stand_in and not self.stand_in):
            return ""
        judged = self.judged.get(call.turns[-1])
        if judged is not None and (judged.stands or judged.approved):
            return PERSON if judged.approved and not judged.stands else ""
        return self.best if call.target == self.best else ""

    def rank(self, call: CallNote) -> tuple[bool, bool, bool, datetime]:
        """The rank among calls with the same inputs; the highest is used."""
        source = self.source(call)
        return (source == PERSON, bool(source), call.outcome == "answered", call.at)

    def case(self, call: CapturedCall) -> CalibrationCase:
        """The case made from a call."""
        source = self.source(call)
        part = self.comparable.part(call.answer) if source and self.comparable else None
        return CalibrationCase(
            id=call.digest,
            inputs=dict(call.inputs or {}),
            expected=part,
            expected_from="" if part is None else source,
            run=call.run_id,
        )


def _each_once(notes: Iterable[CallNote], expecting: _Expecting, left: Counter[str]) -> Iterator[CallNote]:
    """One call for each set of inputs."""
    found: dict[str, list[CallNote]] = {}
    for note in notes:
        if note.outcome == "blocked":
            left[_BLOCKED] += 1
        elif not note.digest:
            left[_NO_JSON] += 1
        else:
            found.setdefault(note.digest, []).append(note)
    for same in found.values():
        left[_SAME] += len(same) - 1
        yield max(same, key=expecting.rank)


def _spread(notes: Iterable[CallNote]) -> list[str]:
    """Ids of calls, ordered so that every prefix is spread evenly over outcomes, and over time within each outcome.

    The positions of the sorted calls are taken in bit-reversed order: 0, 1/2, 1/4, 3/4, 1/8 …
    """
    ordered = sorted(notes, key=lambda note: (note.outcome, note.at, note.call_id))
    digits = max(len(ordered) - 1, 1).bit_length()
    places = sorted(range(len(ordered)), key=lambda place: f"{place:0{digits}b}"[::-1])
    return [ordered[place].call_id for place in places]


def _calls(runtime: Runtime, ids: Sequence[str]) -> Iterator[CapturedCall]:
    """The calls with these ids, in order; only one batch is in memory at a time."""
    for first in range(0, len(ids), _AT_ONCE):
        some = ids[first : first + _AT_ONCE]
        found = {call.call_id: call for call in runtime.captures.calls(some)}
        yield from (found[call_id] for call_id in some if call_id in found)


def _fitting(subject: Subject, cases: Iterable[CalibrationCase], left: Counter[str]) -> Iterator[CalibrationCase]:
    """The cases whose inputs the current version of the step accepts."""
    for case in cases:
        try:
            subject.arguments(case)
        except SourceError:
            left[_UNFIT] += 1
        else:
            yield case


def _nothing(runtime: Runtime, subject: Subject, days: int) -> UsageError:
    settings = runtime.settings.content
    if not settings.keeps(subject.automation, subject.operation):
        return UsageError(
            f"Nothing is kept of {subject.key}: content capture is off there.",
            next_step=f'Write [content] keep = ["{subject.key}"] into farebox.toml, run it, and collect then.',
        )
    days = min(days, settings.days)
    return UsageError(
        f"No call of {subject.key} is kept from the last {days} days.",
        next_step=f"Run it: farebox run {subject.automation}.",
    )
