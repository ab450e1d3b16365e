"""Signed notices of the sandbox that a batch has ended, as OpenAI sends them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final
from uuid import uuid4

import orjson

from tasks.batches import signed_webhook
from tasks.sandbox.batch_store import SandboxBatch

_TICK_SECONDS: Final = 0.1
_SEND_SECONDS: Final = 10.0
_PAUSES: Final = (1.0, 2.0, 4.0, 8.0)
"""Seconds before a notice is sent again that was not taken; OpenAI goes on for three days."""
_TAKEN: Final = range(200, 300)


class BatchNotices:
    """Notifies one address of each batch of OpenAI's API that ends, until it is taken; is sent before ``send_to`` was
    called.

    Args:
        settle: ends the batches that have ended by now.
    """

    def __init__(self, settle: Callable[[], None]) -> None:
        self._settle = settle
        self._url = self._secret = ""
        self._under_way = set[asyncio.Task[None]]()
        self.statuses: list[int] = []
        """What the receiver answered; 0 where it did not."""

    def send_to(self, url: str, secret: str) -> None:
        """Send notices of batches that end from now on."""
        if not self._url:
            self._start(self._tick())
        self._url, self._secret = url, secret

    def ended(self, batch: SandboxBatch) -> None:
        """Queue the notice of a batch that has ended."""
        if self._url and batch.provider == "openai":
            self._start(self._send(batch.id, f"batch.{batch.end}"))

    def _start(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)  # type: ignore[arg-type]
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._settle()

    async def _send(self, batch_id: str, event: str) -> None:
        notice = {"object": "event", "id": f"evt_{uuid4().hex}", "type": event, "created_at": int(time.time())}
        body, notice_id = orjson.dumps({**notice, "data": {"id": batch_id}}), f"wh_{uuid4().hex}"
        for pause in (*_PAUSES, None):
            status = await self._post(notice_id, body)
            self.statuses.append(status)
            if status in _TAKEN or pause is None:
                return
            await asyncio.sleep(pause)

    async def _post(self, notice_id: str, body: bytes) -> int:
        """What the receiver answers; 0 where it does not."""
        from aiohttp import ClientError, ClientSession, ClientTimeout

        headers = signed_webhook(notice_id, int(time.time()), body, self._secret)
        try:
            async with (
                ClientSession(timeout=ClientTimeout(_SEND_SECONDS)) as session,
                session.post(self._url, data=body, headers={**headers, "Content-Type": "application/json"}) as reply,
            ):
                return reply.status
        except (ClientError, TimeoutError):
            return 0
