"""One line of a batch: read, failed by the rules in force, or answered and written into the billing journal."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from pricing import Usage
from tasks.sandbox.answers.answer import answer_question
from tasks.sandbox.batch_store import SandboxBatch, SandboxLine
from tasks.sandbox.cache import PromptCache
from tasks.sandbox.counts import cache_use, counted_usage
from tasks.sandbox.faults import Fault, FaultPlan, alter
from tasks.sandbox.journal import SandboxEntry, SandboxJournal
from tasks.sandbox.media import media_tokens
from tasks.sandbox.protocol import (
    BadRequest,
    Complaint,
    Facts,
    Provider,
    SandboxAnswer,
    SandboxExchange,
    SandboxRequest,
)
from tasks.sandbox.script import Script, scripted_answer
from tasks.sandbox.tokens import count_tokens

_REFUSING: Final[Mapping[str, Complaint]] = {
    "429": "429", "500": "500", "503": "503", "529": "529", "auth": "auth", "overflow": "overflow", "quota": "quota",
    "html502": "500", "hang": "500", "drop": "500", "cut": "500", "malformed": "500",
}  # fmt: skip
"""Within a batch there is no connection that could break: what breaks one is a fault of the server."""
_REFUSED: Final[Mapping[Provider, tuple[str, ...]]] = {
    "openai": ("stream",),
    "groq": ("stream",),
    "anthropic": ("stream", "speed", "store", "diagnostics"),
    "bedrock": ("toolConfig",),
}
"""Fields that requests of a batch do not take; at Bedrock those by Converse."""
_OK: Final = 200
_VERSION_HEADER: Final = {"anthropic-version": "2023-06-01"}


@dataclass(frozen=True, slots=True)
class LineRunner:
    """Runs lines with the sandbox's current rules and cache.

    Args:
        journal: where each line is written down.
        cache: the prompt cache, which lines share with all other requests.
        plan: the rules for requests.
        windows: context window in tokens, by model id.
        script: says what a request gets instead, where it does.
    """

    journal: SandboxJournal
    cache: PromptCache
    plan: Callable[[], FaultPlan]
    windows: Mapping[str, int]
    script: Script | None

    def __call__(self, batch: SandboxBatch, line: SandboxLine) -> None:
        """Run one line."""
        line.request_id = batch.dialect.new_id()
        try:
            question = self._read(batch, line)
        except BadRequest as wrong:
            facts = Facts(line.request_id, line.model, wrong.message, param=wrong.param, code=wrong.code)
            self._refuse(batch, line, wrong.complaint, facts, None)
            return
        line.model = question.model
        scripted = self.script(batch.target or "", question) if self.script is not None else None
        planned = self.plan().next(batch.target, batch.provider, question.model)
        fault = scripted if isinstance(scripted, Fault) else planned
        own = None if scripted is None or isinstance(scripted, Fault) else scripted_answer(scripted, question)
        self._answer(batch, line, question, fault, own)

    def _read(self, batch: SandboxBatch, line: SandboxLine) -> SandboxRequest:
        for name in _REFUSED.get(batch.provider, ()):
            if line.body.get(name):
                raise BadRequest(f"{name} is not supported in batches", param=name)
        question = batch.dialect.read(line.body, line.model, _VERSION_HEADER)
        return replace(question, media_tokens=media_tokens(line.body, question.model, batch.dialect.provider))

    def _answer(
        self,
        batch: SandboxBatch,
        line: SandboxLine,
        question: SandboxRequest,
        fault: Fault | None,
        own: SandboxAnswer | None,
    ) -> None:
        kind = None if fault is None else fault.kind
        tokens = line_tokens(question)
        window = self.windows.get(question.model)
        facts = Facts(
            line.request_id, question.model, tokens=tokens, window=window or max(1, tokens - 1),
            max_tokens=question.max_tokens,
        )  # fmt: skip
        complaint = _REFUSING.get(kind or "")
        if batch.rule.not_found is not None and batch.lines[batch.rule.not_found - 1] is line:
            complaint = "not_found"
        if complaint is None and window is not None and tokens + (question.max_tokens or 0) > window:
            complaint = "overflow"
        if complaint is not None:
            self._refuse(batch, line, complaint, facts, kind)
            return
        try:
            answer = alter(own or answer_question(question, line.request_id), kind, question)
        except BadRequest as wrong:
            facts = replace(facts, message=wrong.message, param=wrong.param)
            self._refuse(batch, line, wrong.complaint, facts, kind)
            return
        cached = cache_use(self.cache, batch.dialect, question, batch.target)
        usage = counted_usage(batch.dialect, (question, answer), cached, line.request_id)
        self.cache.publish(cached)
        exchange = SandboxExchange(line.request_id, question, answer, usage, int(time.time()), 0)
        line.status, line.reply = _OK, batch.dialect.reply(exchange)
        self._write(batch, line, kind, usage)

    def _refuse(
        self, batch: SandboxBatch, line: SandboxLine, complaint: Complaint, facts: Facts, kind: str | None
    ) -> None:
        refusal = batch.dialect.refuse(complaint, facts)
        line.status, line.reply = refusal.status, refusal.body
        self._write(batch, line, kind, None)

    def _write(self, batch: SandboxBatch, line: SandboxLine, kind: str | None, billed: Usage | None) -> None:
        usage = billed or Usage()
        self.journal.write(
            SandboxEntry(
                time=time.time(),
                request_id=line.request_id,
                client_request_id=line.line_id,
                target=batch.target,
                provider=batch.provider,
                model=line.model,
                status=line.status,
                billed=billed is not None,
                fault=kind,
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cache_read_tokens=usage.cache_read_tokens,
                cache_write_tokens=usage.cache_write_tokens,
                cache_write_1h_tokens=usage.cache_write_1h_tokens,
                reasoning_tokens=usage.reasoning_tokens,
                service_tier="batch",
                batch_id=batch.id,
            )
        )


def line_tokens(question: SandboxRequest) -> int:
    """Input tokens of a request."""
    return max(1, count_tokens(question.prompt) + question.media_tokens)
