"""Targets and requests that the adapters' tests share."""

from typing import Any

from pydantic import BaseModel, Field

from pricing.content import TextPart, ToolCallPart, ToolResultPart
from tasks.providers.messages import Message, ModelRequest, Schema, Tool
from tasks.providers.registry import spec_of
from tasks.routing.target import Credential, ProviderName, Target

BASES: dict[str, str] = {
    "openai": "https://api.openai.com/v1",
    "groq": "https://api.groq.com/openai/v1",
    "openai_compatible": "http://127.0.0.1:8000/v1",
    "anthropic": "https://api.anthropic.com",
    "bedrock": "https://bedrock-runtime.eu-west-1.amazonaws.com",
}
MODELS: dict[str, str] = {
    "openai": "gpt-5-mini",
    "groq": "openai/gpt-oss-20b",
    "openai_compatible": "qwen3",
    "anthropic": "claude-haiku-4-5",
    "bedrock": "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
}
WEATHER = Tool("weather", "Today's weather", {"type": "object", "properties": {"city": {"type": "string"}}})


class Point(BaseModel):
    x: int = Field(default=0, ge=0, description="from the left")
    title: str | None = None


class Answer(BaseModel):
    best: Point = Field(description="the best one")
    others: list[Point]


class Free(BaseModel):
    anything: dict[str, int]


def schema(model: type[BaseModel]) -> Schema:
    return Schema(model.__name__, model.model_json_schema())


def target(provider: ProviderName, **changes: Any) -> Target:
    settings: dict[str, Any] = {
        "name": provider,
        "provider": provider,
        "model": MODELS.get(provider, "some-model-1"),
        "tier": "light",
        "window": 100_000,
        "max_output": 1000,
        "base_url": BASES.get(provider) or spec_of(provider).base_url,
        "failure_domain": provider,
        "credential": Credential(key="secret"),
    }
    return Target(**(settings | changes))


CONVERSATION = (
    Message.of("user", "Weather in Bern and Basel?"),
    Message.of(
        "assistant",
        ToolCallPart.parse("c1", "weather", '{"city":"Bern"}'),
        ToolCallPart.parse("c2", "weather", "{broken"),
    ),
    Message.of("tool", ToolResultPart("c1", "sunny")),
    Message.of("tool", ToolResultPart("c2", "", is_error=True)),
    Message.of("user", "Go on."),
    Message.of("assistant", "  "),
)


def request(**changes: Any) -> ModelRequest:
    settings: dict[str, Any] = {
        "messages": CONVERSATION,
        "max_tokens": 500,
        "system": TextPart("Be brief."),
        "tools": (WEATHER,),
        "schema": schema(Answer),
        "temperature": 0.2,
        "cache": True,
    }
    return ModelRequest(**(settings | changes))
