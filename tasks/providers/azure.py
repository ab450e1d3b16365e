"""Azure OpenAI: OpenAI's Chat Completions at addresses of its own, by deployment (classic) or by model (v1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from tasks.providers.base import EventReader
from tasks.providers.messages import HttpRequest, ModelReply, ModelRequest
from tasks.providers.openai import OpenAIAdapter
from tasks.providers.spec import ProviderSpec
from tasks.routing.target import Credential, Target

API_VERSION: Final = "2024-10-21"
"""Of classic addresses that name none: the last one that is generally available."""
_V1: Final = "/openai/v1"


@dataclass(frozen=True, slots=True)
class AzureAdapter:
    """Chat Completions of a resource; its model is the name of a deployment."""

    spec: ProviderSpec
    chat: OpenAIAdapter

    def encode(
        self, target: Target, request: ModelRequest, *, stream: bool = False, attempt_id: str | None = None
    ) -> HttpRequest:
        """``POST {resource}/openai/v1/chat/completions``, or the classic address where ``base_url`` is none of v1.

        Classic is ``{resource}/openai/deployments/{model}/chat/completions?api-version=…``, with the version that
        ``base_url`` names.
        """
        keyless = replace(target, credential=Credential())
        sent = self.chat.encode(keyless, request, stream=stream, attempt_id=attempt_id)
        headers, key = dict(sent.headers), target.credential.key
        if key and key.count(".") == _DOTS_OF_TOKEN:  # a JSON Web Token of Entra ID; keys have no dots
            headers.setdefault("Authorization", f"Bearer {key}")
        elif key:
            headers.setdefault("api-key", key)
        return replace(sent, url=chat_url(target.base_url, target.model), headers=headers)

    def decode(self, target: Target, status: int, headers: Mapping[str, str], body: bytes) -> ModelReply:
        """A completion, as OpenAI's; what its filter stopped ends with ``content_filter``."""
        return self.chat.decode(target, status, headers, body)

    def stream(self, target: Target, headers: Mapping[str, str]) -> EventReader:
        """A reader of chunks, of which the first has filter results only."""
        return self.chat.stream(target, headers)


_DOTS_OF_TOKEN: Final = 2


def chat_url(base_url: str, deployment: str) -> str:
    """Where a deployment's chat completions are.

    Args:
        base_url: the resource's address, with ``/openai/v1`` or the path of a deployment, as Azure's portal shows it.
        deployment: its name.

    Example:
        >>> chat_url("https://one.openai.azure.com/openai/v1/", "gpt")
        'https://one.openai.azure.com/openai/v1/chat/completions'
        >>> chat_url("https://one.openai.azure.com?api-version=2025-01-01-preview", "gpt")
        'https://one.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=2025-01-01-preview'
    """
    parts = urlsplit(base_url)
    path, query = parts.path.rstrip("/").removesuffix("/chat/completions"), dict(parse_qsl(parts.query))
    if not path.endswith(_V1):
        root = path.partition("/openai/deployments/")[0].removesuffix("/openai")
        path = f"{root}/openai/deployments/{quote(deployment, safe='')}"
        query.setdefault("api-version", API_VERSION)
    return urlunsplit((parts.scheme, parts.netloc, f"{path}/chat/completions", urlencode(query), ""))
