"""Prompt caching as the providers do it, in the memory of one sandbox.

Explicit (Anthropic, Bedrock): the request marks where a static prefix ends; the longest prefix written before is read,
the rest up to the last mark is written. Automatic (OpenAI, Groq): prefixes of 1,024 tokens and more, in steps of 128.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from tasks.sandbox.protocol import Segment
from tasks.sandbox.tokens import count_tokens, token_ends

MINIMUM: Final = 1024
"""Tokens below which nothing is cached, silently, as at the providers."""

_STEP: Final = 128
_LIFETIME: Final = {"5m": 300.0, "1h": 3600.0}
_SWEEP_AT: Final = 10_000


@dataclass(frozen=True, slots=True)
class CacheUse:
    """Tokens of one prompt that were read from the cache or written to it, by lifetime."""

    read: int = 0
    write_5m: int = 0
    write_1h: int = 0


class PromptCache:
    """What was cached, by scope (target and model), prefix and expiry.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._expiry: dict[tuple[str, bytes], float] = {}

    def explicit(self, scope: str, segments: Sequence[Segment]) -> CacheUse:
        """Use of the cache by a prompt whose segments carry marks; see ``Segment.cache``."""
        last = max((index for index, segment in enumerate(segments) if segment.cache), default=-1)
        if last < 0:
            return CacheUse()
        now = self._clock()
        boundaries = list(_boundaries(segments[: last + 1]))
        read, refreshed = self._longest(scope, [(key, tokens) for key, tokens, _ in boundaries], now)
        written = {"5m": 0, "1h": 0}
        counted = read
        for key, tokens, ttl in boundaries:
            if ttl is None or tokens < MINIMUM:
                continue
            if tokens > counted:
                written[ttl] += tokens - counted
                counted = tokens
            self._keep(scope, key, now + _LIFETIME[ttl])
        if refreshed is not None:
            self._keep(scope, refreshed, now + _LIFETIME["5m"])
        return CacheUse(read=read, write_5m=written["5m"], write_1h=written["1h"])

    def automatic(self, scope: str, prompt: str) -> CacheUse:
        """Use of the cache by a prompt without marks: reads only, since writes cost nothing extra there."""
        ends = token_ends(prompt)
        if len(ends) < MINIMUM:
            return CacheUse()
        now = self._clock()
        digest = blake2b(digest_size=16)
        start = 0
        prefixes = []
        for tokens in range(MINIMUM, len(ends) + 1, _STEP):
            digest.update(prompt[start : ends[tokens - 1]].encode("utf-8", "surrogatepass"))
            start = ends[tokens - 1]
            prefixes.append((digest.digest(), tokens))
        read, _ = self._longest(scope, prefixes, now)
        for key, _tokens in prefixes:
            self._keep(scope, key, now + _LIFETIME["5m"])
        return CacheUse(read=read)

    def _longest(self, scope: str, prefixes: Sequence[tuple[bytes, int]], now: float) -> tuple[int, bytes | None]:
        for key, tokens in reversed(prefixes):
            if self._expiry.get((scope, key), 0.0) > now:
                return tokens, key
        return 0, None

    def _keep(self, scope: str, key: bytes, expiry: float) -> None:
        if len(self._expiry) >= _SWEEP_AT:
            now = self._clock()
            self._expiry = {prefix: until for prefix, until in self._expiry.items() if until > now}
        self._expiry[scope, key] = max(expiry, self._expiry.get((scope, key), 0.0))


def _boundaries(segments: Sequence[Segment]) -> Iterator[tuple[bytes, int, str | None]]:
    """After each segment: the digest of all up to there, its tokens, and the lifetime if it is marked."""
    digest = blake2b(digest_size=16)
    tokens = 0
    for segment in segments:
        text = segment.text.encode("utf-8", "surrogatepass")
        digest.update(len(text).to_bytes(8, "big") + text)
        tokens += count_tokens(segment.text)
        yield digest.digest(), tokens, segment.cache
