"""What a request is billed for: its tokens, those that the cache saved or took, and those of a thought."""

from __future__ import annotations

from pricing import Usage
from tasks.sandbox.cache import PromptCache, PromptCacheUse, rules_of
from tasks.sandbox.protocol import Dialect, SandboxAnswer, SandboxRequest
from tasks.sandbox.thoughts import thought_tokens
from tasks.sandbox.tokens import count_tokens


def cache_use(cache: PromptCache, dialect: Dialect, question: SandboxRequest, target: str | None) -> PromptCacheUse:
    """What a request reads from the cache of a target, and writes to it once its answer has begun."""
    provider, scope = dialect.provider, f"{target}\0{question.model}"
    rules = rules_of(provider, question.model)
    if rules.marks or provider in {"anthropic", "bedrock"}:
        return cache.marked(scope, question.segments, rules.minimum)
    return cache.automatic(scope, question.prompt, rules)


def counted_usage(
    dialect: Dialect, asked: tuple[SandboxRequest, SandboxAnswer], cached: PromptCacheUse, request_id: str
) -> Usage:
    """The counts of an answered request, as far as its dialect reports them."""
    question, answer = asked
    thought = thought_tokens(request_id) if question.thinks else 0
    return dialect.usage(
        Usage(
            input_tokens=max(1, count_tokens(question.prompt) + question.media_tokens),
            output_tokens=answer.tokens + thought,
            cache_read_tokens=cached.read,
            cache_write_tokens=cached.write_5m,
            cache_write_1h_tokens=cached.write_1h,
            reasoning_tokens=thought,
        )
    )
