"""Whatever stands in farebox.toml or in the environment, there are settings or one clear line: never a traceback."""

import os
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from farebox.config.settings import Settings, load_settings
from farebox.runtime import Runtime
from pricing.errors import ConfigError, FareboxError
from tests.support.hostile import FUZZ, PAYLOADS, texts

SOUND: dict[str, Any] = {
    "timezone": "Europe/Madrid", "home": ".farebox", "ledger_url": "", "prompts": ["prompts"],
    "holds": {"buffer_percent": 25, "lease_seconds": 60.0}, "credits": {"value": "0.01 USD"},
    "turns": {"deadline_seconds": 30, "max_attempts": 8, "retries": 1}, "breaker": {"quarantine_seconds": 5},
    "routing": {"pressure": 0.8}, "sandbox": {"stand_in": True, "url": "http://127.0.0.1:9", "latency_seconds": 0},
    "guards": {}, "content": {},
    "targets": [{"name": "a", "provider": "openai", "model": "gpt-4.1-mini", "tier": "light", "key_env": "K", "window": 1000, "retires": date(2030, 1, 1)}],
    "budgets": [{"scope": "org", "key": "*", "window": "day", "limit": "5 USD", "soft": "80%"}],
    "rates": [{"provider": "openai", "model": "m", "input_per_mtok": 1.5, "output_per_mtok": 2, "valid_from": date(2026, 1, 1)}],
}  # fmt: skip
odd: st.SearchStrategy[Any] = st.one_of(
    texts, st.integers(), st.floats(), st.booleans(), st.dates(), st.datetimes(), st.times(),
    st.lists(texts, max_size=2), st.dictionaries(texts, texts, max_size=2),
    st.sampled_from(["1e99 USD", "-1 USD", "NaN USD", "../..", "/dev/null", "~nobody-here", "http://[::1", "http://a:99999", "postgresql://", "sqlite://", "\ud800"]),
)  # fmt: skip


@st.composite
def spoiled_settings(draw: st.DrawFn, whole: Any = SOUND) -> Any:
    if draw(st.integers(0, 11)) == 0:
        return draw(odd)
    if isinstance(whole, dict):
        kept = {key: draw(spoiled_settings(value)) for key, value in whole.items() if draw(st.integers(0, 9))}
        return kept | ({draw(texts): draw(odd)} if draw(st.integers(0, 9)) == 0 else {})
    return [draw(spoiled_settings(value)) for value in whole] if isinstance(whole, list) else whole


def toml(value: Any) -> str:
    """A value as TOML writes it, within one line."""
    match value:
        case bool():
            return str(value).lower()
        case float() | int():
            return str(value).replace("infinity", "inf")
        case date() | datetime() | time():
            return value.isoformat()
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            return f"{{{', '.join(f'{toml(str(key))} = {toml(item)}' for key, item in value.items())}}}"
        case _:
            return '"' + "".join(c if c.isalnum() or c in " .:/*%_-" else f"\\U{ord(c):08x}" for c in str(value)) + '"'


def works_or_explains(folder: Path) -> None:
    try:
        settings = load_settings(folder)
    except FareboxError as error:
        assert isinstance(error, ConfigError), error  # noqa: PT017 - both ways are right
        assert "\n" not in error.message  # noqa: PT017
        assert error.next_step  # noqa: PT017
        return
    assert isinstance(settings, Settings)
    try:
        Runtime(settings, folder).close()
    except FareboxError as error:
        assert error.next_step  # noqa: PT017


@FUZZ
@given(spoiled_settings())
def test_any_settings(tmp_path_factory: pytest.TempPathFactory, values: Any):
    folder = tmp_path_factory.mktemp("settings")
    lines = (
        [f"{toml(str(key))} = {toml(value)}" for key, value in values.items()]
        if isinstance(values, dict)
        else [toml(values)]
    )
    (folder / "farebox.toml").write_text("\n".join(lines), "utf-8", "surrogatepass")
    works_or_explains(folder)


@FUZZ
@given(
    st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
)
def test_any_file(tmp_path_factory: pytest.TempPathFactory, data: bytes):
    folder = tmp_path_factory.mktemp("settings")
    (folder / "farebox.toml").write_bytes(data)
    works_or_explains(folder)


@FUZZ
@given(
    st.sampled_from(sorted(Settings.model_fields)),
    st.sampled_from(["", "__x", "__url", "__0__name"]),
    st.one_of(
        st.sampled_from(PAYLOADS), st.sampled_from(["{}", "[]", "[[]]", "null", "1e999", '{"a": 1}', '[{"name": 1}]'])
    ),
)
def test_any_environment(tmp_path_factory: pytest.TempPathFactory, name: str, more: str, value: str):
    folder = tmp_path_factory.mktemp("settings")
    clean = value.replace("\x00", "").encode("utf-8", "replace").decode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, f"FAREBOX_{name.upper()}{more.upper()}", clean)
        works_or_explains(folder)


def test_the_sound_ones_are_sound(tmp_path: Path):
    (tmp_path / "farebox.toml").write_text("\n".join(f"{key} = {toml(value)}" for key, value in SOUND.items()))
    assert isinstance(load_settings(tmp_path), BaseModel)
