"""Server-sent events (WHATWG HTML §9.2), as far as providers use them."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.bodies import LARGEST_ANSWER
from tasks.providers.base import Event

_LINE_BYTES = 48
"""What keeping a line takes, beside its bytes."""


class SseFrames:
    """Cuts a byte stream into events; lines may end in LF, CR LF or CR, and chunks anywhere."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that ``chunk`` completes; an event is complete at the empty line after it.

        Raises:
            ValueError: an event is larger than an answer can be.
        """
        lines = (self._rest + chunk).splitlines(keepends=True)
        # A last line without LF is unfinished; one that ends in CR may go on with LF.
        self._rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        if len(self._rest) > LARGEST_ANSWER:
            raise ValueError("a line without an end")
        for line in lines:
            yield from self._line(line.rstrip(b"\r\n"))

    def _line(self, line: bytes) -> Iterator[Event]:
        if not line:
            if self._data:
                yield Event(self._name, b"\n".join(self._data))
            self._name, self._data, self._size = "", [], 0
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._size += len(value) + _LINE_BYTES
            if self._size > LARGEST_ANSWER:
                raise ValueError("an event without an end")
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
