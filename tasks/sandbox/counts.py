"""What a request is billed for: its tokens, those that the cache saved or took, and those of a thought."""

from __future__ import annotations

from pricing import Usage
from tasks.sandbox.cache import PromptCache
from tasks.sandbox.protocol import Answer, Dialect, SandboxRequest
from tasks.sandbox.thoughts import thought_tokens
from tasks.sandbox.tokens import count_tokens


def counted_usage(
    cache: PromptCache,
    dialect: Dialect,
    asked: tuple[SandboxRequest, Answer],
    *,
    target: str | None,
    request_id: str,
) -> Usage:
    """The counts of one answered request, in the words that its dialect has."""
    question, answer = asked
    prompt, scope = question.prompt, f"{target}\0{question.model}"
    if dialect.provider in {"openai", "groq", "gemini"}:
        cached = cache.automatic(scope, prompt)
    else:
        cached = cache.explicit(scope, question.segments)
    thought = thought_tokens(request_id) if question.thinks else 0
    return dialect.usage(
        Usage(
            input_tokens=max(1, count_tokens(prompt) + question.media_tokens),
            output_tokens=answer.tokens + thought,
            cache_read_tokens=cached.read,
            cache_write_tokens=cached.write_5m,
            cache_write_1h_tokens=cached.write_1h,
            reasoning_tokens=thought,
        )
    )
