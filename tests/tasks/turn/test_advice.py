"""The advice to a person: waiting only where it can help."""

import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from tasks.providers.failure_kinds import failure
from tasks.providers.failures import classify_exception
from tasks.providers.messages import WireFailed
from tasks.turn.advice import described, next_step
from tests.support.exchanges import target

KEY = ConnectionKey("models.internal", 443, True, True, None, None, None)


def wire(cause: Exception) -> WireFailed:
    failed = WireFailed()
    failed.__cause__ = cause
    return failed


TLS = [
    (
        wire(aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError("self-signed"))),
        "tls_certificate",
    ),
    (wire(ssl.SSLCertVerificationError("hostname mismatch")), "tls_certificate"),
    (wire(aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError("wrong version number"))), "tls_handshake"),
]


@pytest.mark.parametrize(("error", "code"), TLS)
def test_tls_is_told_apart_and_not_tried_again(error: Exception, code: str):
    why = classify_exception(error)
    assert (why.kind, why.phase, why.code) == ("connection", "connect", code)
    assert (why.retry_same_target, why.fallback, why.maybe_billed) == (False, True, False)
    assert described(why) == f"connection: {code}"
    step = next_step([(target("openai"), why)])
    assert "'openai'" in step
    assert "Wait" not in step


@pytest.mark.parametrize("kind", ["auth", "quota_exhausted", "not_found", "invalid_request", "request_too_large"])
def test_what_somebody_has_to_fix_is_said_and_not_to_wait(kind):
    step = next_step([(target("openai"), failure(kind)), (target("groq"), failure(kind))])
    assert "'openai' and 'groq'" in step
    assert "Wait" not in step


@pytest.mark.parametrize("kind", ["rate_limit", "overloaded", "server_error", "timeout", "connection"])
def test_what_passes_is_waited_for(kind):
    assert next_step([(target("openai"), failure(kind))]).startswith("Wait and run again")
    mixed = next_step([(target("groq"), failure("auth")), (target("openai"), failure(kind))])
    assert mixed.startswith("The key of 'groq' was refused")
    assert mixed.count("Wait and run again") == 1


def test_where_nobody_was_asked_there_is_time_to_wait():
    assert next_step([]).startswith("Wait")
