"""Automations by name: ``daily-digest`` is ``daily_digest`` in flows/daily_digest.py."""

from __future__ import annotations

import importlib
import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farebox.project import find_root, make_importable
from farebox.runs.context import RunOwner
from pricing import ConfigError, FareboxError, UsageError

if TYPE_CHECKING:
    from prefect import Flow

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,60}")


def automation_names(root: Path) -> list[str]:
    """Every automation that flows/ has, by its file's name. Flows that are none, such as the price review, are not."""
    files = (root / "flows").glob("[a-z]*.py")
    return sorted(path.stem.replace("_", "-") for path in files if b"@automation" in path.read_bytes())


def find_flow(name: str) -> Flow[..., Any]:
    """The flow of an automation.

    Raises:
        UsageError: there is none of that name.
        ConfigError: its file cannot be imported, or has no automation in it.
    """
    root = find_root()
    make_importable(root)
    names = automation_names(root)
    wanted = name.replace("_", "-")
    if not _NAME.fullmatch(name) or wanted not in names:
        near = get_close_matches(wanted, names, 1)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names) or 'none'}."
        raise UsageError(f"There is no automation {name[:60]!r}.", next_step=hint)
    from prefect import Flow

    module, attribute = f"flows.{wanted.replace('-', '_')}", wanted.replace("-", "_")
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except FareboxError:
        raise
    except Exception as error:  # noqa: BLE001 - it is the user's file: anything may come of it
        raise ConfigError(
            f"flows/{attribute}.py cannot be imported: {type(error).__name__}: {error}.", next_step="Mend that file."
        ) from None
    if not isinstance(found, Flow):
        raise ConfigError(
            f"flows/{attribute}.py has no automation {attribute!r}.",
            next_step="Give it a function of that name, decorated with @automation(…).",
        )
    return found


def read_parameters(flow: Flow[..., Any], given: dict[str, str], whose: RunOwner) -> dict[str, Any]:
    """The flow's parameters from what the command line was given, validated; those of whom the run is for among them.

    Raises:
        UsageError: one is unknown, missing or wrong.
    """
    from prefect.exceptions import ParameterTypeError, SignatureMismatchError

    known = flow.parameters.properties
    owners = {key: value for key, value in (("user", whose.user), ("org", whose.org)) if value and key in known}
    named = {key.replace("-", "_"): value for key, value in given.items()} | owners
    for key in named:
        if key not in known:
            near = get_close_matches(key, known, 1)
            hint = f"Did you mean --{near[0]}?" if near else f"It takes: {', '.join(f'--{k}' for k in known)}."
            raise UsageError(f"{flow.name} has no parameter {key!r}.", next_step=hint)
    try:
        return flow.validate_parameters(named)
    except ParameterTypeError as error:
        raise UsageError(
            f"{flow.name} was given a wrong parameter: {_reason(error)}.", next_step=_usage(flow)
        ) from None
    except (SignatureMismatchError, TypeError):
        missing = [key for key in flow.parameters.required or [] if key not in named]
        raise UsageError(f"{flow.name} needs {', '.join(missing)}.", next_step=_usage(flow)) from None


def with_defaults(flow: Flow[..., Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a run: those given, and what the others are when left out."""
    defaults = {name: field["default"] for name, field in flow.parameters.properties.items() if "default" in field}
    return defaults | parameters


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error.__context__
    faults = getattr(cause, "errors", None)
    if not callable(faults):
        return str(error).splitlines()[0]
    return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults())


def _usage(flow: Flow[..., Any]) -> str:
    parts = [f"--{name} {_kind(schema)}" for name, schema in flow.parameters.properties.items()]
    return f"Usage: farebox run {flow.name} {' '.join(parts)}"


def _kind(schema: dict[str, Any]) -> str:
    return "|".join(map(str, schema["enum"])) if "enum" in schema else str(schema.get("type", "VALUE")).upper()
