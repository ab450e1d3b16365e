"""Images and documents: what is accepted, and what they count as."""

import pickle
import struct

import pytest

from pricing.content import LARGEST_MEDIA, DocumentPart, ImagePart, ProviderStatePart, identity
from pricing.tokens.estimate import count_tokens
from pricing.tokens.media import MediaSize, image_size, page_count
from tests.support.media_tokens import PDF, png

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xc0\x00\x11\x08\x01\x2c\x02\x58\x03"
GIF = b"GIF89a" + struct.pack("<HH", 30, 20) + bytes(8)
WEBP = {
    b"VP8X": b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00" + b"\x57\x02\x00\x2b\x01\x00",
    b"VP8 ": b"RIFF\x00\x00\x00\x00WEBPVP8 " + bytes(10) + struct.pack("<HH", 600, 300),
    b"VP8L": b"RIFF\x00\x00\x00\x00WEBPVP8L" + bytes(5) + struct.pack("<I", 599 | 299 << 14) + bytes(8),
}


@pytest.mark.parametrize(("data", "size"), [
    (png(800, 600), (800, 600)), (JPEG, (600, 300)), (GIF, (30, 20)), (png(0, 5), None), (b"\x89PNG", None),
    *((data, (600, 300)) for data in WEBP.values()), (b"\xff\xd8\xff", None), (b"", None),
])  # fmt: skip
def test_sizes_are_read_from_the_header(data: bytes, size: tuple[int, int] | None):
    assert image_size(data) == size


@pytest.mark.parametrize(("model", "size", "tokens"), [
    ("claude-sonnet-4-6", (1000, 1000), 36 * 36),
    ("claude-sonnet-4-6", (4000, 4000), 1_568),
    ("eu.anthropic.claude-sonnet-5-5", (1000, 1000), 36 * 36),
    ("claude-opus-4-8", (8000, 8000), 4_784),
    ("claude-haiku-4-5-20251001", (8000, 8000), 1_568),
    ("gpt-4o", (1024, 1024), 85 + 170 * 4),
    ("gpt-4o", (100, 100), 85 + 170),
    ("gpt-4o-mini", (1024, 1024), 2833 + 5667 * 4),
    ("gpt-5", (2048, 4096), 70 + 140 * 6),
    ("somebody/some-model", (1000, 1000), 1_659),
])  # fmt: skip
def test_images_count_by_the_published_formulas(model: str, size: tuple[int, int], tokens: int):
    part = MediaSize.of(ImagePart("image/png", png(*size)))
    assert part.expected(model) == part.most(model) == tokens


def test_pages_are_counted_and_an_unknown_size_is_held_at_most():
    assert page_count(PDF) == 3
    assert page_count(b"%PDF-" + bytes(100_000)) == 6
    pages = MediaSize.of(DocumentPart("application/pdf", PDF))
    assert pages.most("claude-opus-4-8") > pages.expected("claude-opus-4-8") > 3 * 2_000
    known, unknown = ImagePart("image/png", png(500, 500)), ImagePart("image/png", url="https://example.com/a.png")
    for model in ("claude-opus-4-8", "gpt-4o", "other"):
        assert MediaSize.of(unknown).most(model) > MediaSize.of(known).most(model)


def test_a_count_covers_every_part():
    alone = count_tokens("Read this.")
    both = count_tokens("Read this.", media=[ImagePart("image/png", png(1000, 1000))])
    for model in ("claude-opus-4-8", "gpt-4o", ""):
        assert both.expected(model=model) > alone.expected(model=model)
        assert both.most(model=model) > alone.most(model=model)


@pytest.mark.parametrize(("given", "why"), [
    ({"media_type": "image/tiff", "data": b"x"}, "image/tiff"),
    ({"media_type": "image/png"}, "either data or a URL"),
    ({"media_type": "image/png", "data": png(1, 1), "url": "https://a.example/b"}, "either data or a URL"),
    ({"media_type": "image/png", "url": "http://a.example/b"}, "https"),
    ({"media_type": "image/png", "data": JPEG}, "its data is not image/png"),
    ({"media_type": "image/png", "data": png(1, 1) + bytes(LARGEST_MEDIA)}, "limit"),
])  # fmt: skip
def test_what_is_no_image_is_refused(given: dict[str, object], why: str):
    with pytest.raises(ValueError, match=why):
        ImagePart(**given)  # type: ignore[arg-type]


def test_a_part_is_identified_by_its_content():
    one, other = ImagePart("image/png", png(1, 1)), ImagePart("image/png", png(1, 2))
    assert identity(one) == identity(ImagePart("image/png", png(1, 1)))
    assert identity(one) != identity(other)


def test_provider_state_shows_nothing_and_stays_in_its_process():
    state = ProviderStatePart("anthropic/claude", {"thinking": "zebra"})
    assert "zebra" not in f"{state!r} {state}"
    with pytest.raises(TypeError, match="does not leave"):
        pickle.dumps(state)
