"""Records: frozen dataclasses that are cheap to define, and of which a turn makes dozens.

Defining a frozen dataclass compiles seven functions, which takes 0.4 ms; a hundred of them were a third of what
importing ``tasks`` takes. All records share the functions that compare, hash and show them.

The type checker sees ``dataclasses.dataclass`` and refuses to assign to a field. A :func:`record` is not frozen at run
time: a frozen dataclass sets each field through ``object.__setattr__``, which takes eight times as long as an
assignment, and that was a twentieth of a turn. What code outside the project is handed is a :func:`frozen_record`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from dataclasses import Field
    from dataclasses import dataclass as frozen_record
    from dataclasses import dataclass as record
else:
    from dataclasses import fields
    from operator import attrgetter
    from reprlib import recursive_repr

    T = TypeVar("T")

    def record(*, frozen: Literal[True], slots: Literal[True]) -> Callable[[type[T]], type[T]]:  # noqa: ARG001 - of dataclass
        """A dataclass that compares and hashes by its fields, as a frozen one does."""
        return lambda kind: _completed(kind, dataclass(eq=False, repr=False, slots=slots)(kind))

    def frozen_record(
        *, frozen: Literal[True], slots: Literal[True], kw_only: bool = False
    ) -> Callable[[type[T]], type[T]]:
        """The same, frozen at run time too."""
        as_dataclass = dataclass(eq=False, repr=False, frozen=frozen, slots=slots, kw_only=kw_only)
        return lambda kind: _completed(kind, as_dataclass(kind))

    def _completed(kind: type[T], made: Any) -> type[T]:
        """A dataclass with what all records share, where its own class does not say otherwise."""
        compared = [field for field in fields(made) if field.compare]
        hashed = [field for field in fields(made) if (field.compare if field.hash is None else field.hash)]
        made.__compared__, made.__hashed__ = _getter(compared), _getter(hashed)
        made.__shown__ = tuple(field.name for field in fields(made) if field.repr)
        for name, method in (("__eq__", _equals), ("__hash__", _hash), ("__repr__", _shown)):
            if kind.__dict__.get(name) is None:
                setattr(made, name, method)
        return made

    def _getter(some: Sequence[Field[Any]]) -> Callable[[Any], Any]:
        return attrgetter(*(field.name for field in some)) if some else type

    def _equals(one: Any, other: Any) -> bool:
        if one.__class__ is not other.__class__:
            return NotImplemented
        return one.__compared__(one) == one.__compared__(other)

    def _hash(one: Any) -> int:
        return hash(one.__hashed__(one))

    @recursive_repr()
    def _shown(one: Any) -> str:
        values = ", ".join(f"{name}={getattr(one, name)!r}" for name in one.__shown__)
        return f"{one.__class__.__qualname__}({values})"


__all__ = ["frozen_record", "record"]
