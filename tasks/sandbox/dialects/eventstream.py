"""AWS's binary event stream (``application/vnd.amazon.eventstream``), the writing end.

A message is its length, the length of its headers, a CRC-32 of those two, headers, payload, and a CRC-32 of it all;
numbers are big-endian.
"""

from __future__ import annotations

import struct
from binascii import crc32
from typing import Final

import orjson

from tasks.providers.messages import JSONObject

_STRING: Final = 7
_FRAME: Final = 16
"""Bytes of a message beyond headers and payload."""


def event(kind: str, payload: JSONObject) -> bytes:
    """One event of type ``kind`` with a JSON payload."""
    headers = b"".join(
        _header(name, value)
        for name, value in ((":event-type", kind), (":content-type", "application/json"), (":message-type", "event"))
    )
    body = orjson.dumps(payload)
    prelude = struct.pack(">II", _FRAME + len(headers) + len(body), len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + body
    return message + struct.pack(">I", crc32(message))


def broken_event() -> bytes:
    """An event whose last checksum is wrong."""
    whole = event("contentBlockDelta", {})
    return whole[:-1] + bytes([whole[-1] ^ 0xFF])


def _header(name: str, value: str) -> bytes:
    return struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", _STRING, len(value)) + value.encode()
