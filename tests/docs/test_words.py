"""Nothing that a person reads has a word or a phrase that docs/decisions/0020-words.md replaces."""

import re
import subprocess
from collections.abc import Iterator

from tests.support.project import REPOSITORY
from tests.support.prose import Prose, prose_of

REPLACED = {
    # phrases
    r"looked at in both directions": "which checks run on inputs and outputs",
    r"\ba no is\b": "a rejected … (name what was rejected)",
    r"nobody decides in time:": "if nobody decides in time, …",
    r"no way down": "downgrading is not supported",
    r"must not come where": "never replaces",
    r"did with the turn": "the route each turn took",
    r"not even on the economic route": "even the cheapest models exceed the budget",
    r"rests on no past": "based on the plan only; no history yet",
    r"billed without telling": "billed without reporting usage",
    r"turns made of those planned": "model calls completed / planned",
    r"(?<!there )\b(?:is|are|was|were) no (?!longer\b|more\b|less\b|greater\b|worse\b|fewer\b)": "is not a valid …",
    r"(?<!there )\b(?:it|they|one) (?:is|are|was) (?-i:none)\b": "it is not a valid …; there is no …",
    r"reached (?:its|their|\{…\}|\d+|[\d,]+) outcomes?": "completed",
    # metaphors
    r"\b(?:house|houses)\b": "the project, Farebox",
    r"\brooms?\b": "for a budget: can cover, has … left; for a window: space",
    r"\bfloors?\b": "minimum; for targets: service level",
    r"\b(?:rides?|riding|journeys?|itinerar(?:y|ies)|passengers?)\b": "run, turn, route",
    r"\bmend(?:s|ed|ing)?\b": "fix",
    r"\bdear(?:er|est)?\b": "expensive, most expensive",
    r"\breckons?\b": "count, calculate",
    # personification
    r"\b(?:whoever|whomever)\b": "name the person or the part: the user, the caller, the process",
    r"\btold\b": "reported, stated, given",
    r"\b(?:hears?|heard)\b": "receives, received",
    r"\bnobody (?:looks?|looked|asks|asked|hears|knows|told|tells|listens|reads on)\b": "name what is missing",
    # old words
    r"\b(?:anew)\b": "again",
    r"\b(?:of late|lately)\b": "recently",
    r"\bin words\b": "as text",
}
"""Pattern, and what to write instead. Case does not matter."""

ALLOWED = {
    ("guardrails/pii/name_words.py", ""): "a list of the words of a language",
    ("guardrails/guards/injection_signs.py", ""): "patterns of texts that others write",
    ("flows/data/", ""): "texts that the examples read",
    (
        "docs/guardrails.md",
        r"(?<!there )\b(?:is|are|was|were) no (?!longer\b|more\b|less\b|greater\b|worse\b|fewer\b)",
    ): ("the text of a legal notice, as users write it"),
    ("guardrails/prompts/", ""): "prompts, whose change is a new version for models and calibrations",
    ("pricing/db/migrations/", r"\btold\b"): "the names of database columns",
}
"""By the beginning of a path and a pattern (every pattern, if empty), why it may stand there."""

_NAMES = re.compile(r"``.*?``|`[^`]*`|\{\{.*?\}\}|\{%.*?%\}|\b(?:told|tell|rooms?|floors?):(?= )")
"""Names of code in a text, and expressions of a template."""

SCANNED = (
    ".ci/", "benchmarks/", "docs/", "examples/", "farebox/", "flows/", "guardrails/", "pricing/", "tasks/", "tests/",
)  # fmt: skip
TOP = (
    "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "Makefile", "farebox.toml", "prefect.yaml",
    "prefect-automations.yaml", "pyproject.toml",
)  # fmt: skip
WITHOUT_STRINGS = ("tests/", "benchmarks/")
NOT_SCANNED = ("docs/decisions/0020-words.md", "tests/docs/test_words.py", "tests/data/")


def all_prose() -> Iterator[Prose]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for path in listed.stdout.splitlines():
        scanned = (path in TOP or path.startswith(SCANNED)) and not path.startswith(NOT_SCANNED)
        if scanned and (REPOSITORY / path).is_file():
            yield from prose_of(REPOSITORY, path, strings=not path.startswith(WITHOUT_STRINGS))


def faults(prose: Iterator[Prose]) -> list[str]:
    """``path:line: "the words" → what to write instead``, one for each word that is replaced."""
    patterns = [(pattern, re.compile(pattern, re.IGNORECASE), better) for pattern, better in REPLACED.items()]
    found = []
    for piece in prose:
        text = _NAMES.sub("", re.sub(r"\s*\n\s*(?:# )?", " ", piece.text))
        for pattern, compiled, better in patterns:
            for match in compiled.finditer(text):
                if any(piece.path.startswith(place) and allowed in {"", pattern} for place, allowed in ALLOWED):
                    break
                around = text[max(0, match.start() - 40) : match.end() + 30]
                found.append(f"{piece.path}:{piece.line}: “{match[0]}” in “…{around}…” → {better}")
    return found


def test_no_replaced_word_remains():
    found = faults(all_prose())
    assert not found, f"{len(found)} replaced words:\n" + "\n".join(sorted(found))
