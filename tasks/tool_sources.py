"""Tools that are not functions of this process: a source lists them in the run that asks, and makes their calls."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from pricing import InvalidArguments, record
from tasks.event_loop import in_thread
from tasks.providers.messages import Tool
from tasks.tool_calls import ToolCall, ToolOutcome, ToolRules, await_tool

if TYPE_CHECKING:
    from tasks.turn.engine import Engine

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME: Final = 64
"""Characters of a tool's name that every provider takes."""


class ToolError(ValueError):
    """The message to a model about a failed call; the run goes on."""


@record(frozen=True, slots=True)
class SourceTool:
    """One tool of a source.

    Args:
        name: as its source calls it.
        description: for the model.
        parameters: JSON schema of its arguments, of type object.
        rules: how its calls are kept; their name tells tools of several sources apart.
        call: makes a call with arguments by name; raises ``ToolError`` for a message to the model.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    rules: ToolRules
    call: Callable[[Mapping[str, Any]], Awaitable[Any]] = field(repr=False)


@runtime_checkable
class ToolSource(Protocol):
    """Something that lists tools in a run, such as a server of the Model Context Protocol."""

    @property
    def name(self) -> str:
        """The source's name, which distinguishes tools of the same name."""

    async def source_tools(self, engine: Engine, run_id: str) -> Sequence[SourceTool]:
        """The source's tools, as they were when the run first asked. It is called on the engine's loop.

        Raises:
            NoToolServer: it cannot be reached.
        """


@record(frozen=True, slots=True)
class ListedTool:
    """A source's tool with the name that the model uses."""

    tool: SourceTool
    spec: Tool

    @property
    def name(self) -> str:
        """The name that the model uses."""
        return self.spec.name

    async def call(
        self, arguments: Mapping[str, Any] | InvalidArguments, engine: Engine, note: Callable[[ToolCall], None]
    ) -> ToolOutcome:
        """Call the tool in the current run, or replay its stored outcome in a continued run.

        Raises:
            ToolError: it failed, with a message for the model.
            ToolInterrupted: it was under way when a process of the run ended, and somebody has to decide.
        """
        if isinstance(arguments, InvalidArguments):
            raise ToolError("Invalid arguments: they are not a JSON object.")
        given = dict(arguments)
        call = await in_thread(partial(ToolCall, engine, self.tool.rules, given, "agent"))
        note(call)
        return await await_tool(call, self.tool.rules, partial(self.tool.call, given))


def listed(tools: Sequence[SourceTool], source: str, taken: Collection[str]) -> list[ListedTool]:
    """Tools of a source under names that every provider takes and that are not ``taken``.

    A name that is taken gets the source's in front of it, and a number where that is not enough.

    >>> rules = ToolRules("files.read")
    >>> one = SourceTool("read/all", "", {}, rules, print)
    >>> [tool.name for tool in listed([one, one, one], "files", {"read_all"})]
    ['files_read_all', 'files_read_all_2', 'files_read_all_3']
    """
    found: list[ListedTool] = []
    used = set(taken)
    for tool in tools:
        plain = _UNSAFE.sub("_", tool.name) or "tool"
        name = plain[:_LONGEST_NAME]
        if name in used:
            plain = name = f"{_UNSAFE.sub('_', source)}_{plain}"[:_LONGEST_NAME]
        number = 2
        while name in used:
            end = f"_{number}"
            name, number = f"{plain[: _LONGEST_NAME - len(end)]}{end}", number + 1
        used.add(name)
        found.append(ListedTool(tool, Tool(name, tool.description or tool.name, dict(tool.parameters), foreign=True)))
    return found
