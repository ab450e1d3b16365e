"""A loopback server that plays back recorded replies, in the order they were put on for a path."""

import asyncio
import contextlib
import json
from collections import defaultdict, deque
from typing import Any

from tests.support.replies import Recorded


class Playback:
    """Answers each request with the next reply for the first part of its path. Runs on the loop that starts it."""

    def __init__(self) -> None:
        self.url = ""
        self._tapes: dict[str, deque[Recorded]] = defaultdict(deque)
        self._server: asyncio.Server | None = None
        self.bodies: dict[str, list[dict[str, Any]]] = defaultdict(list)
        """What was asked, by the first part of the path."""
        self.heads: list[str] = []

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    def put_on(self, tape: str, reply: Recorded) -> None:
        self._tapes[tape].append(reply)

    def left(self, tape: str) -> int:
        """Replies that were not used yet."""
        return len(self._tapes[tape])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = next(line for line in head.lower().split("\r\n") if line.startswith("content-length:"))
            body = await reader.readexactly(int(length.split(":")[1]))
            self.heads.append(head)
            self.bodies[head.split("/")[1]].append(json.loads(body))
            reply = self._tapes[head.split("/")[1]].popleft()
            for part in reply.parts:
                writer.write(part)
                await writer.drain()
            if reply.then == "hang":
                await reader.read()
        writer.close()
