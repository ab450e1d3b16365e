"""The examples of docs/integrations.md, run as they stand."""

import re

import pytest

pytest.importorskip("pydantic_ai", reason="pydantic-ai is not installed: pip install farebox[pydantic-ai]")

from farebox.testing import TestProject
from tests.support.project import REPOSITORY
from tests.support.runs import riding

PAGE = (REPOSITORY / "docs" / "integrations.md").read_text("utf-8")


def test_the_examples_run(farebox_project: TestProject, monkeypatch: pytest.MonkeyPatch):
    script = farebox_project.home / "guests.py"
    script.write_text("\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)))
    names: dict[str, object] = {}
    exec(compile(script.read_text(), script, "exec"), names)  # noqa: S102 - our own page
    farebox_project.answers.call("plan_of", account="a1", operation="support")
    farebox_project.answers.add("Gold.", operation="support")
    farebox_project.answers.add("A bill.", operation="classify")
    flows: list[tuple[str, dict[str, object], str]] = [
        ("support_answer", {"question": "Which plan has a1?"}, "Gold."),
        ("classified", {"text": "You owe us."}, "A bill."),
    ]
    for name, parameters, said in flows:
        flow = names[name]
        with riding(farebox_project.runtime, flow, parameters):
            assert flow.fn.__wrapped__(**parameters) == said  # type: ignore[attr-defined]
    assert [turn.operation for turn in farebox_project.turns()] == ["support", "support", "classify"]
    assert {run.outcome for run in farebox_project.runs()} == {"completed"}
