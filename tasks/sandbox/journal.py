"""The billing journal: one line for every request to a model, those of batches included, written before its reply is
sent.

It is the ground truth a ledger is compared with, so it holds counts and ids and never the content of a prompt or an
answer. Several processes may append to one file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import orjson

from pricing import SourceError, Usage
from tasks.sandbox.protocol import Provider


@dataclass(frozen=True, slots=True)
class SandboxEntry:
    """One request.

    Args:
        time: seconds since 1970, when the outcome was decided.
        request_id: the id the reply carries.
        client_request_id: the caller's ``x-client-request-id``, if it sent one.
        target: the target named in the path, if one was.
        provider: whose dialect was spoken.
        model: the model asked for; empty if the request named none.
        status: the reply's HTTP status; ``None`` when no byte of a reply was meant to be sent.
        billed: whether tokens were generated, whatever became of the reply.
        fault: the injected fault, if any.
        input_tokens: and the other counts: as in :class:`pricing.usage.Usage`; all ``None`` when not billed.
        service_tier: which sets its price: the one that served it, ``batch`` for a line of one.
        batch_id: of the batch that it was a line of; its ``client_request_id`` is then the line's id.
    """

    time: float
    request_id: str
    client_request_id: str | None
    target: str | None
    provider: Provider
    model: str
    status: int | None
    billed: bool
    fault: str | None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    service_tier: str = "standard"
    batch_id: str | None = None

    @property
    def usage(self) -> Usage:
        """The counts alone."""
        return Usage(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cache_read_tokens=self.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens,
            cache_write_1h_tokens=self.cache_write_1h_tokens,
            reasoning_tokens=self.reasoning_tokens,
        )


class SandboxJournal:
    """The writer. A line goes out in one ``write`` to a file opened for appending, so lines never mix."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, entry: SandboxEntry) -> None:
        """Append one line.

        Raises:
            OSError: the line could not be written whole.
        """
        line = orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)
        if os.write(self._file, line) != len(line):
            raise OSError(f"the journal {self.path} took only part of a line")

    def close(self) -> None:
        """Close the file; what was written stays."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_journal(path: Path) -> list[SandboxEntry]:
    """All entries in the order they were written.

    A last line without its end is somebody's write in progress, or their end, and is left out.

    Raises:
        SourceError: a line before it is not an entry.
    """
    return [_entry(path, number, line) for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1)]


def read_since(path: Path, offset: int) -> tuple[list[SandboxEntry], int]:
    """The entries after a byte offset, and the offset to ask from next time."""
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    return [_entry(path, number, line) for number, line in enumerate(whole.splitlines(), start=1)], offset + len(whole)


def _entry(path: Path, number: int, line: bytes) -> SandboxEntry:
    try:
        return SandboxEntry(**orjson.loads(line))
    except (orjson.JSONDecodeError, TypeError) as error:
        raise SourceError(
            f"Line {number} of the journal {path} is not an entry.",
            next_step="Move the file away and start an empty one.",
        ) from error
