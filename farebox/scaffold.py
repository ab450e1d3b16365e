"""``farebox new`` and ``farebox init``: the files of a new project and of a new automation, which run as they are."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from farebox.discovery import DEPLOYMENTS, automation_names
from farebox.project import FILE, PACKAGES, project_above
from pricing import ConfigError, UsageError, template_environment

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_PROJECT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_LONGEST = 40
_TAKEN = {*PACKAGES, "flows", "prompts", "tests", "docs", "benchmarks"}
_TEMPLATES = Path(__file__).parent / "templates"
_FIRST = "summarize-notes"
_PROJECT_FILES = {
    "pyproject.toml": "pyproject.toml.j2",
    FILE: "farebox.toml.j2",
    DEPLOYMENTS: "prefect.yaml.j2",
    "README.md": "README.md.j2",
    ".gitignore": "gitignore.j2",
    "flows/collect_batches.py": "collect_batches.py.j2",
}


@dataclass(frozen=True, slots=True)
class Created:
    """A new automation: its name, the folder of its project, and the files that were written or added to."""

    name: str
    root: Path
    paths: tuple[Path, ...]


def create_project(folder: Path, timezone: str = "UTC") -> Created:
    """Write a new project with a first automation into ``folder``, which is made if need be.

    Nothing that exists is overwritten.

    Raises:
        UsageError: its name is not valid, a file exists already, or it would lie in another project.
    """
    root = folder.resolve()
    if not _PROJECT.fullmatch(root.name) or root.name.lower().replace("-", "_") in PACKAGES:
        raise UsageError(
            f"{root.name[:60]!r} is not a valid name for a project.",
            next_step="Use letters, digits, dashes and dots, like my-automations; not the name of a Farebox package.",
        )
    if (outer := project_above(root)) is not None:
        raise UsageError(
            f"{root} is in the project {outer} already.", next_step="Add an automation to it with `farebox init NAME`."
        )
    module = _FIRST.replace("-", "_")
    files = [*_PROJECT_FILES, *_automation_files(module), "flows/__init__.py"]
    taken = [name for name in files if (root / name).exists()]
    taken += [name for name in PACKAGES if (root / name).exists() or (root / f"{name}.py").exists()]
    if taken or (root.exists() and not root.is_dir()):
        raise UsageError(
            f"{root / taken[0] if taken else root} exists already.",
            next_step="Choose another folder; nothing was written.",
        )
    about = {"name": root.name, "automation": _FIRST, "timezone": timezone}
    try:
        (root / "flows").mkdir(parents=True, exist_ok=True)
        for name, template in _PROJECT_FILES.items():
            (root / name).write_text(_render(f"project/{template}", about), "utf-8")
        (root / "flows" / "__init__.py").touch()
        first = create_automation(root, _FIRST, timezone)
    except OSError as error:
        raise UsageError(
            f"{error.filename or root} cannot be written ({error.strerror}).", next_step="Choose another folder."
        ) from None
    return Created(_FIRST, root, (*(root / name for name in _PROJECT_FILES), *first.paths[:-1]))


def create_automation(root: Path, name: str, timezone: str) -> Created:
    """Write a new automation, its prompt, its test and its deployment into the project in ``root``.

    Raises:
        UsageError: the name is not valid, or taken.
        ConfigError: prefect.yaml is missing, or does not end with its deployments.
    """
    module = _module(root, name)
    texts = {root / path: template for path, template in _automation_files(module).items()}
    for path in texts:
        if path.exists():
            raise UsageError(f"{path.relative_to(root)} exists already.", next_step="Choose another name.")
    called = module.replace("_", "-")
    about = {"module": module, "operation": module, "title": called.replace("-", " ").capitalize()}
    deployments = root / DEPLOYMENTS
    declared = _with_deployment(deployments, _render("init/deployment.yaml.j2", about | {"timezone": timezone}), module)
    for path, template in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_render(f"init/{template}", about), "utf-8")
    deployments.write_text(declared, "utf-8")
    return Created(called, root, (*texts, deployments))


def _automation_files(module: str) -> dict[str, str]:
    return {
        f"flows/{module}.py": "flow.py.j2",
        f"flows/prompts/{module}.j2": "prompt.j2",
        f"tests/test_{module}.py": "test.py.j2",
    }


def _module(root: Path, name: str) -> str:
    module = name.replace("-", "_")
    reserved = keyword.iskeyword(module) or keyword.issoftkeyword(module) or module in sys.stdlib_module_names
    if not _NAME.fullmatch(name) or len(name) > _LONGEST or reserved or module in _TAKEN:
        raise UsageError(
            f"{name[:60]!r} is not a valid name for an automation.",
            next_step="Use small letters, digits and dashes, like weekly-notes; no word of Python, and no package of "
            "Python's or Farebox's.",
        )
    if module.replace("_", "-") in automation_names(root):
        raise UsageError(f"There is an automation {name!r} already.", next_step="Choose another name.")
    return module


def _with_deployment(path: Path, entry: str, module: str) -> str:
    """The text of prefect.yaml with one more deployment at its end; comments stay."""
    import yaml

    if not path.exists():
        raise ConfigError(f"There is no {DEPLOYMENTS} in {path.parent}.", next_step="Copy it from another project.")
    text = path.read_text("utf-8").rstrip("\n") + "\n" + entry
    try:
        last = yaml.safe_load(text)["deployments"][-1]["entrypoint"]
    except (yaml.YAMLError, KeyError, TypeError, IndexError):
        last = None
    if last != f"flows.{module}.{module}":
        raise ConfigError(
            f"{DEPLOYMENTS} does not end with its deployments.", next_step="Move its `deployments:` list to the end."
        )
    return text


def _render(name: str, about: Mapping[str, str]) -> str:
    return template_environment(_TEMPLATES, exact=True).get_template(name).render(about)
