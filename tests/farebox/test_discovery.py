"""Automations are found by name wherever they are, and no name is offered that does not exist."""

import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

import pytest
from prefect import flow
from pydantic import BaseModel

from farebox.automations import automation_of
from farebox.discovery import automation_names, automations, find_flow, kind, usage
from pricing import ConfigError, UsageError

HEAD = "from farebox import ask, automation, llm_task, plan\n"
STEP = """
@llm_task(operation="say")
def say(text: str) -> str:
    return ask("say.j2", text=text)

"""
ONE = """
@automation(price="1 credit", plan=plan(say, input_tokens=10, output_tokens=10){more})
{kind} {name}(text: str = "a") -> str:
    return say(text)
"""


def one(name: str, more: str = "", kind: str = "def") -> str:
    return ONE.format(name=name, more=more, kind=kind)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "farebox.toml").touch()
    (tmp_path / "flows" / "sub").mkdir(parents=True)
    for package in ("flows", "flows/sub"):
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "flows" / "digests.py").write_text(
        HEAD + STEP + one("weekly") + one("by_hour", ', name="hourly-digest"') + one("other", kind="async def")
    )
    (tmp_path / "flows" / "sub" / "deep.py").write_text(HEAD + STEP + one("deep_one"))
    (tmp_path / "reviews.py").write_text("import farebox as f\n" + HEAD.replace("automation", "automation as auto") + STEP
        + one("quarterly").replace("@automation", "@auto") + one("yearly").replace("@automation", "@f.automation"))  # fmt: skip
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "nightly.py").write_text(HEAD + STEP + one("clean_up"))
    (tmp_path / "flows" / "talk.py").write_text('"""Write @automation(…) above it."""\n\n\ndef talk(): ...\n')
    (tmp_path / "prefect.yaml").write_text("deployments:\n  - name: daily\n    entrypoint: jobs.nightly.clean_up\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    ours = {name: module for name, module in sys.modules.items() if name.split(".")[0] in {"flows", "reviews", "jobs"}}
    for name in ours:
        monkeypatch.delitem(sys.modules, name)
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] in {"flows", "reviews", "jobs"}]:
        del sys.modules[name]
    sys.modules.update(ours)


NAMES = ["clean-up", "deep-one", "hourly-digest", "other", "quarterly", "weekly", "yearly"]


def test_every_automation_is_found_without_importing_it(root: Path):
    assert automation_names(root) == NAMES
    assert not [name for name in sys.modules if name.startswith(("flows.digests", "jobs"))]


def test_each_has_a_name_a_place_and_a_dotted_name(root: Path):
    for found in automations(root):
        for name in (found.name, found.name.replace("-", "_"), found.place, f"{found.module}.{found.function}"):
            assert automation_of(find_flow(name)).name == found.name
    assert find_flow("by-hour") is find_flow("hourly-digest")


@pytest.mark.parametrize(
    "name", ["talk", "wekly", "digests", "flows.digests", "", "a b", "../../etc/passwd", "x" * 400]
)
def test_what_is_none_is_refused_and_what_is_offered_exists(root: Path, name: str):
    with pytest.raises((UsageError, ConfigError)) as caught:
        find_flow(name)
    offered = caught.value.next_step.partition("Did you mean '")[2].partition("'")[0]
    if offered:
        find_flow(offered)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("flows.nowhere:weekly", "no module 'flows.nowhere'"),
        ("flows.digests:say", "no automation 'say'"),
        ("flows.digests.missing", "no automation 'missing'"),
        ("sys:path", "no automation 'path'"),
    ],
)
def test_a_place_that_is_none_is_told(root: Path, name: str, part: str):
    with pytest.raises((UsageError, ConfigError), match=part):
        find_flow(name)


def test_two_of_one_name_are_told_apart_by_their_place(root: Path):
    (root / "flows" / "again.py").write_text(HEAD + STEP + one("weekly"))
    with pytest.raises(UsageError, match="2 automations") as caught:
        find_flow("weekly")
    assert caught.value.next_step == "Name one of them: flows.again:weekly, flows.digests:weekly."
    assert automation_of(find_flow("flows.again:weekly")).name == "weekly"


def test_a_file_that_is_no_python_is_named(root: Path):
    (root / "flows" / "broken.py").write_text(HEAD + "@automation(\ndef broken(: ...")
    with pytest.raises(ConfigError, match=r"flows/broken.py cannot be imported: SyntaxError"):
        find_flow("broken")
    assert "weekly" in automation_names(root)


def test_a_missing_library_of_a_file_is_its_own_fault(root: Path):
    (root / "flows" / "needy.py").write_text("import not_installed_here\n" + HEAD + STEP + one("needy"))
    with pytest.raises(ConfigError, match="cannot be imported: ModuleNotFoundError: No module named 'not_installed"):
        find_flow("needy")


def test_enums_and_models_are_told_as_what_they_take():
    class Level(Enum):
        LOW = "low"
        HIGH = "high"

    class Filter(BaseModel):
        word: str

    @flow
    def search(level: Level, filter_by: Filter, either: Level | None = None, count: int = 1) -> None:
        pass

    schema = search.parameters
    told = {name: kind(field, schema.definitions) for name, field in schema.properties.items()}
    assert told == {"level": "low|high", "filter_by": "JSON", "either": "low|high", "count": "INTEGER"}
    assert "--level low|high" in usage(search)
