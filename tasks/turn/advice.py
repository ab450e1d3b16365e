"""What a person has to do so that targets answer again: by what each of them failed with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tasks.providers.failure_kinds import TLS_CERTIFICATE, TLS_HANDSHAKE, Failure
from tasks.routing.target import Target

_WAIT: Final = "Wait and run again, or add a target of another provider to farebox.toml."
_BY_CODE: Final = {
    TLS_CERTIFICATE: "The certificate of {targets} is not trusted: name the file of its authority as ca_file of the "
    "target, or in SSL_CERT_FILE.",
    TLS_HANDSHAKE: "{targets} did not complete TLS: check base_url (http or https, port) and the proxy.",
}
_BY_KIND: Final = {
    "auth": "The key of {targets} was refused: replace it, or allow it this model; `farebox doctor` shows where it is "
    "looked for.",
    "quota_exhausted": "The quota of {targets} is spent: add credit or raise the spend limit at the provider, or add "
    "another account.",
    "not_found": "{targets}: no such model or address: check model, region and base_url in farebox.toml.",
    "invalid_request": "{targets} cannot do what was asked: use a model or server that can.",
    "request_too_large": "{targets} takes no request of that size: send less, or raise the limit of its gateway.",
}


def next_step(failures: Sequence[tuple[Target, Failure]]) -> str:
    """What to do about the failures of a turn; waiting only where that can help.

    Args:
        failures: of each target that was asked, in order.
    """
    found: dict[str, list[str]] = {}
    for target, why in failures:
        advice = _BY_CODE.get(why.code or "") or _BY_KIND.get(why.kind, _WAIT)
        names = found.setdefault(advice, [])
        if target.name not in names:
            names.append(target.name)
    steps = [advice.format(targets=_listed(names)) for advice, names in found.items() if advice != _WAIT]
    return " ".join([*steps, *([_WAIT] if _WAIT in found or not found else [])])


def described(why: Failure) -> str:
    """What a target failed with, in the words of the report."""
    return f"{why.kind}: {why.code}" if why.code in _BY_CODE else why.kind


def _listed(names: Sequence[str]) -> str:
    quoted = [f"{name!r}" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
