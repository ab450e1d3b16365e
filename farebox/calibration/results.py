"""What calibration has paid for: a line before each case is asked, a line with its score after. No content.

A case that was asked and has no score was lost with its process: it may have been paid, so it is not asked again.
"""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager
from pathlib import Path

from pydantic import BaseModel, ValidationError

from farebox.calibration.deciding import Outcome
from pricing.locks import file_lock


class Tried(BaseModel):
    """How one target answered one case; ``score`` is ``None`` where no answer says anything about its quality."""

    key: str
    case: str
    target: str
    score: float | None = None
    cost_nano: int = 0
    seconds: float = 0.0
    verified: bool | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    ended: bool = True

    @property
    def closed(self) -> bool:
        """Whether it is not to be asked again."""
        return self.score is not None or not self.ended or self.cost_nano > 0

    @property
    def outcome(self) -> Outcome | None:
        """As decisions take it."""
        if self.score is None:
            return None
        return Outcome(self.score, self.cost_nano, self.seconds, self.verified)


class Results:
    """The file of one operation's results. Threads and processes may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_to = 0
        self._found: dict[str, Tried] = {}

    def read(self) -> dict[str, Tried]:
        """By key, the newest of each; a line that a killed process did not finish is none."""
        with self._locked():
            return dict(self._newest())

    def _newest(self) -> dict[str, Tried]:
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._read_to)
                new = file.read()
            self._read_to += len(new)
            for line in new.splitlines():
                try:
                    tried = Tried.model_validate_json(line)
                except ValidationError:
                    continue
                self._found[tried.key] = tried
        return self._found

    def _locked(self) -> AbstractContextManager[bool]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return file_lock(self._path.with_suffix(".lock"))

    def claim(self, tried: Tried) -> Tried | None:
        """Note that a case is asked now; what is known of it if it was asked before, and may have been paid."""
        with self._locked():
            known = self._newest().get(tried.key)
            if known is not None and known.closed:
                return known
            self._append(tried.model_copy(update={"ended": False}))
        return None

    def note(self, tried: Tried) -> None:
        """Note what came of it; what was not paid may be asked again."""
        with self._locked():
            self._append(tried)

    def _append(self, tried: Tried) -> None:
        line = json.dumps(tried.model_dump(), sort_keys=True)
        with self._path.open("ab") as file:
            # A line of its own even after one that was cut off.
            file.write(f"\n{line}\n".encode())
            file.flush()
            os.fsync(file.fileno())
