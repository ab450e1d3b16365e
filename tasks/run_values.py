"""What is known of persons in the runs of this process: it is known to the guards of each later turn of its run.

A name that a guard knew from a field of a ticket comes back in an answer, and the answer is the next step's input.
There it stands under no name that tells what it is. So what a guard masked is kept for its run, and so are values given
to a step by name. It is kept in memory only; with a step that is sent to another process, the values known so far go
along (see ``tasks.step_task``).
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from pricing.db import after_fork
from tasks.personal_values import KnownPairs

MOST_VALUES: Final = 10_000
"""Of one run; after that the oldest are forgotten, and that is said."""
MOST_IN_ALL: Final = 200_000
"""Of all runs; after that the values of the run that was asked about least recently are forgotten."""
_BLOCK = 1_024
"""How many are forgotten at a time: what guards have built of the others stays valid for as long as that."""

_log = logging.getLogger(__name__)


class RunValues:
    """The personal values known in some runs of this process. They are never written to disk."""

    def __init__(self, most: int = MOST_VALUES, in_all: int = MOST_IN_ALL) -> None:
        self._most, self._in_all = most, in_all
        self._runs: OrderedDict[str, dict[tuple[str, str], None]] = OrderedDict()
        self._changing = threading.Lock()
        after_fork(self._forked)

    def of(self, run_id: str) -> KnownPairs:
        """Kind and value of each known value of a run, oldest first."""
        with self._changing:
            found = self._runs.get(run_id)
            if found is None:
                return ()
            self._runs.move_to_end(run_id)
            return tuple(found)

    def note_masked(self, run_id: str, held: Iterable[tuple[str, str]], known: KnownPairs = ()) -> None:
        """Keep the values that a guard masked in a prompt, and those ``known`` that occurred in part: a text may have
        had only the first name of "Ada Lovelace", and the next one the last.
        """
        taken = [(kind.lower(), value) for kind, value in held]
        parts = {value.casefold() for _, value in taken}
        whole = [pair for pair in known if any(part in pair[1].casefold() for part in parts)] if parts else []
        self.note(run_id, (*whole, *taken))

    def note(self, run_id: str, values: KnownPairs) -> None:
        """Keep known values of a run."""
        if not values:
            return
        with self._changing:
            kept = self._runs.setdefault(run_id, {})
            self._runs.move_to_end(run_id)
            kept.update(dict.fromkeys(values))
            if len(kept) > self._most:
                self._shorten(run_id, kept)
            while len(self._runs) > 1 and sum(map(len, self._runs.values())) > self._in_all:
                self._runs.popitem(last=False)

    def _forked(self) -> None:
        self._changing = threading.Lock()

    def _shorten(self, run_id: str, kept: dict[tuple[str, str], None]) -> None:
        _log.warning(
            "More than %d personal values are known in run %s; the first of them are no longer known to its guards.",
            self._most,
            run_id,
        )
        for pair in list(kept)[: max(len(kept) - self._most, min(_BLOCK, self._most // 2))]:
            del kept[pair]


run_values: Final = RunValues()
"""Those of this process."""
