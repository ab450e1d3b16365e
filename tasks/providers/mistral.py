"""Mistral's own API: close to OpenAI's Chat Completions, with names and rules of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from tasks.providers.base import EventReader
from tasks.providers.json_fields import encode, obj, parse
from tasks.providers.messages import HttpRequest, JSONObject, ModelReply, ModelRequest
from tasks.providers.openai import Flavour, OpenAIAdapter
from tasks.providers.spec import ProviderSpec
from tasks.routing.target import Target

_RENAMED: Final = {"seed": "random_seed"}
_FLAVOUR: Final = Flavour(stream_options=False)


@dataclass(frozen=True, slots=True)
class MistralAdapter:
    """``/v1/chat/completions`` of La Plateforme; ids of calls are nine letters and digits, as ours are."""

    spec: ProviderSpec

    def encode(
        self, target: Target, request: ModelRequest, *, stream: bool = False, attempt_id: str | None = None
    ) -> HttpRequest:
        """``POST {base_url}/chat/completions``."""
        sent = self._chat.encode(target, request, stream=stream, attempt_id=attempt_id)
        body: JSONObject = {_RENAMED.get(name, name): value for name, value in obj(parse(sent.body)).items()}
        if body.get("tool_choice") == "required":
            body["tool_choice"] = "any"
        return replace(sent, body=encode(body))

    def decode(self, target: Target, status: int, headers: Mapping[str, str], body: bytes) -> ModelReply:
        """A completion; content may be chunks, of which those that are thoughts are left out."""
        return self._chat.decode(target, status, headers, body)

    def stream(self, target: Target, headers: Mapping[str, str]) -> EventReader:
        """A reader of chunks; the last one has the usage without being asked."""
        return self._chat.stream(target, headers)

    @property
    def _chat(self) -> OpenAIAdapter:
        return OpenAIAdapter(self.spec, _FLAVOUR)
