"""Service tiers in the sandbox: which words a dialect takes, and which one served a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tasks.providers.messages import JSONObject
from tasks.providers.service_tiers import served_tier
from tasks.sandbox.faults import Fault
from tasks.sandbox.protocol import BadRequest, Provider

_TAKEN: Final[Mapping[Provider, frozenset[str]]] = {
    "openai": frozenset({"auto", "default", "flex", "priority", "scale", "standard_only"}),
    "groq": frozenset({"auto", "on_demand", "flex", "performance"}),
    "anthropic": frozenset({"auto", "standard_only"}),
    "bedrock": frozenset({"default", "priority", "flex", "reserved"}),
    "gemini": frozenset({"standard", "flex", "priority"}),
}
"""``standard_only`` among OpenAI's is Mistral's, which speaks its dialect."""
_USUAL: Final[Mapping[Provider, str]] = {
    "openai": "default",
    "groq": "on_demand",
    "anthropic": "standard",
    "gemini": "standard",
}
"""Of a request that names none, or leaves it to the provider; Bedrock tells only who asks."""


def asked_tier(provider: Provider, body: JSONObject) -> str:
    """The value of the request's field; empty where it has none.

    Raises:
        BadRequest: the dialect does not have that value.
    """
    given = body.get("serviceTier") if provider == "bedrock" else body.get("service_tier")
    word = given.get("type") if provider == "bedrock" and isinstance(given, dict) else given
    if word is None:
        return ""
    if not isinstance(word, str) or word not in _TAKEN[provider]:
        allowed = ", ".join(sorted(_TAKEN[provider]))
        raise BadRequest(f"Invalid value for service_tier; supported values are: {allowed}.", param="service_tier")
    return word


def serving_tier(provider: Provider, asked: str, fault: Fault | None) -> str:
    """The word for the service tier that serves a request, as its reply has it; empty where it tells none.

    A fault of the kind ``tier`` lets another one serve it: a downgrade, or a project's own setting.
    """
    if fault is not None and fault.kind == "tier":
        return fault.service_tier or _USUAL.get(provider, "default")
    if asked in {"", "auto", "standard_only"}:
        return _USUAL.get(provider, "")
    return asked


def billed_tier(word: str) -> str:
    """What sets the price of a request that was served so."""
    return served_tier(word) or "standard"
