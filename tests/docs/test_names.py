"""No name of the code has a word that docs/decisions/0020-words.md replaces, nor a module a name ending in -ing that is
not a noun of the field, nor two public types one name.
"""

import ast
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import PurePosixPath

from tests.support.project import REPOSITORY

REPLACED = re.compile(
    r"told|tells?|telling|hears?|heard|rooms?|floors?|rides?|riding|journeys?|itinerar(?:y|ies)|passengers?"
    r"|mend(?:s|ed|ing)?|dear(?:er|est)?|reckons?|whoever|whomever|nobodys?|anew|lately|houses?"
)
"""One word of a name, in lower case."""
ALLOWED_NAMES = {
    ("farebox/runs/explanation.py", "floors"): "a field of the JSON of `farebox routes explain`",
    ("pricing/reports/charts/axes.py", "floor"): "the function of math",
    ("tasks/agent.py", "tell_remaining"): "a public argument of Agent",
    ("tasks/providers/messages.py", "room_factor"): "a part of the keys of stored answers",
}
"""By file and name, why it may stand there."""
NOUNS = frozenset(
    {"framing", "masking", "matching", "meaning", "metering", "packaging", "planning", "reasoning", "testing"}
)
"""Nouns of the field that end in -ing, as the last word of a module's name."""
SHARED_TYPES = {
    "Agent": "farebox.Agent is tasks.Agent with the project's engine",
    "Conversation": "farebox.Conversation is that of tasks with the project's engine",
}
"""Public types of one name, and why."""
_PACKAGES = ("farebox", "tasks", "guardrails", "pricing", "flows")
_SCANNED = (*_PACKAGES, "examples", ".ci")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


@cache
def modules() -> dict[str, ast.Module]:
    """The modules of the product, by path."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *_SCANNED],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    paths = [path for path in listed.stdout.splitlines() if path.endswith(".py") and (REPOSITORY / path).is_file()]
    return {path: ast.parse((REPOSITORY / path).read_text("utf-8")) for path in paths}


def names_of(path: str, tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Names that a module gives, with their lines: its own, functions, classes, parameters, variables and fields."""
    yield PurePosixPath(path).stem, 1
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname, node.lineno


def replaced_words(name: str) -> list[str]:
    return [word for word in map(str.lower, _WORDS.findall(name)) if REPLACED.fullmatch(word)]


def test_names_have_no_replaced_word():
    found = [
        f"{path}:{line}: {name} ({', '.join(words)})"
        for path, tree in modules().items()
        for name, line in names_of(path, tree)
        if (path, name) not in ALLOWED_NAMES and (words := replaced_words(name))
    ]
    assert not found, f"{len(found)} names with replaced words:\n" + "\n".join(sorted(found))


def test_words_are_found_in_names_of_every_form():
    assert replaced_words("told_of") == ["told"]
    assert replaced_words("_NOBODYS") == ["nobodys"]
    assert replaced_words("RunRoom") == ["room"]
    assert replaced_words("_tellJourney") == ["tell", "journey"]
    for name in ("intelligence", "floordiv", "override", "mention", "HTTPRoomless"):
        assert replaced_words(name) == [], name


def test_modules_are_nouns():
    stems = {path: PurePosixPath(path).stem for path in modules() if path.startswith(_PACKAGES)}
    found = [path for path, stem in stems.items() if stem.endswith("ing") and stem.rpartition("_")[2] not in NOUNS]
    assert not found, f"modules named by an activity: {found}"


def test_public_types_have_one_meaning():
    places = defaultdict(list)
    for path, tree in modules().items():
        for node in tree.body if path.startswith(_PACKAGES) else ():
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path)
    found = {name: paths for name, paths in places.items() if len(paths) > 1 and name not in SHARED_TYPES}
    assert not found, f"public types of one name: {found}"
