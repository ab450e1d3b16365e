"""Batches against a sandbox over HTTP on loopback: its controls, targets that lead there, and lines."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from tasks.batches import BatchClient, BatchHandle, BatchLine, BatchStatus, LineResult, ResultTally, batch_client
from tasks.providers import Message, ModelRequest, Transport, spec_of
from tasks.routing import Credential, Target
from tasks.sandbox import Latency, Sandbox, SandboxEntry, read_journal
from tests.support.waiting import PATIENCE

T = TypeVar("T")
DAY = 24 * 3600.0
MODELS = {
    "openai": "gpt-4.1-mini",
    "responses": "gpt-5.5-pro",
    "groq": "openai/gpt-oss-120b",
    "anthropic": "claude-haiku-4-5",
    "bedrock": "anthropic.claude-haiku-4-5-20251001-v1:0",
}
KEY = "sk-secret-key-of-a-test"


@dataclass
class BatchBench:
    """A sandbox, the controls of its batches, and a loop with one transport."""

    sandbox: Sandbox
    used: int = field(default=0)
    runner: asyncio.Runner = field(default_factory=asyncio.Runner)
    transport: Transport = field(default_factory=Transport)
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=PATIENCE))

    def close(self) -> None:
        self.runner.run(self.transport.close())
        self.runner.close()
        self.http.close()

    def control(self, path: str, body: Any) -> None:
        self.http.post(f"{self.sandbox.url}/_sandbox/{path}", json=body).raise_for_status()

    def rules(self, **rule: Any) -> None:
        """One rule for all batches that come."""
        self.control("batches", [rule])

    def advance(self, seconds: float) -> None:
        self.control("clock", {"seconds": seconds})

    def faults(self, *rules: dict[str, Any]) -> None:
        self.control("faults", list(rules))

    def target(self, kind: str, **changes: Any) -> Target:
        """A target of its own, so that no other test's batches are seen."""
        self.used += 1
        provider = "openai" if kind == "responses" else kind
        path = urlsplit(spec_of(provider).base_url.format(region="us-east-1")).path
        name = f"{kind}-{self.used}"
        return Target(**{
            "name": name, "provider": provider, "model": MODELS[kind], "tier": "light", "window": 200_000,
            "max_output": 4_000, "base_url": f"{self.sandbox.url}/t/{name}{path}", "failure_domain": provider,
            "credential": Credential(key=KEY), **changes,
        })  # fmt: skip

    def run(self, provider: str, work: Callable[[BatchClient], Awaitable[T]]) -> T:
        """What work with a client gives."""

        async def whole() -> T:
            return await work(batch_client(provider, self.transport))

        return self.runner.run(whole())

    def submitted(self, target: Target, lines: int = 4, label: str = "wave-1", **request: Any) -> BatchHandle:
        return self.run(
            target.provider,
            lambda client: client.submit(target, some_lines(client, target, lines, **request), label=label),
        )

    def taken(self, handle: BatchHandle, tally: ResultTally | None = None) -> list[LineResult]:
        async def take(client: BatchClient) -> list[LineResult]:
            return [result async for result in client.results(handle, tally)]

        return self.run(handle.provider, take)

    def found(self, target: Target, label: str, **known: Any) -> BatchHandle | None:
        return self.run(target.provider, lambda client: client.find(target, label, **known))

    def status(self, handle: BatchHandle) -> BatchStatus:
        return self.run(handle.provider, lambda client: client.status(handle))

    def billed(self, handle: BatchHandle) -> list[SandboxEntry]:
        """What the journal has of a batch."""
        return [entry for entry in read_journal(self.sandbox.journal) if entry.batch_id == handle.batch_id]


def question(words: str, **changes: Any) -> ModelRequest:
    return ModelRequest(**{"messages": [Message.of("user", words)], "max_tokens": 60, **changes})


def some_lines(client: BatchClient, target: Target, count: int, **request: Any) -> list[BatchLine]:
    return [
        client.line(f"line-{number}", target, question(f"Say something about {number}.", **request))
        for number in range(count)
    ]


def open_bench(folder: Path, **settings: Any) -> Sandbox:
    return Sandbox(folder / "journal.jsonl", latency=Latency(0, 0), **settings)
