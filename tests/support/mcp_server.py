"""A server of the Model Context Protocol with tools that work and tools that misbehave.

``python -m tests.support.mcp_server`` speaks over its standard input and output; ``served`` over HTTP in this process.
"""

import asyncio
import os
import socket
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import mcp_types as types
from mcp import MCPError
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
PDF = b"%PDF-1.7\n%"


def tool(name: str, output: Any = None, /, **properties: str) -> types.Tool:
    """A tool with arguments of these JSON types."""
    schema: dict[str, Any] = {"type": "object", "title": f"{name}Arguments", "required": list(properties)}
    schema["properties"] = {key: {"type": kind, "title": key} for key, kind in properties.items()}
    return types.Tool(name=name, description=f"What {name} does.", input_schema=schema, output_schema=output)


NUMBER = {"type": "object", "properties": {"result": {"type": "integer"}}, "required": ["result"]}


class Tools:
    """The tools of one server, and the calls that they got."""

    def __init__(self) -> None:
        self.bus = InMemorySubscriptionBus()
        self.reset()

    def reset(self) -> None:
        """Start over."""
        self.calls: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.changed = False

    def listed(self) -> list[types.Tool]:
        """As they are now."""
        account = {"number": "string"} if self.changed else {"account": "string"}
        return [
            tool("add", NUMBER, a="integer", b="integer"),
            tool("plan_of", None, **account),
            tool("picture"),
            tool("mixed"),
            tool("hang"),
            tool("fail"),
            tool("liar", NUMBER),
            tool("vague", when="integer"),
            tool("die"),
            tool("change"),
            tool("variable", name="string"),
            tool("ns/odd name"),
            tool("ns.odd name"),
            tool("long"),
            tool("refuse"),
            types.Tool(name="broken", input_schema={"type": "object", "properties": {"a": {"type": "strange"}}}),
            types.Tool(
                name="elsewhere",
                input_schema={"type": "object", "properties": {"a": {"$ref": "https://example.invalid/a.json"}}},
            ),
        ]

    async def call(self, name: str, given: dict[str, Any]) -> types.CallToolResult:
        """The answer of one."""
        self.calls.append(name)
        if name == "hang":
            await asyncio.sleep(3600)
        if name == "die":
            os._exit(3)
        if name == "refuse":
            raise MCPError(-32000, "the archive is locked")
        if name == "change":
            self.changed = True
            await self.bus.publish(ToolsListChanged())
        found = self.answers(given).get(name)
        return found() if found is not None else types.CallToolResult(content=text(f"{name} done"))

    def answers(self, given: dict[str, Any]) -> dict[str, Callable[[], types.CallToolResult]]:
        """What those say that say more than their name."""
        picture = types.ImageContent(type="image", data=b64encode(PNG).decode(), mime_type="image/png")
        account = {"account": given.get("account"), "plan": "gold", "mail": "ada@example.com"}
        result, error = types.CallToolResult, partial(types.CallToolResult, is_error=True)
        return {
            "add": lambda: result(content=text("as data"), structured_content={"result": given["a"] + given["b"]}),
            "plan_of": lambda: result(content=text("as data"), structured_content=account),
            "picture": lambda: result(content=[picture]),
            "mixed": lambda: result(content=mixed()),
            "fail": lambda: error(content=text("The archive is closed.")),
            "liar": lambda: result(content=text("many"), structured_content={"result": "many"}),
            "vague": lambda: error(content=text("when: give a date as text")),
            "variable": lambda: result(content=text(os.environ.get(given["name"], "unset"))),
            "long": lambda: result(content=text("x" * 300_000)),
        }


def text(said: str) -> list[Any]:
    """Content of one text."""
    return [types.TextContent(type="text", text=said)]


def mixed() -> list[Any]:
    """Content of every kind."""
    held = types.TextResourceContents(uri="file:///note.txt", mime_type="text/plain", text="a note")
    pdf = types.BlobResourceContents(uri="file:///a.pdf", mime_type="application/pdf", blob=b64encode(PDF).decode())
    return [
        *text("first"),
        types.AudioContent(type="audio", data="AAAA", mime_type="audio/wav"),
        types.ImageContent(type="image", data="AAAA", mime_type="image/svg+xml"),
        types.ImageContent(type="image", data=b64encode(PNG).decode(), mime_type="image/png"),
        types.EmbeddedResource(type="resource", resource=held),
        types.EmbeddedResource(type="resource", resource=pdf),
        types.ResourceLink(type="resource_link", name="more", uri="file:///more.txt"),
    ]


def make_server(tools: Tools) -> Server[Any]:
    """A server that has the tools, listed in pages of six."""

    async def list_tools(_: Any, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        first = int(params.cursor) if params is not None and params.cursor else 0
        found = tools.listed()
        more = str(first + 6) if first + 6 < len(found) else None
        return types.ListToolsResult(tools=found[first : first + 6], next_cursor=more)

    async def call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        said = await tools.call(params.name, params.arguments or {})
        if params.name == "change":
            await context.session.send_tool_list_changed()
        return said

    return Server(
        "own", on_list_tools=list_tools, on_call_tool=call_tool, on_subscriptions_listen=ListenHandler(tools.bus)
    )


@contextmanager
def served(tools: Tools) -> Iterator[str]:
    """The address of a server by streamable HTTP, for as long as the block lasts."""
    import uvicorn

    inner = make_server(tools).streamable_http_app(host="127.0.0.1")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            tools.headers.append({key.decode(): value.decode() for key, value in scope["headers"]})
        await inner(scope, receive, send)

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
        finally:
            server.should_exit = True
            thread.join(30)


async def main() -> None:
    """Serve over standard input and output."""
    from mcp.server.stdio import stdio_server

    print("a secret on stderr", file=sys.stderr)
    server = make_server(Tools())
    async with stdio_server() as (read, write):
        from mcp.server.lowlevel import NotificationOptions

        await server.run(read, write, server.create_initialization_options(NotificationOptions(tools_changed=True)))


if __name__ == "__main__":
    asyncio.run(main())
