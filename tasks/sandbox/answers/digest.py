"""Extractive summaries: the sentences, phrases and titles that are in a text already, ranked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tasks.sandbox.answers.language import clauses, cut, first_clauses, plain_runs, stem, stems

_LONGEST: Final = 60_000
"""Characters of a text that are read; its beginning says most."""

_COUNTED: Final = re.compile(r"[ (][+][0-9,]+ -[0-9,]+(?:\)| lines)")
"""Changed lines, as git counts them: they say how much, never what."""
_ORDER: Final = re.compile(
    r"(?:please\s+)?(?:summari[sz]e|extract|classify|write|answer|give|list|describe|explain|draft|return|translate|"
    r"rewrite|rate|judge|you are)\b",
    re.IGNORECASE,
)
_COMMIT_TYPE: Final = re.compile(
    r"^(?:feat|fix|perf|refactor|docs|tests?|build|chore|ci|style|revert)(?:\([^()]{1,60}\))?!?:\s+"
)
"""How the subject of a commit begins by Conventional Commits; the commit's other sentences say more."""
_PHRASE_WORDS: Final = 3
_TITLE_CHARACTERS: Final = 100
_FEWEST_WORDS: Final = 4


@dataclass(frozen=True, slots=True)
class _Clause:
    index: int
    kind: str
    text: str
    words: frozenset[str]


class TextDigest:
    """A text, ranked once and asked many times.

    Args:
        text: what to work on.
        focus: what the reader asked; sentences that share its words come first.
    """

    def __init__(self, text: str, focus: str = "") -> None:
        self.text = text[:_LONGEST]
        self._focus = frozenset(stems(focus))
        self._clauses = [
            _Clause(index, kind, clause, frozenset(stems(clause)))
            for index, (kind, clause) in enumerate(clauses(self.text))
        ]
        self._counts = Counter(word for clause in self._clauses for word in clause.words)
        self.words = frozenset(self._counts)

    def items(self) -> list[str]:
        """The entries of the lists and tables in the text."""
        return [clause.text for clause in self._clauses if clause.kind == "item"]

    def statements(self) -> list[str]:
        """All sentences and list entries."""
        return [clause.text for clause in self._clauses if clause.kind != "heading"]

    def best(self, count: int, hint: str = "", *, without: Iterable[str] = ()) -> list[str]:
        """The ``count`` statements that tell most, in the order of the text; ``hint`` weighs like a focus.

        Statements in ``without`` come only when there are no others.
        """
        wanted = self._focus | frozenset(stems(hint))
        used = set(without)
        candidates = [clause for clause in self._clauses if clause.kind != "heading"] or list(self._clauses)
        weights = {word: float(number) for word, number in self._counts.items()}
        picked: list[_Clause] = []
        while candidates and len(picked) < count:
            top = max(candidates, key=lambda clause: (clause.text not in used, self._score(clause, weights, wanted)))
            picked.append(top)
            candidates.remove(top)
            for word in top.words:
                weights[word] /= 4
        return [clause.text for clause in sorted(picked, key=lambda clause: clause.index)]

    def _score(self, clause: _Clause, weights: dict[str, float], wanted: frozenset[str]) -> float:
        size = len(clause.words)
        if not size:
            return -1.0
        weight = sum(weights[word] for word in clause.words) / (size + 2)
        weight *= 1.0 + 1.0 / (1 + clause.index)
        weight += 2.0 * len(clause.words & wanted)
        if size < _FEWEST_WORDS or clause.text.endswith(":"):
            weight /= 2
        if _ORDER.match(clause.text) or _COMMIT_TYPE.match(clause.text):
            weight /= 4
        if _COUNTED.search(clause.text):
            weight /= 16
        return weight

    @property
    def lead(self) -> str:
        """The first heading, or else the subject of a commit that the text begins with, or else the best statement."""
        titles = [one.text for one in self._clauses if one.kind == "heading"]
        titles += [one.text for one in self._clauses[:1] if _COMMIT_TYPE.match(one.text)]
        return next(iter(titles or self.best(1)), "")

    def title(self) -> str:
        """The lead; of a long one its first clauses or words.

        >>> TextDigest("fix(cli): show a run's result where its report cannot be made").title()
        "Show a run's result where its report cannot be made"
        """
        return as_title(self.lead, _TITLE_CHARACTERS)

    def phrases(self, count: int) -> list[str]:
        """The ``count`` phrases of up to three words most characteristic of the text; fewer if it has no more."""
        candidates: dict[str, str] = {}
        for run in plain_runs(self.text):
            for start in range(0, len(run), _PHRASE_WORDS):
                phrase = " ".join(run[start : start + _PHRASE_WORDS])
                if not phrase.isdigit():
                    candidates.setdefault(phrase.lower(), phrase)
        scored = sorted(
            candidates.values(),
            key=lambda phrase: -sum(self._counts[stem(word)] for word in phrase.split()) / (1 + len(phrase.split())),
        )
        chosen: list[str] = []
        seen: set[str] = set()
        for phrase in scored:
            words = {stem(word) for word in phrase.split()}
            if len(chosen) < count and not words & seen:
                chosen.append(phrase)
                seen |= words
        return chosen

    def summary(self, sentences: int, characters: int) -> str:
        """The best statements as one text, each of at most ``characters``."""
        return joined(self.best(sentences), characters)


def as_title(text: str, length: int) -> str:
    """``text`` as a title of at most ``length`` characters: whole words, without a commit's type, stop or ellipsis."""
    whole = _untyped(text)
    title = first_clauses(whole, length).rstrip(".,;:…")
    first, _, rest = title.rpartition(" ")
    within_word = bool(rest) and whole.startswith(title) and whole[len(title) : len(title) + 1].isalnum()
    return first.rstrip(".,;: ") if first and within_word else title


def joined(statements: Iterable[str], characters: int) -> str:
    """Statements as running text, each of at most ``characters`` and closed by a full stop."""
    return " ".join(_closed(cut(_untyped(statement), characters)) for statement in statements)


def _untyped(statement: str) -> str:
    """A commit's subject without its type, as a sentence begins; any other text as it is."""
    bare = _COMMIT_TYPE.sub("", statement)
    return bare[:1].upper() + bare[1:] if bare and bare != statement else statement


def _closed(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?", "…", ":", ";")) else f"{sentence}."
