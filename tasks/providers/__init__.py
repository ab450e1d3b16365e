"""Providers: their dialects on the wire, and what their failures mean."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from tasks.providers.base import Adapter, ReplyError, Stream
    from tasks.providers.certificates import check_ca_file
    from tasks.providers.downloads import DownloadFailed, DownloadTooLarge, download
    from tasks.providers.failure_kinds import ALLOWED, FAILED_STOPS, Failure, FailureKind
    from tasks.providers.failures import classify_exception
    from tasks.providers.feeds import fetch
    from tasks.providers.known_names import check_provider, provider_names
    from tasks.providers.messages import (
        HttpRequest,
        Message,
        ModelReply,
        ModelRequest,
        Schema,
        Tool,
        WireFailed,
        media_of,
    )
    from tasks.providers.options import RequestOptions
    from tasks.providers.reasoning import LEVELS, Reasoning, rules_of
    from tasks.providers.reasoning_fields import answer_limit, reasoning_allowance, usual_thinking_tokens
    from tasks.providers.registry import adapter_for, classify, price_list_of, spec_of
    from tasks.providers.schemas import strict_schema
    from tasks.providers.service_tiers import served_tier
    from tasks.providers.spec import ProviderSpec
    from tasks.providers.transport import Transport

__all__ = [
    "ALLOWED",
    "FAILED_STOPS",
    "LEVELS",
    "Adapter",
    "DownloadFailed",
    "DownloadTooLarge",
    "Failure",
    "FailureKind",
    "HttpRequest",
    "Message",
    "ModelReply",
    "ModelRequest",
    "ProviderSpec",
    "Reasoning",
    "ReplyError",
    "RequestOptions",
    "Schema",
    "Stream",
    "Tool",
    "Transport",
    "WireFailed",
    "adapter_for",
    "answer_limit",
    "check_ca_file",
    "check_provider",
    "classify",
    "classify_exception",
    "download",
    "fetch",
    "media_of",
    "price_list_of",
    "provider_names",
    "reasoning_allowance",
    "rules_of",
    "served_tier",
    "spec_of",
    "strict_schema",
    "usual_thinking_tokens",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "ALLOWED": "tasks.providers.failure_kinds",
            "Adapter": "tasks.providers.base",
            "FAILED_STOPS": "tasks.providers.failure_kinds",
            "Failure": "tasks.providers.failure_kinds",
            "FailureKind": "tasks.providers.failure_kinds",
            "HttpRequest": "tasks.providers.messages",
            "LEVELS": "tasks.providers.reasoning",
            "Message": "tasks.providers.messages",
            "ModelReply": "tasks.providers.messages",
            "ModelRequest": "tasks.providers.messages",
            "ProviderSpec": "tasks.providers.spec",
            "Reasoning": "tasks.providers.reasoning",
            "ReplyError": "tasks.providers.base",
            "RequestOptions": "tasks.providers.options",
            "Schema": "tasks.providers.messages",
            "Stream": "tasks.providers.base",
            "Tool": "tasks.providers.messages",
            "Transport": "tasks.providers.transport",
            "WireFailed": "tasks.providers.messages",
            "adapter_for": "tasks.providers.registry",
            "check_ca_file": "tasks.providers.certificates",
            "check_provider": "tasks.providers.known_names",
            "classify": "tasks.providers.registry",
            "classify_exception": "tasks.providers.failures",
            "DownloadFailed": "tasks.providers.downloads",
            "DownloadTooLarge": "tasks.providers.downloads",
            "download": "tasks.providers.downloads",
            "fetch": "tasks.providers.feeds",
            "media_of": "tasks.providers.messages",
            "price_list_of": "tasks.providers.registry",
            "provider_names": "tasks.providers.known_names",
            "answer_limit": "tasks.providers.reasoning_fields",
            "rules_of": "tasks.providers.reasoning",
            "served_tier": "tasks.providers.service_tiers",
            "spec_of": "tasks.providers.registry",
            "strict_schema": "tasks.providers.schemas",
            "reasoning_allowance": "tasks.providers.reasoning_fields",
            "usual_thinking_tokens": "tasks.providers.reasoning_fields",
        },
    )
