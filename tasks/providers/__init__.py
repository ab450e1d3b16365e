"""Providers: their dialects on the wire, and what their failures mean."""

from tasks.providers.adapters import adapter_for
from tasks.providers.base import Adapter, ReplyError, Stream
from tasks.providers.failures import classify
from tasks.providers.kinds import ALLOWED, FAILED_STOPS, Failure, FailureKind
from tasks.providers.schemas import strict_schema
from tasks.providers.transport_failures import classify_exception

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
