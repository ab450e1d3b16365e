"""What was billed and what was recorded, side by side: one group per day, account, model and service tier."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pricing.money import USD, Nano
from pricing.rates import SERVICE_TIERS
from pricing.reconciliation.readers import STANDARD, model_key

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

EPOCH = date(1970, 1, 1)
_SQL = Path(__file__).parent / "sql"
_CENTS = 2
KINDS = ("input", "cache_read", "cache_write", "cache_write_1h", "output")


class GroupKey(NamedTuple):
    """The key of a group. ``day`` is the first of ``days``; parts that the export does not distinguish are empty."""

    day: date
    days: int
    account: str
    model: str
    service_tier: str


@dataclass(frozen=True, slots=True)
class RecordedAttempt:
    """An attempt that may explain a difference; ``worst_nano`` is the most it can have cost."""

    attempt_id: str
    run_id: str
    operation: str
    priced: str
    cost_nano: Nano
    worst_nano: Nano


@dataclass(slots=True)
class Volume:
    """Tokens of one kind and the amount billed for them; tokens are ``None`` where the export does not state them."""

    tokens: float | None = None
    nano: Nano = 0
    lines: tuple[int, ...] = ()
    rows: int = 0


@dataclass(slots=True)
class Other:
    """A credit, a discount or a tax."""

    nano: Nano = 0
    lines: tuple[int, ...] = ()
    rows: int = 0


@dataclass(slots=True)
class Group:
    """Both sides of one key. ``estimates`` are attempts priced at their worst case or by an accepted bill."""

    key: GroupKey
    model_name: str = ""
    billed: dict[str, Volume] = field(default_factory=dict)
    billed_requests: int | None = None
    others: dict[str, Other] = field(default_factory=dict)
    recorded_nano: Nano = 0
    recorded_requests: int = 0
    recorded: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    rate_version: str = ""
    estimates: list[RecordedAttempt] = field(default_factory=list)
    unanswered: list[RecordedAttempt] = field(default_factory=list)
    crossing: list[RecordedAttempt] = field(default_factory=list)
    """Attempts that were in flight when the group's last day ended."""

    @property
    def billed_nano(self) -> Nano:
        """The amount billed for usage, in nano-dollars."""
        return sum(one.nano for one in self.billed.values())

    @property
    def rows(self) -> int:
        """The number of lines of the export about usage of this group."""
        return sum(one.rows for one in self.billed.values())

    @property
    def lines(self) -> tuple[int, ...]:
        """The line numbers of the first of them."""
        return tuple(sorted({line for one in self.billed.values() for line in one.lines}))[:20]

    @property
    def estimated_nano(self) -> Nano:
        """The recorded amount of the estimates, in nano-dollars."""
        return sum(one.cost_nano for one in self.estimates)


@dataclass(frozen=True, slots=True)
class Books:
    """All groups, and the days that the export covers."""

    groups: dict[GroupKey, Group]
    first: date
    last: date
    quantum: Decimal
    """The smallest step of amounts in the export, in dollars."""
    lines: int
    by_account: bool = False
    by_model: bool = True
    arrivals: dict[GroupKey, list[RecordedAttempt]] = field(default_factory=dict)
    """Requests that began on the day before the first and ended on it."""


def billed_books(
    duck: DuckDBPyConnection, accounts: Mapping[str, str], known: Iterable[str], *, by_account: bool
) -> Books:
    """The groups of the export's side.

    Args:
        duck: with the table ``billed``.
        accounts: what the ledger calls the export's accounts.
        known: the accounts that the ledger has.
        by_account: whether accounts are separate.
    """
    names = {*known}
    rows = _rows(duck, (_sql("billed_groups")))
    groups: dict[GroupKey, Group] = {}
    for row in rows:
        account = ""
        if by_account:
            name = row["account"] or "default"  # a provider's default workspace has no id
            alias = accounts.get(name, name)
            account = alias if alias in names else f"{alias} (not ours)"
        key = GroupKey(row["day"], row["days"], account, row["model"], row["service_tier"])
        group = groups.setdefault(key, Group(key))
        _add(group, row)
    [(first, last, quantum, lines)] = duck.execute(
        "SELECT min(day), max(day + days - 1), max(length(rtrim(split_part(amount::VARCHAR, '.', 2), '0'))), "
        "count(DISTINCT row) FROM billed"
    ).fetchall()
    step = Decimal(1).scaleb(-max(quantum or 0, _CENTS))
    return Books(groups, _date(first), _date(last), step, lines, by_account)


def _add(group: Group, row: Mapping[str, Any]) -> None:
    nano = round(Decimal(row["amount"] or 0) * USD)
    lines, kind = tuple(row["lines"] or ()), row["kind"]
    group.model_name = group.model_name or row["model_name"]
    if row["charge"] != "usage":
        other = group.others.setdefault(row["charge"], Other())
        other.nano += nano
        other.rows += row["rows"]
        other.lines = (*other.lines, *lines)[:20]
        return
    volume = group.billed.setdefault(kind, Volume())
    volume.nano += nano
    volume.rows += row["rows"]
    volume.lines = (*volume.lines, *lines)[:20]
    if row["tokens"] is not None:
        volume.tokens = (volume.tokens or 0) + row["tokens"]
    if row["requests"] is not None:
        group.billed_requests = (group.billed_requests or 0) + row["requests"]


@dataclass(frozen=True, slots=True)
class Fold:
    """Adds the ledger's side to the export's groups. ``by_tier``: the groups distinguish service tiers."""

    books: Books
    by_account: bool
    by_model: bool
    spans: Callable[[date], tuple[date, int]]
    by_tier: bool = False

    def key(self, row: Mapping[str, Any]) -> GroupKey:
        """The group of a recorded amount."""
        begins, days = self.spans(day_of(row["day"]))
        return GroupKey(
            begins,
            days,
            row["account"] if self.by_account else "",
            model_key(row["model"]) if self.by_model else "",
            row["service_tier"] if self.by_tier and row["service_tier"] in SERVICE_TIERS else STANDARD,
        )

    def add(self, recorded: Sequence[Mapping[str, Any]], uncertain: Sequence[Mapping[str, Any]]) -> None:
        """Add a recorded amount to its group."""
        for row in recorded:
            group = self._group(row)
            group.recorded_nano += row["cost_nano"]
            group.recorded_requests += row["requests"]
            group.rate_version = row["rate_version"]
            for kind in KINDS:
                group.recorded[kind] += row[kind]
        for row in uncertain:
            group = self._group(row)
            attempt = _attempt(row)
            if attempt.priced in {"worst_case", "billed"}:
                group.estimates.append(attempt)
            elif attempt.priced == "unbilled":
                group.unanswered.append(attempt)
            elif self.spans(day_of(row["after"])) != self.spans(day_of(row["day"])):
                group.crossing.append(attempt)

    def add_arrivals(self, uncertain: Sequence[Mapping[str, Any]]) -> None:
        """Add requests of the previous day that were in flight when the first day began."""
        for row in uncertain:
            if self.spans(day_of(row["after"])) != self.spans(day_of(row["day"])) and row["priced"] == "usage":
                key = self.key(row)
                self.books.arrivals.setdefault(key, []).append(_attempt(row))

    def _group(self, row: Mapping[str, Any]) -> Group:
        key = self.key(row)
        group = self.books.groups.setdefault(key, Group(key))
        group.model_name = str(row["model"])  # the rate card's name for it
        return group


def _attempt(row: Mapping[str, Any]) -> RecordedAttempt:
    names = ("attempt_id", "run_id", "operation", "priced", "cost_nano", "worst_nano")
    return RecordedAttempt(*(row[name] for name in names))


def spans_of(books: Books) -> Callable[[date], tuple[date, int]]:
    """For a day, the first day and the length of the export's period that it is in; the day itself where in none."""
    longer = sorted({(key.day, key.days) for key in books.groups if key.days > 1})

    def span(day: date) -> tuple[date, int]:
        return next(
            ((begins, days) for begins, days in longer if begins <= day < begins + timedelta(days=days)), (day, 1)
        )

    return span


def day_of(number: int) -> date:
    """The date of a number of days since 1970."""
    return EPOCH + timedelta(days=number)


def _date(value: Any) -> date:
    return date.fromisoformat(str(value)[:10])


def _sql(name: str) -> str:
    return (_SQL / f"{name}.sql").read_text("utf-8")


def _rows(duck: DuckDBPyConnection, query: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    found = duck.execute(query, dict(parameters or {}))
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def rows_of(duck: DuckDBPyConnection, name: str, **parameters: Any) -> list[dict[str, Any]]:
    """The rows that ``sql/<name>.sql`` selects."""
    return _rows(duck, _sql(name), parameters)
