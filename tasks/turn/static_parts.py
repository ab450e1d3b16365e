"""The static part of each request: found before it is sent, marked for the provider's cache, identified by hashes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import field, replace
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from pricing import Part, Usage, record
from tasks.providers.messages import ModelRequest
from tasks.providers.prompt_blocks import last_mark, prompt_blocks
from tasks.providers.prompt_caches import CacheRules
from tasks.providers.registry import spec_of
from tasks.routing.target import Target
from tasks.turn.shared_prefixes import LEAST_TOKENS, PrefixUse, SharedPrefixes

if TYPE_CHECKING:  # it takes longer to load than this package
    from pricing.rates import RateCard


_MARKS: Final = frozenset({"cache_control", "prompt_cache_breakpoint"})
"""Features without which a request cannot say what is to be cached."""


class TurnPlace(NamedTuple):
    """Which turn of which operation."""

    operation: str
    turn_id: str


@record(frozen=True, slots=True)
class StaticPart:
    """What a request shares with others at a target.

    Args:
        label: its hashes, as the ledger keeps them.
        rules: how the target's model caches.
        tokens: about how many it has.
        end: the last of the messages' parts that are shared, where the provider wants that to be said.
    """

    label: str
    rules: CacheRules
    tokens: int
    end: Part | None = field(default=None, repr=False)


class StaticUse:
    """One request under way, with its static part. As a context manager it ends with the block, and others go on.

    Args:
        request: it, with the end of what is shared marked where the provider wants that.
        part: its static part; None where nothing is cached.
        prefix: its place among the requests that share it; None where none waits.
    """

    __slots__ = ("_answering", "_part", "_prefix", "request")

    def __init__(self, request: ModelRequest, part: StaticPart | None = None, prefix: PrefixUse | None = None) -> None:
        marked = part is not None and part.end is not None
        self.request = replace(request, shared_end=part.end) if part is not None and marked else request
        self._part = part
        self._prefix = prefix
        self._answering = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._prefix is not None:
            self._prefix.ended()

    @property
    def label(self) -> str | None:
        """The hashes of its static part."""
        return None if self._part is None else self._part.label

    def began(self) -> None:
        """Its answer has begun: what it wrote to a cache can be read."""
        if self._prefix is not None and not self._answering:
            self._answering = True
            self._prefix.began()

    def counted(self, usage: Usage) -> None:
        """What the provider counted: where the first of several has cached nothing, no other waits."""
        if self._part is None or self._prefix is None or not (self._answering and self._prefix.first):
            return
        counts = (usage.cache_read_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens)
        if self._part.rules.marks and usage.cache_read_tokens is not None and not any(counts):
            self._prefix.found_uncached()


class StaticParts:
    """Finds static parts, and lets turns that share one wait for the first of them.

    Args:
        rates: say what writing and reading a cache costs.
        hash_key: of the hashes; asked once, off the loop.
        most_seconds: the longest that a turn waits for another; with 0 none does.
    """

    def __init__(self, rates: RateCard, hash_key: Callable[[], bytes], most_seconds: float) -> None:
        self._rates = rates
        self._hash_key = hash_key
        self._key: bytes | None = None
        self._shared = SharedPrefixes(most_seconds)

    async def use(
        self, target: Target, request: ModelRequest, turn: TurnPlace, *, text_tokens: int, seconds_left: float
    ) -> StaticUse:
        """The request, to be entered at once; given when it may be sent: now, or when the first with its static part
        has begun.

        Args:
            target: where it goes.
            request: what is sent.
            turn: whose it is.
            text_tokens: about how many tokens its text has.
            seconds_left: until its turn's deadline.
        """
        rules = spec_of(target.provider).features.caching(target.model)
        if rules is None or (rules.marks and (not request.cache or request.without & _MARKS)):
            return StaticUse(request)
        if self._key is None:
            self._key = await asyncio.to_thread(self._hash_key)
        blocks = prompt_blocks(target, request, self._key)
        parts = self._shared.shared_parts((turn.operation, target.name), turn.turn_id, blocks)
        tokens = blocks.tokens(parts, text_tokens)
        label = blocks.label(parts, tokens=tokens, minimum=rules.minimum, seconds=rules.seconds)
        end = last_mark(blocks.parts[:parts]) if rules.marks and tokens >= rules.minimum else None
        part = StaticPart(label, rules, tokens, end)
        if not self._pays(part, target):
            return StaticUse(request, part)
        key = blocks.prefix_key(parts)
        return StaticUse(request, part, await self._shared.use(key, life=rules.seconds, seconds_left=seconds_left))

    def _pays(self, part: StaticPart, target: Target) -> bool:
        """Whether reading is cheaper than writing: N requests at once cost N writes, with a first one a write and
        N - 1 reads.
        """
        if part.tokens < max(part.rules.minimum, LEAST_TOKENS):
            return False
        bands = self._rates.bands(target.model, target.provider)
        band = next(band for above, until, band in bands if above < part.tokens <= until)
        return band.cache_read < band.cache_write
