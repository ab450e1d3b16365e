"""Published price lists that a project uses in place of the bundled one. Each is kept, so that the last can be undone.

A list is the JSON that genai-prices publishes: an array of providers with their models and prices.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pricing.errors import ConfigError
from pricing.records import record

if TYPE_CHECKING:
    from genai_prices.types import Provider

LARGEST_LIST = 64 * 1024 * 1024
"""Bytes of a list."""
_INDEX = "lists.json"
_LEAST_PROVIDERS = 3
"""A list of fewer is none of all providers' prices."""


@record(frozen=True, slots=True)
class StoredList:
    """An entry of ``lists.json``, for people who check prices later: the file, its source, when it was installed, and
    the newest date of a price in it.
    """

    file: str
    source: str
    taken_at: str
    newest: str


def read_list(body: bytes) -> list[Provider]:
    """The providers of a published list.

    Raises:
        ConfigError: it is not a published list.
    """
    from genai_prices.types import _providers_from_raw

    try:
        raw = json.loads(body)
        if not isinstance(raw, list) or len(raw) < _LEAST_PROVIDERS:
            raise ValueError("no array of providers")
        return _providers_from_raw(raw)
    except (ValueError, TypeError, RecursionError) as error:
        raise ConfigError(
            f"This is not a published price list ({type(error).__name__}).",
            next_step="Give the JSON that genai-prices publishes, or leave the source out.",
        ) from None


class PriceLists:
    """The lists of one project.

    Args:
        folder: where they are kept; created with the first one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def current(self) -> Path | None:
        """The file of the list in use; ``None`` for the bundled one."""
        found = self._read()["current"]
        return None if found is None else self._folder / str(found)

    def installed(self) -> list[StoredList]:
        """Every list that was installed, oldest first."""
        return [StoredList(**one) for one in self._read()["lists"]]

    def install(self, body: bytes, source: str, newest: date | None) -> StoredList:
        """Keep a list and use it from now on; ``newest`` is the newest date of a price in it."""
        index = self._read()
        name = f"prices-{newest or 'undated'}-{digest(body)}.json"
        self._folder.mkdir(parents=True, exist_ok=True)
        _write(self._folder / name, body)
        stored = StoredList(name, source, datetime.now(UTC).isoformat(timespec="seconds"), str(newest or ""))
        lists = [*index["lists"], asdict(stored)]
        self._save({"current": name, "before": [*index["before"], index["current"]], "lists": lists})
        return stored

    def note_newest(self, day: date) -> None:
        """Note that on this day nothing newer than the list in use was published."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._save(self._read() | {"newest_on": str(day)})

    def newest_on(self) -> date | None:
        """The last day on which the list in use was known to be the newest; ``None`` if that was not checked."""
        found = self._read()["newest_on"]
        return None if found is None else date.fromisoformat(str(found))

    def undo(self) -> bool:
        """Return to the previous list; ``False`` if the bundled one is in use."""
        index = self._read()
        if not index["before"]:
            return False
        *before, last = index["before"]
        self._save(index | {"current": last, "before": before, "newest_on": None})
        return True

    def _read(self) -> dict[str, Any]:
        empty: dict[str, Any] = {"current": None, "before": [], "lists": [], "newest_on": None}
        try:
            index: dict[str, Any] = json.loads((self._folder / _INDEX).read_text("utf-8"))
            return empty | index
        except (FileNotFoundError, NotADirectoryError):  # the ledger says what is wrong with the data folder
            return empty
        except (ValueError, TypeError):
            raise ConfigError(
                f"{self._folder / _INDEX} is damaged.",
                next_step="Delete it to use the installed prices, then run `farebox rates update`.",
            ) from None

    def _save(self, index: dict[str, Any]) -> None:
        _write(self._folder / _INDEX, json.dumps(index, indent=2).encode())


def digest(body: bytes) -> str:
    """The first eight hex digits of a list's SHA-256."""
    return sha256(body).hexdigest()[:8]


def _write(path: Path, body: bytes) -> None:
    """Write a file atomically, so that readers see all of it or nothing."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(body)
    temporary.replace(path)
