"""How many tokens an image or a document will be, before any provider has counted it.

By the formulas that providers publish, per family of models; where a family has none, or the size of an image is not
known (a URL), by the largest of them. The count of pages of a PDF is read from its text, or guessed from its bytes.
"""

from __future__ import annotations

import io
import re
from collections import OrderedDict
from math import ceil
from threading import Lock
from typing import NamedTuple

from pricing.content import DocumentPart, ImagePart
from pricing.records import record

_CLAUDE_FINE = re.compile(r"claude-(?:opus-4-[789]|[a-z]+-[5-9])")
_TILES = (
    (re.compile(r"gpt-4o-mini"), 2833, 5667),
    (re.compile(r"gpt-(?:4o|4\.1(?!-mini|-nano))"), 85, 170),
    (re.compile(r"gpt-5(?:\.1)?(?!\.)"), 70, 140),
    (re.compile(r"(?:^|/)o[13]"), 75, 150),
)
"""OpenAI's models that cut an image into tiles: tokens of the image, and of each tile of 512 pixels."""
_PATCHES = ((re.compile(r"gpt-(?:5\.[2-9]|[6-9])"), 1.2), (re.compile(r"gpt-4\.1-mini"), 1.62))
"""Those that cut it into patches of 32 pixels: tokens of each, in detail ``high``, which is what adapters ask for."""
_PATCH_EDGE, _PATCH_BUDGET = 2048, 2_500
_MOST_PATCHES, _PATCH_FACTOR = 10_000, 1.62
_CLAUDE_CAPS = {True: (2576, 4_784), False: (1568, 1_568)}
_GEMINI_TILED = re.compile(r"gemini-(?:1|2)(?:[.-]|$)")
_GEMINI_TILE, _GEMINI_SMALL, _GEMINI_EDGE = 258, 384, 768
_GEMINI_IMAGE, _GEMINI_IMAGE_MOST = 1_120, 2_240
_GEMINI_PAGE, _GEMINI_PAGE_MOST = 560, 1_120
_BEDROCK_PAGE = 350
"""Of a page whose text alone is read, as Converse does where citations are off."""
_PAGE_TEXT, _PAGE_TEXT_MOST = 2_000, 3_000
_PAGE_SIZE = (1_240, 1_754)
"""Pixels of a page as it is shown to a model: A4 at 150 dots per inch."""
_BYTES_PER_PAGE = 20_000
"""Of a PDF whose page objects are compressed: fewer than pages of text alone usually have."""
_UNKNOWN_PAGES = 100
"""Of a document behind a URL: what models with small windows take at most."""
_PAGES = re.compile(rb"/Type\s*/Page(?![a-zA-Z])")
_JPEG_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


class PixelSize(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


@record(frozen=True, slots=True)
class MediaSize:
    """What decides how many tokens a part is: the size of an image, ``None`` when unknown, or the pages of a PDF."""

    size: PixelSize | None = None
    pages: int = 0

    @classmethod
    def of(cls, part: ImagePart | DocumentPart) -> MediaSize:
        """The size of a part."""
        if isinstance(part, ImagePart):
            return cls(image_size(part.data))
        return cls(PixelSize(*_PAGE_SIZE), _UNKNOWN_PAGES if part.url else _pages_of(part))

    @classmethod
    def of_pages(cls, pages: int) -> MediaSize:
        """So many pages of a document."""
        return cls(PixelSize(*_PAGE_SIZE), pages)

    def expected(self, model: str) -> int:
        """Tokens it is expected to count."""
        return self.pages * _page_tokens(model)[0] if self.pages else _image_tokens(model, self.size)[0]

    def most(self, model: str) -> int:
        """Tokens it counts at most."""
        return self.pages * _page_tokens(model)[1] if self.pages else _image_tokens(model, self.size)[1]


_COUNTED: OrderedDict[str, int] = OrderedDict()
"""By digest the pages of the last documents: one is counted several times in a turn, and in every turn of an agent."""
_COUNTED_LOCK = Lock()
_MOST_COUNTED = 1_000


def _pages_of(part: DocumentPart) -> int:
    digest = part.digest
    with _COUNTED_LOCK:
        known = _COUNTED.get(digest)
    if known is not None:
        return known
    pages = page_count(part.data)
    with _COUNTED_LOCK:
        _COUNTED[digest] = pages
        while len(_COUNTED) > _MOST_COUNTED:
            _COUNTED.popitem(last=False)
    return pages


def page_count(data: bytes) -> int:
    """Pages of a PDF: those that it names, or holds compressed; of one that cannot be opened one for each 20 KB."""
    return len(_PAGES.findall(data)) or _compressed_pages(data) or max(ceil(len(data) / _BYTES_PER_PAGE), 1)


def _compressed_pages(data: bytes) -> int:
    from pypdf import PdfReader

    try:
        return len(PdfReader(io.BytesIO(data)).pages)
    except Exception:  # noqa: BLE001  pypdf raises whatever a damaged file makes it raise; then its size says
        return 0


def image_size(data: bytes) -> PixelSize | None:
    """Width and height of a PNG, GIF, WebP or JPEG; None when its header does not say."""
    if data.startswith(b"\x89PNG") and len(data) >= 24:  # noqa: PLR2004
        return _sized(int.from_bytes(data[16:20]), int.from_bytes(data[20:24]))
    if data.startswith(b"GIF8") and len(data) >= 10:  # noqa: PLR2004
        return _sized(int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little"))
    if data.startswith(b"RIFF") and len(data) >= 30:  # noqa: PLR2004
        return _webp_size(data)
    return _jpeg_size(data) if data.startswith(b"\xff\xd8") else None


def _sized(width: int, height: int) -> PixelSize | None:
    return PixelSize(width, height) if width and height else None


def _webp_size(data: bytes) -> PixelSize | None:
    match data[12:16]:
        case b"VP8X":
            return PixelSize(1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little"))
        case b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return PixelSize(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
        case b"VP8 ":
            width, height = int.from_bytes(data[26:28], "little"), int.from_bytes(data[28:30], "little")
            return _sized(width & 0x3FFF, height & 0x3FFF)
    return None


def _jpeg_size(data: bytes) -> PixelSize | None:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:  # noqa: PLR2004
        if data[at + 1] in _JPEG_FRAMES:
            return _sized(int.from_bytes(data[at + 7 : at + 9]), int.from_bytes(data[at + 5 : at + 7]))
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return None


def _image_tokens(model: str, size: PixelSize | None) -> tuple[int, int]:
    """Tokens of one image, as expected and at most; without a published formula the most that any usual one gives."""
    lowered = model.lower()
    if "gemini" in lowered:
        if not _GEMINI_TILED.search(lowered):
            return _GEMINI_IMAGE, _GEMINI_IMAGE_MOST
        tokens = _gemini_tiles(size)
    elif "claude" in lowered:
        tokens = _claude(size, fine=bool(_CLAUDE_FINE.search(lowered)))
    elif tiles := next((found for found in _TILES if found[0].search(lowered)), None):
        tokens = _tiles(size, tiles[1], tiles[2])
    elif patches := next((found for found in _PATCHES if found[0].search(lowered)), None):
        tokens = _patches(size, patches[1], _PATCH_EDGE, _PATCH_BUDGET)
    else:
        tokens = max(_claude(size, fine=True), _patches(size, _PATCH_FACTOR, None, _MOST_PATCHES))
    return tokens, tokens


def _page_tokens(model: str) -> tuple[int, int]:
    """Tokens of one page of a document, likewise: of its text and its image."""
    lowered = model.lower()
    if "gemini" in lowered:
        tiled = _GEMINI_TILED.search(lowered) is not None
        return (_GEMINI_TILE, _GEMINI_TILE) if tiled else (_GEMINI_PAGE, _GEMINI_PAGE_MOST)
    shown = _image_tokens(model, PixelSize(*_PAGE_SIZE))[0]
    expected = _BEDROCK_PAGE if "anthropic.claude" in lowered else shown + _PAGE_TEXT
    return expected, shown + _PAGE_TEXT_MOST


def _gemini_tiles(size: PixelSize | None) -> int:
    if size is None:
        return _GEMINI_TILE * ceil(2576 / _GEMINI_EDGE) ** 2
    if max(size) <= _GEMINI_SMALL:
        return _GEMINI_TILE
    return _GEMINI_TILE * ceil(size.width / _GEMINI_EDGE) * ceil(size.height / _GEMINI_EDGE)


def _claude(size: PixelSize | None, *, fine: bool) -> int:
    edge, most = _CLAUDE_CAPS[fine]
    if size is None:
        return most
    width, height = _fitted(size, edge)
    return min(most, ceil(width / 28) * ceil(height / 28))


def _tiles(size: PixelSize | None, base: int, tile: int) -> int:
    if size is None:
        return base + tile * 8
    width, height = _fitted(size, 2048)
    scale = min(1.0, 768 / min(width, height))
    return base + tile * ceil(width * scale / 512) * ceil(height * scale / 512)


def _patches(size: PixelSize | None, factor: float, edge: int | None, budget: int) -> int:
    if size is None:
        return ceil(budget * factor)
    width, height = _fitted(size, edge) if edge else size
    return ceil(min(ceil(width / 32) * ceil(height / 32), budget) * factor)


def _fitted(size: PixelSize, edge: int) -> tuple[float, float]:
    scale = min(1.0, edge / max(size))
    return size.width * scale, size.height * scale
