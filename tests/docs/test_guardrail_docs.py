"""The guard that the documentation adds: one file with one class, one test, and it is there."""

import sys
import tomllib
from pathlib import Path

import pytest

from farebox.config.guard_settings import GuardsSettings
from farebox.config.guards import DeclaredGuards
from guardrails.base import GuardInput
from tests.support.guardrail_docs import block


async def test_a_guard_of_ones_own_is_one_file_and_one_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "__init__.py").touch()
    (tmp_path / "checks" / "tone.py").write_text(block("python", "# checks/tone.py"))
    monkeypatch.syspath_prepend(tmp_path)
    try:
        names: dict[str, object] = {}
        exec(block("python", "# tests/test_tone.py"), names)  # noqa: S102 - our own page
        test = names["test_shouting_is_sent_back"]
        assert callable(test)
        test()
        declared = tomllib.loads(block("toml", "[guards.tone]"))["guards"]
        guards = DeclaredGuards(GuardsSettings.model_validate(declared), {}).of("letters", "reply")
        passed = await guards.check(GuardInput("output", "reply", "letters", "r", ("No!!!",)), lambda *_: None)
    finally:
        sys.modules.pop("checks.tone", None)
        sys.modules.pop("checks", None)
    assert ("tone", "shadow", "retry") in [(d.guard, d.mode, d.action) for d in passed.decisions]
