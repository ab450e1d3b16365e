"""Who answers: targets with a key, or the sandbox for all of them; never both."""

from pathlib import Path

import pytest

from farebox.config.settings import load_settings
from farebox.runs.models import list_targets
from farebox.runtime import Runtime
from tests.support.project import make_project


def runtime_in(tmp_path: Path) -> Runtime:
    project = make_project(tmp_path / "project", "http://127.0.0.1:9")
    return Runtime(load_settings(project.root), project.root)


def test_without_any_key_the_sandbox_stands_in_for_all(tmp_path: Path):
    runtime = runtime_in(tmp_path)
    assert len(runtime.router.targets) == len(runtime.targets) == 5
    assert all(target.stand_in for target in runtime.router.targets)


def test_with_a_key_no_stand_in_can_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GROQ_API_KEY", "gsk_of_this_test")
    runtime = runtime_in(tmp_path)
    assert [target.name for target in runtime.router.targets] == ["gpt-oss"]
    for tier in ("light", "premium"):
        route = runtime.router.route(tier)
        assert not any(candidate.target.stand_in for candidate in route)
    lines = {line.target.name: line.answers for line in list_targets(runtime)}
    assert lines == {"haiku": False, "sonnet": False, "haiku-3-5": False, "gpt-oss": True, "gpt-mini": False}
