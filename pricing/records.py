"""Records: frozen dataclasses of which a turn makes dozens.

The type checker sees ``dataclasses.dataclass`` and refuses to assign to a field. At run time they are not frozen: a
frozen dataclass sets each field through ``object.__setattr__``, which takes eight times as long as an assignment, and
that was a twentieth of a turn. What code outside the project is handed stays frozen at run time too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass as record
else:
    T = TypeVar("T")

    def record(*, frozen: Literal[True], slots: Literal[True]) -> Callable[[type[T]], type[T]]:
        """A dataclass that compares and hashes by its fields, as a frozen one does."""
        return dataclass(unsafe_hash=frozen, slots=slots)


__all__ = ["record"]
