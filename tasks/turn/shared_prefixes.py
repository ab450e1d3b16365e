"""Turns that begin alike wait for the first of them: one pays for writing a prompt cache, and the others read it.

Providers can read an entry once the first answer that wrote it has begun. Of turns whose static part is the same, at
the same target, the first goes ahead; the others wait for its first event (its reply, where it is not streamed). The
wait is bounded; a first turn that fails or is cancelled is replaced by the next at once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Self

from tasks.providers.prompt_blocks import PromptBlocks

LEAST_TOKENS: Final = 512
"""A shorter static part is not waited for: what it saves is not worth the time of one answer."""
_SHARE: Final = 0.25
"""Of what is left of a turn's deadline: the most that it waits."""
_SAFE: Final = 0.9
"""Of an entry's life: for so long it is counted on."""
_UNCACHED_SECONDS: Final = 3_600.0
"""For so long nobody waits for a static part of which the provider cached nothing."""
_REMEMBERED: Final = 1_024
_REQUESTS: Final = 8
"""Requests of one operation whose messages a new one is compared with."""


@dataclass(slots=True)
class _Prefix:
    """One static part, in seconds of the loop's clock: ``written`` is set when the first turn has begun or failed,
    and None while no turn is under way; from ``warm_until`` on, and after ``useless_until``, it has to be written.
    """

    warm_until: float = float("-inf")
    useless_until: float = float("-inf")
    written: asyncio.Event | None = None

    def must_be_written(self, now: float) -> bool:
        """Whether somebody has to write it before others can read it."""
        return now >= self.warm_until and now >= self.useless_until


class PrefixUse:
    """One request with a static part that others share, while it is under way. As a context manager it ends itself: if
    that is before its answer began, the next goes first.
    """

    __slots__ = ("_life", "_prefix", "_written")

    def __init__(self, prefix: _Prefix, life: float, written: asyncio.Event | None) -> None:
        self._prefix = prefix
        self._life = life
        self._written = written

    @property
    def first(self) -> bool:
        """Whether others wait for it."""
        return self._written is not None

    def began(self) -> None:
        """Its answer has begun: the entry can be read from now on."""
        self._prefix.warm_until = asyncio.get_running_loop().time() + self._life
        self.ended()

    def found_uncached(self) -> None:
        """The provider counted nothing as read or written: the static part is not cached there."""
        self._prefix.warm_until = float("-inf")
        self._prefix.useless_until = asyncio.get_running_loop().time() + _UNCACHED_SECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ended()

    def ended(self) -> None:
        """It is over, or its answer has begun: the others go on."""
        if self._written is not None and self._prefix.written is self._written:
            self._prefix.written = None
            self._written.set()


class SharedPrefixes:
    """The static parts that turns of this process have in common, per event loop.

    Args:
        most_seconds: the longest that a turn waits for another; with 0 none does.
    """

    def __init__(self, most_seconds: float) -> None:
        self._most_seconds = most_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._prefixes: dict[bytes, _Prefix] = {}
        self._recent: dict[tuple[str, str], dict[str, PromptBlocks]] = {}
        """By operation and target the newest requests, by turn."""

    def shared_parts(self, where: tuple[str, str], turn_id: str, blocks: PromptBlocks) -> int:
        """How many leading parts of its messages a request shares with one of another turn, among the newest of its
        operation at its target (``where``).
        """
        self._of_this_loop()
        if len(self._recent) >= _REMEMBERED:
            self._recent.clear()
        recent = self._recent.setdefault(where, {})
        recent.pop(turn_id, None)
        shared = 0
        for other in reversed(recent.values()):
            shared = max(shared, blocks.shared_with(other))
            if shared == len(blocks.parts):  # no other shares more
                break
        recent[turn_id] = blocks
        if len(recent) > _REQUESTS:
            del recent[next(iter(recent))]
        return shared

    async def use(self, key: bytes, *, life: float, seconds_left: float) -> PrefixUse:
        """A request with this static part, to be entered at once; given when it may be sent.

        Args:
            key: of the static part at its target.
            life: seconds that an entry lives after it was last used.
            seconds_left: until the turn's deadline.
        """
        loop, life = self._of_this_loop(), life * _SAFE
        prefix = self._prefixes.get(key) or self._new(key, loop.time())
        give_up = loop.time() + min(self._most_seconds, _SHARE * max(0.0, seconds_left))
        while prefix.must_be_written(loop.time()):
            if prefix.written is None:
                prefix.written = asyncio.Event()
                return PrefixUse(prefix, life, prefix.written)
            if (left := give_up - loop.time()) <= 0:
                break
            try:
                async with asyncio.timeout(left):
                    await prefix.written.wait()
            except TimeoutError:
                break
        return PrefixUse(prefix, life, None)

    def _new(self, key: bytes, now: float) -> _Prefix:
        if len(self._prefixes) >= _REMEMBERED:
            self._prefixes = {
                known: one
                for known, one in self._prefixes.items()
                if one.written is not None or not one.must_be_written(now)
            }
        prefix = self._prefixes[key] = _Prefix()
        return prefix

    def _of_this_loop(self) -> asyncio.AbstractEventLoop:
        """Another loop has another clock, and its turns cannot wait for those of this: it begins with nothing."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._prefixes, self._recent = loop, {}, {}
        return loop
