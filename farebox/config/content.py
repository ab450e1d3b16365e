"""Content capture: prompts and answers, stored masked for a limited time if farebox.toml says so; off by default."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic_core import to_jsonable_python

from farebox.config.content_settings import ContentSettings
from guardrails import Finder, GuardDecision, Reason, Scrubber
from pricing import (
    Captured,
    CapturedCall,
    Captures,
    InvalidArguments,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    from_us,
    json_text,
    mark_key,
    media_kind,
)
from tasks.providers import Message, media_of
from tasks.turn import StepCallRecord, TurnRecord, json_value, unescaped


class ContentCapture:
    """Stores turns and calls of steps, masked.

    Args:
        settings: which ones to store.
        captures: the store.
        finder: returns what finds personal data in an operation of an automation.
    """

    def __init__(self, settings: ContentSettings, captures: Captures, finder: Callable[[str, str], Finder]) -> None:
        self._settings = settings
        self._captures = captures
        self._finder = finder

    def keeps(self, automation: str, operation: str) -> bool:
        """Whether turns of an operation are stored."""
        return bool(self._settings.keep) and self._settings.keeps(automation, operation)

    def keep(self, turn: TurnRecord) -> Captured | None:
        """Store a turn; returns what was stored if it can be exported with spans.

        Raises:
            LedgerError: the store cannot be written.
        """
        run, fact, reply = turn.run, turn.turn, turn.reply
        scrubber = Scrubber(self._finder(run.automation, fact.operation), turn.known, turn.vault)
        kept = Captured(
            turn_id=fact.turn_id,
            run_id=run.run_id,
            automation=run.automation,
            operation=fact.operation,
            prompt=fact.prompt,
            prompt_version=fact.prompt_version,
            outcome=fact.outcome,
            target=fact.target,
            stand_in=turn.answered_by is not None and turn.answered_by.stand_in,
            flagged=any(_is_flag(decision) for decision, _ in turn.judged),
            at=from_us(fact.started_at),
            system=scrubber.scrub_part(turn.request.system),
            messages=tuple(_message(message, scrubber) for message in turn.request.messages),
            answer=None if reply is None else _answer(reply.text, scrubber, structured=turn.request.schema is not None),
            tool_calls=() if reply is None else tuple(_call(call, scrubber) for call in reply.tool_calls),
            schema=turn.request.schema.definition if turn.request.schema else None,
            marks={
                mark_key(decision.guard, decision.decided_at): scrubber.marks(decision, exchange)
                for decision, exchange in turn.judged
            },
        )
        self._captures.keep(kept)
        return kept if self._settings.spans else None

    def keep_call(self, call: StepCallRecord) -> None:
        """Store a call of a step. Personal data that was found in its turns is masked in it too.

        Raises:
            LedgerError: the store cannot be written.
        """
        first, last = call.turns[0], call.turns[-1]
        known = [pair for turn in call.turns for pair in (*turn.known, *turn.vault.held())]
        scrubber = Scrubber(self._finder(first.run.automation, call.operation), tuple(dict.fromkeys(known)), None)
        self._captures.keep(
            CapturedCall(
                call_id=first.turn.turn_id,
                run_id=first.run.run_id,
                automation=first.run.automation,
                operation=call.operation,
                outcome=call.outcome,
                target=last.turn.target,
                stand_in=last.answered_by is not None and last.answered_by.stand_in,
                turns=tuple(turn.turn.turn_id for turn in call.turns),
                at=from_us(first.turn.started_at),
                inputs=_scrubbed(call.arguments, scrubber),
                answer=scrubber.scrub_json(_plain(call.returned)),
            )
        )


def _scrubbed(arguments: Mapping[str, object], scrubber: Scrubber) -> dict[str, Any] | None:
    """Arguments as JSON, with unchanged names; ``None`` if one cannot be JSON."""
    plain = {name: _plain(value) for name, value in arguments.items()}
    if any(plain[name] is None and value is not None for name, value in arguments.items()):
        return None
    return {name: scrubber.scrub_json(value) for name, value in plain.items()}


def _plain(value: object) -> Any:
    """A value as JSON; ``None`` if it cannot be JSON."""
    if isinstance(value, Iterator):  # reading a generator would consume it
        return None
    try:
        plain = to_jsonable_python(value)
        json.dumps(plain, allow_nan=False)
    except ValueError:  # pydantic's serialisation errors are ValueErrors
        return None
    return plain


def _is_flag(decision: GuardDecision) -> bool:
    return decision.action in {"block", "retry"} or decision.reason is not Reason.PII


def _message(message: Message, scrubber: Scrubber) -> dict[str, Any]:
    """A message in its stored form: a description of images and documents, and no provider state."""
    said: dict[str, Any] = {"role": message.role, "text": _text(message, scrubber)}
    if message.tool_calls:
        said["tool_calls"] = [_call(call, scrubber) for call in message.tool_calls]
    if media := media_of(message.parts):
        said["media"] = [
            {"kind": media_kind(part), "media_type": part.media_type, "sha256": part.digest} for part in media
        ]
    return said


def _text(message: Message, scrubber: Scrubber) -> str:
    if message.role != "tool":
        return "".join(scrubber.scrub_part(part) for part in message.parts if isinstance(part, TextPart))
    return "\n".join(_result(result, scrubber) for result in message.results)


def _result(result: ToolResultPart, scrubber: Scrubber) -> str:
    if isinstance(result.value, tuple):
        return "\n".join(scrubber.scrub_part(part) for part in result.parts if isinstance(part, TextPart))
    return replace(result, value=scrubber.scrub_value(result.value)).text


def _answer(text: str, scrubber: Scrubber, *, structured: bool) -> str:
    """An answer in its stored form: of a structured one the strings of its value, not their JSON spelling."""
    if not structured:
        return scrubber.scrub(text)
    value = json_value(text)
    return scrubber.scrub(unescaped(value)) if isinstance(value, str) else json_text(scrubber.scrub_value(value))


def _call(call: ToolCallPart, scrubber: Scrubber) -> dict[str, str]:
    if isinstance(call.arguments, InvalidArguments):
        return {"name": call.name, "arguments": scrubber.scrub(unescaped(call.arguments.text))}
    return {"name": call.name, "arguments": json_text(scrubber.scrub_value(call.arguments))}
