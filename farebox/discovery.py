"""Automations by name, found without importing any file, and their parameters."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farebox.project import find_root, make_importable
from pricing import ConfigError, FareboxError, UsageError

if TYPE_CHECKING:
    from prefect import Flow

    from farebox.runs.context import RunOwner

_LONGEST = 60
DEPLOYMENTS = "prefect.yaml"


@dataclass(frozen=True, slots=True)
class Found:
    """An automation as its file declares it: its name, module and function."""

    name: str
    module: str
    function: str

    @property
    def place(self) -> str:
        """The unique place of this automation: ``flows.digests:weekly``."""
        return f"{self.module}:{self.function}"

    def is_called(self, name: str) -> bool:
        """Whether it has this name; dashes and underscores are equal."""
        return name.replace("_", "-") in {self.name.replace("_", "-"), self.function.replace("_", "-")}


def automations(root: Path) -> list[Found]:
    """Every automation of a project, sorted by name: those of flows/, of files in its folder, and of prefect.yaml.

    Files are parsed, not imported. Flows that are not automations, such as the price review, are not included.
    """
    files = dict.fromkeys([*sorted((root / "flows").rglob("*.py")), *sorted(root.glob("*.py")), *_deployed(root)])
    found = [one for path in files for one in _declared(path, root)]
    return sorted(found, key=lambda one: (one.name, one.place))


def automation_names(root: Path) -> list[str]:
    """The names of every automation of a project, each once."""
    return sorted({one.name for one in automations(root)})


def find_flow(name: str) -> Flow[..., Any]:
    """The flow of an automation: by its name, as ``module:function``, or by the function's dotted name.

    Raises:
        UsageError: there is no automation of that name, or several.
        ConfigError: its file cannot be imported, or has no automation in it.
    """
    root = find_root()
    make_importable(root)
    return _load(root, _named(root, name))


def _named(root: Path, name: str) -> Found:
    found = automations(root)
    having = [one for one in found if one.is_called(name)]
    having = [one for one in having if one.name == name.replace("_", "-")] or having
    if len(having) == 1:
        return having[0]
    if having:
        raise UsageError(
            f"There are {len(having)} automations {name[:_LONGEST]!r}.",
            next_step=f"Name one of them: {', '.join(one.place for one in having)}.",
        )
    module, separator, function = name.rpartition(":" if ":" in name else ".")
    if separator and module and function.isidentifier() and all(part.isidentifier() for part in module.split(".")):
        return Found(function.replace("_", "-"), module, function)
    names = sorted({one.name for one in found})
    near = get_close_matches(name.replace("_", "-"), names, 1)
    known = (
        f"There are: {', '.join(names)}."
        if names
        else "The project has no automation yet: `farebox init NAME` adds one."
    )
    hint = f"Did you mean {near[0]!r}?" if near else known
    raise UsageError(f"There is no automation {name[:_LONGEST]!r}.", next_step=hint)


def _load(root: Path, found: Found) -> Flow[..., Any]:
    from farebox.automations import automation_of

    path = root.joinpath(*found.module.split("."))
    shown = f"{path.relative_to(root)}.py" if path.with_suffix(".py").exists() else found.module
    try:
        flow = getattr(importlib.import_module(found.module), found.function, None)
    except FareboxError:
        raise
    except ModuleNotFoundError as error:
        if error.name and f"{found.module}.".startswith(f"{error.name}."):
            raise UsageError(
                f"There is no module {found.module!r} in {root}.",
                next_step="Name the automation as module:function, with the module's dotted name from that folder.",
            ) from None
        raise _broken(shown, error) from None
    except Exception as error:  # noqa: BLE001 - it is the user's file: anything may come of it
        raise _broken(shown, error) from None
    try:
        automation_of(flow)
    except ConfigError:
        raise ConfigError(
            f"{shown} has no automation {found.function!r}.",
            next_step="Give it a function of that name, decorated with @automation(…).",
        ) from None
    return flow  # type: ignore[return-value]  # what has an automation is a flow


def _broken(shown: str, error: Exception) -> ConfigError:
    return ConfigError(f"{shown} cannot be imported: {type(error).__name__}: {error}.", next_step="Fix that file.")


def _declared(path: Path, root: Path) -> Iterator[Found]:
    """The automations that a file declares. A file that is not valid Python counts as one of its name, so that it is
    reported.
    """
    try:
        text = path.read_bytes()
    except OSError:
        return
    if b"automation" not in text:
        return
    module = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
    if not all(part.isidentifier() for part in module.split(".")):
        return
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        if b"@automation" in text:
            yield Found(path.stem.replace("_", "-"), module, path.stem)
        return
    decorators = set(_decorators(tree))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for call in node.decorator_list:
                if isinstance(call, ast.Call) and ast.unparse(call.func) in decorators:
                    yield Found(_name(call) or node.name.replace("_", "-"), module, node.name)


def _decorators(tree: ast.Module) -> Iterator[str]:
    """The names under which the file imports ``automation``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in {"farebox", "farebox.automations"}:
            yield from (one.asname or one.name for one in node.names if one.name == "automation")
        elif isinstance(node, ast.Import):
            yield from (f"{one.asname or one.name}.automation" for one in node.names if one.name == "farebox")


def _name(call: ast.Call) -> str | None:
    """The name from ``@automation(name=…)``, if it is a literal."""
    for keyword in call.keywords:
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str):
            return keyword.value.value
    return None


def _deployed(root: Path) -> Iterator[Path]:
    """The files that prefect.yaml runs. Errors in it are reported by the commands that deploy it."""
    try:
        text = (root / DEPLOYMENTS).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return
    import yaml

    try:
        entries = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["deployments"]  # noqa: S506 - safe loaders
        entrypoints = [str(entry["entrypoint"]) for entry in entries]
    except (yaml.YAMLError, KeyError, TypeError):
        return
    for entrypoint in entrypoints:
        file, found, _ = entrypoint.rpartition(":")
        module = entrypoint.rpartition(".")[0]
        path = root / file if found else root.joinpath(*module.split(".")).with_suffix(".py")
        if path.is_relative_to(root) and ".." not in path.parts and path.is_file():
            yield path


def read_parameters(flow: Flow[..., Any], given: dict[str, str], whose: RunOwner) -> dict[str, Any]:
    """The flow's validated parameters from command-line options, including the owner of the run.

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
            hint = f"Did you mean {option(near[0])}?" if near else f"It takes: {', '.join(map(option, known))}."
            raise UsageError(f"{flow.name} has no parameter {key!r}.", next_step=hint)
    missing = [key for key in flow.parameters.required or [] if key not in named]
    if missing:
        raise UsageError(f"{flow.name} needs {', '.join(map(option, missing))}.", next_step=usage(flow))
    try:
        return flow.validate_parameters({key: _read(value, known[key]) for key, value in named.items()})
    except ParameterTypeError as error:
        raise UsageError(f"{flow.name} got an invalid parameter: {_reason(error)}.", next_step=usage(flow)) from None
    except (SignatureMismatchError, TypeError) as error:
        raise UsageError(
            f"{flow.name} cannot be called with these parameters: {error}.", next_step=usage(flow)
        ) from None


def with_defaults(flow: Flow[..., Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a run: those given, and the defaults of the others."""
    defaults = {name: field["default"] for name, field in flow.parameters.properties.items() if "default" in field}
    return defaults | parameters


def with_due(flow: Flow[..., Any], given: dict[str, str], due: str | None) -> dict[str, str]:
    """The command-line options, with the due time if the automation has a parameter for it."""
    return given if due is None or "due" not in flow.parameters.properties else {**given, "due": due}


def option(name: str) -> str:
    """The command-line option of a parameter: ``--input-file``."""
    return f"--{name.replace('_', '-')}"


def usage(flow: Flow[..., Any]) -> str:
    """The usage line of an automation."""
    required = flow.parameters.required or []
    parts = [
        text if name in required else f"[{text}]"
        for name, schema in flow.parameters.properties.items()
        for text in [f"{option(name)} {kind(schema, flow.parameters.definitions)}"]
    ]
    return f"Usage: farebox run {flow.name} {' '.join(parts)}"


def kind(schema: dict[str, Any], definitions: dict[str, Any] | None = None) -> str:
    """The type of a parameter by its JSON schema: ``INTEGER``, ``fast|best``, ``JSON``.

    ``definitions`` are the enums and models that the schema refers to.
    """
    if named := schema.get("$ref") or next((part["$ref"] for part in schema.get("allOf", ()) if "$ref" in part), ""):
        schema = (definitions or {}).get(str(named).rpartition("/")[2], {"type": "object"})
    if "enum" in schema:
        return "|".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if parts := schema.get("anyOf"):
        return "|".join(dict.fromkeys(kind(part, definitions) for part in parts if part.get("type") != "null"))
    name = str(schema.get("format") or schema.get("type") or "value")
    return "JSON" if name in {"array", "object"} else name.upper()


def _read(value: str, schema: dict[str, Any]) -> Any:
    """A value from the command line: lists and tables are JSON, everything else stays text."""
    kinds = {schema.get("type")} | {part.get("type") for part in schema.get("anyOf", [])}
    structured = bool(kinds & {"array", "object"}) or "$ref" in schema or "allOf" in schema
    if isinstance(value, str) and structured and value.lstrip()[:1] in {"[", "{"}:
        import json

        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error.__context__
    faults = getattr(cause, "errors", None)
    if not callable(faults):
        return str(error).splitlines()[0]
    return "; ".join(f"{option('.'.join(map(str, fault['loc'])))}: {fault['msg']}" for fault in faults())
