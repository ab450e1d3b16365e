"""``farebox init``: the files of a new automation, which runs as it is."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from farebox.discovery import automation_names
from farebox.prefect.deployments import FILE
from pricing import ConfigError, UsageError, template_environment

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_LONGEST = 40
_TAKEN = {"pricing", "guardrails", "tasks", "farebox", "flows", "tests", "docs", "benchmarks"}
_TEMPLATES = Path(__file__).parent / "templates" / "init"


@dataclass(frozen=True, slots=True)
class Begun:
    """A new automation: its name, and what was written or added to."""

    name: str
    paths: tuple[Path, ...]


def begin(root: Path, name: str, timezone: str) -> Begun:
    """Write a new automation, its prompt, its test and its deployment into the project in ``root``.

    Raises:
        UsageError: the name is none, or taken.
        ConfigError: prefect.yaml is missing, or does not end with its deployments.
    """
    module = _module(root, name)
    texts = {
        root / "flows" / f"{module}.py": "flow.py.j2",
        root / "flows" / "prompts" / f"{module}.j2": "prompt.j2",
        root / "tests" / "runs" / f"test_{module}.py": "test.py.j2",
    }
    for path in texts:
        if path.exists():
            raise UsageError(f"{path.relative_to(root)} exists already.", next_step="Choose another name.")
    called = module.replace("_", "-")
    about = {"module": module, "operation": module, "title": called.replace("-", " ").capitalize()}
    deployments = root / FILE
    declared = _with_deployment(deployments, _render("deployment.yaml.j2", about | {"timezone": timezone}), module)
    for path, template in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_render(template, about), "utf-8")
    deployments.write_text(declared, "utf-8")
    return Begun(called, (*texts, deployments))


def _module(root: Path, name: str) -> str:
    module = name.replace("-", "_")
    if not _NAME.fullmatch(name) or len(name) > _LONGEST or keyword.iskeyword(module) or module in _TAKEN:
        raise UsageError(
            f"{name[:60]!r} cannot be the name of an automation.",
            next_step="Take small letters, digits and dashes, like weekly-notes; no reserved word.",
        )
    if module.replace("_", "-") in automation_names(root):
        raise UsageError(f"There is an automation {name!r} already.", next_step="Choose another name.")
    return module


def _with_deployment(path: Path, entry: str, module: str) -> str:
    """The text of prefect.yaml with one more deployment at its end; comments stay."""
    import yaml

    if not path.exists():
        raise ConfigError(f"There is no {FILE} in {path.parent}.", next_step="Copy it from the repository.")
    text = path.read_text("utf-8").rstrip("\n") + "\n" + entry
    try:
        last = yaml.safe_load(text)["deployments"][-1]["entrypoint"]
    except (yaml.YAMLError, KeyError, TypeError, IndexError):
        last = None
    if last != f"flows.{module}.{module}":
        raise ConfigError(
            f"{FILE} does not end with its deployments.", next_step="Move its `deployments:` list to the end."
        )
    return text


def _render(name: str, about: Mapping[str, str]) -> str:
    return template_environment(_TEMPLATES, exact=True).get_template(name).render(about)
