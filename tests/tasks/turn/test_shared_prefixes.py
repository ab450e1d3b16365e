"""Turns that begin alike: in virtual time, over any interleaving of arrivals, failures, cancellations and slow answers."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.turn.shared_prefixes import SharedPrefixes
from tests.support.virtual_time import VirtualLoop

MOST, LIFE = 15.0, 300.0


@dataclass(frozen=True)
class Asked:
    """One request: when it comes, what it shares, when its answer begins and what becomes of it."""

    at: float
    key: bytes = b"k"
    first_event: float = 2.0
    ends: str = "ok"
    deadline: float = 120.0


@dataclass
class Seen:
    """What became of one: when it was sent, whether others waited for it, whether it read the cache."""

    asked: Asked
    sent: float | None = None
    first: bool = False
    read: bool = False
    over: float = 0.0
    before: list["Seen"] = field(default_factory=list)
    """Those of its key that were sent and had neither begun nor ended when it was."""


class Provider:
    """A provider whose cache can be read once an answer that wrote it has begun."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.warm: dict[bytes, float] = {}
        self.silent: list[Seen] = []

    async def answer(self, seen: Seen, began: object) -> None:
        asked, now = seen.asked, self.loop.time
        seen.read = now() < self.warm.get(asked.key, -1.0)
        seen.before = [one for one in self.silent if one.asked.key == asked.key]
        self.silent.append(seen)
        try:
            await asyncio.sleep(asked.first_event)
            if asked.ends == "fail":
                raise ConnectionError
            self.warm[asked.key] = now() + LIFE
            began()  # type: ignore[operator]
        finally:
            self.silent.remove(seen)
        await asyncio.sleep(3.0)


def play(schedule: list[Asked], most: float = MOST) -> list[Seen]:
    """All of them on one loop; raises if any of them waits for ever."""
    with virtual_loop() as loop:
        shared, provider = SharedPrefixes(most), Provider(loop)

        async def one(seen: Seen) -> None:
            await asyncio.sleep(seen.asked.at)
            try:
                with await shared.use(seen.asked.key, life=LIFE, seconds_left=seen.asked.deadline) as use:
                    seen.sent, seen.first = loop.time(), use.first
                    await provider.answer(seen, use.began)
            except ConnectionError:
                pass
            finally:
                seen.over = loop.time()

        async def all_of_them() -> list[Seen]:
            seen = [Seen(asked) for asked in schedule]
            tasks = [asyncio.ensure_future(one(each)) for each in seen]
            for task, asked in zip(tasks, schedule, strict=True):
                if asked.ends.startswith("cancel"):
                    loop.call_later(asked.at + float(asked.ends.removeprefix("cancel")), task.cancel)
            await asyncio.gather(*tasks, return_exceptions=True)
            return seen

        return loop.run_until_complete(all_of_them())


@contextmanager
def virtual_loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop()
    try:
        yield loop
    finally:
        loop.close()


def test_one_writes_and_the_others_read():
    seen = play([Asked(0.0) for _ in range(40)])
    assert [one.first for one in seen] == [True] + [False] * 39
    assert [one.read for one in seen] == [False] + [True] * 39
    assert {one.sent for one in seen[1:]} == {2.0}, "at the first event, not at the end of the first answer"


def test_a_failed_or_cancelled_first_is_replaced_at_once():
    seen = play([Asked(0.0, ends="fail"), Asked(0.1, ends="cancel2.5"), Asked(0.2), Asked(0.3), Asked(0.4)])
    assert [one.sent for one in seen] == [0.0, 2.0, 2.6, 4.6, 4.6]
    assert [one.read for one in seen] == [False, False, False, True, True]
    cancelled = play([Asked(0.0, ends="cancel1"), Asked(0.1), Asked(0.2)])
    assert [one.sent for one in cancelled] == [0.0, 1.0, 3.0]


@pytest.mark.parametrize(
    ("deadline", "most", "waited"), [(120.0, 15.0, 15.0), (20.0, 15.0, 5.0), (120.0, 0.0, 0.0), (0.0, 15.0, 0.0)]
)
def test_the_wait_is_bounded(deadline: float, most: float, waited: float):
    seen = play([Asked(0.0, first_event=600.0), Asked(0.0, deadline=deadline)], most)
    assert seen[1].sent == waited


def test_a_known_warm_prefix_is_not_waited_for_until_its_entry_has_expired():
    early, late = LIFE * 0.9 + 1.9, LIFE * 2.5
    seen = play([Asked(0.0), *(Asked(early) for _ in range(3)), *(Asked(late) for _ in range(3))])
    assert [one.sent for one in seen[1:4]] == [early] * 3
    assert sorted(one.sent or 0.0 for one in seen[4:]) == [late, late + 2.0, late + 2.0]


def test_others_do_not_wait():
    seen = play([Asked(0.0, key=b"one", first_event=9.0), Asked(0.1, key=b"two"), Asked(0.2, key=b"one")])
    assert [one.sent for one in seen] == [0.0, 0.1, 9.0]


def test_a_prefix_of_which_nothing_was_cached_is_not_waited_for_again():
    with virtual_loop() as loop:
        shared = SharedPrefixes(MOST)

        async def ask(seconds: float) -> float:
            began = loop.time()
            with await shared.use(b"k", life=LIFE, seconds_left=60.0) as use:
                waited = loop.time() - began
                await asyncio.sleep(seconds)
                use.began()
                if use.first:
                    use.found_uncached()
            return waited

        async def twice() -> list[float]:
            first = await asyncio.gather(ask(2.0), ask(2.0))
            await asyncio.sleep(2 * LIFE)
            return [*first, *await asyncio.gather(ask(2.0), ask(2.0))]

        assert loop.run_until_complete(twice()) == [0.0, 2.0, 0.0, 0.0]


def test_another_loop_begins_with_nothing():
    shared = SharedPrefixes(MOST)

    async def first() -> bool:
        with await shared.use(b"k", life=LIFE, seconds_left=60.0) as use:
            use.began()
            return use.first

    for _ in range(2):
        with virtual_loop() as loop:
            assert loop.run_until_complete(first())


times = st.integers(0, 60).map(lambda tenths: tenths / 2)
schedules = st.lists(
    st.builds(
        Asked,
        at=times,
        key=st.sampled_from([b"a", b"b"]),
        first_event=st.sampled_from([0.0, 0.5, 2.0, 14.0, 40.0]),
        ends=st.sampled_from(["ok", "ok", "ok", "fail", "cancel0.5", "cancel3", "cancel20"]),
        deadline=st.sampled_from([0.0, 4.0, 120.0]),
    ),
    max_size=12,
)


@given(schedules)
def test_any_interleaving(schedule: list[Asked]):
    for one in play(schedule):
        bound = min(MOST, one.asked.deadline / 4)
        if one.sent is None:
            assert one.asked.ends.startswith("cancel"), "all others are sent"
            assert one.over - one.asked.at <= float(one.asked.ends.removeprefix("cancel"))
            continue
        waited = one.sent - one.asked.at
        assert waited <= bound
        if one.first:
            assert not [other for other in one.before if other.first], "one writes at a time"
        elif not one.read:
            assert waited == bound, "it is sent beside one that is writing only when it has waited for long enough"
