"""The examples of docs/media.md, run as they stand."""

import re
from pathlib import Path

import pytest

from farebox.testing import project_apart
from pricing.quotes import ResolvedPlan
from pricing.tokens import MediaSize
from tests.support.media_tokens import png
from tests.support.pdf import pdf
from tests.support.project import REPOSITORY, make_project

PAGE = (REPOSITORY / "docs" / "media.md").read_text("utf-8")


def test_the_examples_about_media_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    project = make_project(tmp_path / "project", "")
    (project.root / "prompts" / "read.j2").write_text("Read {{ invoice }}")
    (tmp_path / "a.pdf").write_bytes(pdf(["Invoice 7"]))
    monkeypatch.chdir(project.root)
    script = project.root / "media_steps.py"
    script.write_text("\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)))
    names: dict[str, object] = {}
    with project_apart(project.root, tmp_path / "apart", monkeypatch) as found:
        exec(compile(script.read_text(), script, "exec"), names)  # noqa: S102 - our own page
        found.answers.add("Seven.", operation="read_invoice")
        assert names["read_invoice"].fn(str(tmp_path / "a.pdf")) == "Seven."  # type: ignore[attr-defined]
        found.answers.add("A hinge.", operation="describe")
        assert names["describe"].fn(png(4, 4)) == "A hinge."  # type: ignore[attr-defined]
    resolved: ResolvedPlan = (names["scans"] + names["bills"]).plan.resolve({})  # type: ignore[operator]
    read = {step.operation: step.input_tokens for step in resolved.steps}
    assert read == {"describe": 60 + MediaSize().expected(""), "read_invoice": 200 + MediaSize.of_pages(3).expected("")}
