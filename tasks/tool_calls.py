"""Calls of tools in durable runs: what one gave back is kept, and one that returned is not called again.

That a tool is about to be called is written down before, what it gave back after. One that was under way when its
process ended may have taken effect or not: nobody guesses. What becomes of it the tool declares, or a person decides.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
import logging
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from pricing import DocumentPart, ImagePart, NoRun, TextPart, ToolInterrupted, json_text, record
from tasks.context import around, paying_run
from tasks.event_loop import in_thread
from tasks.run_context import JournalPlace
from tasks.tool_task import in_prefect_task
from tasks.turn.answers import Answers, StepAnswers
from tasks.turn.engine import Engine

if TYPE_CHECKING:
    from pricing.db import PendingWrite
    from pricing.ledger import JournalEntry

Interruption: TypeAlias = Literal["ask", "retry", "skip", "fail"]
"""What becomes of a call that was under way when its process ended: somebody is asked, it is made again, it is left
out, or the run fails."""
INTERRUPTIONS: Final = ("ask", "retry", "skip", "fail")
SKIPPED: Final = "The tool was interrupted before; whether it took effect is not known. It was not called again."
_log = logging.getLogger(__name__)


@record(frozen=True, slots=True)
class ToolRules:
    """How results of a tool's calls are stored and replayed.

    Args:
        name: of the tool; of a decorated one its operation.
        replay: whether its results are stored, and replayed when the run is continued.
        interrupted: what to do with a call that was running when its process ended.
        returns: the type that it says it gives back.
    """

    name: str
    replay: bool = True
    interrupted: Interruption = "ask"
    returns: Any = None

    @classmethod
    def of(cls, function: Callable[..., Any], name: str = "", **rules: Any) -> ToolRules:
        """The rules of a plain function, by its annotations."""
        try:
            returns = inspect.signature(function, eval_str=True).return_annotation
        except (NameError, TypeError, ValueError):
            returns = inspect.Signature.empty
        known = None if returns in {inspect.Signature.empty, Any} else returns
        return cls(name or str(getattr(function, "__name__", "tool")), returns=known, **rules)


def tool_rules(function: Any) -> ToolRules:
    """The rules of an agent's tool: those that ``@tool`` declares, or the defaults. A Prefect task that ``@tool``
    decorates stores its calls itself.
    """
    body = getattr(function, "fn", function)
    declared = getattr(body, "farebox_rules", None)
    if isinstance(declared, ToolRules):
        return declared if body is function else replace(declared, replay=False)
    return ToolRules.of(body)


@record(frozen=True, slots=True)
class ToolOutcome:
    """The outcome of a tool call: its value, or the ``message`` to the model in place of one."""

    value: Any = field(default=None, repr=False)
    message: str | None = field(default=None, repr=False)
    replayed: bool = False


class ToolCall:
    """One call of a tool in the current run; outside of a durable run nothing is stored.

    Args:
        engine: knows the run.
        rules: of the tool.
        arguments: by name.
        by: who calls: ``agent`` or ``code``, whose results are kept apart.
    """

    def __init__(self, engine: Engine, rules: ToolRules, arguments: Mapping[str, Any], by: str) -> None:
        self._rules = rules
        self._by = by
        self._place = JournalPlace("", 1, "", 1)
        self._answers: Answers | None = None
        self._step = StepAnswers()
        self._entry_id = self._key = ""
        if rules.replay:
            self._find_run(engine)
            self._key = _key(rules.name, arguments, by) or ""

    def claim(self) -> PendingWrite[JournalEntry | None] | None:
        """The stored outcome of an equal call, if there is one. It reads the ledger, so not on an event loop."""
        if self._answers is None or not self._key or (self._place.is_first and not self._step.retried):
            return None
        journal = self._answers.journal
        if (entry_id := self._step.take(self._key)) is not None:
            return journal.entry(self._place.run_id, entry_id)
        if not self._answers.free.take(self._place, self._key):
            return None
        return journal.claim(self._place.run_id, self._key, self._place.execution, self._place.holder)

    def replayed(self, entry: JournalEntry | None) -> ToolOutcome | None:
        """The stored outcome of the call; ``None`` where the call is to be made.

        Raises:
            ToolInterrupted: it is not known whether it took effect, and somebody has to decide.
        """
        if entry is None or self._answers is None:
            return None
        self._note(entry.entry_id)
        if entry.state == "done" and entry.value is not None:
            try:
                return _read(entry.value, self._rules)
            except (ValueError, TypeError, LookupError):  # its type was changed
                _log.warning("What the tool %s gave back is not of its type any more.", self._rules.name)
        decided = self._rules.interrupted if entry.state in {"begun", "done"} else entry.state
        if decided == "retry":
            self._answers.journal.reopen(entry.entry_id).result()
            return None
        self._entry_id = entry.entry_id
        if decided == "skip":
            self._answers.journal.reopen(entry.entry_id).result()
            self._finish(ToolOutcome(message=SKIPPED))
            return ToolOutcome(message=SKIPPED, replayed=True)
        raise interrupted(self._place.run_id, self._rules.name, asked=decided == "ask", returned=entry.state == "done")

    def begin(self) -> None:
        """Record that the call is about to be made. It waits for the ledger, so not on an event loop."""
        if self._answers is None or not self._key or self._entry_id:
            return
        made = self._answers.journal.append(
            self._place.run_id,
            "tool",
            self._key,
            None,
            execution=self._place.execution,
            holder=self._place.holder,
            operation=self._rules.name,
            begun=True,
        )
        if made is not None:
            self._note(made[0])
            made[1].result()

    def returned(self, value: Any) -> None:
        """Store the returned value."""
        self._finish(ToolOutcome(value))

    def keep_message(self, text: str) -> None:
        """Store the message to the model in place of a result: its arguments were refused, or its time was up."""
        self._finish(ToolOutcome(message=text))

    def raised(self, error: Exception) -> None:
        """Forget a call that raised, so that a retry makes it again. An agent keeps its tool's message itself."""
        is_answer = self._by == "agent" and isinstance(error, ValueError | LookupError)
        if self._answers is not None and self._entry_id and not is_answer:
            self._answers.journal.drop([self._entry_id]).result()

    def _find_run(self, engine: Engine) -> None:
        here = around()
        if here is not None:
            engine.join(here)
        try:
            run = paying_run(self._rules.name)
        except NoRun:
            return
        self._answers = engine.kept_calls(run.run_id, self._rules.name, *([here.step.operation] if here else []))
        if self._answers is None:
            return
        self._place = run.journal_place(engine.execution_of(run))
        if here is not None:
            self._step = here.answers

    def _note(self, entry_id: str) -> None:
        self._entry_id = entry_id
        self._step.add(self._key, entry_id)

    def _finish(self, outcome: ToolOutcome) -> None:
        if self._answers is None or not self._entry_id:
            return
        value = _written(outcome, self._rules)
        if value is None:
            _log.warning(
                "What the tool %s gave back cannot be kept: give it a return type that JSON can hold, or replay=False.",
                self._rules.name,
            )
        self._answers.journal.finish(self._place.run_id, self._entry_id, value).result()


def call_tool(call: ToolCall, rules: ToolRules, function: Callable[[], Any], *, task: bool = True) -> ToolOutcome:
    """Call a tool, or replay its stored outcome. Within a flow the call is a Prefect task run.

    Raises:
        ToolInterrupted: somebody has to decide about it.
    """

    def made() -> ToolOutcome:
        before = call.claim()
        if (found := call.replayed(None if before is None else before.result())) is not None:
            return found
        call.begin()
        try:
            value = function()
        except Exception as error:
            call.raised(error)
            raise
        call.returned(value)
        return ToolOutcome(value)

    return in_prefect_task(rules.name, made) if task else made()


async def await_tool(
    call: ToolCall, rules: ToolRules, function: Callable[[], Awaitable[Any]], *, task: bool = True
) -> ToolOutcome:
    """Call a tool that is a coroutine, on the caller's loop; waits for the ledger use a thread."""
    loop = asyncio.get_running_loop()
    running: list[Any] = []

    async def work() -> Any:
        return await function()

    def on_loop() -> Any:
        future = asyncio.run_coroutine_threadsafe(work(), loop)
        running.append(future)
        return future.result()

    try:
        return await in_thread(partial(call_tool, call, rules, on_loop, task=task))
    except asyncio.CancelledError:
        for future in running:
            future.cancel()
        raise


def interrupted(run_id: str, tool: str, *, asked: bool, returned: bool = False) -> ToolInterrupted:
    """The error of a run whose tool call was under way when a process ended."""
    what = (
        f"The tool {tool!r} has returned before, but what it gave back was not kept"
        if returned
        else f"The tool {tool!r} was under way when a process of this run ended: whether it took effect is not known"
    )
    next_step = (
        f"Look whether it took effect, then decide with one of: farebox runs resume {run_id} --interrupted retry "
        "(call it again), --interrupted skip (it gives None and the run goes on), --interrupted fail (the run ends)."
        if asked
        else "It was decided that the run fails then. Start the work as a new run."
    )
    return ToolInterrupted(f"{what}.", next_step=next_step, run_id=run_id, tool=tool, asked=asked)


def _key(name: str, arguments: Mapping[str, Any], by: str) -> str | None:
    """The key of equal calls; ``None`` where the arguments are not JSON."""
    from pydantic_core import PydanticSerializationError, to_json

    try:
        text = to_json(dict(arguments))
        text = json.dumps(json.loads(text), sort_keys=True).encode()
    except (PydanticSerializationError, ValueError, RecursionError):
        _log.warning("Calls of the tool %s are not kept: JSON cannot hold its arguments.", name)
        return None
    return hashlib.sha256(f"{by} {name} ".encode() + text).hexdigest()[:40]


def _written(outcome: ToolOutcome, rules: ToolRules) -> bytes | None:
    """An outcome as bytes that restore it exactly; ``None`` where that is not possible."""
    if outcome.message is not None:
        return json_text({"told": outcome.message}).encode("utf-8", "surrogatepass")
    value = outcome.value
    if _is_part(value) or (isinstance(value, tuple) and value and all(map(_is_part, value))):
        parts = [_part(part) for part in (value if isinstance(value, tuple) else (value,))]
        return json_text({"parts": parts, "one": not isinstance(value, tuple)}).encode("utf-8", "surrogatepass")
    try:
        if rules.returns is not None:
            adapter = _adapter(rules.returns)
            typed: bytes = adapter.dump_json(value)
            back = adapter.validate_json(typed)
            if type(back) is type(value) and back == value:
                return b'{"typed":' + typed + b"}"
        plain = json_text(value)
        if json.loads(plain) == value:
            return f'{{"plain":{plain}}}'.encode("utf-8", "surrogatepass")
    except (ValueError, TypeError, RecursionError):
        return None
    return None


def _read(value: bytes, rules: ToolRules) -> ToolOutcome:
    kept = json.loads(value.decode("utf-8", "surrogatepass"))
    if "told" in kept:
        return ToolOutcome(message=kept["told"], replayed=True)
    if "parts" in kept:
        parts = tuple(_part_of(part) for part in kept["parts"])
        return ToolOutcome(parts[0] if kept["one"] else parts, replayed=True)
    if "typed" in kept:
        return ToolOutcome(_adapter(rules.returns).validate_json(json.dumps(kept["typed"])), replayed=True)
    return ToolOutcome(kept["plain"], replayed=True)


@lru_cache(maxsize=256)
def _adapter(returns: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(returns)


def _is_part(value: object) -> bool:
    return isinstance(value, TextPart | ImagePart | DocumentPart)


def _part(part: TextPart | ImagePart | DocumentPart) -> list[str]:
    if isinstance(part, TextPart):
        return ["text", part.text]
    kind = "image" if isinstance(part, ImagePart) else "document"
    return [kind, part.media_type, b64encode(part.data).decode(), part.url]


def _part_of(written: list[str]) -> TextPart | ImagePart | DocumentPart:
    match written:
        case ["text", text]:
            return TextPart(text)
        case ["image", media_type, data, url]:
            return ImagePart(media_type, b64decode(data), url)
        case ["document", media_type, data, url]:
            return DocumentPart(media_type, b64decode(data), url)
    raise ValueError("not a part of a tool's result")
