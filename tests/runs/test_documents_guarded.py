"""What guards make of a PDF: its text is read, what they would change blocks, and what they cannot read is refused."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter

from farebox import Document, Image, ask, llm_task
from farebox.runtime import Runtime
from pricing.db import schema
from pricing.errors import Blocked
from tasks.turn.documents import Unreadable, pdf_text
from tests.support.books import rows
from tests.support.echo import Echo
from tests.support.media_tokens import PDF, png
from tests.support.pdf import pdf
from tests.support.project import make_project

TARGET = """
[[targets]]
name = "mini"
provider = "openai"
model = "gpt-4.1"
tier = "light"
"""
CLEAN = pdf(["Invoice 2026-041", "12 brass hinges", "Total 48.00 EUR"], ["Thank you."])
PICTURE = b"<</Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8 /Length 1>> stream\n0\nendstream"
TYPE0 = b"<</Type /Font /Subtype /Type0 /BaseFont /X /Encoding /Identity-H /DescendantFonts [3 0 R]>>"


def encrypted() -> bytes:
    out = io.BytesIO()
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(CLEAN)))
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(out)
    return out.getvalue()


def attached() -> bytes:
    out = io.BytesIO()
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(CLEAN)))
    writer.add_attachment("a.txt", b"ada@example.org")
    writer.write(out)
    return out.getvalue()


LIGATURE = b"<</Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding <</Type /Encoding /Differences [1 /fi]>>>>"
UNREADABLE = {
    "no page tree": PDF,
    "damaged": CLEAN[:60],
    "encrypted": encrypted(),
    "attachment": attached(),
    "empty page": pdf(["Invoice"], []),
    "picture": pdf(["Invoice"], resources="/XObject <</I 4 0 R>>", more=[PICTURE]),
    "stamp": pdf(["Invoice"], page="/Annots [<</Type /Annot /Subtype /Stamp /Rect [0 0 9 9]>>]"),
    "font without letters": pdf(["Invoice"], resources="/Font <</F1 4 0 R>>", more=[TYPE0]).replace(
        b"/Font <</F1 3 0 R>> ", b""
    ),
    "too many pages": pdf(*[["x"]] * 101),
}
NOTE = "/Annots [<</Type /Annot /Subtype /Text /Rect [0 0 9 9] /Contents (call ada@example.org)>>]"
PERSONAL = {
    "text": pdf(["Invoice"], ["Questions: ada.king@example.org"]),
    "note": pdf(["Invoice"], page=NOTE),
    "link": pdf(
        ["Invoice"],
        page="/Annots [<</Type /Annot /Subtype /Link /Rect [0 0 9 9] /A <</S /URI /URI (mailto:ada@example.org)>>>>]",
    ),
    "ligature": pdf(["of\x01ce@example.org"], resources="/Font <</F1 4 0 R>>", more=[LIGATURE]).replace(
        b"/Font <</F1 3 0 R>> ", b""
    ),
    "iban": pdf(["Pay to DE89 3704 0044 0532 0130 00"]),
    "key": pdf(["key sk-proj-" + "a1B2" * 10]),
}


@llm_task(operation="read", max_turns=50)
def read(document: object) -> str:
    return ask(prompt="Read this.", document=document)


@llm_task(operation="read_all", max_turns=50, unmasked_media=True)
def read_all(document: object) -> str:
    return ask(prompt="Read this.", document=document)


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as running:
        running.say = lambda _: "Read."
        yield running


@pytest.fixture
def runtime(tmp_path: Path, echo: Echo) -> Iterator[Runtime]:
    with make_project(tmp_path / "project", echo.url, targets=TARGET).runtime_here() as runtime:
        yield runtime


def test_a_document_is_sent_when_guards_have_read_all_of_it(runtime: Runtime, echo: Echo):
    assert read.fn(Document.from_bytes(CLEAN)) == "Read."
    assert "data:application/pdf;base64," in echo.seen[-1]


def test_personal_data_in_a_document_stops_it_and_says_what_helps(runtime: Runtime, echo: Echo):
    for name, data in PERSONAL.items():
        with pytest.raises(Blocked) as stopped:
            read.fn([Document.from_bytes(CLEAN), Document.from_bytes(data)])
        if name == "key":
            assert stopped.value.fields["guard"] == "secrets"
        else:
            assert stopped.value.fields.get("documents") == 1, (name, stopped.value.fields)
            assert "unmasked_media=True" in str(stopped.value)
        assert "ada" not in str(stopped.value)
    assert echo.seen == []
    decisions = rows(runtime.ledger, schema.guard_decisions)
    assert [row["action"] for row in decisions if row["guard"] == "pii"].count("block") >= 4
    read_all.fn(Document.from_bytes(PERSONAL["text"]))
    assert len(echo.seen) == 1


def test_what_cannot_be_read_is_refused_unless_allowed(runtime: Runtime, echo: Echo):
    parts = [*map(Document.from_bytes, UNREADABLE.values()), Document.from_url("https://a.example/a.pdf")]
    for part in [*parts, Image.from_bytes(png(2, 2))]:
        with pytest.raises(Blocked) as stopped:
            read.fn([part, Document.from_bytes(CLEAN)] if part.data else part)
        assert stopped.value.fields["reason"] == "unreadable"
    assert echo.seen == []
    read_all.fn(parts[0])
    assert len(echo.seen) == 1


@pytest.mark.parametrize("name", UNREADABLE)
def test_nothing_is_believed_of_a_document_with_more_than_text(name: str):
    with pytest.raises(Unreadable):
        pdf_text(UNREADABLE[name])


def test_all_text_of_a_document_is_read():
    assert "Invoice 2026-041" in pdf_text(CLEAN)
    assert "Thank you." in pdf_text(CLEAN)
    assert "ada@example.org" in pdf_text(PERSONAL["note"])
    assert "office@example.org" in pdf_text(PERSONAL["ligature"])
