"""From shadow to enforce: only on evidence, and by a line in farebox.toml that a person can read and take back."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

from farebox.project import FILE
from guardrails import find_guard
from pricing import ConfigError, UsageError
from pricing.reports import GuardLine

ENOUGH, MOST_WRONG = 200, 0.02
"""Reviewed decisions of the guard's present version, and the share of them that may be wrong."""


def missing_evidence(guard: str, use: str, lines: Sequence[GuardLine]) -> list[str]:
    """What speaks against enforcing a guard; evidence of another version says nothing of this one.

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
    """Write ``mode = "enforce"`` into the guard's table in farebox.toml; every other line stays as it is.

    Raises:
        ConfigError: the file has the guard in a form that this does not know how to change.
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
            f"{path} declares {guard!r} in a form that cannot be changed from here.",
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
