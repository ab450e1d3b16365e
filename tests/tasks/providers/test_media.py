"""Images and documents in each dialect, by the shapes of the SDKs' own types."""

import json
from base64 import b64encode
from typing import Any

import pytest
from anthropic.types import MessageParam
from openai.types.chat import ChatCompletionMessageParam
from pydantic import TypeAdapter

from pricing.content import DocumentPart, ImagePart, ToolCallPart, ToolResultPart
from tasks.providers import adapter_for, provider_names, spec_of
from tasks.providers.media import MediaRefused, refusal
from tasks.providers.messages import Message, ModelRequest
from tasks.routing.target import ProviderName
from tests.support.exchanges import request, target
from tests.support.media_tokens import PDF, png

PNG = png(3, 2)
IMAGE, PAGE = ImagePart("image/png", PNG), DocumentPart("application/pdf", PDF)
IMAGE_URL = ImagePart("image/png", url="https://example.com/a.png")
PDF_URL = DocumentPart("application/pdf", url="https://example.com/a.pdf")


def asking(*parts: Any) -> ModelRequest:
    return request(messages=(Message.of("user", "What is this?", *parts),), tools=(), schema=None)


def messages(provider: ProviderName, asked: ModelRequest) -> list[Any]:
    body = json.loads(adapter_for(provider).encode(target(provider), asked).body)
    return [message for message in body["messages"] if message["role"] != "system"]


def test_openai_takes_data_and_urls():
    [message] = messages("openai", asking(IMAGE, IMAGE_URL, PAGE))
    TypeAdapter(ChatCompletionMessageParam).validate_python(message)
    text, image, linked, page = message["content"]
    assert text == {"type": "text", "text": "What is this?"}
    assert image["image_url"]["url"] == f"data:image/png;base64,{b64encode(PNG).decode()}"
    assert linked["image_url"]["url"] == IMAGE_URL.url
    assert page["file"]["file_data"] == f"data:application/pdf;base64,{b64encode(PDF).decode()}"


def test_anthropic_takes_data_and_urls():
    [message] = messages("anthropic", asking(IMAGE, IMAGE_URL, PAGE, PDF_URL))
    TypeAdapter(MessageParam).validate_python(message)
    assert [block["type"] for block in message["content"]] == ["text", "image", "image", "document", "document"]
    assert message["content"][1]["source"]["data"] == b64encode(PNG).decode()
    assert message["content"][4]["source"] == {"type": "url", "url": PDF_URL.url}


def test_bedrock_names_documents_apart_and_puts_a_text_beside_them():
    [message] = messages("bedrock", asking(IMAGE, PAGE, DocumentPart("application/pdf", PDF)))
    assert message["content"][1]["image"] == {"format": "png", "source": {"bytes": b64encode(PNG).decode()}}
    assert [block["document"]["name"] for block in message["content"][2:]] == ["document 1", "document 2"]
    [alone] = messages("bedrock", request(messages=(Message.of("user", PAGE),), tools=(), schema=None))
    assert "text" in alone["content"][0]


@pytest.mark.parametrize(
    "provider", [name for name in provider_names() if "image data" in spec_of(name).features.media.takes]
)
def test_an_image_in_a_tools_result_reaches_the_model(provider: ProviderName):
    calls = (ToolCallPart("c1", "weather"), ToolCallPart("c2", "weather"))
    results = (ToolResultPart("c1", (IMAGE,)), ToolResultPart("c2", "rain"))
    asked = request(messages=(Message.of("user", "?"), Message.of("assistant", *calls), Message.of("tool", *results)))
    body = json.loads(adapter_for(provider).encode(target(provider), asked).body)
    assert b64encode(PNG).decode() in json.dumps(body)
    if provider not in {"anthropic", "bedrock", "gemini", "vertex"}:
        assert [message["role"] for message in body["messages"][3:]] == ["tool", "tool", "user"]


@pytest.mark.parametrize(("provider", "part", "why"), [
    ("groq", PAGE, "takes no document data"), ("openai_compatible", PAGE, "takes no document data"),
    ("openai", PDF_URL, "takes no document URL"), ("bedrock", IMAGE_URL, "takes no image URL"),
    ("bedrock", ImagePart("image/png", PNG + bytes(4_000_000)), "at most 3,750,000 bytes"),
])  # fmt: skip
def test_what_a_target_cannot_take_is_refused(provider: ProviderName, part: Any, why: str):
    assert why in (refusal(spec_of(provider).features.media, asking(part)) or "")
    with pytest.raises(MediaRefused, match=why):
        adapter_for(provider).encode(target(provider), asking(part))
    assert refusal(spec_of("anthropic").features.media, asking(IMAGE)) is None


MANY_PAGES = DocumentPart("application/pdf", b"%PDF-1.4\n" + b"<</Type /Page>>" * 601)


@pytest.mark.parametrize(("provider", "parts", "why"), [
    ("bedrock", [IMAGE] * 21, "at most 20 images"), ("bedrock", [PAGE] * 6, "at most 5 documents"),
    ("groq", [IMAGE] * 6, "at most 5 images"), ("anthropic", [ImagePart("image/png", png(8_001, 10))], "8,000 pixels"),
    ("bedrock", [ImagePart("image/png", png(10, 9_000))], "8,000 pixels"), ("anthropic", [MANY_PAGES], "600 pages"),
])  # fmt: skip
def test_numbers_and_sizes_have_limits(provider: ProviderName, parts: list[Any], why: str):
    rules = spec_of(provider).features.media
    assert why in (refusal(rules, asking(*parts)) or "")
    assert refusal(rules, asking(*([IMAGE] * min(5, len(parts))))) is None
