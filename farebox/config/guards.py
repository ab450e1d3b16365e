"""The guards of a turn, and their promotion from shadow to enforce."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from farebox.config.guard_settings import ASKING, JUDGE, GuardsSettings
from farebox.project import FILE
from guardrails import BothWays, Finder, Guard, Guarded, Pipeline, build_guard, check_templates, find_guard
from guardrails.guards import JudgeGuard
from pricing import ConfigError, UsageError

if TYPE_CHECKING:
    from pricing.reports import GuardLine


class DeclaredGuards:
    """The guards of each operation of each automation, built on first use.

    Args:
        settings: the declarations.
        parts: components of Farebox, for guards whose constructor takes them by name.

    Raises:
        ConfigError: a declared guard cannot be built, or a custom message template is not valid.
    """

    def __init__(self, settings: GuardsSettings, parts: Mapping[str, object]) -> None:
        self._settings = settings
        self._parts = parts
        self.of = lru_cache(maxsize=512)(self._of)
        self.finder = lru_cache(maxsize=512)(self._finder)
        if settings.messages is not None:
            check_templates(settings.messages, guards_of_their_own=settings.has_guards_of_their_own())
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
        """The judge declared for that place, also if it is off; ``None`` if there is none."""
        table = self._settings.declared(automation, operation).get(JUDGE)
        built = None if table is None else self._built(JUDGE, table)
        return built if isinstance(built, JudgeGuard) else None

    def _finder(self, automation: str, operation: str) -> Finder:
        """The finder of personal data for that place: the guard as declared, also if it is off."""
        return cast("Finder", self._built("pii", self._settings.declared(automation, operation)["pii"]))

    def _built(self, name: str, table: Mapping[str, Any]) -> Guard:
        options = dict(table)
        _, use, place = (options.pop(key, "") for key in ("mode", "use", "place"))
        return build_guard(find_guard(name, use), options, {**self._parts, "place": place}, f"guards.{name}")


ENOUGH, MOST_WRONG = 200, 0.02
"""The required number of reviewed decisions of the guard's present version, and the share that may be wrong."""


def missing_evidence(guard: str, use: str, lines: Sequence[GuardLine]) -> list[str]:
    """Why a guard cannot be enforced yet; evidence about another version of it does not count.

    Raises:
        ConfigError: there is no such guard.
    """
    version = find_guard(guard, use).version
    own = [line for line in lines if line.guard == guard and line.version == str(version)]
    reviewed, wrong = sum(line.reviewed for line in own), sum(line.wrong for line in own)
    missing = []
    if reviewed < ENOUGH:
        missing.append(f"{reviewed} of {ENOUGH} decisions of version {version} are reviewed")
    if reviewed and wrong / reviewed > MOST_WRONG:
        missing.append(f"{wrong} of {reviewed} were wrong ({wrong / reviewed:.1%}, at most {MOST_WRONG:.0%} may be)")
    return missing


def enforce(root: Path, guard: str) -> None:
    """Write ``mode = "enforce"`` to the guard's table in farebox.toml; every other line stays unchanged.

    Raises:
        ConfigError: the guard is declared in a form that cannot be changed automatically.
        UsageError: it is enforced already.
    """
    path = root / FILE
    text = path.read_text("utf-8") if path.exists() else ""
    if _mode(text, guard) == "enforce":
        raise UsageError(f"{guard!r} is enforced already.", next_step="See `farebox guards`.")
    changed = _changed(text, guard)
    try:
        done = _mode(changed, guard) == "enforce"
    except tomllib.TOMLDecodeError:
        done = False
    if not done:
        raise ConfigError(
            f"{path} declares {guard!r} in a form that cannot be changed automatically.",
            next_step=f'Write mode = "enforce" for {guard} by hand.',
        )
    path.write_text(changed, "utf-8")


def _mode(text: str, guard: str) -> str | None:
    table = tomllib.loads(text).get("guards", {}).get(guard, {})
    return table.get("mode") if isinstance(table, dict) else None


def _changed(text: str, guard: str) -> str:
    header = re.search(rf"(?m)^\[guards\.{re.escape(guard)}\][ \t]*(?:#.*)?$", text)
    if header is None:
        return f'{text.rstrip()}\n\n[guards.{guard}]\nmode = "enforce"\n'.lstrip()
    rest = text[header.end() :]
    following = re.search(r"(?m)^\[", rest)
    body = rest[: following.start()] if following else rest
    if re.search(r"(?m)^mode\s*=", body):
        new = re.sub(r'(?m)^mode\s*=\s*"[^"\n]*"', 'mode = "enforce"', body, count=1)
    else:
        new = f'\nmode = "enforce"{body}'
    return text[: header.end()] + new + rest[len(body) :]
