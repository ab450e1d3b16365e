"""What every provider's adapter offers, and what they share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from pricing import Nano, Part, ProviderStatePart, TextPart, ToolCallPart, Usage
from tasks.providers.bodies import LARGEST_ANSWER
from tasks.providers.failure_kinds import Failure, failure
from tasks.providers.failure_rules import FailureRules
from tasks.providers.failures import classify_reply, request_id
from tasks.providers.json_fields import dump, obj, parse
from tasks.providers.messages import HttpRequest, JSONObject, ModelReply, ModelRequest, StopReason
from tasks.providers.schemas import ANSWER_TOOL
from tasks.routing.target import Target

OK = 200
_DONE = b"[DONE]"
_TIER = re.compile(r"[A-Za-z0-9_-]{1,40}")
_CALL_CHARACTERS = 256
"""What keeping a call takes, beside its texts."""


class ReplyError(Exception):
    """An exchange without a :class:`ModelReply`. ``usage`` is what the provider had counted by then. The message
    contains only the class of failure.
    """

    def __init__(self, failure: Failure, usage: Usage | None = None) -> None:
        super().__init__(failure, usage)
        self.failure = failure
        self.usage = usage

    def __str__(self) -> str:
        return f"{self.failure.kind} (status {self.failure.status}, code {self.failure.code})"


class Stream(Protocol):
    """Reads one streamed reply."""

    @property
    def usage(self) -> Usage:
        """The counts received so far."""
        ...

    @property
    def began(self) -> bool:
        """Whether a part of the answer has arrived."""
        ...

    def feed(self, chunk: bytes) -> list[str]:
        """Take bytes as they arrive; returns their text. Raises :class:`ReplyError`."""
        ...

    def finish(self) -> ModelReply:
        """The complete reply, after the last byte. Raises :class:`ReplyError` if it was cut off."""
        ...


class Adapter(Protocol):
    """One provider's dialect."""

    def encode(
        self, target: Target, request: ModelRequest, *, stream: bool = False, attempt_id: str | None = None
    ) -> HttpRequest:
        """The request in the provider's dialect; its support finds the attempt by ``attempt_id`` (ASCII)."""
        ...

    def decode(self, target: Target, status: int, headers: Mapping[str, str], body: bytes) -> ModelReply:
        """The reply to a request that was not streamed, or any reply whose status is not 200.

        Raises:
            ReplyError: the provider refused or failed, or its reply is not valid.
        """
        ...

    def stream(self, target: Target, headers: Mapping[str, str]) -> Stream:
        """A reader for the streamed reply that began with a 200 and ``headers``."""
        ...


@dataclass(slots=True)
class CallDraft:
    """A tool call that is still arriving."""

    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class Draft:
    """A reply that is still arriving, in one body or many events. Its size is limited by ``LARGEST_ANSWER``: a
    ``ValueError`` is raised beyond it.
    """

    text: str = ""
    refusal: str = ""
    calls: dict[object, CallDraft] = field(default_factory=dict)
    stop: StopReason | None = None
    usage: Usage = field(default_factory=Usage)
    counts: JSONObject = field(default_factory=dict)
    """The provider's own usage object, while events add to it."""
    model: str | None = None
    id: str | None = None
    service_tier: str | None = None
    cost_nano: Nano | None = None
    done: bool = False
    """Whether the dialect's last event was seen."""
    kept: int = 0
    """Characters that are kept, with a share for each call."""
    family: str = ""
    """Whose reasoning state this is (``conversations.state_family``)."""
    states: list[tuple[bool, int, JSONObject]] = field(default_factory=list)
    """Reasoning state, each with its place: whether text came before it, and how many calls."""
    open_states: dict[object, JSONObject] = field(default_factory=dict)
    """Reasoning state while it arrives, by the dialect's index."""

    def state(self, payload: JSONObject, *, first: bool = False) -> JSONObject:
        """Keep reasoning state, as it is to be sent back: behind what has come so far, or before all of it."""
        self.keep(dump(payload))
        self.states.append((False, 0, payload) if first else (bool(self.text), len(self.calls), payload))
        return payload

    def keep(self, words: str) -> str:
        """Count the words that are about to be stored, and return them.

        Raises:
            ValueError: they are more than an answer can have.
        """
        self.kept += len(words)
        if self.kept > LARGEST_ANSWER:
            raise ValueError("an answer without an end")
        return words

    def call(self, index: object, call_id: str = "") -> CallDraft:
        """The tool call at ``index``, begun if need be; another id there is another call, as Ollama numbers all 0."""
        held = self.calls.get(index)
        if held is not None and call_id and held.id and held.id != call_id:
            self.calls[index, held.id] = self.calls.pop(index)
        call = self.calls.get(index)
        if call is None:
            call = self.calls[index] = CallDraft()
            self.kept += _CALL_CHARACTERS + len(str(index))
        self.keep(call_id)
        call.id = call_id or call.id
        return call

    def reply(self, headers: Mapping[str, str]) -> ModelReply:
        """The reply. Tool calls are included only if the model finished them: never cut-off ones."""
        self._take_answer()
        stop = self._stop()
        return ModelReply(
            parts=tuple(self._parts(stop)),
            stop=stop,
            usage=self.usage,
            model=self.model,
            request_id=request_id(lower(headers)),
            response_id=self.id,
            service_tier=self.service_tier if _TIER.fullmatch(self.service_tier or "") else None,
            cost_nano=self.cost_nano,
        )

    def _parts(self, stop: StopReason) -> Iterator[Part]:
        """The parts in order; reasoning state only beside tool calls, with which it is sent back."""
        calls = list(self.calls.values()) if stop == "tool_calls" else []

        def states(place: int, *, behind_text: bool | None = None) -> Iterator[Part]:
            for after_text, count, payload in self.states if calls else ():
                if count == place and behind_text in {None, after_text}:
                    yield ProviderStatePart(self.family, payload)

        yield from states(0, behind_text=False)
        if said := self.text or self.refusal:
            yield TextPart(said)
        yield from states(0, behind_text=True)
        for place, call in enumerate(calls, 1):
            call.id = call.id or f"call_{place}"  # which results refer to; some servers give none
            yield ToolCallPart.parse(call.id, call.name, call.arguments)
            if place < len(calls):
                yield from states(place)

    def _take_answer(self) -> None:
        """Turn a call of the answer tool into text, unless the model wants other tools first."""
        given = [index for index, call in self.calls.items() if call.name == ANSWER_TOOL]
        if not given or self.stop not in {None, "end", "tool_calls"}:
            return
        places = [place for place, index in enumerate(self.calls) if index in given]
        answers = [self.calls.pop(index) for index in given]
        self.states = [
            (after_text, count - sum(place < count for place in places), payload)
            for after_text, count, payload in self.states
        ]
        if not self.calls:
            self.text, self.stop = answers[-1].arguments, "end"

    def _stop(self) -> StopReason:
        if self.stop is not None and self.stop not in {"end", "tool_calls"}:
            return self.stop
        if self.refusal:
            return "refusal"
        if self.calls:
            return "tool_calls"
        return "end" if self.text.strip() else "malformed"


def lower(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers with lower-case names."""
    return {name.lower(): value for name, value in headers.items()}


def opened(rules: FailureRules, status: int, headers: Mapping[str, str], body: bytes) -> JSONObject:
    """The reply's JSON object. Raises :class:`ReplyError` if the reply is an error, or no JSON object."""
    reply = parse(body) if status == OK else None
    if not isinstance(reply, dict) or reply.get("error"):
        raise ReplyError(classify_reply(rules, status, headers, body))
    return reply


def broken(headers: Mapping[str, str], usage: Usage | None = None) -> ReplyError:
    """The error for a reply with status 200 that is incomplete: loss of service, and perhaps billed."""
    fault = failure("server_error", status=OK, maybe_billed=True, request_id=request_id(lower(headers)))
    return ReplyError(fault, usage)


class Event(NamedTuple):
    """One event of a stream. ``fault`` is the provider's code if the event says that the stream failed."""

    name: str
    data: bytes
    fault: str | None = None


class Frames(Protocol):
    """Splits a byte stream into events, with chunks of any size."""

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that ``chunk`` completes. Raises ``ValueError`` if the bytes are damaged."""
        ...

    def finish(self) -> Iterator[Event]:
        """The event that the end of the bytes completes, if there is one."""
        ...


class EventReader:
    """Reads a streamed reply: ``frames`` splits it into events, ``absorb`` adds one to a draft and returns its text."""

    def __init__(
        self,
        rules: FailureRules,
        headers: Mapping[str, str],
        frames: Frames,
        absorb: Callable[[Draft, str, JSONObject], str],
        family: str = "",
    ) -> None:
        self._rules = rules
        self._headers = headers
        self._frames = frames
        self._absorb = absorb
        self._draft = Draft(family=family)

    def served_by(self, service_tier: str | None) -> None:
        """Note the service tier that the reply's headers name."""
        self._draft.service_tier = service_tier

    @property
    def usage(self) -> Usage:
        """The counts received so far."""
        return self._draft.usage

    @property
    def began(self) -> bool:
        """Whether anything of the answer has arrived: text, a thought or a part of a call."""
        return self._draft.kept > 0

    def feed(self, chunk: bytes) -> list[str]:
        """The text in these bytes."""
        try:
            return [delta for event in self._frames.feed(chunk) if (delta := self._read(event))]
        except ValueError:
            raise self._lost() from None

    def finish(self) -> ModelReply:
        """The complete reply. It is complete with stop reason and usage, or with the dialect's last event."""
        draft = self._draft
        for event in () if draft.done else self._frames.finish():
            if event.data.strip() != _DONE and not isinstance(parse(event.data), dict):
                raise self._lost()  # cut off within its last event
            self._read(event)
        if not draft.done and (draft.stop is None or not draft.usage.known):
            raise self._lost()
        return draft.reply(self._headers)

    def _read(self, event: Event) -> str:
        if event.data.strip() == _DONE:
            self._draft.done = True
            return ""
        if len(event.data) > LARGEST_ANSWER:
            raise ValueError("an event without an end")
        payload = parse(event.data)
        if event.fault or obj(payload).get("error") or obj(payload).get("object") == "error":
            headers = {**self._headers, **({"x-amzn-errortype": event.fault} if event.fault else {})}
            raise ReplyError(classify_reply(self._rules, OK, headers, event.data), self.usage)
        if not isinstance(payload, dict):
            raise broken(self._headers, self.usage)
        return self._absorb(self._draft, event.name, payload)

    def _lost(self) -> ReplyError:
        fault = failure(
            "connection", status=OK, phase="read", maybe_billed=True, request_id=request_id(lower(self._headers))
        )
        return ReplyError(fault, self.usage)
