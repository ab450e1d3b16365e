"""PDFs that several tests read: pages of text lines, with whatever else a test wants in them."""

from collections.abc import Mapping, Sequence


def pdf(
    *pages: Sequence[str], resources: str = "", page: str = "", catalog: str = "", more: Sequence[bytes] = ()
) -> bytes:
    """A PDF with a page for each sequence of lines, in Helvetica, and a right table of its objects.

    ``resources``, ``page`` and ``catalog`` are put into those dictionaries; ``more`` are objects from number 4 on.
    """
    first = 4 + len(more)
    kids = " ".join(f"{first + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        f"<</Type /Catalog /Pages 2 0 R {catalog}>>".encode(),
        f"<</Type /Pages /Kids [{kids}] /Count {len(pages)}>>".encode(),
        b"<</Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding>>",
        *more,
    ]
    for number, lines in enumerate(pages):
        objects.append(
            f"<</Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {first + 2 * number + 1} 0 R "
            f"/Resources <</Font <</F1 3 0 R>> {resources}>> {page}>>".encode()
        )
        shown = "".join(f"({_escaped(line)}) Tj T*\n" for line in lines)
        stream = f"BT /F1 12 Tf 50 780 Td 18 TL\n{shown}ET".encode("cp1252")
        objects.append(b"<</Length %d>> stream\n%s\nendstream" % (len(stream), stream))
    return _file(objects, {"Root": "1 0 R"})


def _escaped(line: str) -> str:
    return line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _file(objects: Sequence[bytes], trailer: Mapping[str, str]) -> bytes:
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj %s endobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    named = " ".join(f"/{name} {value}" for name, value in trailer.items())
    return bytes(out) + f"trailer <</Size {len(objects) + 1} {named}>>\nstartxref\n{table}\n%%EOF\n".encode()
