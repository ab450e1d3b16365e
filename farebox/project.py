"""Where the project lies on this machine. Nothing heavy is imported here: every run passes through before its flow."""

from __future__ import annotations

import os
import sys
from pathlib import Path

FILE = "farebox.toml"


def find_root(start: Path | None = None) -> Path:
    """The project's folder: the nearest one upwards that has a farebox.toml, else the one this package lies in."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / FILE).exists():
            return folder
    return Path(__file__).resolve().parent.parent


def enter_project() -> dict[str, str]:
    """Go to the project of the machine that a run starts on, wherever it lies there: a pull step of prefect.yaml.

    Without one Prefect sends every machine to the folder that the deploying one has.
    """
    root = find_root()
    os.chdir(root)
    make_importable(root)
    return {"directory": str(root)}


def make_importable(root: Path) -> None:
    """Let modules of the project be imported wherever its commands are started from: its flows, its own guards."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
