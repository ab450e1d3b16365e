"""Files of certificates that servers are checked against: a target's own, or the environment's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pricing import ConfigError


def trusted_ca(environment: Mapping[str, str]) -> str:
    """The file of ``SSL_CERT_FILE`` or ``REQUESTS_CA_BUNDLE``, the first that is set; empty where neither is.

    Raises:
        ConfigError: it cannot be read, or holds no certificate.
    """
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        if path := environment.get(name, "").strip():
            return check_ca_file(Path(path).expanduser(), f"The environment variable {name}")
    return ""


def check_ca_file(path: Path, named_by: str) -> str:
    """The path of a PEM file of certificates, once it was read.

    Args:
        path: the file.
        named_by: who names it, for the error: the subject of a sentence.

    Raises:
        ConfigError: it cannot be read, or holds no certificate.
    """
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=str(path))
    except ssl.SSLError:
        why = "which holds no certificate in PEM form"
    except OSError as error:
        why = f"which cannot be read ({error.strerror})"
    else:
        return str(path)
    raise ConfigError(
        f"{named_by} names {path}, {why}.",
        next_step="Name a PEM file with the certificates of the authority that signed the server's certificate.",
    )
