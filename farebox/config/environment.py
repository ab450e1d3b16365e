"""Settings from environment variables."""

from __future__ import annotations

from typing import Any, cast

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from farebox.config.settings import PREFIX, Settings
from pricing import ConfigError


def with_environment(found: dict[str, Any]) -> dict[str, Any]:
    """The file's settings, table by table, with those of the environment on top.

    Raises:
        ConfigError: a table is set to a value that is not JSON.

    Example:
        with ``FAREBOX_TURNS__RETRIES=2``, ``{"turns": {"deadline_seconds": 9}}`` also has ``"retries": "2"``
    """
    return _over(found, _Environment(cast("type[BaseSettings]", Settings))())


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    tables = {
        name: _over(below[name], value)
        for name, value in above.items()
        if isinstance(value, dict) and isinstance(below.get(name), dict)
    }
    return below | above | tables


class _Environment(EnvSettingsSource):
    """Whole tables can be set as JSON, and the sandbox can be forbidden by one word."""

    def __init__(self, settings: type[BaseSettings]) -> None:
        super().__init__(settings, env_prefix=PREFIX, env_nested_delimiter="__")

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        word = str(value).strip().lower()
        if field_name == "sandbox" and word in {"never", "always"}:
            return {"stand_in": False} if word == "never" else {"only": True}
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            raise ConfigError(
                f"FAREBOX_{field_name.upper()} is set to a value that is not JSON.",
                next_step="Write it as JSON, or set one value at a time, like FAREBOX_TURNS__RETRIES=2.",
            ) from None
