"""Waves of a run: the turns that wait for batches, sent together once the run can do nothing without them.

A run is quiet when every turn under way in it waits for a batch, and every step under way has one that does. After a
short time of that its waiting turns are submitted as one wave: a batch for each target. The next turns of agents and of
later steps are the next wave. All of it runs on the process's one event loop.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from pricing import LedgerError, now_us, record
from pricing.db import after_fork
from tasks.routing.target import Target

if TYPE_CHECKING:  # the database's library takes longer to load than this package
    from pricing.ledger import Batch, BatchAttempt
    from tasks.batches import BatchLine


_log = logging.getLogger(__name__)

WaitMode: TypeAlias = Literal["here", "suspended"]
"""Where a run waits for its batches: in its process, or suspended, without any."""
_US: Final = 1_000_000


@record(frozen=True, slots=True)
class WaveSettings:
    """When waves are sent and looked for.

    Args:
        settle_seconds: how long a run is quiet before its wave is sent.
        longest_settle_seconds: after so many a wave is sent although a step is busy with something else.
        poll_seconds: between the first two looks at a batch; each next pause is half as long again.
        longest_poll_seconds: the longest pause.
        reserve_seconds: of the time until a run is due, what is kept for asking live; a quarter of it at most.
        most_lines: of one batch.
        clock: microseconds since 1970; tests pass their own.
    """

    settle_seconds: float = 0.5
    longest_settle_seconds: float = 60.0
    poll_seconds: float = 30.0
    longest_poll_seconds: float = 600.0
    reserve_seconds: float = 900.0
    most_lines: int = 1_000
    clock: Callable[[], int] = now_us


@record(frozen=True, slots=True)
class QueuedLine:
    """A turn's request that the next wave takes along. ``target`` is as it is reached."""

    target: Target
    line: BatchLine
    attempt: BatchAttempt


@record(frozen=True, slots=True)
class WaveNews:
    """What a watcher of a run receives about its batches: how many lines wait, and since when.

    ``expected_at`` is when they are expected, from past batches; ``None`` where nothing is known. Times are
    microseconds UTC.
    """

    run_id: str
    waiting: int
    done: int
    since: int
    due_at: int
    expected_at: int | None = None
    fault: str | None = None


@dataclass(slots=True)
class _Waiting:
    """A line that somebody waits for."""

    label: str
    done: asyncio.Future[BatchAttempt | None]


Submit: TypeAlias = Callable[["RunWaves", Sequence[QueuedLine]], Awaitable[None]]
Visit: TypeAlias = "Callable[[str], Awaitable[Batch]]"
LinesOf: TypeAlias = "Callable[[str], list[BatchAttempt]]"
Expected: TypeAlias = "Callable[[Batch], int | None]"


@dataclass(eq=False)
class RunWaves:
    """The waves of one execution of one run.

    Args:
        run_id: the run's.
        due_at: when it is due, in microseconds UTC.
        mode: where it waits.
        settings: when waves are sent and looked for.
        submit: sends a wave.
        visit: does what is due of one batch, by its label.
        lines_of: the lines of a batch as the ledger has them.
        leave: the exception that ends a turn whose run is suspended.
        notify: called with the progress of the batches.
        expected: when a batch is expected back, in microseconds UTC.
    """

    run_id: str
    due_at: int
    mode: WaitMode
    settings: WaveSettings
    submit: Submit
    visit: Visit
    lines_of: LinesOf
    leave: Callable[[], BaseException]
    notify: Callable[[WaveNews], None] = lambda _news: None
    expected: Expected = lambda _batch: None
    suspended: bool = False
    """Whether its turns have left, and the run is to be suspended."""
    _turns: int = 0
    _parked: int = 0
    _queue: list[QueuedLine] = field(default_factory=list)
    _lines: dict[str, _Waiting] = field(default_factory=dict)
    _changed: float = 0.0
    _first: float | None = None
    _watching: asyncio.Task[None] | None = None
    _polling: asyncio.Task[None] | None = None
    _sent: set[str] = field(default_factory=set)
    _moments: set[int] = field(default_factory=set)

    @property
    def cancel_at(self) -> int:
        """From when on a batch that is sent now is cancelled, to leave time for asking live."""
        return self.due_at - self._reserve

    @property
    def leave_at(self) -> int:
        """From when on its run waits no longer, whether or not the cancelled batch has ended."""
        return self.due_at - self._reserve // 2

    @property
    def _reserve(self) -> int:
        left = max(0, self.due_at - self.settings.clock())
        return min(round(self.settings.reserve_seconds * _US), left // 4)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A turn of the run, for as long as the block lasts.

        Raises:
            BaseException: the run is being suspended.
        """
        if self.suspended:
            raise self.leave()
        self._turns += 1
        self._touch()
        try:
            yield
        finally:
            self._turns -= 1
            self._touch()

    async def ask(self, queued: QueuedLine, call: StepCall | None = None) -> BatchAttempt | None:
        """Wait for a new line of a step's ``call``; how it ended, ``None`` where it was not back in time.

        Raises:
            BaseException: the run is being suspended.
        """
        line_id = queued.attempt.line_id
        self._queue.append(queued)
        try:
            return await self._wait(line_id, queued.attempt.label, call)
        finally:
            self._queue = [one for one in self._queue if one.attempt.line_id != line_id]

    async def attach(self, line: BatchAttempt, call: StepCall | None = None) -> BatchAttempt | None:
        """Wait for a line that an older execution of the run has sent; likewise."""
        self._sent.add(line.line_id)
        return await self._wait(line.line_id, line.label, call)

    async def pause(self, seconds: float, call: StepCall | None = None) -> None:
        """Wait before a question is put into another batch; nothing else of the run waits for that."""
        with self._waits(call):
            await asyncio.sleep(seconds)

    def was_sent(self, line_id: str) -> bool:
        """Whether a line is on its way, so that a caller that stops waiting for it has not ended its turn."""
        return line_id in self._sent

    def sent_as(self, line_id: str, label: str) -> None:
        """Note which batch a line is in."""
        if (waiting := self._lines.get(line_id)) is not None:
            waiting.label = label

    def end(self, line: BatchAttempt) -> None:
        """A line has ended: its waiting caller continues."""
        waiting = self._lines.get(line.line_id)
        if waiting is not None and not waiting.done.done():
            waiting.done.set_result(line)

    def suspend(self) -> None:
        """Have every turn that waits leave: the run is suspended, or left by its user."""
        self.suspended = True
        for waiting in list(self._lines.values()):
            if not waiting.done.done():
                waiting.done.set_exception(self.leave())

    def close(self) -> None:
        """The execution is over: nothing is sent or looked for any more."""
        for task in (self._watching, self._polling):
            if task is not None:
                task.cancel()

    def _touch(self) -> None:
        self._changed = asyncio.get_running_loop().time()

    @contextmanager
    def _waits(self, call: StepCall | None) -> Iterator[None]:
        """A turn that waits, for as long as the block lasts."""
        self._parked += 1
        if call is not None:
            call.count(1)
        self._touch()
        try:
            yield
        finally:
            self._parked -= 1
            if call is not None:
                call.count(-1)
            self._touch()

    async def _wait(self, line_id: str, label: str, call: StepCall | None) -> BatchAttempt | None:
        if self.suspended:
            raise self.leave()
        loop = asyncio.get_running_loop()
        waiting = self._lines[line_id] = _Waiting(label, loop.create_future())
        self._first = self._first if self._first is not None else loop.time()
        with self._waits(call):
            if self._watching is None or self._watching.done():
                self._watching = loop.create_task(self._watch())
            try:
                return await waiting.done
            finally:
                del self._lines[line_id]

    # Quiet -----------------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Send a wave whenever the run is quiet, as long as any turn waits."""
        loop, settle = asyncio.get_running_loop(), self.settings.settle_seconds
        while self._lines and not self.suspended:
            pause = settle - (loop.time() - self._changed)
            if pause > 0:
                await asyncio.sleep(pause)
                continue
            waited = loop.time() - (self._first or loop.time())
            quiet = self._turns == self._parked and not self._is_busy()
            if not quiet and waited < self.settings.longest_settle_seconds:
                await asyncio.sleep(settle)
                continue
            if not self._queue and self._polling is not None and not self._polling.done():
                await asyncio.sleep(settle)
                continue
            await self._send()

    def _is_busy(self) -> bool:
        """Whether a step under way has no turn that waits."""
        return any(not call.waits for call in steps_under_way(self.run_id))

    async def _send(self) -> None:
        """Submit what is queued, then wait for it where the run waits."""
        queued, self._queue = self._queue, []
        self._first = None
        self._sent.update(one.attempt.line_id for one in queued)
        if queued:
            try:
                await self.submit(self, queued)
            except BaseException as error:
                for one in queued:
                    waiting = self._lines.get(one.attempt.line_id)
                    if waiting is not None and not waiting.done.done():
                        waiting.done.set_exception(error)
                if not isinstance(error, Exception):
                    raise
                return
        if not any(not waiting.done.done() for waiting in self._lines.values()):
            await asyncio.sleep(0)
            return
        if self.mode == "suspended":
            if all(not waiting.done.done() for waiting in self._lines.values()):
                self.suspend()
            return
        if self._polling is None or self._polling.done():
            self._polling = asyncio.get_running_loop().create_task(self._poll())

    # Waiting here ----------------------------------------------------------------------------------------------------

    async def _poll(self) -> None:
        """Look at the batches until nobody waits for them."""
        pause, known = self.settings.poll_seconds, set[str]()
        since = self.settings.clock()
        while labels := {one.label for one in self._lines.values() if one.label}:
            if labels - known:  # a new wave: it may be back soon
                pause, known = self.settings.poll_seconds, known | labels
            for label in sorted(labels):
                try:
                    await self._look(label, since)
                except (LedgerError, LookupError):
                    continue
                except Exception as error:  # noqa: BLE001 - looked at again: its run must not wait for ever
                    _log.error("Batch %s cannot be looked at: %s", label, type(error).__name__)
            now = self.settings.clock()
            ahead = [(moment - now) / _US for moment in self._moments if moment > now]
            await asyncio.sleep(max(0.01, min([pause, *ahead])))
            pause = min(self.settings.longest_poll_seconds, 1.5 * pause)

    async def _look(self, label: str, since: int) -> None:
        batch = await self.visit(label)
        self._moments |= {batch.cancel_at, batch.leave_at}
        for line in await asyncio.to_thread(self.lines_of, label):
            if line.state != "open":
                self.end(line)
            elif self.settings.clock() >= batch.leave_at:
                waiting = self._lines.get(line.line_id)
                if waiting is not None and not waiting.done.done():
                    waiting.done.set_result(None)
        left = sum(not one.done.done() for one in self._lines.values())
        sent = batch.submitted_at or since
        news = WaveNews(self.run_id, left, batch.completed, sent, self.due_at, self.expected(batch), batch.fault)
        self.notify(news)


class Suspended(BaseException):
    """Ends a turn whose run is suspended until its batches are back."""


class Waves:
    """The waves of the runs of this process.

    Args:
        settings: when they are sent and looked for.
        submit: sends one.
        visit: does what is due of one batch.
        lines_of: the lines of a batch as the ledger has them.
        notify: called with the progress of a run's batches.
        expected: when a batch is expected back, in microseconds UTC.
    """

    def __init__(
        self,
        settings: WaveSettings,
        submit: Submit,
        visit: Visit,
        lines_of: LinesOf,
        *,
        notify: Callable[[WaveNews], None] = lambda _news: None,
        expected: Expected = lambda _batch: None,
    ) -> None:
        self.settings = settings
        self._submit = submit
        self._visit = visit
        self._lines_of = lines_of
        self._notify = notify
        self._expected = expected
        self._reset()
        after_fork(self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[tuple[str, int], RunWaves] = {}

    def open(
        self,
        run_id: str,
        execution: int,
        due_at: int,
        mode: WaitMode = "here",
        leave: Callable[[], BaseException] = Suspended,
    ) -> RunWaves:
        """Those of one execution of a run; opened once, by the first caller.

        Args:
            run_id: the run's.
            execution: its number.
            due_at: when it is due, in microseconds UTC.
            mode: where it waits.
            leave: makes the exception that ends its turns when it is suspended.
        """
        with self._lock:
            found = self._runs.get((run_id, execution))
            if found is None:
                made = RunWaves(
                    run_id,
                    due_at,
                    mode,
                    self.settings,
                    self._submit,
                    self._visit,
                    self._lines_of,
                    leave,
                    self._notify,
                    self._expected,
                )
                found = self._runs[run_id, execution] = made
            return found

    def find(self, run_id: str, execution: int) -> RunWaves | None:
        """Those of one execution of a run, if they were opened."""
        with self._lock:
            return self._runs.get((run_id, execution))

    def close(self, run_id: str, execution: int) -> RunWaves | None:
        """The execution is over. What was open, to be closed on its loop."""
        with self._lock:
            return self._runs.pop((run_id, execution), None)


# Steps under way -----------------------------------------------------------------------------------------------------


@dataclass(eq=False, slots=True)
class StepCall:
    """One call of a step that is under way; it waits while a turn of it, or of a step that it called, does."""

    outer: StepCall | None = None
    waiting: int = 0

    @property
    def waits(self) -> bool:
        """Whether it waits for a batch."""
        return self.waiting > 0

    def count(self, change: int) -> None:
        """Note that a turn begins (1) or ends (-1) to wait, here and in every call around."""
        call: StepCall | None = self
        while call is not None:
            call.waiting += change
            call = call.outer


_STEPS: dict[str, set[StepCall]] = defaultdict(set)
_LOCK = threading.Lock()


def steps_under_way(run_id: str) -> list[StepCall]:
    """The calls of steps that are under way in a run, in this process."""
    with _LOCK:
        return list(_STEPS.get(run_id, ()))


@contextmanager
def step_under_way(run_id: str, call: StepCall) -> Iterator[None]:
    """A call of a step, for as long as the block lasts."""
    with _LOCK:
        _STEPS[run_id].add(call)
    try:
        yield
    finally:
        with _LOCK:
            _STEPS[run_id].discard(call)
            if not _STEPS[run_id]:
                del _STEPS[run_id]


IN_TURN: ContextVar[bool] = ContextVar("farebox_in_turn", default=False)
"""Whether the code is a part of a turn: what a guard asks is not batched, since its turn would wait for it."""
