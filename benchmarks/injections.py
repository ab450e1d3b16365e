"""Attempts to take over a model, and requests that only sound like it. Written for this project; none is from a public set.

Nothing is learnt from ``*_first``, which were written before the model. ``*_second`` and ``*_third`` were written after
it, by kind and without a look at its words, judged once, and learnt from since, like ``*_learnt``. ``*_fourth`` were
written to be learnt from, after a look at which kinds of attacks public sets have.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).with_name("injection_texts")
LEARNT = ("learnt", "second", "third", "fourth", "fifth", "sixth")


@cache
def texts(name: str) -> tuple[str, ...]:
    r"""The texts of a set, one a line of its file; ``\n`` stands for the end of a line."""
    lines = (_FOLDER / f"{name}.txt").read_text("utf-8").splitlines()
    return tuple(line.replace("\\n", "\n").replace("\\\\", "\\") for line in lines if line.strip())
