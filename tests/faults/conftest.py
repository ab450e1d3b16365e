"""Targets that fail in every way there is, over real HTTP, and one that does not."""

import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from farebox.runtime import Runtime
from tasks.sandbox import Latency, Sandbox, read_journal
from tests.support.project import Project, make_project
from tests.support.waiting import PATIENCE

READ_TIMEOUT = 0.4
"""Of what never answers: everybody else may be as slow as the machine."""
KEY = "TEST_TARGET_KEY"

FAULTS: dict[str, dict[str, Any]] = {
    "unavailable": {"kind": "503"},
    "rate limited": {"kind": "429", "retry_after": 30},
    "brown-out": {"kind": "slow", "seconds": 2 * PATIENCE},
    "malformed": {"kind": "malformed"},
    "cut": {"kind": "cut"},
    "gateway": {"kind": "html502"},
}
"""What the sandbox does to a target; the other two need no server."""
NO_SERVER = {"unresolvable": "http://models.invalid/v1", "refused": "http://127.0.0.1:{port}/v1"}
MODELS = {
    "bedrock": ("global.anthropic.claude-haiku-4-5-20251001-v1:0", "us-east-1", ""),
    "anthropic": ("claude-haiku-4-5", "", ""),
    "groq": ("openai/gpt-oss-120b", "", "/openai/v1"),
    "openai": ("gpt-4.1-mini", "", "/v1"),
}
SANDBOX = "@sandbox"
"""Where it will be, in a target's address. Every target has a key: beside those that have one no stand-in answers."""


def target(
    name: str,
    provider: str,
    *,
    region: str = "",
    base_url: str = "",
    tier: str = "light",
    read_timeout: float = PATIENCE,
    more: str = "",
) -> str:
    """One of the ``[[targets]]``, which the sandbox answers unless there is a ``base_url``."""
    model, usual, path = MODELS[provider]
    place = region or usual
    domain = name if base_url else f"{provider}/{place}"
    return (
        f'\n[[targets]]\nname = "{name}"\nprovider = "{provider}"\nmodel = "{model}"\ntier = "{tier}"\n'
        f'base_url = "{base_url or f"{SANDBOX}/t/{name}{path}"}"\nkey_env = "{KEY}"\nfailure_domain = "{domain}"\n'
        f"read_timeout = {read_timeout}\n" + (f'region = "{place}"\n' if place else "") + more
    )


def broken_target(name: str, provider: str, fault: str) -> str:
    """A target that fails in the named way."""
    if fault not in NO_SERVER:
        return target(name, provider, read_timeout=READ_TIMEOUT if fault == "brown-out" else PATIENCE)
    with socket.socket() as taken:  # a port that was free a moment ago, without a listener
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    return target(name, "openai", base_url=NO_SERVER[fault].format(port=port))


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox") / "journal.jsonl", latency=Latency(0, 0)) as running:
        yield running


class Place:
    """A sandbox, its faults, and projects whose targets it answers for."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.inject()
        sandbox.journal.write_bytes(b"")

    def inject(self, *rules: dict[str, Any]) -> None:
        httpx.post(f"{self.sandbox.url}/_sandbox/faults", json=list(rules)).raise_for_status()

    def requests(self) -> Counter[str]:
        """How many reached each target."""
        return Counter(entry.target or "" for entry in read_journal(self.sandbox.journal))

    def project(self, targets: Sequence[str], *, breaker: str = "", **options: Any) -> Project:
        more = f"\n[breaker]\n{breaker}\n" if breaker else ""
        return make_project(
            self.folder / "project", self.sandbox.url, targets="".join(targets).replace(SANDBOX, self.sandbox.url), more=more, documents=0,
            **({"deadline_seconds": PATIENCE} | options),
        )  # fmt: skip

    @contextmanager
    def runtime(self, targets: Sequence[str], **options: Any) -> Iterator[Runtime]:
        with self.project(targets, **options).runtime_here() as runtime:
            yield runtime


@pytest.fixture
def place(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv(KEY, "secret")
    return Place(tmp_path, sandbox)
