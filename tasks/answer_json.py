"""The JSON of a structured answer, among all that models write around it.

Thoughts in ``<think>``, prose, Markdown fences, a byte order mark and tokens such as ``<|im_end|>`` are passed over. Of
several values the last complete one is the answer: a value that was quoted earlier never wins, and where the last one
is cut off, there is no answer.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

_SIGN: Final = re.compile(r"[{\[]|</?think(?:ing)?>", re.IGNORECASE)
"""Where something may begin that matters; strings in prose are not strings of JSON, and are not skipped."""
_CLOSED: Final = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_OBJECT: Final = re.compile(r'\{\s*(?:"|\}|\Z)')
"""What an object of JSON begins with; a brace of prose does not."""
_INSIDE: Final = re.compile(r'["{}\[\]]|</think', re.IGNORECASE)
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_LIST: Final = re.compile(r'\[\s*["{\[\]\d\-tfn]')
_WORK: Final = 4
"""Characters that may be read for each of the text: nested brackets that never close would be read again and again."""
_MOST_FAULTS: Final = 200
"""Brackets that begin no value, and had to be read to see that."""
_DECODER: Final = json.JSONDecoder()


def json_of(text: str) -> str:
    r"""The JSON object of a structured answer as it was written; the text itself where there is none to be sure of.

    Args:
        text: what the model said.

    Example:
        >>> json_of('<think>{"x": 1}?</think>Here you are:\n```json\n{"x": 2}\n```<|im_end|>')
        '{"x": 2}'
        >>> json_of('You wrote {"x": 1}. The answer is {"x": ')
        'You wrote {"x": 1}. The answer is {"x": '
    """
    bare = text.strip("\ufeff \t\r\n")
    if bare.startswith("{") and _decoded(bare, 0)[1] == len(bare):
        return bare
    found = _last_value(text)
    return text if found is None else found


def _last_value(text: str) -> str | None:
    """The last complete JSON object outside of reasoning text; ``None`` where there is none, or where a later one is
    cut off.
    """
    found: str | None = None
    at, work, faults = 0, _WORK * len(text), 0
    while (sign := _SIGN.search(text, at)) is not None:
        start, at = sign.start(), sign.end()
        if sign[0].startswith("</"):  # everything before were thoughts, whose opening the server had written
            found = None
        elif sign[0].startswith("<"):
            closed = _CLOSED.search(text, at)
            if closed is None:
                return None
            at = closed.end()
        elif (_OBJECT if sign[0] == "{" else _LIST).match(text, start):
            value, end = _decoded(text, start)
            work, faults = work - abs(end) + start - 1, faults + (end < 0)
            if work < 0 or faults > _MOST_FAULTS:
                return None
            if end > 0:
                at = end
                found = text[start:end] if _matters(value) else found
            elif sign[0] == "{":
                beyond = _closing(text, start)
                if beyond is None:
                    return None
                at = beyond
    return found


def _decoded(text: str, start: int) -> tuple[Any, int]:
    """The value that begins here and where it ends; minus the place where reading failed, if there is no JSON."""
    try:
        return _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        return None, -max(error.pos, start + 1)
    except RecursionError:
        return None, -len(text)


def _matters(value: Any) -> bool:
    """Whether a value can be an answer: an object or a list of objects. A footnote's ``[1]`` cannot."""
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value))


def _closing(text: str, start: int) -> int | None:
    """The end of an object that is not valid JSON, by its brackets; at the latest the end of the reasoning text.
    ``None`` if it is cut off; nothing inside it is an answer then.
    """
    depth, at = 0, start
    while (found := _INSIDE.search(text, at)) is not None:
        mark, at = found[0], found.end()
        if mark == '"':
            string = _STRING.match(text, found.start())
            if string is None:
                break
            if (closed := _CLOSED.search(text, at, string.end())) is not None:
                return closed.start()  # a quotation mark of the thoughts, not the beginning of a string
            at = string.end()
        elif mark.startswith("<"):
            return found.start()
        else:
            depth += 1 if mark in "{[" else -1
            if depth == 0:
                return at
    closed = _CLOSED.search(text, start)
    return None if closed is None else closed.start()
