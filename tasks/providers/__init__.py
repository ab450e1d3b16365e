"""Providers: their dialects on the wire, and what their failures mean."""

from tasks.providers.adapters import adapter_for
from tasks.providers.base import Adapter, ReplyError, Stream
from tasks.providers.failures import ALLOWED, FAILED_STOPS, Failure, FailureKind, classify, classify_exception
from tasks.providers.schemas import strict_schema

__all__ = [
    "ALLOWED",
    "FAILED_STOPS",
    "Adapter",
    "Failure",
    "FailureKind",
    "ReplyError",
    "Stream",
    "adapter_for",
    "classify",
    "classify_exception",
    "strict_schema",
]
