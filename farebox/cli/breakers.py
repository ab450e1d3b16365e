"""``farebox breakers``: which targets are in quarantine, and putting them there or back by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Annotated, Literal

from cyclopts import App, Parameter, validators
from rich.table import Table
from rich.text import Text

from farebox.cli.app import app
from farebox.cli.output import print_json, terminal
from farebox.runtime import Runtime, get_runtime
from pricing import UsageError, from_us
from pricing.ledger import Circuit
from tasks.routing import BY_HAND, open_domains

Json = Annotated[bool, Parameter(name="--json", negative="")]
Minutes = Annotated[float, Parameter(validator=validators.Number(gt=0, lte=43_200))]
State = Literal["closed", "open", "due", "probing"]

_out = terminal()
_STYLES: Mapping[State, str] = {"closed": "green", "open": "red", "due": "yellow", "probing": "yellow"}
breakers = App(name="breakers", help="Show which targets are in quarantine; open and close circuit breakers by hand.")
app.command(breakers)


@dataclass(frozen=True, slots=True)
class _Line:
    """One target. ``due``: its quarantine is over, and the next turn tries it."""

    target: str
    failure_domain: str
    state: State
    reason: str | None = None
    level: int | None = None
    open_until: datetime | None = None


@breakers.default
@breakers.command(name="list")
def show(*, json: Json = False) -> None:
    """List every target with its circuit.

    Args:
        json: print JSON.
    """
    runtime = get_runtime()
    known, now = runtime.circuits.snapshot(), runtime.circuits.clock()
    domains = {target.name: target.failure_domain for target in runtime.router.targets}
    lines = [_line(name, domains.get(name, ""), known.get(name), now) for name in {**domains, **known}]
    closed_domains = open_domains(list(known.values()), domains, now)
    if json:
        print_json({"targets": [asdict(line) for line in lines], "open_failure_domains": closed_domains})
        return
    _out.print(_table(lines))
    for domain in closed_domains:
        _out.print(Text(f"Failure domain {domain} is out of service: its targets receive no requests."))


@breakers.command(name="open")
def open_(target: str, /, *, minutes: Minutes = 60.0, json: Json = False) -> None:
    """Take a target out of service: turns go to others, while there are any.

    Args:
        target: its name in farebox.toml.
        minutes: for how long.
        json: print JSON.
    """
    runtime = get_runtime()
    _check(runtime, target)
    circuit = runtime.circuits.force_open(target, BY_HAND, minutes * 60).result()
    if json:
        print_json(asdict(_line(target, _domain(runtime, target), circuit, runtime.circuits.clock())))
    else:
        _out.print(Text(f"{target} is out of service until {_moment(from_us(circuit.open_until))}."))


@breakers.command
def close(target: str, /, *, json: Json = False) -> None:
    """Put a target back into service now, for example after its key was renewed.

    Args:
        target: its name.
        json: print JSON.
    """
    runtime = get_runtime()
    _check(runtime, target)
    closed = runtime.circuits.close(target, BY_HAND).result()
    if json:
        print_json(asdict(_line(target, _domain(runtime, target), None, 0)) | {"was_open": closed})
    else:
        _out.print(Text(f"{target} is back in service." if closed else f"{target} is in service already."))


def _line(name: str, domain: str, circuit: Circuit | None, now: int) -> _Line:
    if circuit is None:
        return _Line(name, domain, "closed")
    return _Line(name, domain, circuit.state_at(now), circuit.reason, circuit.level, from_us(circuit.open_until))


def _table(lines: list[_Line]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("target", "failure domain", "circuit", "until", "reopened", "reason"):
        table.add_column(heading)
    for line in lines:
        until = _moment(line.open_until) if line.open_until else ""
        reopened = f"{line.level} ×" if line.level else ""
        state = Text(line.state, style=_STYLES[line.state])
        table.add_row(Text(line.target), Text(line.failure_domain), state, until, reopened, Text(line.reason or ""))
    return table


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _domain(runtime: Runtime, name: str) -> str:
    return next((target.failure_domain for target in runtime.router.targets if target.name == name), "")


def _check(runtime: Runtime, name: str) -> None:
    names = [*(target.name for target in runtime.router.targets), *runtime.circuits.snapshot()]
    if name not in names:
        near = get_close_matches(name, names, 1)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names)}."
        raise UsageError(f"There is no target {name[:60]!r}.", next_step=hint)
