"""What several tests of the media tokens share."""

import struct
import zlib


def png(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))


PDF = b"%PDF-1.4\n" + b"1 0 obj <</Type /Page>> endobj\n" * 3 + b"2 0 obj <</Type/Pages/Count 3>> endobj"
