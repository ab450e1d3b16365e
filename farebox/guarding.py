"""Which guards a turn has: those that are always there, changed and joined by what farebox.toml declares."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Field

from guardrails import BothWays, Finder, Guard, Guarded, Pipeline, build_guard, find_guard
from guardrails.guards import JudgeGuard
from pricing import MediaKind

Mode: TypeAlias = Literal["shadow", "enforce", "off"]

DEFAULTS: Mapping[str, Mode] = {"context": "enforce", "secrets": "enforce", "pii": "enforce", "injection": "shadow"}
"""Guards that are there without being declared."""


JUDGE = "judge"
"""The operation of what guards ask; those that ask do not guard it, or they would never end."""
ASKING = frozenset({"scope", "inappropriate", "judge", "rate"})


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


class DeclaredGuards:
    """The guards of each operation of each automation, built when they are first needed.

    Args:
        settings: what is declared.
        parts: of the house, for guards whose constructor asks for them by name.

    Raises:
        ConfigError: a declared guard cannot be built.
    """

    def __init__(self, settings: GuardsSettings, parts: Mapping[str, object]) -> None:
        self._settings = settings
        self._parts = parts
        self.of = lru_cache(maxsize=512)(self._of)
        self.finder = lru_cache(maxsize=512)(self._finder)
        for place in settings.at:
            automation, _, operation = place.partition("/")
            self.of(automation, operation)
        if settings.__pydantic_extra__:
            self.of("", "")

    def _of(self, automation: str, operation: str) -> Pipeline:
        guards = []
        for name, table in self._settings.declared(automation, operation).items():
            if (mode := table["mode"]) != "off" and not (operation == JUDGE and name in ASKING):
                guard = self._built(name, table)
                guards.append(Guarded(guard, mode))
                if isinstance(guard, BothWays) and (other := guard.for_prompts()):
                    guards.append(Guarded(other, mode))
        return Pipeline(
            guards, overrides=self._settings.messages, unmasked_media=frozenset(self._settings.unmasked_media)
        )

    def judge(self, automation: str, operation: str) -> JudgeGuard | None:
        """The judge that is declared there, also where it is off; None where none is."""
        table = self._settings.declared(automation, operation).get(JUDGE)
        built = None if table is None else self._built(JUDGE, table)
        return built if isinstance(built, JudgeGuard) else None

    def _finder(self, automation: str, operation: str) -> Finder:
        """What finds personal data there: the guard as it is declared, also where it is off."""
        return cast("Finder", self._built("pii", self._settings.declared(automation, operation)["pii"]))

    def _built(self, name: str, table: Mapping[str, Any]) -> Guard:
        options = dict(table)
        _, use, place = (options.pop(key, "") for key in ("mode", "use", "place"))
        return build_guard(find_guard(name, use), options, {**self._parts, "place": place}, f"guards.{name}")
