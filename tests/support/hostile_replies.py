"""Replies that are made to exhaust memory, served on loopback, and what swallowing them takes.

``python -m tests.support.hostile_replies FOLDER URL KIND…`` asks for each kind in a process forked for it, and prints one
line of JSON per kind: the peak of memory above what the process had, in MB, and what came of it.
"""

import asyncio
import contextlib
import gzip
import json
import os
import resource
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Self

MEGABYTE = 1_000_000
_ENDLESS = 800
"""Megabytes after which an endless body ends: far more than may be read."""
_HEAD = "HTTP/1.1 {status} Said\r\nContent-Type: {kind}\r\n{more}Connection: close\r\n\r\n"
_OPENAI = {
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Fine."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 40, "completion_tokens": 2},
}


@cache
def _zeros(megabytes: int, layers: int) -> bytes:
    """So many megabytes of blanks, in gzip in gzip."""
    if layers > 1:
        return gzip.compress(_zeros(megabytes, layers - 1))
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    block = b" " * MEGABYTE
    return b"".join(packer.compress(block) for _ in range(megabytes)) + packer.flush()


def _of(status: int, more: str, parts: Iterator[bytes], kind: str = "application/json") -> Iterator[bytes]:
    yield _HEAD.format(status=status, kind=kind, more=more).encode()
    yield from parts


def _again(part: bytes, before: bytes = b"", megabytes: int = _ENDLESS) -> Iterator[bytes]:
    """A part over and over."""
    yield before
    block = part * (65_536 // len(part) + 1)
    for _ in range(megabytes * MEGABYTE // len(block)):
        yield block


def _numbered(part: str) -> Iterator[bytes]:
    """A part with another number each time."""
    for start in range(0, 3_000_000, 500):
        yield "".join(part.replace("@", str(number)) for number in range(start, start + 500)).encode()


def _chunk(text: str) -> str:
    return "data: " + text + "\n\n"


_EVENT = '{"choices": [{"index": 0, "delta": {"content": "' + "word " * 400 + '"}}]}'
_CALL = (
    '{"choices": [{"delta": {"tool_calls": [{"index": @, "id": "c@", "function": {"name": "f", "arguments": "{"}}]}}]}'
)
_START = '{"type": "message_start", "message": {"usage": {"a@": "' + "x" * 500 + '"}}}'
_SSE = "text/event-stream"
_AWS = "application/vnd.amazon.eventstream"


def _aws_frame() -> Iterator[bytes]:
    prelude = (16 * 1024 * 1024).to_bytes(4, "big") + (0).to_bytes(4, "big")
    yield prelude + zlib.crc32(prelude).to_bytes(4, "big")
    yield from _again(b"\0")


def _brackets(megabytes: int) -> Iterator[bytes]:
    whole = json.dumps(_OPENAI).encode()
    yield b'{"a": [' + b"[],{}," * (megabytes * MEGABYTE // 6) + b"[]]," + whole[1:]


def _headers() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    for number in range(20_000_000):
        yield f"x-{number}: {'y' * 1000}\r\n".encode()


GZIP = "Content-Encoding: gzip\r\n"
REPLIES: dict[str, Callable[[], Iterator[bytes]]] = {
    "gzip in gzip in gzip": lambda: _of(200, "Content-Encoding: gzip, gzip, gzip\r\n", iter([_zeros(150, 3)])),
    "codings in two headers": lambda: _of(200, GZIP + GZIP, iter([_zeros(150, 2)])),
    "one gzip": lambda: _of(200, GZIP, iter([_zeros(150, 1)])),
    "deflate": lambda: _of(200, "Content-Encoding: deflate\r\n", iter([zlib.compress(b" " * 150 * MEGABYTE)])),
    "gzip members": lambda: _of(200, GZIP, _again(gzip.compress(b" " * MEGABYTE))),
    "unknown coding": lambda: _of(200, "Content-Encoding: br\r\n", _again(b"x")),
    "endless": lambda: _of(200, "", _again(b"x")),
    "declared": lambda: _of(200, "Content-Length: 3000000000\r\n", _again(b"x")),
    "blanks": lambda: _of(200, "", _again(b" ")),
    "brackets": lambda: _of(200, "", _brackets(2)),
    "nested text": lambda: _of(200, "", _again(b'{"a":', b'{"choices": ')),
    "endless error": lambda: _of(500, "", _again(b"x")),
    "error in gzip": lambda: _of(429, GZIP, iter([_zeros(150, 1)])),
    "error in three gzips": lambda: _of(400, "Content-Encoding: gzip, gzip, gzip\r\n", iter([_zeros(150, 3)])),
    "headers": _headers,
    "stream: error": lambda: _of(503, "", _again(b"x")),
    "stream: one line": lambda: _of(200, "", _again(b"x", b"data: "), _SSE),
    "stream: one event": lambda: _of(200, "", _again(b"data: \n"), _SSE),
    "stream: text": lambda: _of(200, "", _again(_chunk(_EVENT).encode()), _SSE),
    "stream: calls": lambda: _of(200, "", _numbered(_chunk(_CALL)), _SSE),
    "stream: comments": lambda: _of(200, "", _again(b": ping\n", megabytes=100), _SSE),
    "stream: empty lines": lambda: _of(200, "", _again(b"\n", megabytes=200), _SSE),
    "stream: gzip": lambda: _of(200, GZIP, iter([_zeros(150, 1)]), _SSE),
    "stream: brackets": lambda: _of(200, "", _again(b"[],", b'data: {"choices": ['), _SSE),
    "anthropic stream: counts": lambda: _of(200, "", _numbered(_chunk(_START)), _SSE),
    "bedrock stream: one frame": lambda: _of(200, "", _aws_frame(), _AWS),
    "feed: gzip in gzip in gzip": lambda: _of(200, "Content-Encoding: gzip, gzip, gzip\r\n", iter([_zeros(150, 3)])),
    "feed: one gzip": lambda: _of(200, GZIP, iter([_zeros(150, 1)])),
    "feed: endless": lambda: _of(200, "", _again(b"x")),
    "feed: redirect": lambda: _of(302, "Location: /fine\r\n", _again(b"x")),
    "feed: error": lambda: _of(404, "", _again(b"x")),
    "feed: headers": _headers,
    "feed: elements": lambda: _of(200, "", iter([b"<rss>", b"<a/>" * 1_240_000, b"</rss>"])),
    "feed: attributes": lambda: _of(200, "", iter([b"<rss>", b'<a b="" c="" d=""/>' * 250_000, b"</rss>"])),
    "feed: one element": lambda: _of(
        200, "", iter([b"<rss ", b" ".join(b'a%d=""' % number for number in range(400_000)), b"></rss>"])
    ),
}
"""By kind; the first word before a colon says who asks."""


class Server:
    """Serves each reply at the path of its kind, as long as somebody reads."""

    def __init__(self) -> None:
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        _zeros(150, 3)  # and the layers within it, before a turn's deadline begins
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)

    def _run(self) -> None:
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            for line in head.lower().split("\r\n"):
                if line.startswith("content-length:"):
                    await reader.readexactly(int(line.split(":")[1]))
            number = head.split("/")[1].split(" ")[0]
            body = json.dumps(_OPENAI).encode()
            fine = [_HEAD.format(status=200, kind="application/json", more="").encode(), body]
            for part in REPLIES[list(REPLIES)[int(number)]]() if number.isdecimal() else fine:
                writer.write(part)
                await writer.drain()
        writer.close()


def _asks(folder: Path, url: str, kind: str) -> str:
    """What one turn comes to."""
    from pricing.errors import FareboxError
    from tasks.ask import Ask
    from tasks.context import Step, inside
    from tasks.run_context import RunContext
    from tests.support.project import make_project
    from tests.support.turns import admitted

    who = kind.split(" stream:", maxsplit=1)[0]
    provider = who if who in {"anthropic", "bedrock"} else "openai_compatible"
    target = (
        f'[[targets]]\nname = "{{name}}"\nprovider = "{provider}"\nmodel = "m"\ntier = "light"\nwindow = 200000\n'
        'max_output = 128000\nbase_url = "{url}"\n'
    )
    rates = f'[[rates]]\nprovider = "{provider}"\nmodel = "m"\ninput_per_mtok = "1"\noutput_per_mtok = "1"\n'
    os.environ["ANTHROPIC_API_KEY"] = os.environ["AWS_BEARER_TOKEN_BEDROCK"] = "a-key"
    place = url + f"/{list(REPLIES).index(kind)}"
    project = make_project(
        folder, "", retries=0, deadline_seconds=3, max_attempts=1,
        targets=target.replace("{name}", "hostile").replace("{url}", place) + rates,
    )  # fmt: skip
    runtime = project.runtime()
    with admitted(runtime) as run:
        ask = Ask(lambda: runtime.engine)
        with inside(Step("say", max_tokens=128_000), run=RunContext(run)):
            try:
                if "stream" in kind:
                    return f"answered: {len(''.join(ask.stream('say.j2', text='Hi')))}"
                return f"answered: {len(ask('say.j2', text='Hi'))}"
            except FareboxError as error:
                return f"{type(error).__name__}: {error}"


def _fetches(url: str, kind: str) -> str:
    from flows.sources.feed import parse_feed
    from pricing.errors import SourceError
    from tasks.providers.feeds import fetch

    try:
        data = fetch(f"{url}/{list(REPLIES).index(kind)}", seconds=60)
        return f"read: {len(parse_feed(data, name='the feed', limit=5).entries)}"
    except SourceError as error:
        return str(error)


def _warm(folder: Path) -> None:
    """Load everything that answering one question needs."""
    import httpx  # noqa: F401

    import tasks.providers.feeds  # noqa: F401
    from tests.support.project import make_project
    from tests.support.turns import admitted, ask, unanswered

    runtime = make_project(folder, "", retries=0).runtime()
    with admitted(runtime) as run:
        assert unanswered(ask(runtime, run, 1)) == []
    runtime.close()


def _peak() -> float:
    """Of this process, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEGABYTE


def main() -> None:
    folder, url, kinds = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    _warm(folder / "warm")
    for number, kind in enumerate(kinds):
        if (pid := os.fork()) == 0:
            before = _peak()
            try:
                said = _fetches(url, kind) if kind.startswith("feed") else _asks(folder / str(number), url, kind)
            except BaseException as error:  # noqa: BLE001 - reported, whatever it is
                said = f"crashed: {type(error).__name__}: {error}"
            found: dict[str, Any] = {"kind": kind, "above": round(_peak() - before, 1), "said": said}
            os.write(1, json.dumps(found).encode() + b"\n")
            os._exit(0)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
