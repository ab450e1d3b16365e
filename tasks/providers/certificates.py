"""Files of certificates that servers are checked against: a target's own, or the environment's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pricing import ConfigError

if TYPE_CHECKING:
    import ssl

_VARIABLES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_BEGINS: Final = b"-----BEGIN "


def trusted_ca(environment: Mapping[str, str]) -> str:
    """The file of ``SSL_CERT_FILE`` or ``REQUESTS_CA_BUNDLE``, the first that is set; empty where neither is.

    ``REQUESTS_CA_BUNDLE`` may also be a folder, as ``c_rehash`` makes it. The certificates are not read here, which
    takes some milliseconds, but where the first connection is made ready.

    Raises:
        ConfigError: it cannot be read, or is not a PEM file.
    """
    for name in _VARIABLES:
        if value := environment.get(name, "").strip():
            path, named_by = Path(value).expanduser(), f"The environment variable {name}"
            if path.is_dir():
                return str(path)
            try:
                with path.open("rb") as file:
                    found = any(line.startswith(_BEGINS) for line in file)
            except OSError as error:
                raise _unusable(named_by, path, f"cannot be read ({error.strerror})") from None
            if not found:
                raise _unusable(named_by, path, _NO_CERTIFICATE)
            return str(path)
    return ""


def check_ca_file(path: Path, named_by: str) -> str:
    """The path of a PEM file of certificates, or of a folder of them, once it was read.

    Args:
        path: the file.
        named_by: who names it, for the error: the subject of a sentence.

    Raises:
        ConfigError: it cannot be read, or holds no certificate.
    """
    new_context(str(path), named_by)
    return str(path)


def new_context(ca_file: str, named_by: str = "SSL_CERT_FILE or REQUESTS_CA_BUNDLE") -> ssl.SSLContext:
    """The certificates that servers are checked against: those of a file or folder, else the system's.

    Raises:
        ConfigError: the file cannot be read, or holds no certificate.
    """
    import ssl

    path = Path(ca_file)
    try:
        if ca_file and path.is_dir():
            return ssl.create_default_context(capath=ca_file)
        return ssl.create_default_context(cafile=ca_file or None)
    except ssl.SSLError:
        why = _NO_CERTIFICATE
    except OSError as error:
        why = f"cannot be read ({error.strerror})"
    raise _unusable(named_by, path, why)


_NO_CERTIFICATE: Final = "holds no certificate in PEM form"


def _unusable(named_by: str, path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"{named_by} names {path}, which {why}.",
        next_step="Name a PEM file with the certificates of the authority that signed the server's certificate.",
    )
