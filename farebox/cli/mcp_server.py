"""The server behind ``farebox mcp``: its tools, and the money left for the runs that it starts."""

from __future__ import annotations

import functools
import json
import socket
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

from farebox.discovery import automation_names, find_flow, read_parameters
from farebox.runs.context import ANONYMOUS
from farebox.runtime import get_runtime
from pricing import FareboxError, Nano, OverBudget, UsageError, format_money

T = TypeVar("T")

_READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_RUNS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False)
_HOST = "127.0.0.1"
_INSTRUCTIONS = (
    "Farebox runs AI automations that know their price before they run. Amounts that end in _nano are nano-dollars: "
    "1,000,000,000 are $1. Quote an automation before you run it: 95 of 100 such runs cost no more than its p95."
)


class RunAllowance:
    """What the runs of one server may still cost together, in nano-dollars.

    A run gets all that is left as its budget, so that it is refused if its hold does not fit. One run at a time.
    """

    def __init__(self, limit: Nano) -> None:
        self.limit = self.left = limit
        self._running = threading.Lock()

    def run(self, automation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Run an automation to its end, and return how it ended.

        Raises:
            OverBudget: nothing is left.
            UsageError: another run is under way, or there is no such automation or parameter.
        """
        from farebox.cli.run import run_here

        if not self._running.acquire(blocking=False):
            raise UsageError("Another run of this server is under way.", next_step="Wait until it ends.")
        try:
            if self.left <= 0:
                raise OverBudget(
                    f"The limit of this server is used up ({format_money(self.limit)}).",
                    next_step="Start `farebox mcp` again, with a new --limit.",
                )
            results: list[dict[str, Any]] = []
            _check_known(automation)
            try:
                run_here(automation, _given(parameters), self.left, as_json=True, emit=results.append)
            except FareboxError:
                if not results:
                    raise
            spent = results[0]["spent_nano"] if results else self.left
            self.left -= self.left if spent is None else spent  # unknown yet: assume all of it
            return (results[0] if results else {"outcome": "completed"}) | {"server_limit_left_nano": self.left}
        finally:
            self._running.release()


def make_server(limit: Nano | None) -> MCPServer:
    """A server with the tools that read, and with ``run`` if its runs may cost up to ``limit`` nano-dollars."""
    server = MCPServer("farebox", instructions=_INSTRUCTIONS, log_level="ERROR")
    for tool in (automations, quote, runs, report, budgets, forecast):
        server.add_tool(_as_json_tool(tool), annotations=_READS, structured_output=False)
    if limit is not None:
        allowance = RunAllowance(limit)

        def run(automation: str, parameters: dict[str, Any] | None = None) -> Any:
            """Run an automation now and wait until it ends. It costs money: quote it first. Returns its outcome, what
            was spent, and its result.
            """
            return allowance.run(automation, parameters or {})

        server.add_tool(_as_json_tool(run), annotations=_RUNS, structured_output=False)
    return server


def serve_stdio(server: MCPServer) -> None:
    """Serve until standard input ends."""
    server.run("stdio")


def serve_http(server: MCPServer, port: int, print_line: Callable[[str], object]) -> None:
    """Listen on this machine until interrupted.

    Raises:
        UsageError: the port is taken.
    """
    import uvicorn

    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((_HOST, port))
        except OSError as error:
            raise UsageError(
                f"Port {port} cannot be used ({error.strerror}).", next_step="Name another: --http 8765."
            ) from None
        print_line(f"http://{_HOST}:{listening.getsockname()[1]}/mcp")
        app = server.streamable_http_app(host=_HOST)
        uvicorn.Server(uvicorn.Config(app, log_level="error")).run([listening])


def automations() -> Any:
    """The automations of this project: the customer's price of each, and its parameters as JSON schema."""
    from farebox.automations import automation_of

    found: list[dict[str, Any]] = []
    for name in automation_names(get_runtime().root):
        try:
            flow = find_flow(name)
        except FareboxError as error:
            found.append({"name": name, "error": str(error)})
            continue
        automation = automation_of(flow)
        form = {"properties": flow.parameters.properties, "required": flow.parameters.required or []}
        about = (flow.description or "").strip().split("\n\n")[0]
        found.append({"name": automation.name, "about": about, "price": automation.price.text, "parameters": form})
    return found


def quote(automation: str, parameters: dict[str, Any] | None = None) -> Any:
    """What a run of an automation would cost with these parameters, without running it."""
    from farebox.cli.quote import compare

    _check_known(automation)
    flow = find_flow(automation)
    return compare(get_runtime(), flow, read_parameters(flow, _given(parameters or {}), ANONYMOUS)).to_json()


def runs(automation: str | None = None, limit: int = 20) -> Any:
    """Past runs, newest first: outcome, quote and cost of each."""
    from farebox.cli.report import synced
    from pricing.reports import runs as found_runs

    limit = max(1, min(limit, 1_000))
    return [line.to_json() for line in found_runs(synced().replica, limit=limit, automation=automation)]


def report(what: str = "last", by: list[str] | None = None, since: str | None = None) -> Any:
    """What runs cost, and why. ``what`` is "last", a run's id, the name of an automation, or "all". ``by`` makes tables
    of several runs by automation, quality, org, user, day, operation, model or target; ``since`` is a time such as 30d.
    """
    from farebox.cli.report import report_of_runs

    return report_of_runs(what, tuple(by or ()), since).to_json()


def budgets() -> Any:
    """The budgets whose windows are open: limit, spent, held and left, and when they reset."""
    from farebox.cli.budgets import budget_states

    return budget_states(get_runtime())


def forecast() -> Any:
    """The forecast of this month's spend and revenue, and which budgets run out."""
    from farebox.spend_forecast import make_spend_forecast

    return make_spend_forecast(get_runtime()).to_json()


def _check_known(automation: str) -> None:
    """Check that an automation belongs to the project, so that an assistant cannot load other code.

    Raises:
        UsageError: it does not.
    """
    known = automation_names(get_runtime().root)
    if automation not in known:
        raise UsageError(
            f"There is no automation {automation[:60]!r}.", next_step=f"There are: {', '.join(known) or 'none'}."
        )


def _given(parameters: dict[str, Any]) -> dict[str, str]:
    """Parameters in the form that the command line takes."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in parameters.items()}


def _as_json_tool(tool: Callable[..., T]) -> Callable[..., str]:
    """A tool that returns JSON, and whose errors have our message and next step."""

    @functools.wraps(tool)
    def made(**given: Any) -> str:
        try:
            return json.dumps(tool(**given), default=str)
        except FareboxError as error:
            raise ToolError(str(error)) from None

    made.__annotations__ = {**tool.__annotations__, "return": "str"}
    return made
