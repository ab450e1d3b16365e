"""Prompt caching as the providers do it, in the memory of one sandbox.

Marked (Anthropic, Bedrock, OpenAI from 5.6 on): the request says where a static prefix ends; the longest prefix written
before is read, the rest up to the last mark is written. Automatic (OpenAI before, Groq, Gemini): prefixes in steps of
128 tokens, without a fee for writing. What a request writes can be read once its answer has begun, and not before: of
requests that are sent together each writes, and none reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from tasks.providers import spec_of
from tasks.providers.prompt_caches import CacheRules
from tasks.sandbox.protocol import Lifetime, PromptSegment, Provider
from tasks.sandbox.tokens import count_tokens, token_ends

_UNKNOWN_MODEL: Final = CacheRules(1_024)
"""Of models that no provider has."""
_LIFETIME: Final[dict[Lifetime, float]] = {"5m": 300.0, "30m": 1_800.0, "1h": 3_600.0}
_SWEEP_AT: Final = 10_000
_Key = tuple[str, bytes]


def rules_of(provider: Provider, model: str) -> CacheRules:
    """The caching rules of a model, those of its provider."""
    return spec_of(provider).features.caching(model) or _UNKNOWN_MODEL


@dataclass(frozen=True, slots=True)
class PromptCacheUse:
    """Tokens of one prompt that were read from the cache or are written to it, by lifetime.

    ``entries`` can be read by others from :meth:`PromptCache.publish` on.
    """

    read: int = 0
    write_5m: int = 0
    write_1h: int = 0
    entries: tuple[tuple[_Key, float], ...] = field(default=(), repr=False)


@dataclass(slots=True)
class _Entry:
    seconds: float
    until: float


class PromptCache:
    """The cached prefixes, by scope (target and model).

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[_Key, _Entry] = {}

    def marked(self, scope: str, segments: Sequence[PromptSegment], minimum: int) -> PromptCacheUse:
        """Use of the cache by a prompt whose segments carry marks; see ``PromptSegment.cache``.

        Args:
            scope: whose cache it is.
            segments: the prompt.
            minimum: tokens below which nothing is cached.
        """
        last = max((index for index, segment in enumerate(segments) if segment.cache), default=-1)
        if last < 0:
            return PromptCacheUse()
        boundaries = list(_boundaries(segments[: last + 1]))
        read = self._longest(scope, [(key, tokens) for key, tokens, _ in boundaries])
        written: dict[Lifetime, int] = dict.fromkeys(_LIFETIME, 0)
        counted, entries = read, []
        for key, tokens, lifetime in boundaries:
            if lifetime is None or tokens < minimum:
                continue
            if tokens > counted:
                written[lifetime] += tokens - counted
                counted = tokens
            entries.append(((scope, key), _LIFETIME[lifetime]))
        return PromptCacheUse(read, written["5m"] + written["30m"], written["1h"], tuple(entries))

    def automatic(self, scope: str, prompt: str, rules: CacheRules) -> PromptCacheUse:
        """Use of the cache by a prompt without marks: reads only, since writes cost nothing extra there."""
        ends = token_ends(prompt)
        digest = blake2b(digest_size=16)
        start, prefixes = 0, list[tuple[bytes, int]]()
        for tokens in range(rules.minimum, len(ends) + 1, rules.step):
            digest.update(prompt[start : ends[tokens - 1]].encode("utf-8", "surrogatepass"))
            start = ends[tokens - 1]
            prefixes.append((digest.digest(), tokens))
        read = self._longest(scope, prefixes)
        return PromptCacheUse(read, entries=tuple(((scope, key), rules.seconds) for key, _ in prefixes))

    def publish(self, use: PromptCacheUse) -> None:
        """Make the entries of a request readable: its answer has begun."""
        now = self._clock()
        if len(self._entries) >= _SWEEP_AT:
            self._entries = {key: entry for key, entry in self._entries.items() if entry.until > now}
        for key, seconds in use.entries:
            known = self._entries.get(key)
            longest = max(seconds, known.seconds) if known is not None and known.until > now else seconds
            self._entries[key] = _Entry(longest, now + longest)

    def _longest(self, scope: str, prefixes: Sequence[tuple[bytes, int]]) -> int:
        """Tokens of the longest cached prefix; reading renews its lifetime."""
        now = self._clock()
        for key, tokens in reversed(prefixes):
            entry = self._entries.get((scope, key))
            if entry is not None and entry.until > now:
                entry.until = now + entry.seconds
                return tokens
        return 0


def _boundaries(segments: Sequence[PromptSegment]) -> Iterator[tuple[bytes, int, Lifetime | None]]:
    """After each segment: the digest of all up to there, its tokens, and the lifetime if it is marked."""
    digest = blake2b(digest_size=16)
    tokens = 0
    for segment in segments:
        text = segment.text.encode("utf-8", "surrogatepass")
        digest.update(len(text).to_bytes(8, "big") + text)
        tokens += count_tokens(segment.text)
        yield digest.digest(), tokens, segment.cache
