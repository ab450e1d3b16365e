"""One turn: from the request to the recorded answer."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from tasks.turn.answers import Answers
    from tasks.turn.attempts import Attempts
    from tasks.turn.batch_results import BatchResults, BatchWaits
    from tasks.turn.batched import BatchedAttempts
    from tasks.turn.engine import Engine
    from tasks.turn.executor import Answer, TurnEvent, Turns
    from tasks.turn.pins import PromptPreview, pinned
    from tasks.turn.records import StepCallRecord, TurnRecord
    from tasks.turn.redaction import json_value, unescaped
    from tasks.turn.request import TurnRequest, version_with
    from tasks.turn.state import Limits
    from tasks.turn.usage_check import NOT_PLAUSIBLE
    from tasks.turn.verifiers import BROKEN, name_of
    from tasks.turn.waves import RunWaves, WaitMode, WaveNews, Waves, WaveSettings

__all__ = [
    "BROKEN",
    "NOT_PLAUSIBLE",
    "Answer",
    "Answers",
    "Attempts",
    "BatchResults",
    "BatchWaits",
    "BatchedAttempts",
    "Engine",
    "Limits",
    "PromptPreview",
    "RunWaves",
    "StepCallRecord",
    "TurnEvent",
    "TurnRecord",
    "TurnRequest",
    "Turns",
    "WaitMode",
    "WaveNews",
    "WaveSettings",
    "Waves",
    "json_value",
    "name_of",
    "pinned",
    "unescaped",
    "version_with",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "Answer": "tasks.turn.executor",
            "Answers": "tasks.turn.answers",
            "Attempts": "tasks.turn.attempts",
            "BROKEN": "tasks.turn.verifiers",
            "BatchResults": "tasks.turn.batch_results",
            "BatchWaits": "tasks.turn.batch_results",
            "BatchedAttempts": "tasks.turn.batched",
            "RunWaves": "tasks.turn.waves",
            "WaitMode": "tasks.turn.waves",
            "WaveNews": "tasks.turn.waves",
            "WaveSettings": "tasks.turn.waves",
            "Waves": "tasks.turn.waves",
            "Engine": "tasks.turn.engine",
            "Limits": "tasks.turn.state",
            "NOT_PLAUSIBLE": "tasks.turn.usage_check",
            "PromptPreview": "tasks.turn.pins",
            "StepCallRecord": "tasks.turn.records",
            "TurnEvent": "tasks.turn.executor",
            "TurnRecord": "tasks.turn.records",
            "TurnRequest": "tasks.turn.request",
            "Turns": "tasks.turn.executor",
            "json_value": "tasks.turn.redaction",
            "name_of": "tasks.turn.verifiers",
            "pinned": "tasks.turn.pins",
            "unescaped": "tasks.turn.redaction",
            "version_with": "tasks.turn.request",
        },
    )
