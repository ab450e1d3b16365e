"""What the clients of all batch APIs have in common: status, results, cancellation and deletion of one batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from tasks.batches.api import (
    GONE,
    BatchCall,
    BatchCallFailed,
    BatchHandle,
    BatchNotEnded,
    BatchStatus,
    LineResult,
    ResultTally,
)
from tasks.batches.calls import BatchCalls, is_gone
from tasks.batches.lines import Matched, left, read_rows
from tasks.providers.base import OK
from tasks.providers.batch_rules import BatchRules
from tasks.providers.failure_kinds import failure
from tasks.providers.json_fields import text
from tasks.providers.messages import HttpRequest, JSONObject
from tasks.providers.spec import ProviderSpec
from tasks.providers.transport import Transport

LineReader: TypeAlias = Callable[[bytes], LineResult | None]
"""Reads one line of a file of results; ``None`` if the line is damaged."""


@dataclass(frozen=True, slots=True)
class HttpBatchClient(ABC):
    """The common part of the batch clients. A subclass builds the calls and reads the replies.

    Args:
        transport: the process's.
        spec: the provider's; its ``features.batches`` are the limits.
        rules: these limits.
    """

    transport: Transport
    spec: ProviderSpec
    rules: BatchRules

    async def status(self, handle: BatchHandle) -> BatchStatus:
        """The status of the batch.

        Raises:
            BatchCallFailed: the provider could not be asked.
        """
        return self._status_or_gone(await self._batch(handle, "status"))

    async def results(self, handle: BatchHandle, tally: ResultTally | None = None) -> AsyncIterator[LineResult]:
        """Yield the lines of the batch's result files, then the lines that are in none of them.

        Raises:
            BatchNotEnded: the batch is not final.
            BatchCallFailed: a file cannot be had now.
        """
        matched = Matched(handle.line_ids, tally)
        batch = await self._batch(handle, "results")
        status = self._status_or_gone(batch)
        if not status.final:
            raise BatchNotEnded(f"the batch {handle.batch_id} is {status.state}")
        succeeded, gone = 0, status.fault == GONE.fault
        if batch is not None and not gone:
            read_line = self._line_reader(handle, batch)
            for file in self._result_files(handle, batch):
                try:
                    async with aclosing(read_rows(partial(self._rows, handle, file, read_line), matched)) as read:
                        async for result in read:
                            succeeded += result.outcome == "succeeded"
                            yield result
                except BatchCallFailed as failed:
                    if not self._is_absent(failed):
                        raise
                    gone = self._is_lost(status)
            self._check_complete(batch, status)
        for result in left(matched, status, gone=gone, succeeded=succeeded):
            yield result

    async def cancel(self, handle: BatchHandle) -> BatchStatus:
        """Cancel the batch; one that is final already stays as it is.

        Raises:
            BatchCallFailed: the provider could not be asked.
        """
        try:
            cancelled = await self._cancel(handle)
        except BatchCallFailed as failed:
            if failed.failure.kind not in {"invalid_request", "not_found", "server_error"}:
                raise
            now = await self.status(handle)
            if now.final:
                return now
            raise
        return cancelled or await self.status(handle)

    @abstractmethod
    def _get(self, handle: BatchHandle) -> HttpRequest:
        """The request for the batch's status."""

    @abstractmethod
    def _status(self, batch: JSONObject) -> BatchStatus:
        """The status in a reply.

        Raises:
            BatchCallFailed: it names no state.
        """

    @abstractmethod
    def _result_files(self, handle: BatchHandle, batch: JSONObject) -> Sequence[str]:
        """The names of the files of results of a final batch, in the order they are read."""

    @abstractmethod
    def _get_file(self, handle: BatchHandle, file: str) -> HttpRequest:
        """The request for a result file. It is built for each call, since a signature expires."""

    @abstractmethod
    def _line_reader(self, handle: BatchHandle, batch: JSONObject) -> LineReader:
        """The function that parses one line of a result file."""

    @abstractmethod
    async def _cancel(self, handle: BatchHandle) -> BatchStatus | None:
        """Send the cancellation; returns the batch's status where the reply has it.

        Raises:
            BatchCallFailed: the call failed.
        """

    def _is_absent(self, failed: BatchCallFailed) -> bool:
        """Whether a reply says that a requested file does not exist."""
        return is_gone(failed)

    def _is_lost(self, status: BatchStatus) -> bool:  # noqa: ARG002 - for subclasses
        """Whether a missing result file did hold results."""
        return True

    def _check_complete(self, batch: JSONObject, status: BatchStatus) -> None:  # noqa: B027 - most files are there
        """Check that no further result files will appear.

        Raises:
            BatchCallFailed: one is missing that will come.
        """

    @property
    def _calls(self) -> BatchCalls:
        return BatchCalls(self.transport, self.spec)

    def _status_or_gone(self, batch: JSONObject | None) -> BatchStatus:
        return GONE if batch is None else self._status(batch)

    async def _batch(self, handle: BatchHandle, call: BatchCall) -> JSONObject | None:
        """The batch as JSON; ``None`` if the provider no longer has it."""
        try:
            return await self._calls.ask(call, self._get(handle))
        except BatchCallFailed as failed:
            if is_gone(failed):
                return None
            raise

    async def _rows(
        self, handle: BatchHandle, file: str, read_line: LineReader
    ) -> AsyncGenerator[LineResult | None, None]:
        async with aclosing(self._calls.lines(self._get_file(handle, file))) as rows:
            async for row in rows:
                yield read_line(row)

    def _id_in(self, call: BatchCall, reply: JSONObject, name: str = "id") -> str:
        """The id in a reply to a create call.

        Raises:
            BatchCallFailed: the reply has none.
        """
        if not (found := text(reply.get(name))):
            raise BatchCallFailed(self.spec.name, call, failure("server_error", status=OK, maybe_billed=True))
        return found

    def _unknown_status(self) -> BatchCallFailed:
        """The error for a reply that names no state of the batch."""
        return BatchCallFailed(self.spec.name, "status", failure("server_error", status=OK))
