"""Calls of batch APIs over the process's transport: the same proxies, certificates and limits as calls of models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tasks.batches.api import BatchCall, BatchCallFailed
from tasks.providers.base import OK
from tasks.providers.failure_kinds import failure
from tasks.providers.failures import classify_exception, classify_reply
from tasks.providers.json_fields import parse
from tasks.providers.messages import HttpRequest, JSONObject, WireFailed
from tasks.providers.spec import ProviderSpec
from tasks.providers.transport import HttpReply, Transport
from tasks.routing.target import Target

Method = Literal["GET", "POST", "PUT", "DELETE"]
LARGEST_LINE: Final = 8_000_000
"""Bytes of one line of results: an answer of the largest size, with reasoning state, as JSON."""
LARGEST_RESULTS: Final = 16 * 2**30
"""Bytes of all results of one batch."""
_LARGEST_REPLY: Final = 16_000_000
"""Bytes of any other reply: a page of a list."""
_CALL_SECONDS: Final = 120.0
"""Without a byte."""
_NO_CONTENT: Final = 204
_NOT_FOUND: Final = 404
_GONE: Final = 410
_WRONG_ADDRESS: Final = frozenset({"unknown_url", "UnknownOperationException"})


@dataclass(frozen=True, slots=True)
class BatchCalls:
    """Calls of one provider's batch API."""

    transport: Transport
    spec: ProviderSpec

    async def send(self, call: BatchCall, request: HttpRequest) -> HttpReply:
        """Send a request and return the reply, whose status is 200, or 204 after a deletion.

        Raises:
            BatchCallFailed: there is none.
        """
        await self.transport.load()
        try:
            reply = await self.transport.send(request, read_timeout=_CALL_SECONDS, most=_LARGEST_REPLY)
        except WireFailed as error:
            raise self.lost(call, error) from None
        if reply.status not in {OK, _NO_CONTENT}:
            raise self.failed(call, reply.status, reply.headers, reply.body)
        return reply

    async def ask(self, call: BatchCall, request: HttpRequest) -> JSONObject:
        """Send a request and return the JSON object of the reply.

        Raises:
            BatchCallFailed: there is no reply, or it is not an object.
        """
        reply = await self.send(call, request)
        found = parse(reply.body)
        if not isinstance(found, dict):
            raise BatchCallFailed(self.spec.name, call, failure("server_error", status=OK, maybe_billed=True))
        return found

    async def lines(self, request: HttpRequest) -> AsyncGenerator[bytes, None]:
        """Yield the lines of a result file as they arrive. Of a line longer than ``LARGEST_LINE`` only the beginning is
        given, which is not JSON. Text after the last line break is a line too.

        A longer line is given as its beginning, which is not JSON; what follows the last line break is a line too.

        Raises:
            BatchCallFailed: the file cannot be had, or not all of it.
        """
        await self.transport.load()
        try:
            stream = self.transport.stream(request, read_timeout=_CALL_SECONDS, most=LARGEST_RESULTS)
            async with stream as (status, headers, chunks):
                if status != OK:
                    body = b"".join([chunk async for chunk in chunks])
                    raise self.failed("results", status, headers, body)
                async for line in cut_lines(chunks):
                    yield line
        except WireFailed as error:
            raise self.lost("results", error) from None

    def failed(self, call: BatchCall, status: int, headers: Mapping[str, str], body: bytes) -> BatchCallFailed:
        """The error for a reply with another status than 200."""
        return BatchCallFailed(self.spec.name, call, classify_reply(self.spec.failures, status, headers, body))

    def lost(self, call: BatchCall, error: BaseException) -> BatchCallFailed:
        """The error for a call without a reply."""
        return BatchCallFailed(self.spec.name, call, classify_exception(error))


def request(target: Target, method: Method, url: str, headers: Mapping[str, str], body: bytes = b"") -> HttpRequest:
    """A request to a target, with the target's headers and certificates."""
    return HttpRequest(url, {**headers, **target.extra_headers}, body, method, target.ca_file)


def is_gone(failed: BatchCallFailed) -> bool:
    """Whether the provider says that a batch, or a file of it, does not exist.

    A 404 without a code of the provider's, or for a path that it does not know, says nothing of the batch: it comes
    from a gateway, or from a wrong address.
    """
    why = failed.failure
    return why.status in {_NOT_FOUND, _GONE} and why.code is not None and why.code not in _WRONG_ADDRESS


def is_no_object(failed: BatchCallFailed) -> bool:
    """Whether a reply of S3, in XML, says that an object does not exist."""
    return failed.failure.status in {_NOT_FOUND, _GONE}


async def cut_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield lines without their line ends from chunks of any size; empty lines are left out."""
    held, dropped = bytearray(), False
    async for chunk in chunks:
        pieces = chunk.split(b"\n")
        for piece in pieces[:-1]:
            line = bytes(held) + (b"" if dropped else piece)
            held.clear()
            dropped = False
            if line.strip():
                yield line
        await asyncio.sleep(0)  # results of hours are read between turns that are under way
        if not dropped:
            held += pieces[-1]
            if len(held) > LARGEST_LINE:
                del held[1:]  # an opening bracket alone: no JSON, and one line all the same
                dropped = True
    if held.strip():
        yield bytes(held)
