"""AWS Signature Version 4, for one request whose body is at hand.

Source: "Create a signed AWS API request" (AWS IAM User Guide).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit

from tasks.routing.target import Credential

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def signed_headers(
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    credential: Credential,
    *,
    region: str,
    service: str,
    method: str = "POST",
    now: datetime | None = None,
) -> dict[str, str]:
    """``headers`` plus what proves who sends them; all of ``headers`` and the host are signed.

    ``url`` must be what goes on the wire: its path, already percent-encoded, is encoded once more to be signed, as all
    AWS services but S3 want it; S3 also wants the digest of the body in a header. The signature holds for some minutes
    around ``now``.
    """
    parts, digest, s3 = urlsplit(url), hashlib.sha256(body).hexdigest(), service == "s3"
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    result = {**headers, "X-Amz-Date": moment}
    if credential.session_token:
        result["X-Amz-Security-Token"] = credential.session_token
    if s3:
        result["X-Amz-Content-SHA256"] = digest
    signed = {name.lower(): " ".join(value.split()) for name, value in {**result, "Host": _host(url)}.items()}
    names = ";".join(sorted(signed))
    canonical = "\n".join(
        [
            method,
            parts.path or "/" if s3 else quote(parts.path or "/", safe="/~"),
            "&".join(sorted(parts.query.split("&"))),
            *(f"{name}:{signed[name]}" for name in sorted(signed)),
            "",
            names,
            digest,
        ]
    )
    to_sign = "\n".join([_ALGORITHM, moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{credential.secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    result["Authorization"] = (
        f"{_ALGORITHM} Credential={credential.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return result


def _host(url: str) -> str:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return host if parts.port in {None, _DEFAULT_PORTS.get(parts.scheme)} else f"{host}:{parts.port}"
