"""The guards that farebox.toml declares, and where. Every command reads this, so that it imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from pricing import MediaKind

ConfiguredMode: TypeAlias = Literal["shadow", "enforce", "off"]

DEFAULTS: Mapping[str, ConfiguredMode] = {
    "context": "enforce",
    "secrets": "enforce",
    "pii": "enforce",
    "injection": "shadow",
}
"""Guards that are active without a declaration."""


JUDGE = "judge"
"""The operation of guards' model calls; guards that make such calls do not guard it, or they would never end."""
ASKING = frozenset({"scope", "injection", "inappropriate", "judge", "rate"})


class GuardSettings(BaseModel):
    """The table of one guard. Keys that are not fields here are options of the guard itself.

    A guard that is declared without a mode runs in ``shadow`` until its evidence is enough (``farebox guards
    promote``).
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    mode: ConfiguredMode | None = None
    use: Annotated[str, Field(pattern=r"^([A-Za-z_]\w*(\.[A-Za-z_]\w*)*)?$")] = ""


class GuardsSettings(BaseModel):
    """``[guards.NAME]`` everywhere; ``[guards.at."automation"]`` and ``[guards.at."automation/operation"]`` there.

    ``messages`` is a folder of templates that replace block messages; ``unmasked_media`` names the kinds of parts
    (``image``, ``document``) that may be sent although no guard can read them.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, GuardSettings]

    messages: Path | None = None
    unmasked_media: tuple[MediaKind, ...] = ()
    at: dict[str, dict[str, GuardSettings]] = {}

    def declared(self, automation: str, operation: str) -> dict[str, dict[str, Any]]:
        """The declarations by guard; keys of a narrower place take precedence; ``place`` is the narrowest."""
        narrower = (f"*/{operation}", automation, f"{automation}/{operation}")
        places = [("", self.__pydantic_extra__ or {}), *((place, self.at.get(place, {})) for place in narrower)]
        found: dict[str, dict[str, Any]] = {name: {"mode": mode, "place": ""} for name, mode in DEFAULTS.items()}
        for place, tables in places:
            for name, table in tables.items():
                before = found.get(name, {"mode": "shadow"})
                found[name] = before | table.model_dump(exclude_unset=True) | {"place": place}
        return found

    def has_guards_of_their_own(self) -> bool:
        """Whether a custom guard is declared."""
        tables = (self.__pydantic_extra__ or {}, *self.at.values())
        return any(table.use for place in tables for table in place.values())
