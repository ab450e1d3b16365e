"""How near a request is in meaning to examples of what belongs, compared with examples of what does not.

Kernel ridge regression over sentence embeddings: +1 for examples inside, -1 for those outside and for everything that
is like no example, both sides weighing the same. What an example would score if it were none follows from the same
matrix, so that a threshold can be chosen without another set. Of a background that nobody wrote for this scope, texts
that are as near to the inside as its examples are to each other are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from guardrails.embeddings import encoded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from guardrails.embeddings import Vectors

_SHARPNESS, _SMOOTHING = 3.0, 0.5
"""How fast likeness falls with distance, and how much an example may be overruled by others; chosen on requests to a
bank and a shop (``benchmarks.held_out_intents``)."""
_MOST_EXAMPLES = 1_500
"""Of each side; the time to learn grows with the cube of their number."""


class MeaningModel:
    """Scores requests by meaning, from about -1 (outside) to 1 (inside).

    Args:
        inside: examples of what belongs.
        outside: examples of what does not.
        background: texts that do not belong anywhere in particular.
    """

    def __init__(self, inside: Sequence[str], outside: Sequence[str], background: Sequence[str] = ()) -> None:
        import numpy as np

        belong, foreign = encoded(_spread(inside)), encoded(_spread(outside))
        away = _apart(belong, _vectors_of(tuple(background)))
        self.background = [text for text, is_away in zip(background, away, strict=True) if is_away]
        self._examples = np.vstack([belong, foreign, _vectors_of(tuple(background))[away]])
        count, others = len(belong), len(self._examples) - len(belong)
        is_inside = np.arange(count + others) < count
        side = np.where(is_inside, 2.0, 0.0)  # above the -1 of what is like no example
        doubt = _SMOOTHING * 2 / (count + others) * np.where(is_inside, count, others)
        inverse = np.linalg.inv(self._likeness(self._examples) + np.diag(doubt))
        self._weights = inverse @ side
        self._left_out = (side - self._weights / np.diag(inverse) - 1.0)[:count]
        self._step = _step(inside)

    def _likeness(self, vectors: Vectors) -> Vectors:
        import numpy as np

        nearness: Vectors = np.exp(_SHARPNESS * (vectors @ self._examples.T - 1.0))
        return nearness

    def score(self, text: str) -> float:
        """Of a request."""
        return float((self._likeness(encoded([text])) @ self._weights)[0]) - 1.0

    def score_of_example(self, place: int) -> float:
        """Of an example inside, had it not been one; where there are too many, of the one next to it that is learnt."""
        return float(self._left_out[place // self._step])


_NEAR = 0.1
"""The share of examples inside that are further from all others than what is left out of the background."""
_vectors_of = lru_cache(maxsize=4)(encoded)


def _apart(inside: Vectors, background: Vectors) -> NDArray[np.bool_]:
    """Which texts are not as near to an example inside as nearly all of these are to each other."""
    import numpy as np

    if len(inside) < 2:  # noqa: PLR2004 - one has no other
        return np.ones(len(background), dtype=bool)
    among = inside @ inside.T
    np.fill_diagonal(among, -1.0)
    nearest: NDArray[np.bool_] = (background @ inside.T).max(axis=1) < np.quantile(among.max(axis=1), _NEAR)
    return nearest


def _spread(texts: Sequence[str]) -> Sequence[str]:
    """As many as are learnt from, taken evenly."""
    return texts[:: _step(texts)]


def _step(texts: Sequence[str]) -> int:
    return max(1, -(-len(texts) // _MOST_EXAMPLES))
