"""Every page: its links lead somewhere, its settings load, its code runs, its commands exist with their options.

Pages whose examples have a test of their own, which also looks at what they give, are named in ``TESTED``.
"""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml
from cyclopts import MissingArgumentError

from farebox.config.settings import load_settings
from tests.support.project import REPOSITORY

PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((REPOSITORY / "docs").rglob("*.md")),
]
NAMES = [str(page.relative_to(REPOSITORY)) for page in PAGES]
TESTED = {
    "README.md": "tests/runs/test_readme.py",
    "docs/guardrails.md": "tests/docs/test_guardrail_docs.py",
    "docs/integrations.md": "tests/docs/test_integration_docs.py",
    "docs/media.md": "tests/docs/test_media_docs.py",
    "docs/providers.md": "tests/docs/test_provider_docs.py",
    "docs/steps.md": "tests/docs/test_step_docs.py",
    "docs/testing.md": "tests/docs/test_step_docs.py",
}
OTHER_FILES = {"examples = [", "[[routes]]"}
"""How the samples of files begin that are not farebox.toml."""
PRELUDE = """
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from decimal import Decimal

from farebox import *
from farebox import Budget, Quality, ask, automation, learn, llm_task, plan, remaining, spend, tool


@dataclass
class Line:
    amount: Decimal


@dataclass
class Invoice:
    total: Decimal
    lines: list[Line] = field(default_factory=list)


@dataclass
class Receipt:
    number: str


@llm_task(operation="summarize")
def summarize(document: str) -> str:
    return ask(prompt="Summarize {{ document }}", document=document)
"""
"""What the examples of a page take for granted: the names that pages before them explain."""


def blocks(page: Path, *languages: str) -> list[str]:
    found = re.findall(
        rf"^( *)```(?:{'|'.join(languages)})\n(.*?)^ *```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def samples(*languages: str) -> list[object]:
    return [
        pytest.param(text, id=f"{name}-{number}")
        for name, page in zip(NAMES, PAGES, strict=True)
        for number, text in enumerate(blocks(page, *languages))
    ]


def anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str):
    page = REPOSITORY / name
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", text):
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("docs/") and "decisions" not in name])
def test_files_that_pages_name_exist(name: str):
    text = (REPOSITORY / name).read_text("utf-8")
    for path in re.findall(r"`((?:tests|tasks|farebox|pricing|guardrails|benchmarks|docs)/[\w./-]+)`", text):
        assert (REPOSITORY / path).exists(), path


def test_each_page_is_in_the_index():
    index = (REPOSITORY / "docs" / "README.md").read_text("utf-8")
    for page in (REPOSITORY / "docs").glob("*.md"):
        assert page.name == "README.md" or f"]({page.name})" in index, page.name


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("docs/") and "decisions" not in name])
def test_each_page_begins_with_what_it_is_for(name: str):
    heading, blank, first = (REPOSITORY / name).read_text("utf-8").splitlines()[:3]
    assert heading.startswith("# ")
    assert blank == ""
    assert re.match(r"[A-Z*]", first), "a page begins with a sentence"


@pytest.mark.parametrize("text", samples("toml"))
def test_settings_load(text: str, tmp_path: Path):
    if text.startswith(tuple(OTHER_FILES)):
        assert tomllib.loads(text)
        return
    (tmp_path / "farebox.toml").write_text(text, "utf-8")
    assert load_settings(tmp_path).model_fields_set


@pytest.mark.parametrize("text", samples("yaml"))
def test_yaml_can_be_read(text: str):
    assert yaml.safe_load(text)


@pytest.mark.parametrize("name", [name for name in NAMES if blocks(REPOSITORY / name, "python") and name not in TESTED])
def test_code_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if "prefect_dask" in (text := "\n".join(blocks(REPOSITORY / name, "python"))):
        pytest.importorskip("prefect_dask", reason="prefect-dask is not installed: pip install farebox[dask]")
    script = tmp_path / "examples.py"
    script.write_text(f"{PRELUDE}\n{text}", "utf-8")
    monkeypatch.syspath_prepend(REPOSITORY)
    exec(compile(script.read_text("utf-8"), script, "exec"), {"__name__": "examples"})  # noqa: S102 - our own page


def test_only_pages_with_code_are_named_as_tested_elsewhere():
    assert [name for name in TESTED if not blocks(REPOSITORY / name, "python")] == []


def commands() -> dict[str, str]:
    """Each line of the pages that starts ``farebox``, with its page."""
    found: dict[str, str] = {}
    for name, page in zip(NAMES, PAGES, strict=True):
        if name in {"CHANGELOG.md", "docs/commands.md"} or "decisions" in name:
            continue
        for block in blocks(page, "console", "bash"):
            for line in block.replace("\\\n", " ").splitlines():
                words = line.partition("  #")[0].removeprefix("$ ").removeprefix(".venv/bin/").strip()
                if words.startswith("farebox "):
                    found.setdefault(words, name)
        for words in re.findall(
            r"(?<!`)`(farebox [^`]+)`",
            re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE),
        ):
            if "…" not in words and not re.search(r"[\[|]|\\", words):
                found.setdefault(" ".join(words.split()), name)
    return found


@pytest.mark.parametrize(("line", "name"), commands().items())
def test_commands_take_what_pages_give_them(line: str, name: str):
    from farebox.cli.app import load_all

    words = [word for word in shlex.split(line)[1:] if word != "&"]
    try:
        load_all().parse_args(words, exit_on_error=False, print_error=False)
    except MissingArgumentError:  # a sentence that names the command only
        assert not any(word.startswith("-") for word in words), f"{name} leaves an argument out"
