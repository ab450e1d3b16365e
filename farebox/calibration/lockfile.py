"""routes.lock.toml: the routes that calibration has locked, in a form that people review like code.

Tables are sorted by name, one value a line, figures rounded to significant digits: a new calibration changes only the
lines that differ.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from datetime import date as Day  # noqa: N812 - a field is called date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, TypeAdapter, ValidationError

from pricing import ConfigError, MoneyError, Nano, dollars, format_money, parse_money
from tasks.routing import RouteLock

LOCK_FILE = "routes.lock.toml"
_HEAD = """\
# Where the turns of each operation begin, by measured quality. Written by `farebox calibrate`; review it like code, and
# check it with `farebox routes verify`. Differences are against the best, with the bounds they were decided by.
"""


def _money(value: object) -> Nano:
    try:
        return parse_money(str(value))
    except MoneyError as error:
        raise ValueError(error.message) from None


def _dollars(nano: Nano) -> str:
    return f"{dollars(nano):.9f}".rstrip("0").rstrip(".") + " USD"


Money = Annotated[Nano, BeforeValidator(lambda value: value if isinstance(value, int) else _money(value))]
Figure = Annotated[float, PlainSerializer(lambda value: round(value, 4))]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_VERDICTS = {"spared": "not_tested", "dearer": "costlier", "beyond": "insufficient_cases"}


def _today(verdict: object) -> object:
    """A verdict of an older lock under its present name."""
    return _VERDICTS.get(str(verdict), verdict)


class LockedCandidate(_Table):
    """One configuration as measured; ``cost``, seconds and ``tokens`` are per case."""

    route: tuple[str, ...]
    verdict: Annotated[
        Literal["best", "enough", "worse", "costlier", "slower", "not_tested", "insufficient_cases", "open"],
        BeforeValidator(_today),
    ]
    n: int
    score: Figure
    score_low: Figure
    score_high: Figure
    difference: Figure
    difference_low: Figure
    difference_high: Figure
    cost: Annotated[Money, PlainSerializer(_dollars)]
    p50_seconds: Figure
    p95_seconds: Figure
    tokens: dict[str, float] = {}
    needed: int = 0
    """Total cases until an undecided candidate can be decided; 0 if more cases do not help."""


class LockedRoute(_Table):
    """The lock of one operation and its evidence."""

    route: Annotated[tuple[str, ...], Field(min_length=1, max_length=2)]
    models: tuple[str, ...]
    best: str
    sandbox: bool
    margin: float
    confidence: float
    scorer: str
    cases: str
    n: int
    rates: str
    date: Day
    expires: Day
    prompts: dict[str, str]
    verifier: str = ""
    covers: tuple[str, ...] = ()
    escalated: Figure = 0.0
    candidates: tuple[LockedCandidate, ...]

    @property
    def chosen(self) -> LockedCandidate:
        """The locked configuration."""
        return next(one for one in self.candidates if one.route == self.route)

    @property
    def reference(self) -> LockedCandidate:
        """The best target, as measured."""
        return next(one for one in self.candidates if one.verdict == "best")

    @property
    def weight(self) -> tuple[bool, int]:
        """The strength of its evidence: model answers before sandbox answers, then the number of cases."""
        return (not self.sandbox, self.n)

    def why(self, today: Day) -> str:
        """The evidence in one short phrase."""
        evidence = f"on {self.n} cases of {self.date}"
        if self.route == (self.best,):
            reason = f"no cheaper one is known to be within {self.margin:g} of it, {evidence}"
        else:
            reason = (
                f"within {self.margin:g} of {self.best} at {self.confidence:.0%}, {evidence}, "
                f"{format_money(self.chosen.cost)} instead of {format_money(self.reference.cost)}"
            )
        return reason + (f"; expired on {self.expires}" if self.expires < today else "")


_FILE = TypeAdapter(dict[Literal["routes"], dict[str, LockedRoute]])


def read_lock_file(path: Path) -> dict[str, LockedRoute]:
    """Every lock by ``automation/operation``; empty if there is no file.

    Raises:
        ConfigError: the file does not have the form that ``farebox calibrate`` writes.
    """
    try:
        found = _FILE.validate_python(tomllib.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}).", next_step="Make it readable.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.", next_step=_NEXT) from None
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, fault["loc"]))
        raise ConfigError(f"{path} is wrong at {place}: {fault['msg']}.", next_step=_NEXT) from None
    locks = found.get("routes", {})
    for key, lock in locks.items():
        measured = [one.route for one in lock.candidates]
        if lock.route not in measured or (lock.best,) not in measured or len(lock.models) != len(lock.route):
            raise ConfigError(f"{path} locks {key} on a route that it has no figures of.", next_step=_NEXT)
    return locks


_NEXT = "Restore it from version control, or calibrate again."


def read_locks(path: Path) -> dict[str, RouteLock]:
    """The locked routes as routing uses them.

    Raises:
        ConfigError: see ``read_lock_file``.
    """
    today = datetime.now(UTC).date()
    return {
        key: RouteLock(
            key=key,
            route=lock.route,
            models=lock.models,
            stand_in=lock.sandbox,
            escalated=round(100 * lock.escalated),
            covers=frozenset(lock.covers),
            why=lock.why(today),
        )
        for key, lock in read_lock_file(path).items()
    }


def write_lock(path: Path, key: str, lock: LockedRoute) -> None:
    """Replace the lock of one operation; locks of other operations stay as they are.

    Only one process at a time may write: see ``farebox.calibration.verify``.

    Raises:
        ConfigError: the present file cannot be read.
    """
    locks = read_lock_file(path) | {key: lock}
    new = path.with_name(f".{path.name}.new")
    new.write_text(render_lock_file(locks), "utf-8")
    new.replace(path)


def render_lock_file(locks: Mapping[str, LockedRoute]) -> str:
    """The file's text."""
    parts = [_HEAD]
    for key in sorted(locks):
        table = f'routes."{key}"'
        values = locks[key].model_dump(mode="json")
        candidates = values.pop("candidates")
        parts.append("\n".join([f"[{table}]", *_lines(values)]) + "\n")
        parts += ["\n".join([f"[[{table}.candidates]]", *_lines(one)]) + "\n" for one in candidates]
    return "\n".join(parts)


_DATES = frozenset({"date", "expires"})


def _lines(values: Mapping[str, object]) -> Iterator[str]:
    for name, value in values.items():
        yield f"{name} = {value if name in _DATES else _toml(value)}"


def _toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case list():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case dict():
            inner = ", ".join(f"{_quoted(key)} = {_toml(value[key])}" for key in sorted(value))
            return f"{{ {inner} }}" if inner else "{}"
        case _:
            return _quoted(str(value))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04X}" for c in escaped) + '"'
