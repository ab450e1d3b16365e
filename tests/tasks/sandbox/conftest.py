"""A sandbox without latency over real HTTP, and its journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tasks.sandbox import Latency, Sandbox, SandboxEntry, read_journal
from tests.support.waiting import PATIENCE

TEXT = (
    "The ledger was locked for two hours on Monday. Payments were not lost, because every attempt is written first. "
    "The team will add an alarm. Nobody had noticed the full disk."
)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path / "journal.jsonl", latency=Latency(0, 0), windows={"small": 50}) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url, timeout=PATIENCE, headers={"anthropic-version": "2026-10-21"}) as http:
        yield http


@pytest.fixture
def journal(sandbox: Sandbox) -> Callable[[], list[SandboxEntry]]:
    return lambda: read_journal(sandbox.journal)


@pytest.fixture
def inject(client: httpx.Client) -> Callable[..., None]:
    def inject(*rules: dict[str, Any]) -> None:
        client.post("/_sandbox/faults", json=list(rules)).raise_for_status()

    return inject


@pytest.fixture(params=["openai", "groq", "anthropic", "bedrock"])
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ask(client: httpx.Client) -> Callable[..., httpx.Response]:
    """Ask one question in a dialect: the same text, model and limit in each."""

    def ask(
        dialect: str,
        text: str = TEXT,
        *,
        model: str = "m-1",
        limit: int = 200,
        target: str = "t1",
        stream: bool = False,
        timeout: float = PATIENCE,
        schema: dict[str, Any] | None = None,
    ) -> httpx.Response:
        body: dict[str, Any]
        if dialect == "bedrock":
            path = f"model/{model}/converse" + ("-stream" if stream else "")
            body = {
                "messages": [{"role": "user", "content": [{"text": text}]}],
                "inferenceConfig": {"maxTokens": limit},
            }
        elif dialect == "anthropic":
            path = "v1/messages"
            body = {
                "model": model,
                "max_tokens": limit,
                "messages": [{"role": "user", "content": text}],
                "stream": stream,
            }
        else:
            path = "v1/chat/completions" if dialect == "openai" else "openai/v1/chat/completions"
            body = {"model": model, "max_completion_tokens": limit, "messages": [{"role": "user", "content": text}]}
            body |= {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
            if schema:
                body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
        return client.post(f"/t/{target}/{path}", json=body, timeout=httpx.Timeout(PATIENCE, read=timeout))

    return ask
