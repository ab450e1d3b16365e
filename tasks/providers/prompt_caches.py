"""How providers cache prompts: from how many tokens on, for how long, and who says where a cached prefix ends.

An entry can be read once the first answer that wrote it has begun; of requests that are sent together each pays for
writing it. What a write and a read cost is in the rate card.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias

from pricing import record

if TYPE_CHECKING:
    from tasks.providers.messages import JSONObject, ModelRequest


@record(frozen=True, slots=True)
class CacheRules:
    """How one model's prompts are cached.

    Args:
        minimum: tokens of a prefix below which nothing is cached, without an error.
        seconds: how long an entry lives after it was last written or read; the shortest that is documented.
        marks: whether the request says where the cached prefix ends. Elsewhere the provider caches what it can.
        step: tokens by which a cached prefix grows where there are no marks.
    """

    minimum: int
    seconds: float = 300.0
    marks: bool = False
    step: int = 128


BREAKPOINT: Final = {"prompt_cache_breakpoint": {"mode": "explicit"}}
"""On a part of content, for OpenAI: what is cached ends behind it."""


def breakpoints(rules: CacheRules | None, request: ModelRequest) -> bool:
    """Whether a request to OpenAI has to mark the end of the cached prefix."""
    wanted = rules is not None and rules.marks and request.cache
    return wanted and "prompt_cache_breakpoint" not in request.without


def breakpoint_options(request: ModelRequest) -> JSONObject:
    """Without OpenAI's own mark at the end of the newest message, where that message is never sent again.

    Each request would pay for it, and none would read it. Of a conversation, the next request does.
    """
    goes_on = request.tools or any(message.role != "user" for message in request.messages)
    return {} if goes_on else {"prompt_cache_options": {"mode": "explicit"}}


CachedModels: TypeAlias = Sequence[tuple[str, CacheRules]]
"""Patterns of model ids with their rules: the first that is found in an id holds; a model without any is not cached."""


def _marked(minimum: int) -> CacheRules:
    return CacheRules(minimum, marks=True)


CACHED_CLAUDE: Final[CachedModels] = (
    (r"claude-(?:haiku|sonnet|opus)-5-5|claude-opus-5|claude-(?:fable|mythos)-5", _marked(512)),
    (r"claude-sonnet-(?:4-[56]|5)|claude-opus-4-8|claude-(?:sonnet|opus)-4(?:-[01])?(?:[-@]20|$|-v|:)", _marked(1_024)),
    (r"claude-opus-4-7|claude-3-5-haiku|claude-haiku-3-5", _marked(2_048)),
    (r"claude-haiku-4-5|claude-opus-4-[56]", _marked(4_096)),
    (r"claude-3-haiku", _marked(2_048)),
    (r"claude-3-(?:5-sonnet|7-sonnet|opus)", _marked(1_024)),
    (r"claude-(?:2|instant|v2)", CacheRules(0, 0.0)),
    (r"claude", _marked(4_096)),
)
"""docs.claude.com, "Prompt caching", and ``prompt_cache_min_tokens`` of LiteLLM's price list, November 2026. A model
that neither names is taken to need the most that any does."""

CACHED_BEDROCK: Final[CachedModels] = (
    *((rf"anthropic\.(?:{pattern})", rules) for pattern, rules in CACHED_CLAUDE),
    (r"amazon\.nova", _marked(1_024)),
)
"""docs.aws.amazon.com/bedrock, "Prompt caching for faster model inference": Claude and Nova only. What Nova needs
at least was not found in a source that states it: 1,024 is what most models there need."""

_OPENAI_MARKED: Final = CacheRules(1_024, seconds=1_800.0, marks=True)
_OPENAI_AUTOMATIC: Final = CacheRules(1_024)
CACHED_OPENAI: Final[CachedModels] = (
    (r"^gpt-(?:5\.[6-9]|[6-9])", _OPENAI_MARKED),
    (r"^gpt-(?:4o|4\.1|4\.5|5)|^chatgpt-4o|^o[134]|codex|^ft:gpt-4", _OPENAI_AUTOMATIC),
)
"""OpenAI's prompt-caching guide of September 2026: from 5.6 on entries live for 30 minutes and are written where a
breakpoint says; before, in steps of 128 tokens and for 5 to 10 minutes."""

CACHED_AZURE: Final[CachedModels] = ((r"^gpt-(?:4o|4\.1|4\.5|[5-9])|^o[134]", _OPENAI_AUTOMATIC),)
"""learn.microsoft.com, "Prompt caching" for Azure OpenAI in Foundry: from GPT-4o on, with OpenAI's minimum, cleared
after 5 to 10 minutes without use. It tells of fees for writes from GPT-5.6 on, and names no breakpoints."""

CACHED_GROQ: Final[CachedModels] = ((r"gpt-oss", CacheRules(1_024, seconds=7_200.0)),)
"""console.groq.com/docs/prompt-caching: automatic, about two hours without use; 128 to 1,024 tokens by model."""

CACHED_DEEPSEEK: Final[CachedModels] = ((r"", CacheRules(1_024, seconds=3_600.0, step=64)),)
"""api-docs.deepseek.com/guides/kv_cache, November 2026: automatic, kept for hours to days, without a stated minimum.
Nobody should wait for less than is worth it. What is kept ends where a request ends, at fixed distances in long ones,
and where two requests were seen to part: of short ones the third is the first that reads it."""

CACHED_GEMINI: Final[CachedModels] = (
    (r"gemini-2\.5-", CacheRules(2_048)),
    (r"gemini-(?:[3-9]|\d\d)", CacheRules(4_096)),
)
"""ai.google.dev/gemini-api/docs/caching of 13 October 2026: implicit caches from 2,048 tokens on for Gemini 2.5 Flash
and Pro, from 4,096 on for 3.1 Pro, 3.6 and 3.8 Flash and 4 Argon. Vertex AI's overview says 2,048 for all; the page of
May said 1,024 for the Flash models, and 4,096 for 2.5 Pro. How long they live is not stated."""


def rules_among(models: CachedModels, model: str) -> CacheRules | None:
    """The caching rules of a model; None where nothing is cached."""
    for pattern, rules in models:
        if _compiled(pattern).search(model.lower()):
            return rules if rules.seconds else None
    return None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
