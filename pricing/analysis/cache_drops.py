"""When an operation suddenly reads less of its input from prompt caches, and why.

Whether it does is asked after each run, so that the question must be right each time. The newest few runs are compared
with those before them by their ranks, and after few runs by how far they are below: if nothing had changed, any order
of all of them would be as likely as any other, whatever the shares are and however much they vary. A drop is reported
where so low an order is rare, and where it is large: also below what as many runs in a row have been before, since
shares follow the week and the load. Where the requests themselves have changed at the same time, an order that is less
rare suffices.

The cause is read from keyed hashes of what requests share: no content is looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import comb
from statistics import median
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:  # the database's library takes longer to load than all of this module
    from pricing.ledger.cache_use import CachedRequest, RunCacheUse

CacheDropCause: TypeAlias = Literal[
    "model", "place", "minimum", "tools", "schema", "system", "messages", "expired", "unknown"
]
"""What is behind a drop: another model; another region, account or address; a static part below the model's minimum;
the first block of the prompt that is not what it was; entries that expire before they are read; nothing that shows."""

_LOOKS: Final = ((3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (10, 0), (8, 1), (10, 2))
"""Newest runs, and how many of them may be as good as before."""
_UNEVEN_RUNS: Final = 8
"""So many runs in a row must be low, all of them, where long pauses are among them: a weekend is not a drop."""
_LEAST_BEFORE: Final = 5
_RARE: Final = 5e-5
"""The chance below which a drop is reported whether or not a cause shows."""
_RARE_WITH_CAUSE: Final = 2.5e-3
"""The chance below which a drop is reported whose requests differ from those before."""
_APART_RUNS: Final = 4
_APART_BEFORE: Final = 7
_APART: Final = 2.0
"""So many runs after at least so many are a drop, too, if they are below all of these by so many times the distance
between what is usual there and the lowest. Where runs are warm or cold by chance, at most two operations in a thousand
ever have such an order, while no order of few runs is rare enough."""
_LEAST_DROP: Final = 0.1
"""Of the input: a smaller drop is not reported."""
_LEAST_RATIO: Final = 0.8
"""Of what is usual, and of the lowest that as many runs in a row were before: above it, a drop is not reported. Below
the lowest it is also half of ``_LEAST_DROP``, since what is nearly nothing varies much in proportion."""
_LONG_PAUSE: Final = 3.0
"""Times the median pause between two runs: after a longer one, a run is not compared with those after usual ones."""
_RUNS_COMPARED: Final = 40
"""For how many further runs a drop that does not end is reported."""
_COMPARED_RUNS: Final = 20
"""Runs before a drop whose requests its cause is looked for in."""
_MOST: Final = 0.5
"""Of some requests: from which share on they are said to be so."""
_Part: TypeAlias = Literal["tools", "schema", "system", "messages"]
_PARTS: Final[tuple[_Part, ...]] = ("tools", "schema", "system", "messages")
_FIELDS: Final = 8


@dataclass(frozen=True, slots=True)
class CacheDrop:
    """An operation that reads less from prompt caches than it did.

    Args:
        operation: which.
        since_run: the first run of the drop.
        runs: how many runs the drop has lasted.
        before: the share of its input that was read from a cache in the runs before, 0 to 1.
        now: that of the runs since.
        cause: what is behind it, as far as it shows.
        explanation: that in a sentence.
        new: whether it shows with the newest run for the first time.
    """

    operation: str
    since_run: str
    runs: int
    before: float
    now: float
    cause: CacheDropCause
    explanation: str
    new: bool = False


def drop_length(shares: Sequence[float], rare: float = _RARE, *, even: bool = True) -> int | None:
    """How many of the newest runs read less from caches than those before; None where that may be chance.

    Args:
        shares: of each run's input what came from a cache, 0 to 1, oldest first.
        rare: the chance below which it is a drop, 0 to 1.
        even: whether they all began after usual pauses, so that fewer of them suffice.

    Example:
        >>> drop_length([0.9, 0.92, 0.88] * 8 + [0.0] * 5)
        5
        >>> drop_length([0.9, 0.0, 0.5] * 12) is None
        True
    """
    highest = max(shares, default=0.0)
    for after in range(min(_RUNS_COMPARED, len(shares))):
        if (found := drop_at_end(shares[: len(shares) - after], rare, even=even)) is not None:
            length, middle = found
            return length + after if all(share < middle for share in shares[len(shares) - after :]) else None
        if shares[-after - 1] >= _LEAST_RATIO * highest:  # no drop goes on through it
            break
    return None


def runs_dropped(uses: Sequence[RunCacheUse], rare: float = _RARE) -> int | None:
    """How many of the newest runs of an operation the drop lasts that it is in; None where it is in none.

    Runs are compared as they are, then without the first request of each, which is often cold, then only those that
    began after a usual pause: what changes with the size of runs and with nights and weekends hides no drop there.

    Args:
        uses: its newest runs, oldest first.
        rare: as of ``drop_length``.
    """
    for places, shares, even in _comparisons(uses):
        if (length := drop_length(shares, rare, even=even)) is not None:
            return len(uses) - places[-length]
    return None


def _comparisons(uses: Sequence[RunCacheUse]) -> list[tuple[Sequence[int], Sequence[float], bool]]:
    """Series of runs that may be compared: their places among all, a share of each, and whether pauses change none."""
    pauses = [later.started_at - earlier.ended_at for earlier, later in pairwise(uses)]
    longest = _LONG_PAUSE * median(pauses) if pauses else 0
    soon = [at + 1 for at, pause in enumerate(pauses) if pause <= longest]
    even = len(soon) == len(pauses)
    found: list[tuple[Sequence[int], Sequence[float], bool]] = [(range(len(uses)), [use.share for use in uses], even)]
    if later := [(at, use.later_share) for at, use in enumerate(uses) if use.later_share is not None]:
        places, shares = zip(*later, strict=True)
        found.append((places, shares, True))
    if not even:
        found.append((soon, [uses[at].share for at in soon], True))
    return found


def drop_at_end(shares: Sequence[float], rare: float = _RARE, *, even: bool = True) -> tuple[int, float] | None:
    """The drop that shows in the last of some runs for itself: how long it is, and the share halfway down."""
    for newest, exceptions in _LOOKS:
        earlier = len(shares) - newest
        if earlier < _LEAST_BEFORE or (not even and (exceptions or newest < _UNEVEN_RUNS)):
            continue
        before, now = shares[:earlier], sorted(shares[earlier:])
        highest = now[newest - 1 - exceptions]
        low = sum(share <= highest for share in shares)
        apart = newest >= _APART_RUNS and not exceptions and _is_apart(before, now[-1])
        if not apart and _chance(len(shares), low, newest, newest - exceptions) >= rare:
            continue
        typical, usual = median(now), median(before)
        if typical > min(usual - _LEAST_DROP, _LEAST_RATIO * usual):
            continue
        lowest, middle = _lowest(before, newest), (usual + typical) / 2
        if typical <= min(lowest - _LEAST_DROP / 2, _LEAST_RATIO * lowest) and shares[-1] < middle:
            return _extended(shares, newest, middle), middle
    return None


def _is_apart(before: Sequence[float], highest: float) -> bool:
    """Whether runs up to ``highest`` are below all before, by more than chance explains although there were few."""
    lowest = min(before)
    return len(before) >= _APART_BEFORE and lowest - highest > _APART * (median(before) - lowest)


def _lowest(shares: Sequence[float], runs: int) -> float:
    """The lowest that so many runs in a row have been: what comes and goes, with the week or the load, is usual."""
    return min((median(shares[at : at + runs]) for at in range(len(shares) - runs + 1)), default=1.0)


def _chance(runs: int, low: int, newest: int, least: int) -> float:
    """That of the ``newest`` of all runs at least ``least`` are among the ``low`` lowest, if any order is as likely."""
    ways = sum(comb(low, some) * comb(runs - low, newest - some) for some in range(least, min(low, newest) + 1))
    return ways / comb(runs, newest)


def _extended(shares: Sequence[float], newest: int, middle: float) -> int:
    """The drop from its first run on: that before it is nearer to what was usual."""
    length = newest
    while length < len(shares) - _LEAST_BEFORE and shares[-length - 1] < middle:
        length += 1
    return length


Requests: TypeAlias = "Callable[[Sequence[str]], Sequence[CachedRequest]]"
"""Reads an operation's requests in some runs, by their ids, in the order in which they were sent."""


def find_drop(uses: Sequence[RunCacheUse], requests: Requests) -> CacheDrop | None:
    """The drop that one operation is in, with its cause; None where there is none.

    Args:
        uses: its newest runs, oldest first.
        requests: reads its requests in some runs.
    """
    drop = _drop(uses, requests)
    return drop and replace(drop, new=_drop(uses[:-1], requests) is None)


def _drop(uses: Sequence[RunCacheUse], requests: Requests) -> CacheDrop | None:
    certain = runs_dropped(uses)
    length = certain or runs_dropped(uses, _RARE_WITH_CAUSE)
    if length is None:
        return None
    before, since = uses[:-length], uses[-length:]
    usual, now = _share(before), _share(since)
    if now >= usual:
        return None
    compared = [use.run_id for use in (*before[-_COMPARED_RUNS:], *since[:_COMPARED_RUNS])]
    known = {use.run_id for use in since}
    sent = [_Sent.of(one) for one in requests(compared)]
    cause, text = explain(
        [one for one in sent if one.request.run_id not in known], [one for one in sent if one.request.run_id in known]
    )
    if certain is None and cause in _COMES_AND_GOES:
        return None
    return CacheDrop(since[0].operation, since[0].run_id, length, usual, now, cause, text)


_COMES_AND_GOES: Final[frozenset[CacheDropCause]] = frozenset({"expired", "unknown"})
"""Causes that do not by themselves say that something has changed for good: runs are rarer at weekends too."""


def _share(uses: Sequence[RunCacheUse]) -> float:
    return sum(use.read_tokens for use in uses) / sum(use.input_tokens for use in uses)


@dataclass(frozen=True, slots=True)
class _Sent:
    """One request, its ``prompt_parts`` read: tokens, minimum and seconds, then hashes by name."""

    request: CachedRequest
    tokens: int = 0
    minimum: int = 0
    seconds: int = 0
    hashes: tuple[str, ...] = ()

    @classmethod
    def of(cls, request: CachedRequest) -> _Sent:
        fields = (request.prompt_parts or "").split(".")
        if len(fields) != _FIELDS:
            return cls(request)
        tokens, minimum, seconds = map(int, fields[:3])
        return cls(request, tokens, minimum, seconds, tuple(fields[3:]))

    @property
    def model(self) -> str:
        """Who was asked."""
        return f"{self.request.model} ({self.request.target})"

    def part(self, name: _Part) -> str:
        """The hash of a part."""
        return self.hashes[1 + _PARTS.index(name)] if self.hashes else ""


def explain(before: Sequence[_Sent], since: Sequence[_Sent]) -> tuple[CacheDropCause, str]:
    """The cause of a drop: the first that shows, in the order in which a prompt is read."""
    if not before or not since:
        return "unknown", "What its requests shared before is not known."
    if (found := _other_model(before, since)) is not None:
        return found
    before, since = ([one for one in some if one.hashes] for some in (before, since))
    if not before or not since:
        return "unknown", "Its requests tell nothing of what they share, as those that are sent in a batch do not."
    for look in (_other_place, _below_minimum, _other_part, _expired):
        if (found := look(before, since)) is not None:
            return found
    return "unknown", (
        "The static part of its prompts is the same as before, and was sent again in time. The provider may have "
        "dropped its entries, or requests that were sent together have each written one."
    )


def _other_model(before: Sequence[_Sent], since: Sequence[_Sent]) -> tuple[CacheDropCause, str] | None:
    known = {(one.request.target, one.request.model) for one in before}
    others = [one for one in since if (one.request.target, one.request.model) not in known]
    if len(others) <= _MOST * len(since):
        return None
    caches = "" if any(one.hashes for one in others) else ", which caches nothing"
    return (
        "model",
        f"Its requests go to {_usual(others, _model)}{caches}; before, they went to {_usual(before, _model)}.",
    )


def _other_place(before: Sequence[_Sent], since: Sequence[_Sent]) -> tuple[CacheDropCause, str] | None:
    known = {one.hashes[0] for one in before if one.hashes}
    others = [one for one in since if one.hashes and one.hashes[0] not in known]
    if not known or len(others) <= _MOST * len(since):
        return None
    return "place", (
        f"Its requests to {_usual(others, _model)} go to another region, account or address than before: caches are "
        "not shared between them."
    )


def _below_minimum(before: Sequence[_Sent], since: Sequence[_Sent]) -> tuple[CacheDropCause, str] | None:
    def short(some: Sequence[_Sent]) -> list[_Sent]:
        return [one for one in some if one.hashes and one.tokens < one.minimum]

    now = short(since)
    if len(now) <= _MOST * len(since) or len(short(before)) > _MOST * len(before):
        return None
    tokens, minimum = (
        round(median(values)) for values in zip(*((one.tokens, one.minimum) for one in now), strict=True)
    )
    return "minimum", (
        f"The static part of its prompts has about {tokens:,} tokens now, and {_usual(now, _model)} caches from "
        f"{minimum:,} on; before, it had about {round(median(one.tokens for one in before if one.hashes)):,}."
    )


def _other_part(before: Sequence[_Sent], since: Sequence[_Sent]) -> tuple[CacheDropCause, str] | None:
    """The first part of the prompt that is not what it was; one that changes all the time rather than once."""
    for name in _PARTS:
        text = _NAMES[name]
        was, now = _changes(before, name), _changes(since, name)
        if now.inside > _MOST and was.inside <= _MOST:
            return name, f"{text} from request to request, and did not before: a date, an id or an order in it varies."
        if now.between > _MOST and was.between <= _MOST:
            return name, f"{text} from run to run, and did not before: a date, an id or an order in it varies."
    for name in _PARTS[:3]:
        known = {one.part(name) for one in before}
        if sum(one.part(name) not in known for one in since) > _MOST * len(since):
            return name, f"{_NAMES[name]} with this run: it is another than before."
    return None


_NAMES: Final[dict[_Part, str]] = {
    "tools": "The list of tools changes",
    "schema": "The schema of its answers changes",
    "system": "A value in the system text changes",
    "messages": "The beginning of its messages changes",
}


@dataclass(frozen=True, slots=True)
class _Changes:
    """The share of requests whose part is another than that of the request before: inside a run, and between two."""

    inside: float
    between: float


def _changes(some: Sequence[_Sent], name: _Part) -> _Changes:
    inside, between = Counter[bool](), Counter[bool]()
    for earlier, later in pairwise(some):
        counted = inside if earlier.request.run_id == later.request.run_id else between
        counted[earlier.part(name) != later.part(name)] += 1
    return _Changes(*(counts[True] / counts.total() if counts else 0.0 for counts in (inside, between)))


def _expired(before: Sequence[_Sent], since: Sequence[_Sent]) -> tuple[CacheDropCause, str] | None:
    """Whether runs come later after one another than an entry lives."""

    def gaps(some: Sequence[_Sent]) -> list[tuple[float, int]]:
        pairs = [(a, b) for a, b in pairwise(some) if a.request.run_id != b.request.run_id]
        return [((b.request.started_at - a.request.ended_at) / 1e6, b.seconds) for a, b in pairs if b.seconds]

    def late(found: Sequence[tuple[float, int]]) -> float:
        return sum(gap > seconds for gap, seconds in found) / len(found) if found else 0.0

    now, was = gaps(since), gaps(before)
    if late(now) <= _MOST or late(was) > _MOST:
        return None
    longer = [(gap, seconds) for gap, seconds in now if gap > seconds]
    return "expired", (
        f"Its runs come {_minutes(median(gap for gap, _ in longer))} after one another, and an entry lives for "
        f"{_minutes(median(seconds for _, seconds in longer))}: it has expired before it is read."
    )


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:,.0f} minutes" if seconds < 7_200 else f"{seconds / 3_600:,.0f} hours"  # noqa: PLR2004 - two hours


def _model(one: _Sent) -> str:
    return one.model


def _usual(some: Sequence[_Sent], of: Callable[[_Sent], str]) -> str:
    return Counter(map(of, some)).most_common(1)[0][0]
