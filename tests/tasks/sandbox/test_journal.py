"""The journal: whole lines from many writers, no content, and a sandbox that starts, stops and runs on its own."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from pricing.errors import ConfigError, SourceError
from pricing.usage import Usage
from tasks.sandbox import Latency, Sandbox, SandboxEntry, read_journal
from tasks.sandbox.journal import SandboxJournal
from tests.support.waiting import PATIENCE, leave

ROOT = Path(__file__).parents[3]
WRITER = """
import sys, pathlib
from tasks.sandbox.journal import SandboxEntry, SandboxJournal
with SandboxJournal(pathlib.Path(sys.argv[1])) as journal:
    for number in range(500):
        journal.write(SandboxEntry(0.0, f"{sys.argv[2]}-{number}", None, None, "openai", "m" * 200, 200, True, None))
"""


def entry(request_id: str = "req_1") -> SandboxEntry:
    return SandboxEntry(
        1.0, request_id, "client-1", "t", "openai", "m", 200, True, None, input_tokens=3, output_tokens=2
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    with SandboxJournal(tmp_path / "new" / "j") as journal:
        journal.write(entry())
    [read] = read_journal(tmp_path / "new" / "j")
    assert read == entry()
    assert read.usage == Usage(input_tokens=3, output_tokens=2)


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with SandboxJournal(path) as journal:
        journal.write(entry("req_1"))
        journal.write(entry("req_2"))
    path.write_bytes(path.read_bytes()[:-20])
    assert [read.request_id for read in read_journal(path)] == ["req_1"]


def test_a_broken_line_before_the_last_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_bytes(b'{"time": 1\n')
    with pytest.raises(SourceError, match="Line 1"):
        read_journal(path)


def test_four_processes_append_to_one_journal(tmp_path: Path) -> None:
    path = tmp_path / "j"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), f"w{number}"], cwd=ROOT) for number in range(4)
    ]
    assert [writer.wait(PATIENCE) for writer in writers] == [0, 0, 0, 0]
    ids = [read.request_id for read in read_journal(path)]
    assert len(ids) == len(set(ids)) == 2000
    for number in range(4):
        mine = [name for name in ids if name.startswith(f"w{number}-")]
        assert mine == [f"w{number}-{index}" for index in range(500)]


def test_the_journal_never_holds_content(
    ask: Callable[..., httpx.Response], sandbox: Sandbox, client: httpx.Client, dialect: str
) -> None:
    ask(dialect, "My secret is xyzzyplugh and nothing else matters here.")
    client.post("/v1/chat/completions", content=b'{"model": 1, "xyzzyplugh')
    assert b"xyzzyplugh" not in sandbox.journal.read_bytes()


def test_client_ids_targets_and_offsets(
    client: httpx.Client, journal: Callable[[], list[SandboxEntry]], ask: Callable[..., httpx.Response]
) -> None:
    ask("openai")
    offset = client.get("/_sandbox/journal").json()["offset"]
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    client.post("/t/a%2Fb/v1/chat/completions", json=body, headers={"x-client-request-id": "mine"})
    later = client.get("/_sandbox/journal", params={"offset": offset}).json()["entries"]
    assert [(line["client_request_id"], line["target"]) for line in later] == [("mine", "a/b")]
    assert SandboxEntry(**later[0]) == journal()[-1]
    assert client.get("/_sandbox/journal", params={"offset": "x"}).status_code == 422
    assert client.get("/_sandbox/stats").json() == {"requests": 2, "by_target": {"t1": 1, "a/b": 1}}
    assert client.get("/health").json() == {"status": "ok", "sandbox": True}


async def test_concurrent_requests_are_each_billed_once(
    sandbox: Sandbox, journal: Callable[[], list[SandboxEntry]]
) -> None:
    async with httpx.AsyncClient(base_url=sandbox.url) as http:

        async def one(number: int) -> str:
            body = {"model": "m", "messages": [{"role": "user", "content": f"Question {number}?"}]}
            return str((await http.post("/v1/chat/completions", json=body)).headers["x-request-id"])

        ids = await asyncio.gather(*(one(number) for number in range(60)))
    assert sorted(ids) == sorted(read.request_id for read in journal())


def test_a_client_that_leaves_is_billed_once_generated(tmp_path: Path) -> None:
    with Sandbox(tmp_path / "j", latency=Latency(60, 0)) as sandbox:
        body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
        url = f"{sandbox.url}/v1/chat/completions"
        leave(
            lambda seconds: httpx.post(url, json=body, timeout=httpx.Timeout(PATIENCE, read=seconds)),
            lambda: read_journal(sandbox.journal),
        )
        [read] = read_journal(sandbox.journal)
    assert read.billed
    assert read.status == 200


def test_starting_twice_and_stopping_twice_is_harmless(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "j")
    url = sandbox.start()
    assert sandbox.start() == url
    sandbox.stop()
    sandbox.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")
    assert sandbox.start()
    sandbox.stop()


def test_a_taken_port_is_a_clear_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        sandbox = Sandbox(tmp_path / "j", port=taken.getsockname()[1])
        with pytest.raises(ConfigError, match="could not start"):
            sandbox.start()


def test_stopping_ends_what_hangs(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "j", latency=Latency(60, 0))
    url = sandbox.start()
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    leave(
        lambda seconds: httpx.post(
            f"{url}/v1/chat/completions", json=body, timeout=httpx.Timeout(PATIENCE, read=seconds)
        ),
        lambda: read_journal(sandbox.journal),
    )
    sandbox.stop()


def test_a_process_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tasks.sandbox", "--journal", str(tmp_path / "j"), "--base-latency", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
        assert httpx.post(f"{url}/v1/chat/completions", json=body).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert len(read_journal(tmp_path / "j")) == 1


def test_the_web_server_is_loaded_only_to_serve() -> None:
    code = "import sys, tasks.sandbox; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
