"""``farebox routes``: where turns go, and why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from farebox.cli.app import app
from farebox.cli.output import print_json, terminal
from farebox.discovery import automation_names, find_flow
from farebox.project import find_root
from farebox.runtime import get_runtime
from pricing import UsageError, format_money
from tasks.routing import Quality

if TYPE_CHECKING:  # it loads Prefect
    from farebox.runs.admission import Automation
    from farebox.runs.explanation import ExplainedOperation, ExplainedTarget, Explanation

Json = Annotated[bool, Parameter(name="--json", negative="")]

_out = terminal()
routes = App(name="routes", help="Show where turns go, and why.")
app.command(routes)


@routes.command
def explain(name: str, /, *, prompt: Path | None = None, quality: Quality = "fast", json: Json = False) -> None:
    """Explain where the turns of an automation or operation would go if it ran now. Calls no model.

    Args:
        name: an automation, like daily-digest, or an operation, like summarize.
        prompt: a file with a rendered prompt, whose complexity is scored.
        quality: fast or best.
        json: print JSON.
    """
    from farebox.runs.explanation import explain as explain_routes

    text = None if prompt is None else _read(prompt)
    runtime = get_runtime()
    found = [
        explain_routes(runtime, automation, quality=quality, operation=operation, prompt=text)
        for automation, operation in _named(name)
    ]
    if json:
        print_json([explanation.to_json() for explanation in found])
    else:
        for explanation in found:
            _out.print(_lines(explanation))


def _named(name: str) -> list[tuple[Automation, str | None]]:
    """The automation of that name, or every automation that has an operation of that name.

    Raises:
        UsageError: there is no such automation or operation.
    """
    from farebox.automations import automation_of

    names = automation_names(find_root())
    if name.replace("_", "-") in names:
        return [(automation_of(find_flow(name)), None)]
    automations = [automation_of(find_flow(other)) for other in names]
    if having := [one for one in automations if name in one.plan.steps]:
        return [(one, name) for one in having]
    known = ", ".join([*names, *sorted({operation for one in automations for operation in one.plan.steps})])
    raise UsageError(f"There is no automation and no operation {name[:60]!r}.", next_step=f"There are: {known}.")


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"{path} cannot be read ({why}).", next_step="Give a text file.") from None


def _lines(explanation: Explanation) -> RenderableType:
    parts: list[RenderableType] = [
        Text.assemble((explanation.automation, "bold"), (f"  quality {explanation.quality}", "dim"))
    ]
    if explanation.economic:
        parts.append(Text(f"The economic route is taken: {explanation.economic}.", style="yellow"))
    parts += [Text(f"! {warning}", style="yellow") for warning in explanation.warnings]
    for operation in explanation.operations:
        parts += _operation_lines(operation)
    return Group(*parts)


def _operation_lines(one: ExplainedOperation) -> Iterator[RenderableType]:
    asked = f"  {one.tier} · {one.size.input_tokens:,} tokens in, {one.size.output_tokens:,} out"
    level = f" · service level: {one.floors.success:.0%} answered, p95 within {one.floors.seconds:g} s"
    yield Text()
    yield Text.assemble((one.operation, "bold"), (asked + level, "dim"))
    if one.complexity is not None:
        yield Text(
            f"  this prompt: {one.complexity.explain(one.threshold)}"
            if one.threshold is not None
            else f"  this prompt: complexity {one.complexity.score:.2f}; the tier of the step is declared"
        )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("", "target", "reason"):
        table.add_column(heading)
    for heading in ("a turn", "at worst", "p50", "p95", "answered"):
        table.add_column(heading, justify="right", no_wrap=True)
    for number, target in enumerate(one.chain, 1):
        asked = f" at {target.service_tier}" if target.service_tier not in {None, "standard"} else ""
        table.add_row(str(number), Text(target.target + asked), Text(target.reason), *_figures(target))
    yield Padding(table, (0, 0, 0, 2))
    if one.raised is not None:
        share = f"; {one.raised_percent} % of recent turns" if one.raised_percent else ""
        yield Text(f"  from complexity {one.threshold:.2f} on: {one.raised} first{share}", style="dim")
    yield Text(f"  on the economic route: {one.cheapest} first", style="dim")


def _figures(target: ExplainedTarget) -> Iterator[str]:
    yield format_money(target.cost_nano)
    yield format_money(target.worst_nano)
    seen = target.observed
    if seen is None:
        yield from ("", "", "not seen yet")
        return
    for seconds in (seen.p50, seen.p95):
        yield "" if seconds is None else f"{seconds:.2f} s"
    yield f"{seen.success:.0%} of {seen.n:.0f}" + ("" if target.evidence else ", too few")
