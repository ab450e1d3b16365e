"""Cases out of recorded runs: what content capture kept of a step's calls, sampled, each once.

A case is a call's inputs, not what a prompt made of them: so it can be tried on a new prompt, and an agent runs its
tools anew. What was masked stays masked; models are shown the mask.
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
"""Where ``expected`` comes from when a person found the judge's objection to the answer wrong."""
_AT_ONCE = 100
_USUAL, _WIDE = 250, 80
"""Cases that it takes to find a candidate good enough that never loses one, with a margin of 0.03 and of 0.1."""
_BLOCKED = "stopped by a guard"
_NO_JSON = "with an argument that is no JSON"
_OLD = "kept by an older version, without inputs"
_SAME = "with the same inputs as another"
_UNFIT = "whose inputs do not fit the step (any more)"
_MORE = "beyond --limit"


@dataclass(frozen=True, slots=True)
class CollectedCalls:
    """What became of the calls that are kept.

    Args:
        key: the step, as ``automation/operation``.
        calls: how many there are; ``left_out`` is why how many of them are no cases.
        cases: spread over time and outcomes; so is every beginning of them.
        best: the target whose recorded answers are taken as expected.
        stand_in: whether these were the sandbox's.
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
        """How many cases say what is expected, by where it comes from."""
        return Counter(case.expected_from for case in self.cases if case.expected_from)


def collect(runtime: Runtime, subject: Subject, days: int, limit: int) -> CollectedCalls:
    """The cases of a step from its calls of the last days.

    Raises:
        UsageError: nothing is kept of it, or nothing that is a case.
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
            f"None of {len(notes) + old} calls of {subject.key} is a case: {told(left)}.",
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


def told(left_out: Mapping[str, int]) -> str:
    """Why how many are no cases, in words."""
    return ", ".join(f"{number} {why}" for why, number in left_out.items() if number)


def told_expected(found: CollectedCalls) -> str:
    """What the cases say of the answers that are right, and how they are scored therefore."""
    if not found.compared:
        return "None says what is expected: in answers of this step no choice, number or date can be compared."
    names = {PERSON: "approved in review", found.best: f"as {found.best}, the best, answered then"}
    sources = [f"{number} {names[source]}" for source, number in found.expected_from.items()]
    number, all_of_them = sum(found.expected_from.values()), len(found.cases)
    said = f"{number} of {all_of_them} say what is expected: {', '.join(sources)}."
    if not number:
        said = f"None says what is expected: only answers of {found.best}, the best, are taken, and none is from it."
    elif found.stand_in:
        said += " These are the sandbox's answers: they say nothing of models."
    if number < all_of_them:
        automation = found.key.partition("/")[0]
        said += (
            f" Fill `expected` into the others, or collect again after `farebox run {automation} --quality best`; "
            "else they are scored by whether the answer has its type."
        )
    return said


def told_number(found: CollectedCalls) -> str:
    """Whether there are enough cases; nothing where there are."""
    if len(found.cases) >= _USUAL:
        return ""
    return f"That is few: to lock a cheaper route takes some {_WIDE} cases at --margin 0.1, some {_USUAL} at 0.03."


def write_cases(path: Path, cases: Iterable[CalibrationCase]) -> None:
    """Write them as JSON lines into a file that only its owner reads.

    Raises:
        UsageError: it is there already, or cannot be written.
    """
    text = "".join(f"{case.model_dump_json(exclude_defaults=True)}\n" for case in cases)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{path} is there already.", next_step="Name another with --out, or delete it.") from None
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written ({error.strerror}).", next_step="Name another with --out."
        ) from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


@dataclass(frozen=True)
class _Expecting:
    """Which answers are taken as expected: those that a person approved, and those of the best target."""

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
        """Who says that the answer is right; empty where nobody does."""
        if call.outcome != "answered" or self.comparable is None or (call.stand_in and not self.stand_in):
            return ""
        judged = self.judged.get(call.turns[-1])
        if judged is not None and (judged.stands or judged.approved):
            return PERSON if judged.approved and not judged.stands else ""
        return self.best if call.target == self.best else ""

    def rank(self, call: CallNote) -> tuple[bool, bool, bool, datetime]:
        """Of several calls with the same inputs the highest is taken."""
        source = self.source(call)
        return (source == PERSON, bool(source), call.outcome == "answered", call.at)

    def case(self, call: CapturedCall) -> CalibrationCase:
        """A call's case."""
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
    """One call of each inputs."""
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
    """Ids of calls in an order of which every beginning is spread evenly over outcomes, and over time within each.

    The places of the sorted calls are taken by their binary digits, the last one first: 0, 1/2, 1/4, 3/4, 1/8 …
    """
    ordered = sorted(notes, key=lambda note: (note.outcome, note.at, note.call_id))
    digits = max(len(ordered) - 1, 1).bit_length()
    places = sorted(range(len(ordered)), key=lambda place: f"{place:0{digits}b}"[::-1])
    return [ordered[place].call_id for place in places]


def _calls(runtime: Runtime, ids: Sequence[str]) -> Iterator[CapturedCall]:
    """The calls of these ids, in their order, no more of them in memory than are read at once."""
    for first in range(0, len(ids), _AT_ONCE):
        some = ids[first : first + _AT_ONCE]
        found = {call.call_id: call for call in runtime.captures.calls(some)}
        yield from (found[call_id] for call_id in some if call_id in found)


def _fitting(subject: Subject, cases: Iterable[CalibrationCase], left: Counter[str]) -> Iterator[CalibrationCase]:
    """The cases whose inputs the step takes as it is now."""
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
