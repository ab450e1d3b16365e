"""Faults on demand: which requests fail, and what a fault does to an answer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from tasks.providers.messages import StopReason
from tasks.sandbox.protocol import Provider, SandboxAnswer, SandboxRequest
from tasks.sandbox.tokens import count_tokens, first_tokens

SandboxFaultKind: TypeAlias = Literal[
    "429",
    "500",
    "503",
    "529",
    "auth",
    "cut",
    "drop",
    "empty",
    "hang",
    "hang_after",
    "html502",
    "invalid_json",
    "malformed",
    "overflow",
    "quota",
    "refusal",
    "slow",
    "tier",
    "tier_full",
    "truncate",
]
"""What can go wrong.

Refused, not billed: ``429``, ``500``, ``503``, ``529`` (the dialect's own way to say *overloaded*: Anthropic's 529,
OpenAI's 503, Groq's 498, Bedrock's ModelNotReadyException), ``tier_full`` (no capacity at the service tier that a
request names; others pass), ``auth``, ``quota``, ``overflow`` (context window),
``html502`` (a gateway's page). No byte, not billed: ``hang`` (until the client gives up), ``drop``.

Generated, so billed: ``hang_after`` (the reply is never sent), ``malformed`` (200 with a body nobody can parse),
``cut`` (connection lost midway; a stream bills what it had sent), ``slow``, ``refusal``, ``invalid_json`` (structured
output that does not parse; Groq answers 400), ``truncate`` (stopped at a length), ``empty``, ``tier`` (another service
tier serves it than it asked for, and the reply says so).
"""


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Fault:
    """One rule: which requests, and what happens to them.

    ``target``, ``provider`` and ``model`` select (all requests when none is given); the selected requests are counted
    from 1, and ``nth``, ``every``, ``first`` and ``probability`` narrow the rule to some of those numbers.

    Args:
        kind: what happens.
        target: only requests under ``/t/{target}``.
        provider: only this dialect.
        model: only this model id.
        nth: only the request of this number.
        every: only each request whose number divides by this.
        first: only the first so many.
        probability: only this share, drawn by ``seed`` and the number, the same every time.
        seed: of ``probability``.
        retry_after: seconds a ``429`` (``503``, ``529``) asks to wait, sent the way the dialect does.
        seconds: how much later a ``slow`` reply comes.
        service_tier: the reply's word of a ``tier``; the dialect's usual one, if left out.
    """

    kind: SandboxFaultKind
    target: str | None = None
    provider: Provider | None = None
    model: str | None = None
    nth: Annotated[int, Field(ge=1)] | None = None
    every: Annotated[int, Field(ge=1)] | None = None
    first: Annotated[int, Field(ge=0)] | None = None
    probability: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: int = 0
    retry_after: Annotated[float, Field(ge=0)] | None = None
    seconds: Annotated[float, Field(ge=0)] = 1.0
    service_tier: str | None = None

    def selects(self, target: str | None, provider: Provider, model: str, *, tiered: bool = False) -> bool:
        """Whether a request counts for this rule; ``tiered``: it names a service tier beside the standard one."""
        if self.kind == "tier_full" and not tiered:
            return False
        return self.target in (None, target) and self.provider in (None, provider) and self.model in (None, model)

    def strikes(self, number: int) -> bool:
        """Whether the request with this number among those selected fails."""
        return (
            self.nth in (None, number)
            and (self.every is None or number % self.every == 0)
            and (self.first is None or number <= self.first)
            and (self.probability is None or _draw(self.seed, number) < self.probability)
        )


def _draw(seed: int, number: int) -> float:
    return random.Random(f"{seed}:{number}").random()  # noqa: S311 — repeatable on purpose


FAULTS: Final = TypeAdapter(list[Fault])
"""Reads rules from JSON (``validate_json``) and writes them (``dump_json``)."""


class FaultPlan:
    """The current rules, with the number of requests that each has selected."""

    def __init__(self, rules: Sequence[Fault] = ()) -> None:
        self.rules = tuple(rules)
        self._seen = [0] * len(self.rules)

    def next(self, target: str | None, provider: Provider, model: str, *, tiered: bool = False) -> Fault | None:
        """The first rule that strikes this request; every rule that selects it counts it."""
        struck: Fault | None = None
        for index, rule in enumerate(self.rules):
            if rule.selects(target, provider, model, tiered=tiered):
                self._seen[index] += 1
                if struck is None and rule.strikes(self._seen[index]):
                    struck = rule
        return struck


REFUSAL: Final = "I'm sorry, but I can't help with that."


def alter(answer: SandboxAnswer, kind: SandboxFaultKind | None, question: SandboxRequest) -> SandboxAnswer:
    """The answer after the fault; faults of transport do not change it."""
    if kind == "refusal":
        return _text(REFUSAL, "refusal")
    if kind == "empty":
        return SandboxAnswer("", 1)
    if kind == "truncate":
        whole = answer.text or "".join(call.arguments for call in answer.calls)
        return _text(first_tokens(whole, max(1, answer.tokens // 2)), "length")
    if kind == "invalid_json" and answer.calls:
        calls = [replace(call, arguments=_broken(call.arguments)) for call in answer.calls]
        return replace(answer, calls=calls, stop="malformed")
    if kind == "invalid_json":
        return _text(_broken(answer.text if question.schema else '{"answer":'), "end")
    return answer


def _broken(text: str) -> str:
    return text.rstrip("}") + ',"'


def _text(text: str, stop: StopReason) -> SandboxAnswer:
    return SandboxAnswer(text, max(1, count_tokens(text)), stop=stop)
