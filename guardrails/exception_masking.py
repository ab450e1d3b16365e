"""Exceptions as they may be written down: Prefect keeps their texts in states, logs, events and results.

An exception keeps its class, so that handlers still catch it; its text, its arguments, the strings it carries and
the exceptions behind it are masked. Where a class makes its text of something that cannot be changed, the exception
gets a subclass with the masked text, or a :class:`MaskedError` stands for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeAlias

from pricing import FareboxError, UnreadableValue, is_nested, leaves, with_leaves

MaskText: TypeAlias = Callable[[str], str]
"""A text as it may be written down."""

_OF_C = ("filename", "filename2", "strerror", "msg", "text", "name", "path")
"""Attributes that exceptions of the interpreter keep beside their arguments."""
_MOST = 50
"""Exceptions of one chain that are masked; the chain is cut behind them."""


class MaskedError(Exception):
    """Stands for an exception whose text held personal data and could not be changed."""


def masked_exception(error: Exception, mask: MaskText) -> Exception:
    """The exception with ``mask`` applied to all that it would be written down with; most often the same object.

    Errors of Farebox pass as they are: they hold no content.

    Args:
        error: and with it its cause, its context, its notes, and the exceptions of a group.
        mask: of a text.
    """
    return _Masking(mask).masked(error)


class _Masking:
    """Masks one exception and what hangs on it, each once."""

    def __init__(self, mask: MaskText) -> None:
        self._mask = mask
        self._done: dict[int, Exception] = {}

    def masked(self, error: Exception) -> Exception:
        if id(error) in self._done:
            return self._done[id(error)]
        self._done[id(error)] = error
        if not isinstance(error, FareboxError):
            self._done[id(error)] = self._of_one(error)
        changed = self._done[id(error)]
        self._chain(error, changed)
        return changed

    def _of_one(self, error: Exception) -> Exception:
        if isinstance(error, ExceptionGroup):
            return self._group(error)
        if _is_invalid(error):
            return self._invalid(error)
        with suppress(Exception):  # a class may refuse any of it: what counts is what it reads like in the end
            error.args = tuple(map(self._value, error.args))
        for name in (*vars(error), *(name for name in _OF_C if getattr(error, name, None) is not None)):
            with suppress(Exception):
                self._attribute(error, name)
        return error if self._is_clean(error) else self._replaced(error)

    def _attribute(self, error: Exception, name: str) -> None:
        value = getattr(error, name)
        if isinstance(value, BaseException):
            return
        new = self._value(value)
        if new is not value:
            setattr(error, name, new)

    def _value(self, value: Any) -> Any:
        """A string, a number, bytes, or what is made of such, masked; any other object is what it is."""
        if isinstance(value, bytes | bytearray):
            text = value.decode("utf-8", "surrogateescape")
            masked = self._mask(text)
            return value if masked == text else type(value)(masked.encode("utf-8", "surrogateescape"))
        if not (isinstance(value, str | int | float) or is_nested(value)):
            return value
        try:
            texts = [leaf.text for leaf in leaves(value)]
        except UnreadableValue:
            return self._mask(repr(value))
        return with_leaves(value, iter([self._mask(text) for text in texts]))

    def _is_clean(self, error: Exception) -> bool:
        return all(self._mask(text) == text for text in _shown(error))

    def _replaced(self, error: Exception) -> Exception:
        """The exception under a subclass of its own that reads as masked, or one in its place."""
        text = self._mask(next(_shown(error)))
        if type(error).__str__ is BaseException.__str__:  # arguments that tell something only together
            error.args = (text,)
            if self._is_clean(error):
                return error
        with suppress(TypeError):  # of classes that are written in C
            error.__class__ = _reading(type(error), text)
            error.args = (text,)
            if self._is_clean(error):
                return error
        return MaskedError(f"{type(error).__name__}: {text}").with_traceback(error.__traceback__)

    def _invalid(self, error: Any) -> Exception:
        """A validation error of pydantic's, without the values that were wrong."""
        from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

        if self._is_clean(error):
            return error  # type: ignore[no-any-return]
        details = [
            InitErrorDetails(
                type=PydanticCustomError(fault["type"], "{told}", {"told": self._mask(fault["msg"])}),
                loc=self._value(tuple(fault["loc"])),
                input=None,
            )
            for fault in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        made = ValidationError.from_exception_data(self._mask(error.title), details, hide_input=True)
        return made.with_traceback(error.__traceback__)

    def _group(self, error: ExceptionGroup[Exception]) -> Exception:
        inner = [self.masked(one) for one in error.exceptions]
        message = self._mask(error.message)
        if message == error.message and all(new is old for new, old in zip(inner, error.exceptions, strict=True)):
            return error
        return ExceptionGroup(message, inner).with_traceback(error.__traceback__)

    def _chain(self, error: Exception, changed: Exception) -> None:
        notes = getattr(error, "__notes__", None)
        if isinstance(notes, list):
            changed.__notes__ = [self._mask(str(note)) for note in notes]
        cause, context = error.__cause__, error.__context__
        full = len(self._done) >= _MOST
        hidden = error.__suppress_context__
        changed.__cause__ = None if full else self.masked(cause) if isinstance(cause, Exception) else cause
        changed.__context__ = None if full else self.masked(context) if isinstance(context, Exception) else context
        changed.__suppress_context__ = hidden


def _shown(error: Exception) -> Iterator[str]:
    """What logs, states and reports may write of it."""
    for show in (str, repr):
        try:
            yield show(error)
        except Exception as fault:  # noqa: BLE001 - a class that cannot be shown shows nothing
            yield type(fault).__name__


def _is_invalid(error: Exception) -> bool:
    core = sys.modules.get("pydantic_core")
    return core is not None and type(error) is core.ValidationError


def _reading(kind: type[Exception], text: str) -> type[Exception]:
    """A subclass whose exceptions read ``text`` and are pickled as a :class:`MaskedError`."""
    return type(
        kind.__name__,
        (kind,),
        {
            "__module__": kind.__module__,
            "__qualname__": kind.__qualname__,
            "__str__": lambda _: text,
            "__repr__": lambda self: f"{type(self).__name__}({text!r})",
            "__reduce__": lambda self: (MaskedError, (f"{type(self).__name__}: {text}",)),
        },
    )
