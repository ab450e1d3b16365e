"""Limits of images and documents that depend on a whole request, on its model's window, or on pixels."""

from typing import Any

import pytest

from pricing.content import DocumentPart, ImagePart, ToolCallPart, ToolResultPart
from tasks.providers import adapter_for, provider_names, spec_of
from tasks.providers.media import MediaRefused, refusal
from tasks.providers.messages import Message, ModelRequest
from tasks.routing.target import ProviderName
from tests.support.exchanges import request, target
from tests.support.media_tokens import png

SMALL, WIDE = ImagePart("image/png", png(2_000, 30)), ImagePart("image/png", png(2_001, 30))
LINKED = ImagePart("image/png", url="https://example.com/a.png")
GIF = ImagePart("image/gif", b"GIF89a" + (3).to_bytes(2, "little") * 2 + bytes(9))
MIB_6 = ImagePart("image/png", png(10, 10) + bytes(6_000_000))


def pdf(pages: int, size: int = 0) -> DocumentPart:
    return DocumentPart("application/pdf", b"%PDF-1.4\n" + b"<</Type /Page>>" * pages + bytes(size))


def asking(*parts: Any, text: str = "What is this?") -> ModelRequest:
    return request(messages=(Message.of("user", text, *parts),), tools=(), schema=None, system=request().system)


def why(provider: ProviderName, asked: ModelRequest, window: int | None = None) -> str | None:
    return refusal(spec_of(provider).features.media, asked, window)


@pytest.mark.parametrize(("provider", "window", "parts", "reason"), [
    ("anthropic", 1_000_000, [WIDE] * 20, None),
    ("anthropic", 1_000_000, [SMALL] * 21, None),
    ("anthropic", 1_000_000, [*[SMALL] * 20, WIDE], "more than 20 images only of at most 2,000 pixels a side"),
    ("anthropic", 1_000_000, [*[WIDE] * 20, LINKED], "more than 20 images only of at most 2,000 pixels a side"),
    ("anthropic", 1_000_000, [LINKED] * 600, None),
    ("anthropic", 200_000, [SMALL] * 100, None),
    ("anthropic", 200_000, [SMALL] * 101, "at most 100 images"),
    ("anthropic", 1_000_000, [SMALL] * 101, None),
    ("anthropic", None, [SMALL] * 601, "at most 600 images"),
    ("anthropic", 200_000, [pdf(100)], None),
    ("anthropic", 200_000, [pdf(101)], "at most 100 pages"),
    ("anthropic", 1_000_000, [pdf(101)], None),
    ("anthropic", 1_000_000, [pdf(601)], "at most 600 pages"),
    ("anthropic", 1_000_000, [MIB_6] * 3, None),
    ("anthropic", 1_000_000, [MIB_6] * 4, "requests of at most 32,000,000 bytes"),
    ("anthropic", 1_000_000, [pdf(3, 24_000_000)], "requests of at most 32,000,000 bytes"),
    ("gemini", 1_000_000, [MIB_6] * 3, "requests of at most 20,000,000 bytes"),
    ("gemini", 1_000_000, [MIB_6] * 2, None),
    ("groq", 131_072, [ImagePart("image/png", png(7_680, 4_320))], None),
    ("groq", 131_072, [ImagePart("image/png", png(7_681, 4_320))], "at most 33,177,600 pixels"),
    ("groq", 131_072, [ImagePart("image/png", png(3, 3) + bytes(1_600_000))] * 2, "requests of at most 4,000,000 bytes"),
    ("xai", 131_072, [SMALL], None),
    ("xai", 131_072, [GIF], "takes no image/gif"),
    ("vertex", 1_000_000, [pdf(1_001)], "at most 1000 pages"),
    ("openai", 131_072, [WIDE, GIF, pdf(700)], None),
])  # fmt: skip
def test_limits(provider: ProviderName, window: int | None, parts: list[Any], reason: str | None):
    found = why(provider, asking(*parts), window)
    assert found is None if reason is None else reason in (found or "")


def test_texts_count_to_a_request():
    asked = asking(MIB_6, MIB_6, text="word " * 1_000_000)
    assert why("gemini", asked) == "takes requests of at most 20,000,000 bytes"
    assert why("gemini", asking(text="word " * 5_000_000)) is None, "a window is what bounds texts alone"


def test_images_of_all_messages_and_results_count():
    shown = tuple(SMALL for _ in range(11))
    call = Message.of("assistant", ToolCallPart("c1", "weather"))
    result = Message.of("tool", ToolResultPart("c1", (*shown[1:], WIDE)))
    asked = request(messages=(Message.of("user", "?", *shown), call, result), schema=None)
    assert "more than 20 images" in (why("anthropic", asked) or "")


def test_an_adapter_knows_its_targets_window():
    asked = asking(*[SMALL] * 101)
    assert adapter_for("anthropic").encode(target("anthropic", window=1_000_000), asked).body
    with pytest.raises(MediaRefused, match="at most 100 images"):
        adapter_for("anthropic").encode(target("anthropic", window=200_000), asked)


@pytest.mark.parametrize("provider", provider_names())
def test_limits_in_words_are_of_what_is_taken(provider: ProviderName):
    rules = spec_of(provider).features.media
    assert rules.takes or rules.limits(200_000) == []


def test_limits_in_words_are_those_of_the_window():
    rules = spec_of("anthropic").features.media
    assert {"100 images a request", "100 pages a document", "2,000 pixels an edge above 20 images"} <= set(
        rules.limits(200_000)
    )
    assert {"600 images a request", "600 pages a document", "32,000,000 bytes a request"} <= set(
        rules.limits(1_000_000)
    )
