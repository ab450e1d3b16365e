"""Tools of servers of the Model Context Protocol, for agents: ``Agent(tools=[mcp("https://…/mcp")])``.

Needs the extra ``mcp``, which is loaded when an agent first asks for the tools.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from farebox.automations import spend
from farebox.integrations.mcp_connection import ServedTool, ServerAddress, ServerConnection
from pricing import FareboxError, PlanError, parse_money
from tasks import INTERRUPTIONS, Interruption, SourceTool, ToolCost, ToolError, ToolRules

if TYPE_CHECKING:
    from tasks.turn import Engine

__all__ = ["McpServer", "mcp"]

_LAUNCHER: Final = re.compile(
    r"(npx|uvx|uv|run|tool|bunx?|pipx|docker|python[0-9.]*|node|deno|exec|sh|bash)(\.exe)?", re.IGNORECASE
)
"""Launchers: words of a command that start the program behind them."""
_SECRET: Final = re.compile(
    r"(?:^|[^a-z])(?:auth(?:orization|entication)?|(?:api)?key|token|secret|cookie|pass(?:word|wd)|credentials?)(?:$|[^a-z])",
    re.IGNORECASE,
)
"""Names of headers and variables that contain secrets."""
_REFERENCE: Final = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_log = logging.getLogger(__name__)
_MOST_RESTARTS: Final = 3
"""How often a stopped server is restarted in one run."""


@dataclass(frozen=True, eq=False)
class McpServer:
    """A server of the Model Context Protocol as a source of tools: the return value of ``mcp(…)``.

    Args:
        address: its address.
        interrupted: what to do with a call that was running when the process of its run ended.
        replay: whether results are stored in durable runs.
        costs: nano-dollars per call, by tool; ``"*"`` for all others.
        provider: the payee.
    """

    address: ServerAddress
    interrupted: Interruption = "ask"
    replay: bool = True
    costs: Mapping[str, int] = field(default_factory=dict, repr=False)
    provider: str = "other"
    _sessions: dict[str, _RunSession] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The prefix that distinguishes its tools from those of others."""
        return self.address.name

    async def source_tools(self, engine: Engine, run_id: str) -> Sequence[SourceTool]:
        """Its tools, listed once in a run.

        Raises:
            NoToolServer: it does not start, does not answer, or lacks a tool of ``only``.
            ConfigError: the extra is not installed, or a variable is not set.
        """
        return await self._session(engine, run_id).tools()

    def _session(self, engine: Engine, run_id: str) -> _RunSession:
        found = self._sessions.get(run_id)
        if found is None or found.loop is not asyncio.get_running_loop():
            found = self._sessions[run_id] = _RunSession(self, engine, run_id)
            engine.at_end(run_id, found.close)
        return found

    def forget(self, run_id: str) -> None:
        """Drop the state of a run whose connection is closed."""
        self._sessions.pop(run_id, None)

    def rules_of(self, tool: str) -> ToolRules:
        """How calls of a tool are stored; the name is the one in the ledger and in Prefect."""
        shown = tool
        if not _PLAIN_NAME.fullmatch(tool):
            shown = f"tool-{hashlib.sha256(tool.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
        return ToolRules(f"{self.name}.{shown}", replay=self.replay, interrupted=self.interrupted)

    def cost_of(self, tool: str) -> ToolCost | None:
        """The declared cost of a call of a tool, if there is one."""
        amount = self.costs.get(tool, self.costs.get("*"))
        return None if amount is None else ToolCost(self.rules_of(tool).name, amount, self.provider, 1)


class _RunSession:
    """A server in one run: one connection, and its tools as first listed."""

    def __init__(self, server: McpServer, engine: Engine, run_id: str) -> None:
        self.loop = asyncio.get_running_loop()
        self._server, self._engine, self._run_id = server, engine, run_id
        self._opening = asyncio.Lock()
        self._connection: ServerConnection | None = None
        self._definitions: dict[str, str] = {}
        self._tools: Sequence[SourceTool] | None = None
        self._stops = 0

    async def tools(self) -> Sequence[SourceTool]:
        """Its tools."""
        async with self._opening:
            if self._tools is None:
                connection = await self._connected()
                found = await connection.list_tools()
                self._definitions = {tool.name: tool.digest for tool in found}
                self._tools = [
                    SourceTool(
                        tool.name,
                        tool.description,
                        tool.parameters,
                        self._server.rules_of(tool.name),
                        spend.paid(partial(self._call, tool.name), self._server.cost_of(tool.name)),
                    )
                    for tool in found
                ]
        return self._tools

    async def close(self) -> None:
        """End the connection."""
        self._server.forget(self._run_id)
        if self._connection is not None:
            await self._connection.close()

    async def _call(self, name: str, arguments: Mapping[str, Any]) -> Any:
        async with self._opening:
            try:
                connection = await self._connected()
                if connection.changed:
                    connection.changed = False
                    self._check(await connection.list_tools(complete=False))
            except FareboxError as error:
                raise ToolError(f"Not called: {error.message}") from None
        if name not in self._definitions:
            raise ToolError(f"Not called: the server changed or removed {name!r} during this run.")
        return await connection.call(name, arguments)

    async def _connected(self) -> ServerConnection:
        """The connection; a closed one is opened again, and its tools are compared."""
        if self._connection is not None and self._connection.is_open:
            return self._connection
        again = self._connection is not None
        if self._connection is not None and not self._connection.idle:
            self._stops += 1
            if self._stops > _MOST_RESTARTS:
                raise ToolError("Not called: the server keeps stopping.")
        self._connection = await ServerConnection.open(self._server.address, self._idle)
        self._connection.changed = again
        return self._connection

    def _check(self, found: Sequence[ServedTool]) -> None:
        """Remove tools whose definition has changed."""
        now = {tool.name: tool.digest for tool in found}
        gone = [name for name, digest in self._definitions.items() if now.get(name) != digest]
        for name in gone:
            del self._definitions[name]
        if gone:
            _log.warning(
                "The server %s changed or removed %d of its tools during run %s; they are not called any more.",
                self._server.name,
                len(gone),
                self._run_id,
            )

    def _idle(self) -> None:
        """Close the connection after a long time without calls, if the end of the run was not reported."""
        self._server.forget(self._run_id)


def mcp(
    address: str,
    *,
    command: Sequence[str] = (),
    env: Mapping[str, str] = MappingProxyType({}),
    headers: Mapping[str, str] = MappingProxyType({}),
    cwd: str | Path | None = None,
    log: str | Path | None = None,
    name: str = "",
    only: Sequence[str] | None = None,
    timeout: float = 30.0,
    interrupted: Interruption = "ask",
    replay: bool = True,
    cost: str | Mapping[str, str] | None = None,
    provider: str = "other",
) -> McpServer:
    """A server of the Model Context Protocol whose tools an agent can call. Needs the extra ``mcp``.

    A run has one connection to it, opened with its first agent and closed at the end of the run. Tools are listed once;
    a tool that changes afterwards is not called any more. Results are text, data, images and PDFs, and pass the guards.

    Args:
        address: ``"stdio"`` for a server that is started by ``command``, or the URL of one, by streamable HTTP.
        command: the program and its arguments.
        env: variables of the started program. Ours are not passed on, except ``PATH``, ``HOME`` and the like;
            ``"${NAME}"`` is replaced by the value of our variable.
        headers: of each request, likewise: ``{"Authorization": "Bearer ${DOCS_TOKEN}"}``.
        cwd: the working folder of the program.
        log: a file for the program's standard error; discarded by default.
        name: its name in the ledger, and the prefix of tool names that two servers share; from its address by default.
        only: names of the tools to use; all of them by default.
        timeout: seconds for its start and for each call. The model receives an error for a call that takes longer.
        interrupted: what to do with a call that was running when the process of its run ended, as for ``@tool``.
        replay: whether results are stored in durable runs, as for ``@tool``.
        cost: of one call, such as ``"0.005 USD"``; by tool, as a mapping, where they differ (``"*"`` for the rest).
            Plan it as ``plan("server.tool", calls=2, cost="0.005 USD")``.
        provider: the payee.

    Raises:
        PlanError: the address is not valid, or a secret is given instead of a reference to a variable.
        MoneyError: ``cost`` is not a valid amount.

    Example:
        ``docs = mcp("https://docs.example/mcp", headers={"Authorization": "Bearer ${DOCS_TOKEN}"}, only=["search"])``
            ``files = mcp("stdio", command=["npx", "-y", "@modelcontextprotocol/server-filesystem", "data"])``
    """
    if interrupted not in INTERRUPTIONS or not timeout > 0:
        raise PlanError(
            f"mcp(…) has interrupted={str(interrupted)[:40]!r} and timeout={timeout:g}.",
            next_step=f"Use one of {', '.join(INTERRUPTIONS)}, and seconds above 0.",
        )
    where = replace(
        _address(address, command, env, headers, name),
        cwd=None if cwd is None else str(cwd),
        log=None if log is None else Path(log),
        only=None if only is None else frozenset(only),
        timeout=timeout,
    )
    return McpServer(where, interrupted, replay, _costs(cost), provider)


def _costs(cost: str | Mapping[str, str] | None) -> dict[str, int]:
    """Nano-dollars of a call, by tool.

    Raises:
        MoneyError: one is not a valid amount.
    """
    named = {"*": cost} if isinstance(cost, str) else dict(cost or {})
    return {tool: parse_money(amount) for tool, amount in named.items()}


def _address(
    address: str, command: Sequence[str], env: Mapping[str, str], headers: Mapping[str, str], name: str
) -> ServerAddress:
    """The address of a server.

    Raises:
        PlanError: there is no address, or a secret is given instead of a reference to a variable.
    """
    url = "" if address == "stdio" else _checked_url(address, headers)
    if bool(command) == bool(url) or isinstance(command, str):
        raise PlanError(
            "mcp(…) takes either a command or an address.",
            next_step='Write mcp("stdio", command=["program", "argument"]) or mcp("https://…").',
        )
    _check_secrets("header", headers)
    _check_secrets("variable", env)
    called = name or (_name_of_url(url) if url else _name_of_command(command))
    if not _PLAIN_NAME.fullmatch(called):
        raise PlanError(
            f"{called[:40]!a} is not a valid name of a server of tools.",
            next_step="Give it a name= of letters, digits, '.', '_' and '-'.",
        )
    return ServerAddress(called, url, tuple(map(str, command)), dict(env), dict(headers))


def _checked_url(address: str, headers: Mapping[str, str]) -> str:
    """The validated address of a server.

    Raises:
        PlanError: it is not valid, contains a password, or would send headers unencrypted to another machine.
    """
    try:
        found = urlsplit(address)
        host, scheme = found.hostname or "", found.scheme
    except ValueError:
        host = scheme = ""
    if scheme not in {"http", "https"} or not host:
        raise PlanError(
            'The address of a server of tools is "stdio" or begins with https://.',
            next_step='Write mcp("stdio", command=[…]) or mcp("https://…/mcp").',
        )
    if found.username or found.password:
        raise PlanError(
            f"The address of the server of tools at {host} contains a user name or a password.",
            next_step='Send it as a header: headers={"Authorization": "Basic ${NAME}"}.',
        )
    if scheme == "http" and headers and host not in {"localhost", "127.0.0.1", "::1"}:
        raise PlanError(
            f"The headers for the server of tools at {host} would be sent unencrypted.", next_step="Use https://."
        )
    return address


def _check_secrets(what: str, values: Mapping[str, str]) -> None:
    """Check that secrets are references to variables.

    Raises:
        PlanError: one is a literal value.
    """
    for name, value in values.items():
        if _SECRET.search(name) and value and not _REFERENCE.search(value):
            raise PlanError(
                f"The {what} {name[:40]!r} of a server of tools has a literal value.",
                next_step=f'Keep it in a variable of the environment and write "${{NAME}}" for it ({name[:40]}).',
            )


def _name_of_url(url: str) -> str:
    found = urlsplit(url)
    return re.sub(r"[^A-Za-z0-9_.-]", "-", found.hostname or "server")[:40]


def _name_of_command(command: Sequence[str]) -> str:
    """The program that is started: the first word that is neither a launcher nor an option."""
    words = [PurePath(str(word)).name for word in command if not str(word).startswith("-")]
    plain = [word for word in words if not _LAUNCHER.fullmatch(word)]
    chosen = re.sub(r"\.(py|js|mjs|ts|exe)$", "", (plain or words or ["server"])[0])
    return re.sub(r"[^A-Za-z0-9_.-]", "-", chosen.rsplit(":", 1)[0])[:40] or "server"
