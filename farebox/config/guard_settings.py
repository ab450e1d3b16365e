"""Which guards farebox.toml declares, and where. Every command reads it, so nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from pricing import MediaKind

Mode: TypeAlias = Literal["shadow", "enforce", "off"]

DEFAULTS: Mapping[str, Mode] = {"context": "enforce", "secrets": "enforce", "pii": "enforce", "injection": "shadow"}
"""Guards that are there without being declared."""


JUDGE = "judge"
"""The operation of what guards ask; those that ask do not guard it, or they would never end."""
ASKING = frozenset({"scope", "injection", "inappropriate", "judge", "rate"})


class GuardSettings(BaseModel):
    """One guard's table. What is not named here is an option of the guard itself.

    A guard that is declared without a mode is in ``shadow``: it earns its place first (``farebox guards promote``).
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    mode: Mode | None = None
    use: Annotated[str, Field(pattern=r"^([A-Za-z_]\w*(\.[A-Za-z_]\w*)*)?$")] = ""


class GuardsSettings(BaseModel):
    """``[guards.NAME]`` everywhere; ``[guards.at."automation"]`` and ``[guards.at."automation/operation"]`` there.

    ``messages`` is a folder of templates that replace the messages of blocks; ``unmasked_media`` names the kinds of
    parts (``image``, ``document``) that may be sent although no guard can read them.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, GuardSettings]

    messages: Path | None = None
    unmasked_media: tuple[MediaKind, ...] = ()
    at: dict[str, dict[str, GuardSettings]] = {}

    def declared(self, automation: str, operation: str) -> dict[str, dict[str, Any]]:
        """Per guard what is written down for it, the narrower place winning key by key; ``place`` is the narrowest."""
        narrower = (f"*/{operation}", automation, f"{automation}/{operation}")
        places = [("", self.__pydantic_extra__ or {}), *((place, self.at.get(place, {})) for place in narrower)]
        found: dict[str, dict[str, Any]] = {name: {"mode": mode, "place": ""} for name, mode in DEFAULTS.items()}
        for place, tables in places:
            for name, table in tables.items():
                before = found.get(name, {"mode": "shadow"})
                found[name] = before | table.model_dump(exclude_unset=True) | {"place": place}
        return found

    def has_guards_of_their_own(self) -> bool:
        """Whether any guard is declared that is not ours."""
        tables = (self.__pydantic_extra__ or {}, *self.at.values())
        return any(table.use for place in tables for table in place.values())
