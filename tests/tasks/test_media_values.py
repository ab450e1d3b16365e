"""Images and documents as values: where they come from, and where a prompt places them."""

from pathlib import Path

import pytest

import farebox
from farebox import Document, Image
from pricing.content import LARGEST_MEDIA, TextPart
from pricing.errors import PromptError, UsageError
from tasks.prompts import InlinePrompt, Prompts
from tests.support.media_tokens import PDF, png

PNG = png(3, 2)
JPEG, GIF, WEBP = b"\xff\xd8\xff\xe0rest", b"GIF89a rest", b"RIFF\x04\x00\x00\x00WEBPVP8 "


@pytest.mark.parametrize(("data", "media_type"), [
    (PNG, "image/png"), (JPEG, "image/jpeg"), (GIF, "image/gif"), (WEBP, "image/webp"), (PDF, "application/pdf"),
])  # fmt: skip
def test_the_kind_is_what_the_bytes_say_whatever_the_name(tmp_path: Path, data: bytes, media_type: str):
    kind = Document if media_type == "application/pdf" else Image
    file = tmp_path / "named.txt"
    file.write_bytes(data)
    for part in (kind.from_path(file), kind.from_path(str(file)), kind.from_bytes(data)):
        assert (part.media_type, part.data, part.url) == (media_type, data, "")
        assert isinstance(part, kind)


@pytest.mark.parametrize(("kind", "data", "told"), [
    (Image, PDF, r"is a document \(application/pdf\).*Document\.from_path"),
    (Document, PNG, r"is an image \(image/png\).*Image\.from_path"),
    (Image, b"RIFF\x04\x00\x00\x00WAVEfmt ", "no PNG, JPEG, WebP or GIF"),
    (Image, b"II*\x00tiff", "no PNG, JPEG, WebP or GIF"),
    (Document, b"PK\x03\x04 a docx", "no PDF"),
    (Image, b"", "is empty"),
    pytest.param(Document, b"%PDF-" + bytes(LARGEST_MEDIA), "at most 32,000,000", id="too large"),
])  # fmt: skip
def test_what_is_none_is_refused_in_one_line(tmp_path: Path, kind: type[Image], data: bytes, told: str):
    file = tmp_path / "given"
    file.write_bytes(data)
    with pytest.raises(UsageError, match=told) as refused:
        kind.from_bytes(data)
    assert "\n" not in str(refused.value)
    with pytest.raises(UsageError, match=told):
        kind.from_path(file)


def test_files_that_cannot_be_read_say_why(tmp_path: Path):
    with pytest.raises(UsageError, match="does not exist"):
        Image.from_path(tmp_path / "none.png")
    with pytest.raises(UsageError, match="not a regular file"):
        Document.from_path(tmp_path)


def test_an_address_says_its_kind():
    assert Image.from_url("https://a.example/B.JPEG?size=2").media_type == "image/jpeg"
    assert Image.from_url("https://a.example/photo", "image/webp").media_type == "image/webp"
    assert Document.from_url("https://a.example/download?id=7").media_type == "application/pdf"
    for bad in ("http://a.example/a.png", "file:///a.png", "https:///a.png", "https://[a.png", "a.png"):
        with pytest.raises(UsageError, match="does not begin with https"):
            Image.from_url(bad)
    with pytest.raises(UsageError, match="media_type="):
        Image.from_url("https://a.example/photo")


PAGES = [Image.from_bytes(png(2, height)) for height in (1, 2, 3)]
BILL = Document.from_bytes(PDF)


@pytest.mark.parametrize(("template", "values", "parts"), [
    ("Read {{ bill }} now.", {"bill": BILL}, ["Read ", BILL, " now."]),
    ("Read this.", {"bill": BILL}, ["Read this.", BILL]),
    ("Read these.", {"pages": PAGES, "bill": BILL}, ["Read these.", *PAGES, BILL]),
    ("All: {{ pages }}.", {"pages": PAGES}, ["All: ", *PAGES, "."]),
    ("{% for page in pages %}Page {{ loop.index }}: {{ page }}{% endfor %}", {"pages": tuple(PAGES)},
     ["Page 1: ", PAGES[0], "Page 2: ", PAGES[1], "Page 3: ", PAGES[2]]),
    ("First: {{ pages[0] }}", {"pages": PAGES}, ["First: ", PAGES[0]]),
    ("{{ case.page }}", {"case": {"page": PAGES[0]}}, [PAGES[0]]),
    ("One {{ a }}", {"a": PAGES[0], "b": PAGES[0]}, ["One ", PAGES[0]]),
    ("Nothing: {{ pages }}.", {"pages": []}, ["Nothing: []."]),
    ("{{ bill if yes }}Read.", {"bill": BILL, "yes": False}, ["Read.", BILL]),
])  # fmt: skip
def test_a_part_is_placed_where_it_is_mentioned_or_after_the_text(
    tmp_path: Path, template: str, values: dict[str, object], parts: list[object]
):
    (tmp_path / "read.j2").write_text(template)
    prompts = Prompts([tmp_path])
    for written in ("read.j2", InlinePrompt(template)):
        rendered = prompts.render(written, values)
        assert [part.text if isinstance(part, TextPart) else part for part in rendered.user] == parts


@pytest.mark.parametrize("template", [
    "{{ data }}", "{{ data | string }}", "{{ data | upper }}", "{{ data ~ '' }}", "{{ '%s' % data }}", "{{ data | trim }}",
    "{{ '{}'.format(data) }}", "{{ [data] | join }}", "{{ {'a': data} | tojson }}", "{{ [data] }}", "{{ data | e }}",
    "{{ data | replace('a', 'b') }}", "{{ '%s' | format(data) }}", "{{ data | urlencode }}", "{{ data | tojson }}",
])  # fmt: skip
@pytest.mark.parametrize("data", [b"abc", bytearray(b"abc"), memoryview(b"abc")])
def test_bytes_in_a_prompt_are_an_error_that_names_what_to_use(tmp_path: Path, template: str, data: object):
    with pytest.raises(PromptError) as refused:
        Prompts([tmp_path]).render(InlinePrompt(template), {"data": data})
    assert "abc" not in str(refused.value)
    assert "Image.from_bytes" in str(refused.value)


def test_a_system_text_takes_no_image(tmp_path: Path):
    with pytest.raises(PromptError, match="system block"):
        Prompts([tmp_path]).render(InlinePrompt("Read.", "You see {{ page }}."), {"page": PAGES[0]})


def test_the_public_names_are_the_parts():
    assert {"Image", "Document"} <= set(farebox.__all__)
