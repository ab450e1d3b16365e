"""``farebox run NAME --help``: the parameters of an automation, and which of them drive its price."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from farebox.automations import automation_of
from farebox.cli.output import terminal
from farebox.discovery import find_flow, kind, option
from farebox.prefect.form import priced_form
from farebox.runtime import get_runtime

if TYPE_CHECKING:
    from prefect import Flow


def print_parameters(name: str, command: str) -> None:
    """Print the parameters of an automation as options of a command: types, defaults, and what drives the price."""
    flow = find_flow(name)
    out = terminal()
    for part in parameter_lines(flow, command):
        out.print(part)


def parameter_lines(flow: Flow[..., Any], command: str) -> list[RenderableType]:
    """The lines of ``print_parameters``."""
    from prefect.utilities.callables import parameter_schema

    automation = automation_of(flow)
    required = flow.parameters.required or []
    # Without values for all of them there is no plan, and no price.
    form = parameter_schema(flow) if required else priced_form(get_runtime(), flow, {})
    drivers = automation.plan.plan.drivers()
    parts: list[RenderableType] = [
        Text.assemble((f"farebox {command} {automation.name}", "bold"), " [options]"),
        *([Text(about)] if (about := (flow.description or "").strip().split("\n\n")[0]) else []),
        Text(),
        Text("Parameters" if form.properties else "It takes no parameters.", "bold"),
    ]
    for key, schema in form.properties.items():
        default = "required" if key in required else f"default: {_default(schema.get('default'))}"
        heading = Text.assemble((f"  {option(key)}", "bold"), f"  {kind(schema, form.definitions)}  ", (default, "dim"))
        description = [line for line in (schema.get("description") or "").strip().splitlines() if line]
        if key in drivers and not any("Drives the cost" in line for line in description):
            description.append("Drives the cost: it sets the number of calls.")
        parts += [heading, *(Padding(Text(line), (0, 0, 0, 6)) for line in description)]
    parts += [Text(), Text(f"Options of every automation: farebox {command} --help", "dim")]
    return parts


def _default(value: object) -> str:
    from farebox.cli.results import inline

    return json.dumps(value, ensure_ascii=False) if value == "" or "\n" in str(value) else inline(value)
