"""Answers of durable runs: each reply is kept with the completion that paid for it, and replayed when the run goes on.

What is kept is what the model said, before guards looked at it: they check a replayed answer as any other. The key
is what was asked, for all targets; values that a vault took out are not part of it, and are put back from the question.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Final, assert_never

from guardrails.pii import Vault
from pricing import (
    DocumentPart,
    ImagePart,
    InvalidArguments,
    JournalUnreadable,
    LedgerError,
    Nano,
    Part,
    ProviderStatePart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
    identity,
    json_text,
    record,
)
from pricing.db import after_fork
from tasks.providers.messages import ModelReply, ModelRequest, Tool
from tasks.run_context import JournalPlace
from tasks.turn.redaction import with_strings

if TYPE_CHECKING:  # the database's library takes longer to load than this package
    from pricing.db import PendingWrite
    from pricing.ledger import BatchAttempt, Journal, JournalEntry, Run
    from tasks.turn.request import TurnContext, TurnRequest

_log = logging.getLogger(__name__)
_MOST_RUNS: Final = 256
_TOKEN = re.compile(r"(\[[A-Z]+_\d+_)[0-9a-f]{8}\]")
"""A token of a vault that is not the question's own, such as in an answer that a judge is shown."""
_NOT_ASKED: Final = {"messages", "system", "cache"}
_NOT_OF_A_TOOL: Final = {"foreign"}
"""Fields of a tool that guards read and no model is sent: the question is the same."""


@dataclass(slots=True)
class StepAnswers:
    """What one call of a step was answered, so that its retry is not asked again.

    Args:
        outer: of the call that it is a part of.
        again: by key, entries that the attempt before had.
        kept: key and entry of each answer and each result of a tool, in order.
    """

    outer: StepAnswers | None = None
    again: dict[str, deque[str]] = field(default_factory=dict)
    kept: list[tuple[str, str]] = field(default_factory=list)

    def add(self, key: str, entry_id: str) -> None:
        """Note an entry, here and in every call around."""
        place: StepAnswers | None = self
        while place is not None:
            place.kept.append((key, entry_id))
            place = place.outer

    def take(self, key: str) -> str | None:
        """The entry that the attempt before had next for this key."""
        place: StepAnswers | None = self
        while place is not None:
            if waiting := place.again.get(key):
                return waiting.popleft()
            place = place.outer
        return None

    @property
    def retried(self) -> bool:
        """Whether an attempt before has left something."""
        return bool(self.again) or (self.outer is not None and self.outer.retried)

    def by_key(self) -> dict[str, deque[str]]:
        """What was kept, for a retry."""
        found = defaultdict[str, deque[str]](deque)
        for key, entry_id in self.kept:
            found[key].append(entry_id)
        return dict(found)


@record(frozen=True, slots=True)
class KeptAnswer:
    """A reply that was paid for, who gave it and what it cost.

    ``turn_id`` is the turn that a batch has brought it to, with so many attempts ``sent``, if nobody has recorded that;
    ``asked_by`` is the ``traceparent`` of its first span.
    """

    reply: ModelReply
    target: str
    cost_nano: Nano
    turn_id: str = ""
    sent: int = 0
    asked_by: str = ""


class FreeEntries:
    """How many entries each execution of a run may still claim: what is not there is not looked for.

    Args:
        journal: has them.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._reset()
        after_fork(self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[JournalPlace, Counter[str]] = OrderedDict()

    def take(self, place: JournalPlace, key: str) -> bool:
        """Whether there may be an entry of this key to claim; counted down. It reads the ledger the first time."""
        with self._lock:
            free = self._known.get(place)
            if free is None:
                free = self._known[place] = self._journal.free(place.run_id, place.execution)
                while len(self._known) > _MOST_RUNS:
                    self._known.popitem(last=False)
            free[key] -= 1
            return free[key] >= 0

    async def take_async(self, place: JournalPlace, key: str) -> bool:
        """The same on an event loop."""
        if place in self._known:
            return self.take(place, key)
        return await asyncio.to_thread(self.take, place, key)


class Answers:
    """Gives each turn of a durable run its journal.

    Args:
        journal: where entries are.
        keeps: whether content of an operation of an automation may be kept.
        line_of_entry: the line of a batch whose answer an entry is, and how many attempts its turn has made, unless
            that was recorded before.
    """

    def __init__(
        self,
        journal: Journal,
        keeps: Callable[[str, str], bool],
        line_of_entry: Callable[[str], tuple[BatchAttempt, int] | None] | None = None,
    ) -> None:
        self.journal = journal
        self.line_of_entry = line_of_entry
        self._keeps = keeps
        self.free = FreeEntries(journal)

    def keeps(self, run: Run, operation: str) -> bool:
        """Whether what is asked in an operation of a run is kept."""
        return run.durable and self._keeps(run.automation, operation)

    def turn(self, question: TurnRequest[Any], where: TurnContext) -> TurnAnswers | None:
        """The journal of one turn; ``None`` where nothing is kept of it."""
        if where.journal is None or not self.keeps(where.run, question.operation):
            return None
        return TurnAnswers(self, question, where, where.journal)


class TurnAnswers:
    """What one turn has been answered, and what of that had been paid for before."""

    def __init__(self, answers: Answers, question: TurnRequest[Any], where: TurnContext, place: JournalPlace) -> None:
        self._answers = answers
        self.place = place
        """Where it is kept."""
        self._operation = question.operation
        self._version = question.prompt.version
        self._pin = where.pin
        self._step = where.answers or StepAnswers()
        self._entry_ids: list[str] = []
        self._writes: list[PendingWrite[None]] = []
        self.replayed = 0
        """How many replies were replayed."""
        self.saved_nano: Nano = 0
        """What these had cost."""

    def key(self, request: ModelRequest, vault: Vault | None) -> str:
        """What makes another question the same as this request."""
        return answer_key(self._version, request, vault, self._pin)

    async def take(self, entry_id: str) -> JournalEntry | None:
        """The entry that a batch's answer to this turn became; ``None`` where another execution has it."""
        place = self.place
        return await self._answers.journal.take_one(place.run_id, entry_id, place.execution, place.holder)

    def has(self, entry: JournalEntry) -> None:
        """Note that the turn was answered with an entry: a retry of its step has it again."""
        self._step.add(entry.key, entry.entry_id)

    async def claim(self, request: ModelRequest, vault: Vault | None) -> KeptAnswer | None:
        """The next reply to this request that was paid for before; ``None`` where it has to be asked."""
        if self.place.is_first and not self._step.retried:
            return None
        journal, key = self._answers.journal, answer_key(self._version, request, vault, self._pin)
        if (entry_id := self._step.take(key)) is not None:
            entry = await journal.entry(self.place.run_id, entry_id)
        else:
            if not await self._answers.free.take_async(self.place, key):
                return None
            entry = await journal.claim(self.place.run_id, key, self.place.execution, self.place.holder)
        if entry is None or entry.value is None:
            return None
        self._step.add(key, entry.entry_id)
        line = await self._line(entry) if entry.kind == "batch" else None
        if line is None:
            self._entry_ids.append(entry.entry_id)
            self.replayed += 1
            self.saved_nano += entry.cost_nano
        kept = KeptAnswer(read_reply(entry.value, vault), entry.target, entry.cost_nano)
        return (
            kept
            if line is None
            else replace(kept, turn_id=line[0].turn_id, sent=line[1], asked_by=line[0].details.get("asked_by", ""))
        )

    async def _line(self, entry: JournalEntry) -> tuple[BatchAttempt, int] | None:
        """The line of a batch that brought an answer, where this turn is the one that waited for it."""
        find = self._answers.line_of_entry
        return None if find is None else await asyncio.to_thread(find, entry.entry_id)

    def keep(self, request: ModelRequest, vault: Vault | None, answer: KeptAnswer) -> None:
        """Keep a reply. Called in the step of the loop in which its completion was submitted: both are committed, or
        neither is.
        """
        key = answer_key(self._version, request, vault, self._pin)
        try:
            written = write_reply(answer.reply, vault)
        except (TypeError, ValueError):  # state of a provider that is not JSON
            _log.warning("An answer of %s cannot be written down: a retry asks it again.", self._operation)
            return
        made = self._answers.journal.append(
            self.place.run_id,
            "answer",
            key,
            written,
            execution=self.place.execution,
            holder=self.place.holder,
            operation=self._operation,
            target=answer.target,
            cost_nano=answer.cost_nano,
        )
        if made is None:
            _log.warning("An answer of %s is too large for the journal: a retry asks it again.", self._operation)
            return
        entry_id, write = made
        self._step.add(key, entry_id)
        self._entry_ids.append(entry_id)
        self._writes.append(write)

    def forget(self) -> None:
        """The turn failed: its replies were not usable, and a retry asks again."""
        if self._entry_ids:
            self._writes.append(self._answers.journal.drop(self._entry_ids))

    async def written(self) -> None:
        """Wait until all of it is committed. What cannot be kept is paid again by a retry, and that is said."""
        for write in self._writes:
            try:
                await write
            except LedgerError as error:
                _log.warning("The journal of run %s is not written: %s", self.place.run_id, error.message)
        self._writes.clear()


def answer_key(prompt_version: str, request: ModelRequest, vault: Vault | None, pin: str = "") -> str:
    """What makes two questions of a run the same: prompt version, all parts, schema, tools and every setting.

    Never a target, unless a calibration pins it: the answer of another model is an answer too.
    """
    neutral = request if vault is None else with_strings(request, vault.neutral)
    settings = [[one.name, _plain(getattr(neutral, one.name))] for one in fields(neutral) if one.name not in _NOT_ASKED]
    said = [[message.role, [identity(part) for part in message.parts]] for message in neutral.messages]
    asked = json.dumps([prompt_version, pin, neutral.system.text, said, settings], sort_keys=True, default=str)
    return hashlib.sha256(_TOKEN.sub(r"\1-]", asked).encode()).hexdigest()[:40]


def _plain(value: Any) -> Any:
    if isinstance(value, Tool):
        return {name: one for name, one in asdict(value).items() if name not in _NOT_OF_A_TOOL}
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def write_reply(reply: ModelReply, vault: Vault | None) -> bytes:
    """A reply as bytes, its vault's tokens neutral."""
    text = json_text({"stop": reply.stop, "model": reply.model, "parts": [_written(part) for part in reply.parts]})
    return (text if vault is None else vault.neutral(text)).encode("utf-8", "surrogatepass")


def read_reply(value: bytes, vault: Vault | None) -> ModelReply:
    """The reverse of :func:`write_reply`, for another vault of the same question; it has used no tokens."""
    text = value.decode("utf-8", "surrogatepass")
    kept = json.loads(text if vault is None else vault.adopt(text))
    return ModelReply(tuple(map(_read, kept["parts"])), kept["stop"], Usage(), kept["model"])


def _written(part: Part) -> list[Any]:
    match part:
        case TextPart():
            return ["text", part.text]
        case ToolCallPart():
            said = part.arguments
            if isinstance(said, InvalidArguments):
                return ["call", part.id, part.name, None, said.text]
            return ["call", part.id, part.name, dict(said), ""]
        case ProviderStatePart():
            return ["state", part.family, part.payload, part.prefix]
        case ImagePart() | DocumentPart() | ToolResultPart():
            raise TypeError(f"a reply holds no {type(part).__name__}: only users and tools give one")
        case _:
            assert_never(part)


def _read(written: list[Any]) -> Part:
    match written:
        case ["text", text]:
            return TextPart(text)
        case ["call", call_id, name, None, wrong]:
            return ToolCallPart(call_id, name, InvalidArguments(wrong))
        case ["call", call_id, name, arguments, _]:
            return ToolCallPart(call_id, name, arguments)
        case ["state", family, payload, prefix]:
            return ProviderStatePart(family, payload, prefix)
    raise JournalUnreadable(
        "An answer in the journal of this run has a part that this version of Farebox does not know.",
        next_step="Continue it with the version that it began with, or start the work as a new run.",
    )
