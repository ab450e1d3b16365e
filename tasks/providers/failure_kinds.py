"""The classes of failure, and what each of them allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal, NamedTuple, TypeAlias

from pricing import record
from tasks.providers.messages import StopReason

FailureKind: TypeAlias = Literal[
    "rate_limit",
    "request_exceeds_quota_window",
    "overloaded",
    "tier_capacity",
    "server_error",
    "timeout",
    "connection",
    "context_overflow",
    "request_too_large",
    "quota_exhausted",
    "auth",
    "not_found",
    "invalid_request",
    "content_policy",
    "refusal",
    "invalid_output",
    "truncated",
    "unverified",
]
Move: TypeAlias = Literal["anywhere", "other_account", "larger_quota", "larger_window", "higher_tier", "nowhere"]
"""Which other targets may still succeed after a failure."""
Phase: TypeAlias = Literal["pool", "connect", "write", "read"]
"""Where in an exchange the transport gave up; nothing was sent before ``write``."""


TLS_CERTIFICATE: Final = "tls_certificate"
TLS_HANDSHAKE: Final = "tls_handshake"
"""Codes of a lost ``connection``: the server's certificate is not trusted, or the two sides agree on no protocol."""


class Allowed(NamedTuple):
    """What may follow a failure.

    ``fallback`` says whether *any* other target may take the same request as it is; ``move`` says which ones could
    help at all, so a context overflow has no fallback, yet moves to a larger window.
    """

    retry_same_target: bool
    fallback: bool
    move: Move


ALLOWED: Mapping[FailureKind, Allowed] = {
    "rate_limit": Allowed(True, True, "anywhere"),
    "overloaded": Allowed(True, True, "anywhere"),
    "tier_capacity": Allowed(True, True, "anywhere"),
    "server_error": Allowed(True, True, "anywhere"),
    "timeout": Allowed(True, True, "anywhere"),
    "connection": Allowed(True, True, "anywhere"),
    "invalid_output": Allowed(True, True, "higher_tier"),
    "truncated": Allowed(False, False, "higher_tier"),
    "unverified": Allowed(False, True, "higher_tier"),
    "quota_exhausted": Allowed(False, True, "other_account"),
    "auth": Allowed(False, True, "other_account"),
    "not_found": Allowed(False, True, "other_account"),
    "request_exceeds_quota_window": Allowed(False, True, "larger_quota"),
    "context_overflow": Allowed(False, False, "larger_window"),
    "request_too_large": Allowed(False, False, "nowhere"),
    "invalid_request": Allowed(False, False, "nowhere"),
    "content_policy": Allowed(False, False, "nowhere"),
    "refusal": Allowed(False, False, "nowhere"),
}
"""The matrix's facts (docs: DESIGN, "Fallback is a matrix"); the only place where they are written."""

FAILED_STOPS: Mapping[StopReason, FailureKind] = {
    "length": "truncated",
    "refusal": "refusal",
    "content_filter": "content_policy",
    "malformed": "invalid_output",
}
"""Replies that arrived, were billed, and are nevertheless no answer. ``end`` and ``tool_calls`` are answers."""


@record(frozen=True, slots=True)
class Failure:
    """Why an attempt gave no answer. Holds nothing of the body but a code of the provider's own vocabulary.

    ``retry_after`` is seconds, a minimum; ``status`` the HTTP status if there was one; ``maybe_billed`` whether the
    provider may charge for the attempt although it failed. ``refuses`` names features of the request that a 400 may be
    about, the likeliest first.
    """

    kind: FailureKind
    retry_same_target: bool
    fallback: bool
    retry_after: float | None = None
    status: int | None = None
    code: str | None = None
    phase: Phase | None = None
    maybe_billed: bool = False
    request_id: str | None = None
    refuses: tuple[str, ...] = ()

    @property
    def move(self) -> Move:
        """Which other targets could help; after a fault of one target only, all others."""
        usual = ALLOWED[self.kind]
        return "anywhere" if self.fallback and not usual.fallback else usual.move


def without_capacity(why: Failure) -> Failure:
    """The failure of a request that named a service tier, where the provider had no capacity at that tier:
    no outage, since its other tiers may well answer, and not charged.
    """
    return replace(why, kind="tier_capacity") if why.kind == "overloaded" and not why.maybe_billed else why


def failure(
    kind: FailureKind,
    *,
    status: int | None = None,
    code: str | None = None,
    phase: Phase | None = None,
    maybe_billed: bool = False,
    request_id: str | None = None,
) -> Failure:
    """A failure of a class, with the retries and fallbacks that the class allows."""
    allowed = ALLOWED[kind]
    return Failure(
        kind=kind,
        retry_same_target=allowed.retry_same_target,
        fallback=allowed.fallback,
        status=status,
        code=code,
        phase=phase,
        maybe_billed=maybe_billed,
        request_id=request_id,
    )
