"""Values that a template writes in a spelling of their own: ``{{ record }}``, ``| tojson``, ``| urlencode``.

What such a value becomes is decided after the guards have seen the value itself, string by string. So it is rendered
as a mark, and the prompt keeps the value and the way it is spelled in the mark's place; filters that follow become a
part of that way. A string that goes into a template as it is needs none of this.

The block ``system`` is marked likewise, wherever the templates that make a prompt place it: what is between its marks
is the system's text, and all else the user's. Marks have a nonce, so that no value can stand for one.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, ItemsView, Iterator, KeysView, Sequence, ValuesView
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from functools import cache, wraps
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

from pricing import DocumentPart, ImagePart, Spelled, TextPart, UnreadableValue, is_nested, leaves

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.compiler import CodeGenerator
    from jinja2.sandbox import ImmutableSandboxedEnvironment

_SPELLING = frozenset({"tojson", "urlencode", "escape", "e", "forceescape", "xmlattr", "pprint"})
"""Filters that write a string otherwise than it is."""
_CHOOSING = frozenset({"first", "last", "random", "min", "max", "default", "d", "attr", "safe"})
"""Filters that give back a part of what they get, as it is."""
_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
"""Code points that no text has: Unicode reserves them for use within a program."""
_NONCE, _NUMBERS = str(int.from_bytes(secrets.token_bytes(8))), count()
_MARK = re.compile(rf"{_OPEN}{_NONCE}\.\d+{_CLOSE}")

Piece: TypeAlias = str | Spelled | ImagePart | DocumentPart
_Bytes: TypeAlias = bytes | bytearray | memoryview


class _Boundary(Enum):
    """Where the block ``system`` begins and ends."""

    OPENS = "opens"
    CLOSES = "closes"


class BrokenMark(ValueError):
    """A template cut through a value that is written in a spelling of its own."""


class _Marks:
    """The values of one rendering, by the mark that stands for each.

    The nonce is of digits: no filter that changes case harms it. It is this process's, and no text with a mark in it
    leaves a rendering, so that no value can hold one.
    """

    def __init__(self) -> None:
        self._values: dict[str, Spelled | ImagePart | DocumentPart | _Boundary] = {}

    def mark(self, value: Spelled | ImagePart | DocumentPart | _Boundary) -> str:
        mark = f"{_OPEN}{_NONCE}.{next(_NUMBERS)}{_CLOSE}"
        self._values[mark] = value
        return mark

    def parts(self, outputs: Sequence[str]) -> tuple[list[Piece], list[Piece]]:
        """The pieces of a rendered text that are the system's, and the others, each without white space around.

        Args:
            outputs: the text, as the template puts it out piece by piece.

        Raises:
            BrokenMark: a mark in it is not whole.
        """
        system: list[Piece] = []
        user: list[Piece] = []
        depth = 0
        for piece in self._pieces(outputs):
            if piece is _Boundary.OPENS:
                depth += 1
            elif piece is _Boundary.CLOSES:
                depth -= 1
            else:
                (system if depth > 0 else user).append(piece)
        return _stripped(system), _stripped(user)

    def _pieces(self, outputs: Sequence[str]) -> list[Piece | _Boundary]:
        """Most marks are an output of their own. A text with one in it takes four times its memory, and time."""
        pieces: list[Piece | _Boundary] = []
        run: list[str] = []
        for output in outputs:
            if _OPEN not in output and _CLOSE not in output:
                run.append(output)
            elif (value := self._values.get(output)) is not None:
                pieces += ["".join(run), value]
                run = []
            else:
                return self._searched("".join(outputs))
        pieces.append("".join(run))
        return pieces

    def _searched(self, text: str) -> list[Piece | _Boundary]:
        pieces: list[Piece | _Boundary] = []
        done = 0
        for found in _MARK.finditer(text):
            if (value := self._values.get(found[0])) is not None:
                pieces += [text[done : found.start()], value]
                done = found.end()
        pieces.append(text[done:])
        whole = len(pieces) // 2
        if self._values and (text.count(_OPEN) > whole or text.count(_CLOSE) > whole):
            raise BrokenMark
        return pieces


def _stripped(pieces: list[Piece]) -> list[Piece]:
    """The pieces as of one text without white space around it; at least one."""
    while pieces and isinstance(first := pieces[0], str):
        pieces[0] = first.lstrip()
        if pieces[0] or len(pieces) == 1:
            break
        del pieces[0]
    while pieces and isinstance(last := pieces[-1], str):
        pieces[-1] = last.rstrip()
        if pieces[-1] or len(pieces) == 1:
            break
        del pieces[-1]
    return pieces or [""]


_MARKS: ContextVar[_Marks | None] = ContextVar("farebox_template_marks", default=None)


class spelling:  # noqa: N801 - used as a context manager; one made of a generator costs more
    """One rendering."""

    __slots__ = ("_token",)

    def __enter__(self) -> _Marks:
        marks = _Marks()
        self._token = _MARKS.set(marks)
        return marks

    def __exit__(self, *_: object) -> None:
        _MARKS.reset(self._token)


@contextmanager
def _unmarked() -> Iterator[None]:
    token = _MARKS.set(None)
    try:
        yield
    finally:
        _MARKS.reset(token)


class _SpelledText(str):
    """A text that a template made of a value. To the template it is that text; where it is put out, it is a mark."""

    __slots__ = ("spelled",)
    spelled: Spelled

    @classmethod
    def of(cls, spelled: Spelled) -> _SpelledText:
        text = cls(spelled.spell(spelled.value))
        text.spelled = spelled
        return text

    def __str__(self) -> str:
        marks = _MARKS.get()
        return str.__str__(self) if marks is None else marks.mark(self.spelled)

    __html__ = __str__

    def __getitem__(self, key: Any) -> str:
        return self.then(lambda text: text[key])

    def then(self, change: Callable[[str], str]) -> _SpelledText:
        """What becomes of it where the template goes on with it."""
        spelled = self.spelled
        return _SpelledText.of(Spelled(spelled.value, lambda value: change(spelled.spell(value))))


@cache
def environment_class() -> type[ImmutableSandboxedEnvironment]:
    """jinja2's sandbox, in which strings that are put together keep the values in them."""
    from jinja2 import Template
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class PromptTemplate(Template):
        def _get_default_module(self, ctx: Any = None) -> Any:
            # It is kept for later renderings, so that no mark of this one may be in it; nor is any value.
            with _unmarked():
                return super()._get_default_module(ctx)

    class PromptEnvironment(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"%", "+"})
        template_class = PromptTemplate
        farebox_opens, farebox_closes = _Boundary.OPENS, _Boundary.CLOSES

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if operator == "+" and isinstance(left, _SpelledText) | isinstance(right, _SpelledText):
                return f"{left}{right}"
            if operator == "%" and isinstance(left, str):
                several = isinstance(right, tuple)
                right = tuple(map(_put_out, right)) if several else _put_out(right)
            return super().call_binop(context, operator, left, right)

        def call(__self, __context: Any, __obj: Any, /, *args: Any, **more: Any) -> Any:  # noqa: N805
            owner = getattr(getattr(__obj, "__wrapped__", __obj), "__self__", None)
            if isinstance(owner, _SpelledText):
                result = super().call(__context, __obj, *args, **more)
                name = __obj.__name__
                return owner.then(lambda text: getattr(text, name)(*args, **more)) if type(result) is str else result
            if isinstance(owner, str):
                args = tuple(map(_put_out, args))
                more = {name: _put_out(value) for name, value in more.items()}
            return super().call(__context, __obj, *args, **more)

    return PromptEnvironment


def _put_out(value: Any) -> Any:
    """A value as a part of a string: nested ones as they are put out, of a list of texts each of them."""
    if isinstance(value, list | tuple) and all(isinstance(inner, str) for inner in value):
        return [str(inner) for inner in value]
    return str(shown(value)) if is_nested(value) or isinstance(value, _SpelledText | _Bytes) else value


def prepare(environment: Environment) -> None:
    """Have an environment keep the values that its templates spell."""
    from jinja2.compiler import CodeGenerator

    environment.filters = {name: _kept(name, filter_) for name, filter_ in environment.filters.items()}
    environment.finalize = shown
    environment.code_generator_class = _marking(CodeGenerator)
    environment.globals["_farebox_joined"] = _joined


def shown(value: object) -> object:
    """What stands for a value where a template puts it out.

    Raises:
        UnreadableValue: it is bytes.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, _Bytes):
        raise UnreadableValue("a value holds bytes")
    if isinstance(value, _Boundary):
        marks = _MARKS.get()
        return "" if marks is None else marks.mark(value)
    if parts := media_in(value):
        marks = _MARKS.get()
        return "" if marks is None else "".join(map(marks.mark, parts))
    if isinstance(value, KeysView | ValuesView | ItemsView):
        value = list(value)
    return _SpelledText.of(Spelled(value, str)) if is_nested(value) and _MARKS.get() is not None else value


def media_in(value: object) -> list[ImagePart | DocumentPart]:
    """The images and documents that a value is: one, or a list or tuple of nothing else."""
    if isinstance(value, str):
        return []
    inner = value if isinstance(value, list | tuple) else [value]
    parts = [part for part in inner if isinstance(part, ImagePart | DocumentPart)]
    return parts if len(parts) == len(inner) else []


def text_parts(pieces: list[Piece]) -> tuple[TextPart | ImagePart | DocumentPart, ...]:
    """Pieces as the parts of a message: media apart, all between them one text."""
    if len(pieces) == 1 and isinstance(only := pieces[0], str):
        return (TextPart(only),)
    parts: list[TextPart | ImagePart | DocumentPart] = []
    run: list[str | Spelled] = []
    for piece in [*pieces, None]:
        if isinstance(piece, str | Spelled):
            run.append(piece)
            continue
        text = TextPart.of(run)
        run = []
        if text.text.strip() or (piece is None and not parts):
            parts.append(text)
        if piece is not None:
            parts.append(piece)
    return tuple(parts)


def _kept(name: str, filter_: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that gives text, and of a value that it spells also the value."""
    place = 1 if hasattr(filter_, "jinja_pass_arg") else 0

    @wraps(filter_)
    def filtered(*args: Any, **more: Any) -> Any:
        if name == "format":
            args, more = tuple(map(_put_out, args)), {key: _put_out(value) for key, value in more.items()}
        given = args[place] if len(args) > place else None
        try:
            result = filter_(*args, **more)
        except TypeError:
            leaves(given)  # says so where the value holds bytes
            raise
        if type(result) is not str and not hasattr(result, "__html__"):
            return result
        if isinstance(given, _Bytes):
            shown(given)
        before, after = args[:place], args[place + 1 :]
        if isinstance(given, _SpelledText):
            source, first = given.spelled.value, given.spelled.spell
        elif name in _SPELLING or (is_nested(given) and name not in _CHOOSING):
            source, first = given, _as_it_is
        else:
            return result
        return _SpelledText.of(Spelled(source, lambda value: str(filter_(*before, first(value), *after, **more))))

    return filtered


def _as_it_is(value: Any) -> Any:
    return value


def _joined(values: tuple[Any, ...]) -> str:
    return "".join(str(shown(value)) for value in values)


def _marking(base: type[CodeGenerator]) -> type[CodeGenerator]:
    """The compiler, with ``~`` putting values out as ``{{ }}`` does, and marks around the block ``system``."""
    from jinja2 import nodes

    class Marking(base):  # type: ignore[misc, valid-type]
        def visit_Block(self, node: Any, frame: Any) -> None:  # noqa: N802 - likewise
            if node.name != "system":
                super().visit_Block(node, frame)
                return
            self.visit(nodes.Output([nodes.EnvironmentAttribute("farebox_opens")], lineno=node.lineno), frame)
            super().visit_Block(node, frame)
            self.visit(nodes.Output([nodes.EnvironmentAttribute("farebox_closes")], lineno=node.lineno), frame)

        def visit_Concat(self, node: Any, frame: Any) -> None:  # noqa: N802 - the name that jinja2 calls
            self.write("environment.globals['_farebox_joined']((")
            for argument in node.nodes:
                self.visit(argument, frame)
                self.write(", ")
            self.write("))")

    return Marking
