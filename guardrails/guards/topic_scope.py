"""Whether a request is what an automation is for: by its words and the examples nearest to it, and a cheap model where
that is unsure.

Similarity to examples inside the scope alone turns away a third of what belongs there; examples of what does *not*
belong make the difference (measured on 150 intents, ``docs/guardrails.md``). So there are built-in ones of small talk,
general knowledge and errands, and a team adds its own.
"""

from __future__ import annotations

import asyncio
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, Field

from guardrails.base import Direction, GuardInput, Reason, Verdict, allow, block
from guardrails.embeddings import require_embeddings
from guardrails.guards.scope_embeddings import MeaningModel
from guardrails.guards.scope_words import READ, WordsModel, apart
from guardrails.model_calls import ExpectedModelCalls, ModelCaller
from pricing.tokens import estimate_tokens

NEGATIVES = tuple(Path(__file__).with_name("scope_negatives.txt").read_text("utf-8").splitlines())
"""What most automations are not for: small talk, general knowledge, errands. Written for this project."""

_GREY = 0.25
"""The share of requests that is assumed to be unsure until runs have shown it."""
_INSTRUCTIONS, _YES_OR_NO = 250, 10
"""Tokens of its template and schema, and of an answer to it."""
UNSURE, SURE = 0.15, 0.6
"""Likelihoods between which it is unsure."""
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]


class ScopeModel:
    """Inside or outside, by the words of a text and, with embeddings, by what it means.

    Its threshold follows from the examples: each is judged as if it were none, so that few requests like them are
    blocked. Few examples, or very varied ones, tell less of what else belongs, and lower it.

    Args:
        inside: examples of what belongs, at least one.
        outside: examples of what does not.
        background: texts that do not belong in most scopes; those that are as near to the inside as its examples are
            to each other do not count.
        embeddings: also compare what requests mean, which needs the extra ``embeddings``.
    """

    def __init__(
        self,
        inside: Sequence[str],
        outside: Sequence[str] = (),
        *,
        background: Sequence[str] = NEGATIVES,
        embeddings: bool = False,
    ) -> None:
        self._meanings = MeaningModel(inside, outside, background) if embeddings else None
        kept = self._meanings.background if self._meanings else apart(inside, background)
        self._words = WordsModel(inside, [*outside, *kept])
        step = max(1, len(inside) // _MOST_CALIBRATED)
        scores = sorted(self._score(inside[place], place) for place in range(0, len(inside), step))
        self._lowest = _lowest(scores, _BY_MEANING if embeddings else _BY_WORDS)
        self._slope = (_log_odds(SURE) - _log_odds(UNSURE)) / max(
            _LEAST_UNSURE, _quantile(scores, _DOUBTED) - self._lowest
        )

    def _score(self, text: str, example: int | None = None) -> float:
        """Log odds of being inside but for a constant; an example is judged as if it were none."""
        words = self._words.score(text, example)
        if self._meanings is None:
            return words
        meaning = (
            self._meanings.score(text[:_READ_MEANING]) if example is None else self._meanings.score_of_example(example)
        )
        return _MEANING_WEIGHT * meaning + _WORDS_BESIDE_MEANING * words

    def inside(self, text: str) -> float:
        """How likely the text is inside, from 0 to 1."""
        log_odds = _log_odds(UNSURE) + self._slope * (self._score(text) - self._lowest)
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, log_odds))))


_MEANING_WEIGHT, _WORDS_BESIDE_MEANING, _READ_MEANING = 6.0, 0.06, 1_000
"""The weights of the score of meaning and of the score of words beside it, and the characters that are read for
meaning.
"""
_MOST_CALIBRATED, _DOUBTED, _LEAST_UNSURE = 300, 0.12, 0.5
"""How many examples are judged to choose the thresholds, the share of their like that may be blocked or unsure, and the
least distance between the thresholds.
"""


@dataclass(frozen=True, slots=True)
class _Scale:
    """How scores usually spread about their mean, which counts as one example; and as how many examples a bound from
    the mean and the spread counts beside the lowest scores.
    """

    spread: float
    bound_counts: int
    wrong: float
    """The share of requests like the examples that may be blocked."""
    highest: float
    """What a threshold may be: examples that repeat each other promise more than new requests hold."""


_BY_WORDS, _BY_MEANING = _Scale(12.0, 4, 0.022, 4.0), _Scale(1.5, 20, 0.022, -0.5)
"""By words alone few requests score far below all others, so that the lowest scores tell more."""


def _lowest(scores: Sequence[float], scale: _Scale) -> float:
    """The score below which few requests like those with these scores (in order) are expected.

    Between the quantile of the scores and the bound of a prediction interval (Student's t), which few of them need.
    """
    count, mean = len(scores), statistics.fmean(scores)
    squares = sum((score - mean) ** 2 for score in scores) + scale.spread**2
    bound = mean - _student(count, scale.wrong) * math.sqrt(squares / count * (1 + 1 / count))
    share = scale.bound_counts / (scale.bound_counts + count)
    return min(scale.highest, share * bound + (1 - share) * _quantile(scores, scale.wrong))


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below, above = ordered[int(place)], ordered[min(int(place) + 1, len(ordered) - 1)]
    return below + (place - int(place)) * (above - below)


def _student(freedom: int, share: float) -> float:
    """How many standard deviations below the mean a share lies (Cornish and Fisher's expansion)."""
    z = -statistics.NormalDist().inv_cdf(share)
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def _log_odds(likelihood: float) -> float:
    return math.log(likelihood / (1 - likelihood))


_learnt = lru_cache(maxsize=64)(ScopeModel)


class Topic(BaseModel):
    """What a model says of a request."""

    in_scope: bool


@dataclass(frozen=True, slots=True)
class ScopeGuard:
    """Blocks what an automation is not for.

    Args:
        ask: asks a model.
        inside: examples of what it is for, 20 per intent or so.
        outside: examples of what it is not for, besides the built-in ones.
        topics: what it is for, in a few words; for the message, and for the model that is asked.
        block_below: likelihood of being inside below which a request is blocked.
        sure_above: from which on it passes; what lies between is the grey zone.
        unsure: what becomes of the grey zone: ``allow``, or ``ask`` a light model.
        embeddings: compare meanings too, in the languages of ``guardrails.embeddings``; needs that extra.

    Raises:
        ValueError: there is no example, or the extra is missing.
    """

    ask: ModelCaller = field(repr=False)
    inside: tuple[str, ...] = field(repr=False)
    outside: tuple[str, ...] = field(default=(), repr=False)
    topics: str = ""
    block_below: Share = UNSURE
    sure_above: Share = SURE
    unsure: Literal["allow", "ask"] = "allow"
    embeddings: bool = False

    name: ClassVar[str] = "scope"
    version: ClassVar[str] = "5"
    direction: ClassVar[Direction] = "input"
    rank: ClassVar[int] = 40

    def __post_init__(self) -> None:
        if not self.inside:
            raise ValueError("it needs examples of what is in scope")
        if self.embeddings:
            require_embeddings()

    @property
    def model(self) -> ScopeModel:
        """What it has learnt from the examples, when it is first needed."""
        return _learnt(self.inside, self.outside, embeddings=self.embeddings)

    def asks(self) -> ExpectedModelCalls:
        """A question for each request in the grey zone, if that is to be asked about."""
        tokens = estimate_tokens("\n".join([self.topics, *self.inside[:20]]))
        return ExpectedModelCalls(_GREY if self.unsure == "ask" else 0.0, _INSTRUCTIONS + tokens, READ // 4, _YES_OR_NO)

    async def check(self, exchange: GuardInput) -> Verdict:
        """Block with ``scope``, or allow; judged is what the user asks last, not what tools gave back since."""
        text = exchange.texts[exchange.request]
        likely = await asyncio.to_thread(self._likely, text) if self.embeddings else self._likely(text)
        if likely >= self.sure_above:
            return allow()
        if likely < self.block_below:
            return self._outside(0)
        if self.unsure == "allow":
            return allow(unsure=round(likely, 2))
        values = {"topics": self.topics, "examples": self.inside[:20], "text": text[:READ]}
        topic = await self.ask(exchange, "guard_scope.j2", values, Topic)
        return allow(cost_nano=topic.cost_nano) if topic.value.in_scope else self._outside(topic.cost_nano)

    def _likely(self, text: str) -> float:
        return self.model.inside(text)

    def _outside(self, cost: int) -> Verdict:
        if self.topics:
            return block(Reason.SCOPE, cost_nano=cost, topics=self.topics[:200])
        return block(Reason.SCOPE, cost_nano=cost)
