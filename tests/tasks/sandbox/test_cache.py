"""The sandbox's prompt cache behaves as the providers' do: minimum, lifetime, and nothing to read before it is written."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tasks.providers.prompt_caches import CacheRules
from tasks.sandbox import Latency, Sandbox, SandboxEntry, read_journal
from tasks.sandbox.cache import PromptCache, PromptCacheUse
from tasks.sandbox.protocol import PromptSegment
from tests.support.waiting import PATIENCE

Journal = Callable[[], list[SandboxEntry]]
SYSTEM = "You are careful and brief. " * 300
MARK = {"prompt_cache_breakpoint": {"mode": "explicit"}}
TOKENS = 2_100


class Cache(PromptCache):
    """One whose answers begin at once, in time that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(lambda: self.now)

    def ask(self, *segments: PromptSegment, scope: str = "t", minimum: int = 1_024) -> PromptCacheUse:
        use = self.marked(scope, segments, minimum)
        self.publish(use)
        return use


@pytest.mark.parametrize(("lifetime", "seconds"), [("5m", 300), ("30m", 1_800), ("1h", 3_600)])
def test_an_entry_lives_on_from_its_last_use(lifetime: Any, seconds: int) -> None:
    cache = Cache()
    segments = PromptSegment("word " * 1_100, lifetime), PromptSegment("tail")
    first = cache.ask(*segments)
    assert (first.write_1h if lifetime == "1h" else first.write_5m) == 1_100
    for _ in range(3):
        cache.now += seconds - 1
        assert cache.marked("t", segments, 1_024).read == 1_100
        assert cache.marked("other", segments, 1_024).read == 0
    cache.now += seconds + 1
    assert cache.marked("t", segments, 1_024).read == 0


def test_a_longer_prefix_reads_the_old_and_writes_the_new() -> None:
    cache = Cache()
    cache.ask(PromptSegment("word " * 1_100, "1h"))
    use = cache.ask(PromptSegment("word " * 1_100), PromptSegment("more " * 50, "5m"))
    assert (use.read, use.write_5m, use.write_1h) == (1_100, 50, 0)


@pytest.mark.parametrize("minimum", [512, 1_024, 4_096])
def test_a_prefix_below_the_minimum_is_not_cached(minimum: int) -> None:
    cache = Cache()
    for _ in range(2):
        short, long = (
            cache.ask(PromptSegment("word " * tokens, "5m"), minimum=minimum) for tokens in (minimum - 1, minimum)
        )
        assert (short.read, short.write_5m) == (0, 0)
    assert long.read == minimum


def test_nothing_can_be_read_before_the_answer_of_its_writer_has_begun() -> None:
    cache = Cache()
    segment = PromptSegment("word " * 2_000, "5m")
    together = [cache.marked("t", [segment], 1_024) for _ in range(3)]
    assert [(use.read, use.write_5m) for use in together] == [(0, 2_000)] * 3
    cache.publish(together[1])
    assert cache.marked("t", [segment], 1_024).read == 2_000
    rules = CacheRules(1_024)
    automatic = [cache.automatic("a", "word " * 1_300, rules) for _ in range(2)]
    assert [use.read for use in automatic] == [0, 0]
    cache.publish(automatic[0])
    assert cache.automatic("a", "word " * 1_300, rules).read == 1_024 + 2 * 128


def chat(model: str, system: Any, question: str, **more: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    return {"model": model, "messages": messages, **more}


def test_newer_openai_models_write_each_message_unless_told_where_to_end(
    client: httpx.Client, journal: Journal
) -> None:
    def counts(system: Any, **more: Any) -> list[tuple[int | None, int | None]]:
        for question in ("First?", "Second one?"):
            client.post("/v1/chat/completions", json=chat("gpt-6-luna", system, question, **more)).raise_for_status()
        return [(entry.cache_read_tokens, entry.cache_write_tokens) for entry in journal()[-2:]]

    assert counts(SYSTEM) == [(0, TOKENS + 2), (0, TOKENS + 4)]
    explicit = {"prompt_cache_options": {"mode": "explicit"}}
    assert counts(SYSTEM, **explicit) == [(0, None)] * 2
    assert counts([{"type": "text", "text": SYSTEM, **MARK}], **explicit) == [(0, TOKENS), (TOKENS, None)]


def test_the_responses_api_caches_likewise(client: httpx.Client, journal: Journal) -> None:
    developer = {"role": "developer", "content": [{"type": "input_text", "text": SYSTEM, **MARK}]}
    for question in ("First?", "Second?"):
        body = {"model": "gpt-6-luna", "store": False, "input": [developer, {"role": "user", "content": question}]}
        body["prompt_cache_options"] = {"mode": "explicit"}
        reply = client.post("/v1/responses", json=body).json()
    assert [(entry.cache_read_tokens, entry.cache_write_tokens) for entry in journal()] == [(0, TOKENS), (TOKENS, 0)]
    assert reply["usage"]["input_tokens_details"] == {"cached_tokens": TOKENS, "cache_write_tokens": 0}


@pytest.mark.parametrize(
    ("model", "system", "more", "says"),
    [
        ("gpt-5.4-mini", SYSTEM, {"prompt_cache_options": {"mode": "explicit"}}, "prompt_cache_options"),
        ("gpt-4.1", [{"type": "text", "text": "x", **MARK}], {}, "prompt_cache_breakpoint"),
        ("gpt-6-luna", [{"type": "text", "text": "x", **MARK}] * 5, {}, "Found 5"),
        ("gpt-6-luna", SYSTEM, {"prompt_cache_options": {"mode": "loud"}}, "loud"),
    ],
)
def test_breakpoints_are_refused_as_openai_does(
    client: httpx.Client, model: str, system: Any, more: dict[str, Any], says: str
) -> None:
    response = client.post("/v1/chat/completions", json=chat(model, system, "Why?", **more))
    assert (response.status_code, says in response.text) == (400, True)


@pytest.mark.parametrize("stream", [False, True])
def test_requests_that_are_sent_together_each_write(tmp_path: Path, stream: bool) -> None:
    system = [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}]
    body = {"model": "claude-sonnet-5", "max_tokens": 9, "system": system, "stream": stream}

    async def ask(sandbox: Sandbox) -> None:
        headers = {"anthropic-version": "2026-10-21"}
        async with httpx.AsyncClient(base_url=sandbox.url, timeout=PATIENCE, headers=headers) as client:

            async def one(question: str) -> None:
                asked = {**body, "messages": [{"role": "user", "content": question}]}
                (await client.post("/v1/messages", json=asked)).raise_for_status()

            await asyncio.gather(one("First?"), one("Second?"))
            await one("Third?")

    with Sandbox(tmp_path / "journal.jsonl", latency=Latency(0.3, 0)) as sandbox:
        asyncio.run(ask(sandbox))
        entries = read_journal(sandbox.journal)
    assert [(e.cache_read_tokens, e.cache_write_tokens) for e in entries] == [(0, TOKENS), (0, TOKENS), (TOKENS, 0)]
