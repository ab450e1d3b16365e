"""The text that people read in a file: docstrings, comments, messages, templates and pages, with line numbers."""

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TEXT_SUFFIXES = {".j2", ".md"}
_COMMENTED_SUFFIXES = {".toml": "#", ".yaml": "#", ".yml": "#", ".sql": "--"}


@dataclass(frozen=True)
class Prose:
    """One piece of text of a file; ``line`` is where it begins."""

    path: str
    line: int
    text: str


def prose_of(root: Path, path: str, *, strings: bool = True) -> Iterator[Prose]:
    """Yield the text of a file that people read.

    Args:
        root: the repository.
        path: of the file, relative to ``root``.
        strings: whether string literals of Python code count, beside docstrings and comments. Only those with a space
            do; the expressions of f-strings do not.
    """
    place = root / path
    sign = "#" if place.name == "Makefile" else _COMMENTED_SUFFIXES.get(place.suffix)
    if sign is None and place.suffix not in {".py", *_TEXT_SUFFIXES}:
        return
    text = place.read_text("utf-8")
    if place.suffix == ".py":
        yield from _of_python(path, text, strings=strings)
    elif place.suffix in _TEXT_SUFFIXES:
        yield from (Prose(path, number, line) for number, line in enumerate(text.splitlines(), 1))
    elif sign:
        for number, line in enumerate(text.splitlines(), 1):
            if sign in line:
                yield Prose(path, number, line[line.index(sign) :])


def _of_python(path: str, text: str, *, strings: bool) -> Iterator[Prose]:
    if "#" in text:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield Prose(path, token.start[0], token.string)
    left: list[tuple[ast.AST, bool]] = [(ast.parse(text), False)]
    while left:
        node, formatted = left.pop()
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            if isinstance(node.value.value, str):
                yield Prose(path, node.value.lineno, node.value.value)
            continue
        if isinstance(node, ast.JoinedStr):
            formatted = True
            told = "".join(str(value.value) if isinstance(value, ast.Constant) else "{…}" for value in node.values)
            yield Prose(path, node.lineno, told)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not formatted:
            yield from [Prose(path, node.lineno, node.value)] if " " in node.value.strip() else []
        inner = ast.iter_child_nodes(node)
        left += [(child, formatted) for child in inner if strings or not isinstance(child, ast.expr)]
