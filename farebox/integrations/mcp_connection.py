"""One connection to a server of the Model Context Protocol, by the official SDK.

Only the task that opens a connection may close it, and calls from another event loop would hang: a task of the
engine's loop owns it, and agents call it on that loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from farebox.integrations.mcp_results import value_of
from pricing import ConfigError, NoToolServer
from tasks import ToolError

if TYPE_CHECKING:
    from mcp import Client

_log = logging.getLogger(__name__)

_TIMED_OUT: Final = -32001
_CLOSED: Final = "Connection closed"
"""The SDK's message for a closed connection."""
_SECONDS_IDLE: Final = 600.0
"""Seconds without a call after which a connection is closed: task-runner workers do not see the end of a run."""
_SECONDS_MORE: Final = 5.0
"""Seconds beyond the time limit, so that the SDK reports its own timeout first."""
_MOST_TOOLS: Final = 256
_MOST_PAGES: Final = 50
_LONGEST_DESCRIPTION: Final = 4_000
_LARGEST_SCHEMA: Final = 50_000
"""The maximum of characters in a tool's definition, which every turn pays for."""
_REFERENCE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """The address of a server, and its limits.

    Args:
        name: distinguishes its tools from those of others.
        url: of a server that is reached by streamable HTTP; empty for one that is started.
        command: what starts it, for one that speaks over its standard input and output.
        env: variables of that process, on top of a few harmless ones; ``${NAME}`` stands for one of ours.
        headers: of each request, likewise.
        cwd: the folder that it is started in.
        log: the file that gets what it writes to its standard error; dropped if left out.
        only: names of its tools that an agent has; all if left out.
        timeout: seconds for its start and for each of its calls.
    """

    name: str
    url: str = ""
    command: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str | None = None
    log: Path | None = None
    only: frozenset[str] | None = None
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class ServedTool:
    """A tool as its server lists it; ``digest`` is of its whole definition."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    digest: str


class ServerConnection:
    """A connection, open until ``close`` or until the server ends it."""

    def __init__(self, server: ServerAddress, idle: Callable[[], None]) -> None:
        self._server, self._on_idle = server, idle
        self._closing = asyncio.Event()
        self._used = asyncio.Event()
        self._calls = 0
        self._client: Client | None = None
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ready.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._owner: asyncio.Task[None] | None = None
        self.changed = False
        """Whether the server reported that its list of tools changed."""
        self.idle = False
        """Whether it was closed for lack of calls."""

    @classmethod
    async def open(cls, server: ServerAddress, idle: Callable[[], None]) -> Self:
        """Connect.

        Raises:
            NoToolServer: it does not start or answer in time.
            ConfigError: the extra is not installed, or a variable for the server is not set.
        """
        _check_installed()
        env, headers = _resolved(server.name, server.env), _resolved(server.name, server.headers)
        _keep_content_from_logs()
        self = cls(server, idle)
        self._owner = asyncio.create_task(self._own(env, headers), name=f"mcp {server.name}")
        try:
            await asyncio.shield(self._ready)
        except asyncio.CancelledError:
            self._owner.cancel()
            raise
        except NoToolServer:
            await asyncio.wait([self._owner])  # a cancelled shutdown could leave a process behind
            raise
        return self

    @property
    def is_open(self) -> bool:
        """Whether calls can be made."""
        return self._client is not None and not self._closing.is_set()

    async def close(self) -> None:
        """Close the connection, and wait until that is done."""
        self._closing.set()
        if self._owner is not None:
            await asyncio.wait([self._owner])

    async def list_tools(self, *, complete: bool = True) -> list[ServedTool]:
        """Its usable tools; a tool whose definition cannot be given to a model is left out.

        Raises:
            NoToolServer: it does not list them, or, with ``complete``, lacks one of ``only``.
        """
        found: list[ServedTool] = []
        cursor: str | None = None
        try:
            for _ in range(_MOST_PAGES):
                page = await self._asked().list_tools(cursor=cursor)
                found += [served for tool in page.tools if (served := self._served(tool, warn=complete)) is not None]
                cursor = page.next_cursor
                if cursor is None or len(found) >= _MOST_TOOLS:
                    break
        except Exception as error:  # noqa: BLE001 - whatever the SDK raises: the server is foreign
            raise self._failed(error, "did not list its tools") from None
        names = [tool.name for tool in found]
        unique = [tool for place, tool in enumerate(found) if tool.name not in names[:place]][:_MOST_TOOLS]
        missing = sorted((self._server.only or frozenset()) - set(names))
        if missing and complete:
            raise NoToolServer(
                f"The server of tools {self._server.name!r} has no usable {', '.join(map(ascii, missing))[:200]}.",
                next_step=f"Correct only=[…]. It offers: {', '.join(map(ascii, names))[:300] or 'none of them'}.",
                server=self._server.name,
            )
        return unique

    async def call(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """The result of a tool: text, a JSON value, or parts.

        Raises:
            ToolError: it failed, did not answer in time, or its result does not match its declared schema.
        """
        from mcp import MCPError

        limit = self._server.timeout
        self._calls += 1
        try:
            async with asyncio.timeout(limit + _SECONDS_MORE):
                result = await self._asked().call_tool(name, dict(arguments), read_timeout_seconds=limit)
        except TimeoutError:
            raise ToolError(f"The tool did not answer within {limit:g} s.") from None
        except MCPError as error:
            if error.code == _TIMED_OUT:
                raise ToolError(f"The tool did not answer within {limit:g} s.") from None
            if self._lost(error):
                raise ToolError(
                    "The tool's server stopped during the call. Whether the call took effect is not known."
                ) from None
            raise ToolError(f"The server refused the call: {error.message[:500]}") from None
        except RuntimeError:  # the SDK's error for results that contradict the declared schema
            raise ToolError(
                "The tool's result does not match the type its server declares. It was discarded."
            ) from None
        except Exception as error:  # noqa: BLE001 - the server is foreign: its errors are reported to the model
            _log.warning("A call of a tool of %s failed: %s", self._server.name, type(_cause(error)).__name__)
            raise ToolError("The call failed on its way to the tool's server.") from None
        finally:
            self._calls -= 1
            self._used.set()
        value = value_of(result.content, result.structured_content)
        if result.is_error:
            raise ToolError(value if isinstance(value, str) and value else "The tool failed.")
        return value

    def _lost(self, error: BaseException) -> bool:
        """Whether the connection is over; if so, it is closed."""
        from mcp_types import CONNECTION_CLOSED

        # servers use the same code for errors of their own
        if getattr(error, "code", None) == CONNECTION_CLOSED and str(error) == _CLOSED:
            self._closing.set()
        return self._closing.is_set()

    def _asked(self) -> Client:
        if self._client is None:
            raise ToolError("The tool's server has stopped.")
        return self._client

    async def _own(self, env: Mapping[str, str], headers: Mapping[str, str]) -> None:
        import anyio
        from mcp import Client

        try:
            # unlike asyncio's limit, anyio's lets the SDK end what it started
            with anyio.fail_after(self._server.timeout) as limit:
                async with AsyncExitStack() as stack:
                    transport = await self._transport(stack, env, headers)
                    client = Client(
                        transport, read_timeout_seconds=self._server.timeout, message_handler=self._receive, cache=None
                    )
                    self._client = await stack.enter_async_context(client)
                    limit.deadline = math.inf
                    listening = asyncio.create_task(self._listen(self._client))
                    self._ready.set_result(None)
                    try:
                        await self._until_closed()
                    finally:
                        listening.cancel()
                        await asyncio.wait([listening])
        except Exception as error:  # noqa: BLE001 - reported to the waiting caller, else the connection is over
            if not self._ready.done():
                self._ready.set_exception(
                    self._failed(error, "does not start" if self._server.command else "cannot be reached")
                )
        finally:
            self._client = None
            self._closing.set()
            if not self._ready.done():
                self._ready.cancel()

    async def _until_closed(self) -> None:
        while True:
            self._used.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), _SECONDS_IDLE)
                return
            if not self._calls and not self._used.is_set():
                self.idle = True
                self._on_idle()
                return

    async def _transport(self, stack: AsyncExitStack, env: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        if self._server.url:
            import httpx2
            from mcp.client.streamable_http import streamable_http_client

            limit = httpx2.Timeout(self._server.timeout, read=None)
            web = await stack.enter_async_context(httpx2.AsyncClient(headers=dict(headers), timeout=limit))
            return streamable_http_client(self._server.url, http_client=web)
        from mcp import StdioServerParameters
        from mcp.client.stdio import stdio_client

        errors = stack.enter_context((self._server.log or Path(os.devnull)).open("a", encoding="utf-8"))
        first, *rest = self._server.command
        parameters = StdioServerParameters(
            command=first, args=rest, env=dict(env), cwd=self._server.cwd, encoding_error_handler="replace"
        )
        return stdio_client(parameters, errlog=errors)

    async def _receive(self, message: object) -> None:
        """Notes that tools changed, on connections that receive this unasked."""
        from mcp_types import ToolListChangedNotification

        if isinstance(getattr(message, "root", message), ToolListChangedNotification):
            self.changed = True

    async def _listen(self, client: Client) -> None:
        """Notes that tools changed, on connections that must subscribe to that."""
        from mcp import MCPError
        from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost

        offered = client.server_capabilities.tools
        if offered is None or not offered.list_changed:
            return
        with suppress(ListenNotSupportedError, SubscriptionLost, MCPError, TimeoutError):
            async with client.listen(tools_list_changed=True) as events:
                async for _ in events:
                    self.changed = True

    def _served(self, tool: Any, *, warn: bool) -> ServedTool | None:
        """A tool in the form that models take; ``None`` if the agent must not or cannot have it."""
        if self._server.only is not None and tool.name not in self._server.only:
            return None
        schema = tool.input_schema
        written = json.dumps([tool.name, tool.description, schema, tool.output_schema], sort_keys=True)
        fault = _fault(schema)
        if len(written) > _LARGEST_SCHEMA:
            fault = f"its definition has {len(written):,} characters"
        if fault:
            if warn:
                _log.warning(
                    "The tool %s of the server %s is left out: %s.", ascii(tool.name[:60]), self._server.name, fault
                )
            return None
        described = (tool.description or tool.title or tool.name)[:_LONGEST_DESCRIPTION]
        digest = hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()
        return ServedTool(tool.name, described, _plain(schema), digest)

    def _failed(self, error: BaseException, what: str) -> NoToolServer:
        """The error of the server, without any of its own text."""
        cause = _cause(error)
        if isinstance(cause, TimeoutError):
            return NoToolServer(
                f"The server of tools {self._server.name!r} did not answer within {self._server.timeout:g} s.",
                next_step="Check that it runs, or raise the limit: mcp(…, timeout=…).",
                server=self._server.name,
            )
        why = type(cause).__name__
        if isinstance(cause, OSError) and cause.strerror:
            why = cause.strerror
        elif (response := getattr(cause, "response", None)) is not None:
            why = f"status {response.status_code}"
        elif self._lost(cause):
            why = "it closed the connection"
        elif isinstance(code := getattr(cause, "code", None), int):
            why = f"error {code}"
        started = (
            f"Run {self._server.command[0]!r} by hand" if self._server.command else "Check its address and headers"
        )
        return NoToolServer(
            f"The server of tools {self._server.name!r} {what}: {why}.",
            next_step=f"{started}; mcp(…, log=…) stores its output." if self._server.command else f"{started}.",
            server=self._server.name,
        )


def _fault(schema: Any) -> str:
    """Why a schema of arguments cannot be given to models."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    if not isinstance(schema, dict) or schema.get("type") != "object":
        return "its arguments are not of type object"
    try:
        Draft202012Validator.check_schema(schema)
    except (SchemaError, RecursionError):
        return "the schema of its arguments is invalid"
    if any(not reference.startswith("#") for reference in _references(schema)):
        return "the schema of its arguments refers to another document"
    return ""


def _references(schema: Any) -> Sequence[str]:
    if isinstance(schema, list):
        return [one for value in schema for one in _references(value)]
    if not isinstance(schema, dict):
        return []
    own = [schema["$ref"]] if isinstance(schema.get("$ref"), str) else []
    return own + [one for value in schema.values() for one in _references(value)]


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema without keys that mean nothing to a model."""
    found = {name: value for name, value in schema.items() if name not in {"$schema", "$id", "title"}}
    found.setdefault("properties", {})
    return found


def _resolved(server: str, values: Mapping[str, str]) -> dict[str, str]:
    """Values with references replaced by environment variables.

    Raises:
        ConfigError: one is not set.
    """

    def value_of_variable(found: re.Match[str]) -> str:
        value = os.environ.get(found[1])
        if not value:
            raise ConfigError(
                f"The server of tools {server!r} needs the variable {found[1]}, which is not set.",
                next_step=f"Set {found[1]} in the environment of the run.",
            )
        return value

    return {name: _REFERENCE.sub(value_of_variable, text) for name, text in values.items()}


def _check_installed() -> None:
    try:
        import mcp.client  # noqa: F401
    except ImportError:
        raise ConfigError(
            "Tools of MCP servers need the extra mcp, which is not installed.",
            next_step="Install it: pip install 'farebox[mcp]'.",
        ) from None


def _cause(error: BaseException) -> BaseException:
    """The first exception of an exception group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class _WithoutContent(logging.Filter):
    """Keeps server content out of logs: the SDK logs lines that it cannot parse with their text."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Remove the exception, which contains the text, from a record."""
        record.exc_info = record.exc_text = None
        record.args, record.msg = (), f"{record.name}: {str(record.msg).split(chr(10))[0][:60].split('%')[0]}"
        return record.levelno >= logging.WARNING


_WITHOUT_CONTENT: Final = _WithoutContent()


def _keep_content_from_logs() -> None:
    import mcp.client.stdio
    import mcp.client.streamable_http

    del mcp
    for name in [name for name in logging.root.manager.loggerDict if name == "mcp" or name.startswith("mcp.")]:
        found = logging.getLogger(name)
        if _WITHOUT_CONTENT not in found.filters:
            found.addFilter(_WITHOUT_CONTENT)
