"""The deployments that prefect.yaml declares, for ``farebox deploy`` and ``farebox serve``; Prefect reads them too."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from farebox.runs.due_times import read_due
from pricing import ConfigError, FareboxError, UsageError

if TYPE_CHECKING:
    from prefect import Flow

FILE = "prefect.yaml"


class _Schedule(BaseModel):
    """One schedule, as Prefect reads it."""

    model_config = ConfigDict(extra="allow")

    cron: str | None = None
    interval: timedelta | None = None
    rrule: str | None = None
    timezone: str = "UTC"
    active: bool = True
    parameters: dict[str, Any] = {}


class _Entry(BaseModel):
    """The fields of a deployment that Farebox reads; Prefect reads the others."""

    model_config = ConfigDict(extra="allow")

    name: str
    entrypoint: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*\.[A-Za-z_]\w*$")]
    parameters: dict[str, Any] = {}
    tags: list[str] = []
    schedules: list[_Schedule] = []
    concurrency_limit: int | dict[str, Any] | None = None
    work_pool: dict[str, Any] = {}


class _File(BaseModel):
    model_config = ConfigDict(extra="allow")

    deployments: list[_Entry] = []


@dataclass(frozen=True, slots=True)
class Declared:
    """A deployment and its flow."""

    entry: _Entry
    flow: Flow[..., Any]

    @property
    def full_name(self) -> str:
        """The name that Prefect uses: ``daily-digest/daily``."""
        return f"{self.flow.name}/{self.entry.name}"


def declared(root: Path) -> list[Declared]:
    """Every deployment that the project's prefect.yaml declares, with its flow loaded.

    Raises:
        ConfigError: the file is missing or wrong, or a flow in it cannot be loaded.
    """
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    found = [Declared(entry, _load(entry)) for entry in _read(root / FILE).deployments]
    for one in found:
        _check_due(one)
    return found


def _check_due(one: Declared) -> None:
    """Check that the due times of a deployment and of its schedules are valid.

    Raises:
        ConfigError: one cannot, or its flow has no parameter for it.
    """
    stated = [one.entry.parameters, *(schedule.parameters for schedule in one.entry.schedules)]
    for due in (parameters["due"] for parameters in stated if "due" in parameters):
        try:
            read_due(due)
        except UsageError as error:
            raise ConfigError(f"{FILE}, {one.full_name}: {error.message}", next_step=error.next_step) from None
        if "due" not in one.flow.parameters.properties:
            raise ConfigError(
                f"{FILE}, {one.full_name}: its flow has no parameter 'due'.",
                next_step='Declare a due time, @automation(due="6h"), or the parameter due: Due = None.',
            )


def pools(found: list[Declared]) -> list[str]:
    """The names of the work pools that deployments use, without repetition."""
    return sorted({name for one in found if (name := one.entry.work_pool.get("name"))})


def _read(path: Path) -> _File:
    import yaml

    try:
        return _File.model_validate(yaml.safe_load(path.read_text("utf-8")) or {})
    except FileNotFoundError:
        raise ConfigError(
            f"There is no {FILE} in {path.parent}.", next_step="Copy it from the repository, or `farebox init NAME`."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", next_step="Make it readable.") from None
    except yaml.YAMLError as error:
        where = str(error).replace("\n", " ")
        raise ConfigError(f"{path} is not valid YAML: {where}.", next_step="Fix that line.") from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ConfigError(
            f"{path} is wrong: {faults}.", next_step="Entrypoints are dotted, like flows.daily_digest.daily_digest."
        ) from None


def _load(entry: _Entry) -> Flow[..., Any]:
    from prefect.flows import load_flow_from_entrypoint

    try:
        flow: Flow[..., Any] = load_flow_from_entrypoint(entry.entrypoint)
    except FareboxError:
        raise
    except Exception as error:  # noqa: BLE001 - it is the user's file: anything may come of it
        raise ConfigError(
            f"The entrypoint {entry.entrypoint} of {FILE} cannot be loaded: {type(error).__name__}: {error}.",
            next_step="Fix the flow's file, or its name in prefect.yaml.",
        ) from None
    if flow.isgenerator:  # the process that starts a deployment's run asks for no value
        raise ConfigError(
            f"The flow of {entry.entrypoint} in {FILE} yields, and Prefect runs no deployment of such a flow.",
            next_step="Deploy one that returns them, such as a flow that calls it: return list(…).",
        )
    return flow
