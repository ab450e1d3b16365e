"""Where the project lies on this machine. Nothing heavy is imported here: every run passes through before its flow."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from farebox.hidden_packages import check_hidden

check_hidden()  # before the first import of what may be hidden: workers begin here

from pricing import ConfigError

FILE = "farebox.toml"
VARIABLE = "FAREBOX_PROJECT"
"""Names the project's folder for runs that start elsewhere: a worker gives each run an empty folder."""
PACKAGES = ("farebox", "tasks", "guardrails", "pricing")
"""Our import names: a project must not have others of the same name."""


def project_above(start: Path | None = None) -> Path | None:
    """The nearest folder from ``start`` (the current one, if left out) upwards that has a farebox.toml."""
    here = (start or Path.cwd()).resolve()
    return next((folder for folder in (here, *here.parents) if (folder / FILE).exists()), None)


def find_root(start: Path | None = None) -> Path:
    """The project's folder: the nearest one from ``start`` upwards that has a farebox.toml.

    Raises:
        ConfigError: there is none, or it has a module of the same name as a package of Farebox.
    """
    root = project_above(start)
    if root is None:
        raise ConfigError(
            f"There is no project here: no {FILE} in {(start or Path.cwd()).resolve()} or above it.",
            next_step="Create one with `farebox new my-automations`, or change to the folder of yours.",
        )
    _check_names(root)
    return root


def enter_project() -> dict[str, str]:
    """Go to the project of the machine that a run starts on, wherever it lies there: a pull step of prefect.yaml.

    It is the one of the current folder, of the folder that FAREBOX_PROJECT names, or of the one that the worker was
    started in. Without this step Prefect sends every machine to the folder that the deploying one has.

    Raises:
        ConfigError: none of them is in a project.
    """
    places = (Path.cwd(), os.environ.get(VARIABLE), os.environ.get("PWD"))
    found = next((root for place in places if place and (root := project_above(Path(place)))), None)
    if found is None:
        raise ConfigError(
            f"There is no project on this machine for the run: no {FILE} in {Path.cwd()} or above it.",
            next_step=f"Start the worker in the project's folder, or set {VARIABLE} to that folder.",
        )
    root = find_root(found)
    os.chdir(root)
    make_importable(root)
    return {"directory": str(root)}


def _check_names(root: Path) -> None:
    """Refuse a project whose modules hide ours, or are hidden by ours: either way one of them is not found."""
    place = Path(__file__).resolve().parent.parent
    if root == place:
        return
    for name in PACKAGES:
        folder, module = root / name, root / f"{name}.py"
        hiding = module if module.exists() else folder if next(folder.glob("*.py"), None) else None
        if hiding is not None and hiding.resolve() != place / name:
            raise ConfigError(
                f"{hiding} has the same import name as Farebox's own package {name!r} and hides it.",
                next_step="Rename it. If this is a checkout of Farebox, use the environment of that checkout.",
            )


def make_importable(root: Path) -> None:
    """Let modules of the project be imported wherever its commands are started from: its flows, its own guards."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
