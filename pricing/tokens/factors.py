"""What bills teach about token counts: tokens billed ÷ tokens estimated, per model, operation and prompt version.

A tokenizer cuts finer or coarser than the one the estimate was fitted to, a provider adds its own words around tools,
a prompt has its own mix of prose and data: all of it is steady from call to call. So a few calls tell it. The median
of their log ratios is shrunk toward what is known of the operation with other prompt versions, that toward what is
known of the model, and that toward 1; each step with the weight of a tenth of a call, since models differ by a quarter
and calls of one prompt by less than a tenth (the ratio of their variances).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import exp, log
from statistics import median
from typing import NamedTuple, Self

import sqlalchemy as sa

from pricing.db import schema
from pricing.ledger.ledger import Ledger
from pricing.tokens.estimate import NOT_LEARNED, Factor

READ = 2_000
"""The newest attempts of the ledger that are learned from."""
KEPT = 50
"""Of them, the newest of one model, operation and prompt version: a prompt's mix of texts may change."""
_PRIOR_CALLS = 0.1

_A, _T = schema.attempts.c, schema.turns.c
_NEWEST = (
    sa.select(_A.model, _A.stand_in, _A.operation, _T.prompt_version, _A.input_tokens, _A.estimated_input)
    .select_from(schema.attempts.join(schema.turns, _A.turn_id == _T.turn_id))
    .where(_A.seq > sa.select(sa.func.max(_A.seq) - READ).scalar_subquery())
    .where(_A.outcome == "ok", _A.priced == "usage", _A.input_tokens > 0, _A.estimated_input > 0)
    .order_by(_A.seq.desc())
)


class Call(NamedTuple):
    """What one call was billed and thought to read, in tokens. What the sandbox counts says nothing of real models."""

    model: str
    stand_in: bool
    operation: str
    prompt_version: str
    billed: int
    estimated: int


class _Known(NamedTuple):
    """The log ratios of some calls: how many, their median and their highest."""

    calls: int
    middle: float
    highest: float

    @classmethod
    def of(cls, ratios: Sequence[float]) -> Self:
        return cls(len(ratios), median(ratios), max(ratios))

    def shrunk(self, toward: float) -> float:
        return (self.calls * self.middle + _PRIOR_CALLS * toward) / (self.calls + _PRIOR_CALLS)


class TokenFactors:
    """The factors of every model, operation and prompt version that was billed.

    Args:
        calls: newest first.
    """

    def __init__(self, calls: Iterable[Call] = ()) -> None:
        ratios: dict[tuple[str, bool, str, str], list[float]] = defaultdict(list)
        for call in calls:
            found = ratios[call[:4]]
            if len(found) < KEPT:
                found.append(log(call.billed / call.estimated))
        self._exact = {key: _Known.of(found) for key, found in ratios.items()}
        self._operations = _pooled(ratios, 3)
        self._models = _pooled(ratios, 2)

    def of(self, model: str, operation: str, prompt_version: str = "", *, stand_in: bool) -> Factor:
        """The factor of a prompt; of all of an operation's, where its version is new or left out.

        Where only other operations of the model are known, it rests on no call: good for an estimate, not for a bound.
        """
        key = (model, stand_in, operation, prompt_version)
        of_model = self._models.get(key[:2])
        if of_model is None:
            return NOT_LEARNED
        value, highest, calls = of_model.shrunk(0.0), of_model.highest, 0
        for known in (self._operations.get(key[:3]), self._exact.get(key)):
            if known is not None:
                value, highest, calls = known.shrunk(value), known.highest, known.calls
        return Factor(exp(value), exp(highest), calls)


def learn_factors(ledger: Ledger) -> TokenFactors:
    """The factors, from the newest attempts whose tokens were billed as counted. One query, a few milliseconds.

    Raises:
        LedgerError: it cannot be read.
    """
    with ledger.store.read() as connection:
        return TokenFactors(Call(*row) for row in connection.execute(_NEWEST))


def _pooled(
    ratios: Mapping[tuple[str, bool, str, str], Sequence[float]], length: int
) -> dict[tuple[str | bool, ...], _Known]:
    """By the first parts of the keys: all that is known under them."""
    pools: dict[tuple[str | bool, ...], list[float]] = defaultdict(list)
    for key, found in ratios.items():
        pools[key[:length]] += found
    return {key: _Known.of(found) for key, found in pools.items()}
