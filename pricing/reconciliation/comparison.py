"""The comparison of a provider's bill with the ledger, and its acceptance."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pricing.clock import now_us, to_us
from pricing.db import schema
from pricing.db.database import Store
from pricing.db.upsert import insert_into
from pricing.errors import UnknownPrice, UsageError
from pricing.ledger.bill_corrections import BillCorrection, correct
from pricing.money import USD, Nano
from pricing.rates import RateCard
from pricing.reconciliation.classification import Cause, DifferenceFinding, DifferenceReason, classify, sums
from pricing.reconciliation.groups import Books, Fold, billed_books, rows_of, spans_of
from pricing.reconciliation.readers import READERS, Reader, read_export
from pricing.reports.format import Plain

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pricing.replica.replica import Replica

_MTOK = 1_000_000
CENT: Nano = USD // 100
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of one day (or period), account, model and service tier. Amounts are nano-dollars; ``billed_nano``
    is with credits, discounts and taxes. The amounts of the reasons add up to the difference.
    """

    day: date
    days: int
    account: str
    model: str
    service_tier: str
    billed_nano: Nano
    recorded_nano: Nano
    billed_requests: int | None
    recorded_requests: int
    within_tolerance: bool
    reasons: tuple[DifferenceReason, ...]

    @property
    def difference_nano(self) -> Nano:
        """Billed minus recorded, in nano-dollars."""
        return self.billed_nano - self.recorded_nano


@dataclass(frozen=True, slots=True)
class Reconciliation(Plain):
    """A bill beside the ledger.

    ``causes`` sum the reasons of all groups: together they are ``billed_nano - recorded_nano``. ``unexplained_nano`` is
    the sum of amounts that have no class, whatever their sign, in groups beyond the tolerance; ``explained`` the share
    of the larger of both sums that agrees or has a class.
    """

    provider: str
    digest: str
    first: date
    last: date
    lines: int
    billed_nano: Nano
    recorded_nano: Nano
    unexplained_nano: Nano
    explained: float
    causes: dict[str, Nano]
    by_account: bool
    by_model: bool
    differences: tuple[Difference, ...]
    corrections: tuple[BillCorrection, ...]

    @property
    def corrected_nano(self) -> Nano:
        """The change of recorded cost if the reconciliation is accepted, in nano-dollars."""
        return sum(one.delta_nano for one in self.corrections)

    @property
    def beyond(self) -> tuple[Difference, ...]:
        """The groups that differ by more than the tolerance, largest first."""
        found = [one for one in self.differences if not one.within_tolerance]
        return tuple(sorted(found, key=lambda one: (-abs(one.difference_nano), one.day, one.account, one.model)))


def reconcile(
    replica: Replica,
    rates: RateCard,
    provider: str,
    files: Sequence[Path],
    *,
    accounts: Mapping[str, str] | None = None,
    since: date | None = None,
    until: date | None = None,
    tolerance: float = 0.005,
    tolerance_nano: Nano = CENT,
) -> Reconciliation:
    """Hold a provider's export against the ledger.

    Args:
        replica: the ledger's copy; sync it before.
        rates: prices for exports that do not price tokens by kind.
        provider: openai, anthropic, aws, groq or openrouter.
        files: the export; several are one.
        accounts: what the ledger calls the export's projects, workspaces or accounts. Accounts are compared where some
            are given, or where the export's are the ledger's; else all are one.
        since: the first day that is compared, in UTC; the export's first, if left out.
        until: the last; the export's last, if left out.
        tolerance: the share of a group's larger side that may differ.
        tolerance_nano: what may differ in any case.

    Raises:
        UsageError: there is no reader for the provider, or a file cannot be read.
        LedgerBusy: somebody holds the replica's file.

    Example:
        ``reconcile(replica, RateCard.load(), "openai", [Path("costs.json")]).causes``
    """
    import duckdb

    reader = READERS.get(provider)
    if reader is None:
        raise UsageError(
            f"There is no reader for bills of {provider[:40]!r}.", next_step=f"Name one of {', '.join(READERS)}."
        )
    with duckdb.connect() as export:
        read_export(reader, files, export)
        if since is not None or until is not None:
            export.execute(
                "DELETE FROM billed WHERE day < coalesce($since, day) OR day > coalesce($until, day)",
                {"since": since, "until": until},
            )
        books = _books(replica, export, reader, accounts or {}, (since, until))
    findings = classify(books, _prices(rates, reader.provider), until=until or books.last)
    differences = tuple(_difference(one, tolerance, tolerance_nano) for one in findings)
    return _reconciliation(provider, files, books, findings, differences)


def _books(
    replica: Replica,
    export: DuckDBPyConnection,
    reader: Reader,
    accounts: Mapping[str, str],
    period: tuple[date | None, date | None],
) -> Books:
    """Both sides in the groups of the export."""
    accounts_billed = {row[0] for row in export.execute("SELECT DISTINCT account FROM billed").fetchall()}
    [(first, last, named)] = export.execute(
        "SELECT min(day), max(day + days - 1), count(*) FILTER (WHERE model <> '') FROM billed"
    ).fetchall()
    if first is None:
        raise UsageError(
            "The export has no line in that period.", next_step="Widen --since and --until, or export that period."
        )
    since, until = period
    begins, ends = since or date.fromisoformat(str(first)[:10]), until or date.fromisoformat(str(last)[:10])
    span = {
        "provider": reader.provider,
        "since": _midnight(begins - timedelta(days=1)),
        "until": _midnight(ends + timedelta(days=1)),
    }
    with replica.read() as connection:
        replica.verify(connection, {"attempts", "adjustments"})
        recorded = rows_of(connection, "recorded", **span)
        uncertain = rows_of(connection, "uncertain", **span)
    known = {row["account"] for row in recorded}
    by_account = bool(accounts) or bool(accounts_billed & known)
    books = billed_books(export, accounts, known | set(accounts.values()), by_account=by_account)
    fold = Fold(books, by_account, bool(named), spans_of(books), reader.splits_tiers and bool(named))
    first_day = (begins - date(1970, 1, 1)).days
    fold.add(
        [row for row in recorded if row["day"] >= first_day],
        [row for row in uncertain if row["day"] >= first_day],
    )
    fold.add_arrivals([row for row in uncertain if row["day"] < first_day])
    return replace(books, first=begins, last=min(ends, books.last), by_model=bool(named))


def _midnight(day: date) -> int:
    return to_us(datetime(day.year, day.month, day.day, tzinfo=UTC))


class _Prices:
    def __init__(self, rates: RateCard, provider: str) -> None:
        self._rates, self._provider = rates, provider

    def __call__(self, model: str, day: date, service_tier: str) -> dict[str, float] | None:
        moment = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        try:
            band = self._rates.bands(model, self._provider, moment, service_tier)[0][2]
        except UnknownPrice:
            return None
        return {
            "input": band.input / _MTOK,
            "cache_read": band.cache_read / _MTOK,
            "cache_write": band.cache_write / _MTOK,
            "cache_write_1h": band.cache_write_1h / _MTOK,
            "output": (band.output or 0) / _MTOK,
        }


def _prices(rates: RateCard, provider: str) -> _Prices:
    return _Prices(rates, provider)


def _reconciliation(
    provider: str,
    files: Sequence[Path],
    books: Books,
    findings: Sequence[DifferenceFinding],
    differences: tuple[Difference, ...],
) -> Reconciliation:
    billed, recorded = sum(one.billed_nano for one in differences), sum(one.recorded_nano for one in differences)
    unexplained = sum(
        abs(reason.nano)
        for one in differences
        if not one.within_tolerance
        for reason in one.reasons
        if reason.cause == "unexplained"
    )
    largest = max(billed, recorded)
    return Reconciliation(
        provider=provider,
        digest=_digest(files),
        first=books.first,
        last=books.last,
        lines=books.lines,
        billed_nano=billed,
        recorded_nano=recorded,
        unexplained_nano=unexplained,
        explained=max(0.0, 1 - unexplained / largest) if largest > 0 else 1.0,
        causes={str(cause): nano for cause, nano in sums(findings).items()},
        by_account=books.by_account,
        by_model=books.by_model,
        differences=differences,
        corrections=tuple(_corrections(provider, findings)),
    )


def _difference(finding: DifferenceFinding, tolerance: float, tolerance_nano: Nano) -> Difference:
    group = finding.group
    billed = group.billed_nano + sum(one.nano for one in group.others.values())
    allowed = max(tolerance_nano, round(tolerance * max(abs(billed), group.recorded_nano)))
    return Difference(
        *group.key[:3],
        group.model_name or group.key.model,
        group.key.service_tier,
        billed_nano=billed,
        recorded_nano=group.recorded_nano,
        billed_requests=group.billed_requests,
        recorded_requests=group.recorded_requests,
        within_tolerance=abs(billed - group.recorded_nano) <= allowed,
        reasons=tuple(finding.reasons),
    )


def _corrections(provider: str, findings: Sequence[DifferenceFinding]) -> list[BillCorrection]:
    return [
        BillCorrection(
            one.attempt.attempt_id,
            one.attempt.run_id,
            one.attempt.operation,
            one.billed_nano - one.attempt.cost_nano,
            f"billed by {provider} for {one.day}",
        )
        for finding in findings
        for one in finding.corrections
        if one.billed_nano != one.attempt.cost_nano
    ]


def _digest(files: Sequence[Path]) -> str:
    found = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
    return found.hexdigest()


@dataclass(frozen=True, slots=True)
class Accepted(Plain):
    """The effect of an acceptance: the number of corrected attempts and the sum of corrections."""

    reconciliation_id: str
    attempts: int
    adjusted_nano: Nano


def accept(store: Store, found: Reconciliation, now: int | None = None) -> Accepted:
    """Write a reconciliation down: its lines, and what attempts turned out to cost.

    Attempts that were recorded at their worst case, or at nothing, cost what was billed for them from now on. Facts
    stay as they are; adjustments are added, and the budgets of these runs move.

    Raises:
        UsageError: the same files were accepted before.
    """
    at, key = now_us() if now is None else now, uuid.uuid4().hex
    table = schema.reconciliations
    with store.write() as connection:
        head = insert_into(connection.dialect.name, table).values(
            reconciliation_id=key,
            provider=found.provider,
            digest=found.digest,
            first_day=str(found.first),
            last_day=str(found.last),
            billed_nano=found.billed_nano,
            recorded_nano=found.recorded_nano,
            unexplained_nano=found.unexplained_nano,
            adjusted_nano=found.corrected_nano,
            accepted_at=at,
        )
        # First, so that of two who accept at once one waits for the other and then writes nothing.
        once = head.on_conflict_do_nothing(index_elements=["provider", "digest"]).returning(table.c.seq)
        if connection.execute(once).first() is None:
            raise UsageError(
                f"This export of {found.provider} was accepted before; nothing was written.",
                next_step="Accept a newer export of the same days if there is one: only what differs then is adjusted.",
            )
        adjusted = correct(connection, found.corrections, key, at)
        if rows := _lines(found, key):
            connection.execute(schema.reconciliation_lines.insert(), rows)
    return Accepted(key, len(found.corrections), adjusted)


def _lines(found: Reconciliation, key: str) -> list[dict[str, Any]]:
    rows: dict[tuple[str, int, str, str, str, Cause], Nano] = {}
    for one in found.differences:
        for reason in one.reasons:
            place = (str(one.day), one.days, one.account, one.model, one.service_tier, reason.cause)
            rows[place] = rows.get(place, 0) + reason.nano
    names = ("day", "days", "account", "model", "service_tier", "cause")
    return [
        {"reconciliation_id": key, "difference_nano": nano, **dict(zip(names, place, strict=True))}
        for place, nano in rows.items()
    ]
