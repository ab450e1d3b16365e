"""Makes the sample invoices in flows/data/invoices: ``python -m tests.support.invoice_samples FOLDER``."""

import struct
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

from tests.support.pdf import pdf

HINGES = [
    "Ashby Ironworks Ltd", "Invoice AI-2026-041", "Date: 2026-10-02", "", "12 brass hinges            48.00",
    "3 door bolts               21.50", "Delivery                    9.50", "", "VAT 20 %                   15.80",
    "Total to pay, EUR          94.80",
]  # fmt: skip
PAPER = [
    "Fen Paper Company", "Invoice 7731", "Date: 2026-10-19", "", "40 reams of paper, A4      180.00",
    "Returned: 2 reams           -9.00", "", "Tax                          0.00", "Total to pay, USD          171.00",
]  # fmt: skip
RECEIPT = [
    "CORNER CAFE",
    "RECEIPT 118",
    "2026-10-21",
    "",
    "COFFEE 2 PCS  6.40",
    "CAKE 1 PC     3.60",
    "",
    "TOTAL GBP    10.00",
]
_FONT = {
    letter: rows.split("/")
    for letter, rows in {
        "A": "010/101/111/101/101", "B": "110/101/110/101/110", "C": "011/100/100/100/011", "D": "110/101/101/101/110",
        "E": "111/100/110/100/111", "F": "111/100/110/100/100", "G": "011/100/101/101/011", "I": "111/010/010/010/111",
        "K": "101/101/110/101/101", "L": "100/100/100/100/111", "N": "110/101/101/101/101", "O": "010/101/101/101/010",
        "P": "110/101/110/100/100", "R": "110/101/110/101/101", "S": "011/100/010/001/110", "T": "111/010/010/010/010",
        "0": "111/101/101/101/111", "1": "010/110/010/010/111", "2": "111/001/111/100/111", "3": "111/001/011/001/111",
        "4": "101/101/111/001/001", "6": "111/100/111/101/111", "8": "111/101/111/101/111", "-": "000/000/111/000/000",
        ".": "000/000/000/000/010", " ": "000/000/000/000/000",
    }.items()
}  # fmt: skip
_SCALE, _MARGIN = 6, 24


def picture(lines: Sequence[str]) -> bytes:
    """A PNG with lines of capital letters and digits, black on white."""
    width = 2 * _MARGIN + max(map(len, lines)) * 4 * _SCALE
    height = 2 * _MARGIN + len(lines) * 7 * _SCALE
    rows = [bytearray(b"\xff" * width) for _ in range(height)]
    for line, text in enumerate(lines):
        for place, letter in enumerate(text):
            for down, bits in enumerate(_FONT[letter]):
                for across, bit in enumerate(bits):
                    if bit == "1":
                        left = _MARGIN + (place * 4 + across) * _SCALE
                        top = _MARGIN + (line * 7 + down) * _SCALE
                        for row in rows[top : top + _SCALE]:
                            row[left : left + _SCALE] = b"\x00" * _SCALE
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(b"".join(b"\x00" + bytes(row) for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*one) for one in ((b"IHDR", head), (b"IDAT", body), (b"IEND", b"")))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


SAMPLES = {"ashby-041.pdf": pdf(HINGES), "fen-7731.pdf": pdf(PAPER), "receipt-118.png": picture(RECEIPT)}

if __name__ == "__main__":
    for name, data in SAMPLES.items():
        Path(sys.argv[1], name).write_bytes(data)
