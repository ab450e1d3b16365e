"""What a test may ask of the sandbox's batches: how long they take, what fails, what their results look like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from tasks.sandbox.protocol import Provider

Damage: TypeAlias = Literal["truncated", "truncated_once", "garbage", "unknown", "repeated", "missing"]
"""Of results, always at the last line: it is cut in half (each time, or only the first), is not JSON, has an id that
nobody submitted beside it, comes twice, or is not there at all."""
CreateFault: TypeAlias = Literal["drop", "unavailable", "rate_limit"]
"""Of a create call: a batch is made and its reply never sent; it is refused with a 500, or with a 429."""


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class BatchRule:
    """One rule: which batches, and what becomes of them. Without any, a batch takes a second and succeeds.

    ``target``, ``provider`` and ``model`` select (all batches when none is given); the selected ones are counted from
    1, and ``nth`` and ``first`` narrow the rule to some of those numbers. Lines of a batch fail as the rules for
    requests say (``POST /_sandbox/faults``).

    Args:
        target: only batches under ``/t/{target}``.
        provider: only this provider's.
        model: only this model's.
        nth: only the batch of this number.
        first: only the first so many.
        seconds: from creation to the last line, on the sandbox's clock; its lines run one after the other.
        lines: how many of its lines ever run: the others expire, at the end of the provider's window.
        fails: the provider's code with which it fails before anything runs.
        fails_line: the number of the line that this is about.
        create: what becomes of its create call.
        queue_tokens: the most tokens that may wait in batches of its target; with more, it fails.
        not_found: the number of a line that gets a 404, as OpenAI gives for models that it lists.
        late_files: how many times a completed batch is shown without its files, which OpenAI may do.
        damage: what is wrong with its results.
    """

    target: str | None = None
    provider: Provider | None = None
    model: str | None = None
    nth: Annotated[int, Field(ge=1)] | None = None
    first: Annotated[int, Field(ge=0)] | None = None
    seconds: Annotated[float, Field(ge=0)] = 1.0
    lines: Annotated[int, Field(ge=0)] | None = None
    fails: str | None = None
    fails_line: int | None = None
    create: CreateFault | None = None
    queue_tokens: Annotated[int, Field(ge=1)] | None = None
    not_found: Annotated[int, Field(ge=1)] | None = None
    late_files: Annotated[int, Field(ge=0)] = 0
    damage: Damage | None = None

    def selects(self, target: str | None, provider: Provider, model: str) -> bool:
        """Whether the rule counts a batch."""
        return self.target in (None, target) and self.provider in (None, provider) and self.model in (None, model)

    def holds(self, number: int) -> bool:
        """Whether the rule applies to the batch with this number among those it selects."""
        return self.nth in (None, number) and (self.first is None or number <= self.first)


BATCH_RULES: Final = TypeAdapter(list[BatchRule])
"""Reads rules from JSON (``validate_json``) and writes them (``dump_json``)."""


class BatchPlan:
    """The current rules, with the number of batches that each has selected."""

    def __init__(self, rules: Sequence[BatchRule] = ()) -> None:
        self.rules = tuple(rules)
        self._seen = [0] * len(self.rules)

    def next(self, target: str | None, provider: Provider, model: str) -> BatchRule:
        """The first rule that holds for this batch; every rule that selects it counts it."""
        held: BatchRule | None = None
        for index, rule in enumerate(self.rules):
            if rule.selects(target, provider, model):
                self._seen[index] += 1
                if held is None and rule.holds(self._seen[index]):
                    held = rule
        return held or BatchRule()
