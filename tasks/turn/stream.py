"""Streamed answers: text handed on while it arrives, each piece only once the output guards have seen it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from guardrails.pii import Vault
from pricing import Blocked, TurnFailed

_WORD_ENDS = re.compile(r"\s(?=\S*\Z)")
_OPEN_BLOCK = re.compile(r"-----BEGIN (?:(?!-----END ).)*\Z", re.DOTALL)
"""A key's block that has begun and not ended: it is held back whole."""


class Sink:
    """Where the text of one turn goes while it arrives.

    The guards are asked about all that has arrived, and what they pass is handed on up to its last whole word: what
    they look for (keys, names, addresses) has no blanks in it, or begins with a mark that is waited for. What a
    ``vault`` took out of the question is put back; a token that may not be whole yet is waited for.

    Args:
        operation: of the turn, for its errors.
        guard: gives a text as it may be shown; raises ``Blocked``.
        emit: takes each piece.
        too_late: the error of an answer in which something was found that had been handed on.
    """

    def __init__(
        self,
        operation: str,
        guard: Callable[[str], Awaitable[str]],
        emit: Callable[[str], None],
        too_late: Callable[[], Blocked],
    ) -> None:
        self._operation = operation
        self._guard = guard
        self._emit = emit
        self._too_late = too_late
        self.vault: Vault | None = None
        self._arrived = ""
        self._shown = ""

    @property
    def began(self) -> bool:
        """Whether anything was handed on: then no other target may answer any more."""
        return bool(self._shown)

    def restart(self) -> None:
        """Forget what arrived: another attempt begins."""
        self._arrived = ""

    async def push(self, delta: str) -> None:
        """Take a piece as it arrives; hand on what has become safe to show."""
        self._arrived += delta
        if any(letter.isspace() for letter in delta):
            settled = _settled(await self._guard(self._arrived))
            self._show(settled if self.vault is None else self.vault.restore(self.vault.settled(settled)))

    def finish(self, text: str) -> None:
        """Hand on the rest of the answer, which ``text`` is as the guards passed it, values restored."""
        self._show(text)

    def broken(self, kind: str) -> TurnFailed:
        """The error of an answer that failed after part of it was shown."""
        return TurnFailed(
            f"The answer of {self._operation!r} broke off ({kind}) after part of it had been handed on.",
            next_step="Ask again.",
            kind=kind,
            operation=self._operation,
        )

    def _show(self, safe: str) -> None:
        if len(safe) <= len(self._shown) and self._shown.startswith(safe):
            return
        if not safe.startswith(self._shown):
            raise self._too_late()
        piece, self._shown = safe[len(self._shown) :], safe
        self._emit(piece)


def _settled(text: str) -> str:
    """The text up to its last whole word, and not into a block that is still open."""
    opened = _OPEN_BLOCK.search(text)
    text = text[: opened.start()] if opened else text
    ends = _WORD_ENDS.search(text)
    return text[: ends.end()] if ends else ""
