"""AWS keys and region: from the environment, the profile's files, and botocore's credential chain if installed."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from farebox.config.keys import Key, usable
from pricing import ConfigError
from tasks.routing import Credential

_CHAIN_SETTINGS = frozenset(
    {"role_arn", "source_profile", "credential_source", "credential_process", "web_identity_token_file"}
    | {"sso_session", "sso_start_url", "sso_account_id", "login_session"}
)
"""Settings of a profile whose keys come from another service, which only botocore can call."""
_CHAIN_VARIABLES = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_VENDOR = Path("/sys/class/dmi/id/sys_vendor")
_SET_BOTH = "Set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither."


def find_aws_key(tried: list[str]) -> Key | None:
    """AWS keys, from the places where AWS's own tools look for them; places without a key are added to ``tried``.

    Raises:
        ConfigError: a place has only half of a key, or cannot be read.
    """
    if key := _from_environment():
        return key
    tried.append("environment variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    profile = _profile()
    values = _profile_values(profile)
    if not _CHAIN_SETTINGS & values.keys() and (key := _from_profile(profile, values)):
        return key
    files = f"{_credentials_file()} and {_config_file()}"
    tried.append(f"AWS profile {profile!r} in {files}")
    return _from_chain(profile, values, tried)


def find_region() -> str:
    """The region from the environment or the profile, or ``""``."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if region := os.environ.get(name, "").strip():
            return region
    return _profile_values(_profile()).get("region", "")


def _from_environment() -> Key | None:
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    access, secret = (os.environ.get(name, "").strip() for name in names)
    if not access and not secret:
        return None
    if not access or not secret:
        present, absent = names if access else reversed(names)
        raise ConfigError(f"{present} is set and {absent} is not.", next_step=_SET_BOTH)
    return _key("environment variables AWS_ACCESS_KEY_ID …", access, secret, os.environ.get("AWS_SESSION_TOKEN"))


def _from_profile(profile: str, values: Mapping[str, str]) -> Key | None:
    access, secret = values.get("aws_access_key_id", ""), values.get("aws_secret_access_key", "")
    if not access and not secret:
        return None
    place = f"AWS profile {profile!r}"
    if not access or not secret:
        raise ConfigError(
            f"The {place} has only one of aws_access_key_id and aws_secret_access_key.",
            next_step="Write both into the profile, or neither.",
        )
    return _key(place, access, secret, values.get("aws_session_token"))


def _key(place: str, access: str, secret: str, token: str | None) -> Key:
    credential = Credential(
        access_key_id=usable(access, place),
        secret_access_key=usable(secret, place),
        session_token=usable(token.strip(), place) if token and token.strip() else None,
    )
    return Key(place, lambda: credential)


def _from_chain(profile: str, values: Mapping[str, str], tried: list[str]) -> Key | None:
    """Keys made on request. Botocore is only used if a setting names a service that makes them."""
    made_by_profile = bool(_CHAIN_SETTINGS & values.keys())
    if not (made_by_profile or any(name in os.environ for name in _CHAIN_VARIABLES) or _is_ec2()):
        return None
    if find_spec("botocore") is None:
        tried.append("botocore's credential chain (botocore is not installed)")
        return None
    return Key("botocore's credential chain", _Chain(profile if made_by_profile else None).load, late=True)


class _Chain:
    """Botocore's credentials, which renew themselves before they expire."""

    def __init__(self, profile: str | None) -> None:
        self._profile = profile
        self._found: Any = None

    def load(self) -> Credential:
        """The keys that are valid now.

        Raises:
            ConfigError: the chain has no keys, or the service that makes them refuses.
        """
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.session import Session

        try:
            if self._found is None:
                self._found = Session(profile=self._profile).get_credentials()
            frozen = self._found.get_frozen_credentials() if self._found is not None else None
        except (BotoCoreError, ClientError, OSError) as error:
            raise ConfigError(
                f"Botocore's credential chain failed ({type(error).__name__}).", next_step=_CHECK_CHAIN
            ) from None
        if frozen is None:
            raise ConfigError("Botocore's credential chain has no AWS keys.", next_step=_CHECK_CHAIN)
        return Credential(
            access_key_id=frozen.access_key, secret_access_key=frozen.secret_key, session_token=frozen.token
        )


_CHECK_CHAIN = "Check that `aws sts get-caller-identity` works here."


def _is_ec2() -> bool:
    """Whether this machine is an EC2 instance, whose role can provide keys."""
    try:
        return _VENDOR.read_text("ascii").startswith("Amazon EC2")
    except (OSError, ValueError):
        return False


def _profile() -> str:
    return os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or "default"


def _profile_values(profile: str) -> dict[str, str]:
    """The profile's settings of both files; the credentials file takes precedence."""
    named = profile if profile == "default" else f"profile {profile}"
    return _section(_config_file(), named) | _section(_credentials_file(), profile)


def _section(path: Path, name: str) -> dict[str, str]:
    reader = configparser.RawConfigParser(strict=False)
    try:
        reader.read_string(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}).", next_step="Make it readable.") from None
    except (configparser.Error, UnicodeDecodeError):  # their messages quote the file
        raise ConfigError(
            f"{path} is not a valid AWS configuration file.",
            next_step="Fix it; `aws configure list` shows its faults.",
        ) from None
    return {key: value.strip() for key, value in reader.items(name)} if reader.has_section(name) else {}


def _credentials_file() -> Path:
    return _file("AWS_SHARED_CREDENTIALS_FILE", "credentials")


def _config_file() -> Path:
    return _file("AWS_CONFIG_FILE", "config")


def _file(variable: str, name: str) -> Path:
    given = os.environ.get(variable)
    return Path(os.path.expanduser(given or f"~/.aws/{name}"))  # noqa: PTH111 - Path's own raises where there is no home
