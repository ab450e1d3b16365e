"""Keys: from the environment, files, Prefect's Secret blocks and AWS's own places; never from farebox.toml.

If a target names places of its own (``key_env``, ``key_file``, ``key_secret``), only those are searched, so that two
accounts of one provider cannot be confused. Otherwise the usual places of its provider are searched.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from farebox.config.aws import find_aws_key
from farebox.config.keys import Key, Missing, from_file, from_variable, usable
from farebox.config.settings import TargetSettings
from pricing import ConfigError
from pricing.db import after_fork
from tasks.providers import spec_of
from tasks.routing import Credential


def find_key(settings: TargetSettings) -> Key | Missing:
    """The place of a target's key.

    The environment is searched first, then files, then Prefect's Secret block; for Bedrock without a bearer token,
    AWS's own places. A self-hosted server for which no place is named needs no key.

    Raises:
        ConfigError: a named file cannot be read, or a place contains an invalid key.
    """
    tried: list[str] = []
    if settings.key_env or settings.key_file or settings.key_secret:
        found = _named(settings, tried)
    else:
        found = _usual(settings, tried)
    return found or Missing(tuple(tried))


def _named(settings: TargetSettings, tried: list[str]) -> Key | None:
    if settings.key_env and (key := _from_environment(settings.key_env, tried)):
        return key
    if settings.key_file is not None:
        return from_file(settings.key_file, f"key_file of the target {settings.name!r}")
    if settings.key_secret:
        return Key(f"Prefect Secret block {settings.key_secret!r}", _Block(settings.key_secret).load, late=True)
    return None


def _usual(settings: TargetSettings, tried: list[str]) -> Key | None:
    provider = spec_of(settings.provider)
    kind, variable = provider.credentials.kind, provider.credentials.variable
    if variable and (key := _from_environment(variable, tried)):
        return key
    if kind == "aws":
        return find_aws_key(tried)
    if kind == "optional":
        if settings.base_url or provider.base_url:
            return Key("none needed: a self-hosted server", Credential)
        tried.append("base_url, key_env, key_file and key_secret of the target, none of which is set")
    return None


def _from_environment(variable: str, tried: list[str]) -> Key | None:
    if key := from_variable(variable):
        return key
    tried.append(f"environment variable {variable}")
    if path := os.environ.get(f"{variable}_FILE"):
        return from_file(Path(path).expanduser(), f"{variable}_FILE")
    tried.append(f"the file that {variable}_FILE names")
    return None


class _Block:
    """A Secret block of Prefect, loaded once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._found: Credential | None = None
        self._asking = threading.Lock()
        after_fork(self._forked)

    def _forked(self) -> None:
        """In a forked child, the thread that held the lock does not exist."""
        self._asking = threading.Lock()

    def load(self) -> Credential:
        """The key in it.

        Raises:
            ConfigError: Prefect cannot be reached, has no such block, or the block contains no key.
        """
        with self._asking:
            if self._found is None:
                self._found = Credential(key=usable(self._ask(), f"Prefect Secret block {self._name!r}"))
            return self._found

    def _ask(self) -> str:
        from prefect.blocks.system import Secret

        try:
            found = Secret.load(self._name, _sync=True).value.get_secret_value()  # type: ignore[call-arg, union-attr]
        except ValueError:
            why = "it does not exist"
        except Exception as error:  # noqa: BLE001 - whatever Prefect's client raises is reported as our error
            why = type(error).__name__
        else:
            return found.strip() if isinstance(found, str) else ""
        raise ConfigError(
            f"The Prefect Secret block {self._name!r} cannot be loaded ({why}).",
            next_step="Create it (`prefect block create secret`), and check that PREFECT_API_URL answers.",
        )
