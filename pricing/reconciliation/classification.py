"""Why what was billed differs from what was recorded: each difference is taken apart into classes whose sums are exact.

With billed unit prices u, tokens billed B and recorded R by kind, recorded cost U for R, and estimates E:

    difference = (sum of R·u - U)  +  (sum of (B - R)·u)  -  E
                  price                volume

The price part is a rate that differs, or rounding. The volume part is tokens that one side has and the other has not:
requests that were in flight at midnight, estimates that were billed after all, retries that got no answer, another
service tier, calls made past Farebox, or an export that came too early.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, Literal, TypeAlias, get_args

from pricing.money import USD, Nano, format_money
from pricing.reconciliation.groups import KINDS, Books, Group, GroupKey, RecordedAttempt
from pricing.reconciliation.readers import STANDARD

Cause: TypeAlias = Literal[
    "midnight",
    "worst_case",
    "unanswered_retry",
    "past_farebox",
    "price",
    "service_tier",
    "rounding",
    "credit",
    "discount",
    "tax",
    "late_export",
    "unexplained",
]
CAUSES: Final = get_args(Cause)
UnitPrices: TypeAlias = Callable[[str, date, str], Mapping[str, float] | None]
"""The rate card's nano-dollars per token by kind, for a model and a day; ``None`` where it has no rate."""
_SHARE_OF_ROUNDING: Final = 1e-4
_SHOWN: Final = 20
_MTOK: Final = 1_000_000
_SAME: Final = 0.005
"""Tokens that differ by less than this share are the same."""


@dataclass(frozen=True, slots=True)
class DifferenceReason:
    """A part of a difference: billed less recorded, in nano-dollars, and the rows behind it.

    ``lines`` are the first of ``rows`` lines of the export, ``attempts`` the first of ``requests`` attempts.
    """

    cause: Cause
    nano: Nano
    note: str = ""
    lines: tuple[int, ...] = ()
    rows: int = 0
    attempts: tuple[str, ...] = ()
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Correction:
    """What an attempt turned out to cost."""

    attempt: RecordedAttempt
    billed_nano: Nano
    day: date


@dataclass(slots=True)
class DifferenceFinding:
    """One group taken apart: the sum of its reasons is what was billed, credits and all, less what was recorded."""

    group: Group
    price_nano: Nano = 0
    volume_nano: Nano = 0
    rounding_nano: Nano = 0
    reasons: list[DifferenceReason] = field(default_factory=list)
    corrections: list[Correction] = field(default_factory=list)

    def because(
        self, cause: Cause, nano: Nano, note: str = "", attempts: Sequence[RecordedAttempt] = (), *, lines: bool = True
    ) -> None:
        """Note a part of the difference."""
        if nano:
            ids = tuple(one.attempt_id for one in attempts[:_SHOWN])
            where = (self.group.lines, self.group.rows) if lines else ((), 0)
            self.reasons.append(DifferenceReason(cause, nano, note, *where, ids, len(attempts)))


def classify(books: Books, prices: UnitPrices, *, until: date) -> list[DifferenceFinding]:
    """Take all differences apart.

    Args:
        books: both sides.
        prices: the rate card, for what an export does not price by kind.
        until: the last day that is compared; what lies at the end of the export may be late.
    """
    findings = {key: _taken_apart(group, books, prices) for key, group in books.groups.items()}
    _midnights(findings, books)
    _tiers(findings)
    tail = min(books.last, until)
    for finding in findings.values():
        _explain(finding, late=_last_day(finding.group.key) >= tail)
    return [findings[key] for key in sorted(findings)]


def _last_day(key: GroupKey) -> date:
    return key.day + timedelta(days=key.days - 1)


def _taken_apart(group: Group, books: Books, prices: UnitPrices) -> DifferenceFinding:
    finding = DifferenceFinding(group)
    finding.rounding_nano = round(group.rows * float(books.quantum) * USD / 2 + group.billed_nano * _SHARE_OF_ROUNDING)
    units = unit_prices(group, prices)
    used = group.recorded_nano - group.estimated_nano
    if group.billed and units:
        finding.price_nano = round(sum(_recorded(group)[kind] * units.get(kind, 0.0) for kind in KINDS)) - used
    finding.volume_nano = group.billed_nano - used - finding.price_nano
    for charge, other in sorted(group.others.items()):
        cause: Cause = "discount" if charge == "discount" else "tax" if charge == "tax" else "credit"
        finding.reasons.append(DifferenceReason(cause, other.nano, lines=other.lines, rows=other.rows))
    return finding


def _recorded(group: Group) -> dict[str, int]:
    """Recorded tokens as the export counts them: cached ones are input where it has no kind of their own for them."""
    if any(kind.startswith("cache") for kind in group.billed) or "all" not in group.billed:
        return group.recorded
    cached = sum(group.recorded[kind] for kind in KINDS if kind.startswith("cache"))
    return dict.fromkeys(KINDS, 0) | {
        "input": group.recorded["input"] + cached, "output": group.recorded["output"],
    }  # fmt: skip


def unit_prices(group: Group, prices: UnitPrices) -> dict[str, float]:
    """Nano-dollars per billed token by kind; of the rate card, to scale, where the export has one amount for all.

    Empty where tokens are not known: then price and volume cannot be separated.
    """
    card = prices(group.model_name, group.key.day, group.key.service_tier) or {}
    if "all" in group.billed:
        return _scaled(group, card)
    units = {
        kind: one.nano / one.tokens for kind, one in group.billed.items() if kind in KINDS and one.tokens and one.nano
    }
    return {kind: units.get(kind, card.get(kind, 0.0)) for kind in KINDS} if units else {}


def _scaled(group: Group, card: Mapping[str, float]) -> dict[str, float]:
    """Listed prices, with those of input by its recorded mix of cached and other tokens, scaled to what was billed."""
    read = {kind: group.recorded[kind] for kind in KINDS if kind != "output"}
    if not sum(read.values()):
        return {}
    listed = {
        "input": sum(count * card.get(kind, 0.0) for kind, count in read.items()) / sum(read.values()),
        "output": card.get("output", 0.0),
    }
    at_list = sum(_tokens(group, kind) * price for kind, price in listed.items())
    return {kind: price * group.billed["all"].nano / at_list for kind, price in listed.items()} if at_list else {}


def _midnights(findings: Mapping[GroupKey, DifferenceFinding], books: Books) -> None:
    """Requests that were in flight when a day ended are recorded on the day they began, and billed on the next."""
    crossings = {key: one.group.crossing for key, one in findings.items() if one.group.crossing}
    by_start = {(key.day, key[2:]): one for key, one in findings.items()}
    for key, crossing in (books.arrivals | crossings).items():
        ends = key.day + timedelta(days=key.days)
        before, after = findings.get(key), by_start.get((ends, key[2:]))
        moved = whole = sum(one.cost_nano for one in crossing)
        if before is not None:
            moved = min(moved, max(0, -before.volume_nano))
        if ends <= books.last:
            moved = min(moved, max(0, after.volume_nano) if after else 0)
        if not moved or (moved < whole and moved <= max(one.rounding_nano for one in (before, after) if one)):
            continue
        for finding, sign in ((before, -1), (after, 1)):
            if finding is not None:
                finding.volume_nano -= sign * moved
                note = f"in flight at the end of {ends - timedelta(days=1)}"
                finding.because("midnight", sign * moved, note, crossing)


def _tiers(findings: Mapping[GroupKey, DifferenceFinding]) -> None:
    """Tokens that are recorded at one service tier and billed at another one."""
    families: dict[tuple[date, int, str, str], list[DifferenceFinding]] = defaultdict(list)
    for key, finding in findings.items():
        families[key[:4]].append(finding)
    for family in families.values():
        recorded = [one for one in family if one.group.recorded_nano]
        for other in family:
            if not other.group.recorded_nano and other.volume_nano > 0:
                _billed_elsewhere(other, recorded)


def _billed_elsewhere(other: DifferenceFinding, recorded: Sequence[DifferenceFinding]) -> None:
    """What nothing is recorded for at its tier, where a group of another tier misses those tokens."""
    misses = (one for one in recorded if one.volume_nano < 0 and _covers(one.group, other.group))
    source = next(misses, None)
    if source is None:
        return
    missing = -source.volume_nano
    share = _list_price(source.group, other.group)
    moved = min(missing, share) if abs(missing - share) > _SAME * missing else missing
    tier = source.group.key.service_tier
    note = f"billed as {other.group.key.service_tier}" + ("" if tier == STANDARD else f", recorded as {tier}")
    source.volume_nano += moved
    source.because("service_tier", -moved, note)
    other.because("service_tier", other.volume_nano, note)
    other.volume_nano = 0


def _covers(source: Group, other: Group) -> bool:
    """Whether the tokens that one group misses are at least those that the other one has."""
    billed = {kind: (one.tokens or 0.0) for kind, one in other.billed.items() if kind in KINDS}
    if not any(billed.values()):
        return False
    recorded = _recorded(source)
    missing = {kind: recorded[kind] - _tokens(source, kind) for kind in billed}
    return all(missing[kind] >= count * (1 - _SAME) for kind, count in billed.items())


def _tokens(group: Group, kind: str) -> float:
    volume = group.billed.get(kind)
    return (volume.tokens or 0.0) if volume else 0.0


def _list_price(source: Group, other: Group) -> Nano:
    """What the other tier's tokens cost as recorded: at the mean recorded price of what the group misses."""
    recorded = _recorded(source)
    mine = sum(recorded.values())
    used = source.recorded_nano - source.estimated_nano
    units = {
        kind: volume.nano / volume.tokens
        for kind, volume in source.billed.items()
        if kind in KINDS and volume.tokens and volume.nano
    }
    counts = {kind: _tokens(other, kind) for kind in KINDS}
    if all(kind in units for kind, count in counts.items() if count):
        return round(sum(count * units.get(kind, 0.0) for kind, count in counts.items()))
    return round(used * sum(counts.values()) / mine) if mine else 0


def _explain(finding: DifferenceFinding, *, late: bool) -> None:
    group = finding.group
    if late and (finding.volume_nano < -finding.rounding_nano or (not group.rows and group.recorded_nano)):
        finding.because(
            "late_export", finding.volume_nano - group.estimated_nano, "the export does not have all of this day yet"
        )
    else:
        _estimates(finding)
        _rest(finding)
    if abs(finding.price_nano) <= finding.rounding_nano:
        finding.because("rounding", finding.price_nano)
    else:
        finding.because("price", finding.price_nano, _price_note(group))


def _estimates(finding: DifferenceFinding) -> None:
    """What was recorded at its worst case, or at nothing, and what of it was billed."""
    group, estimated = finding.group, finding.group.estimated_nano
    if group.estimates:
        billed = min(max(finding.volume_nano, 0), estimated)
        finding.volume_nano -= billed
        finding.because("worst_case", billed - estimated, f"billed {format_money(billed)}", group.estimates)
        if billed != estimated:
            finding.corrections += _shares(group.estimates, [one.cost_nano for one in group.estimates], billed, group)
    if group.unanswered and finding.volume_nano > finding.rounding_nano and _may_be_unanswered(group):
        most = sum(one.worst_nano for one in group.unanswered)
        billed = min(finding.volume_nano, most)
        finding.volume_nano -= billed
        finding.because("unanswered_retry", billed, "billed without an answer", group.unanswered)
        finding.corrections += _shares(group.unanswered, [one.worst_nano for one in group.unanswered], billed, group)


def _may_be_unanswered(group: Group) -> bool:
    """Whether the export says that more tokens, and more requests if it counts them, were billed than were answered."""
    if group.recorded_nano and not _has_tokens(group):
        return False
    least = group.recorded_requests - len(group.estimates)
    return group.billed_requests is None or group.billed_requests > least


def _has_tokens(group: Group) -> bool:
    return any(one.tokens for one in group.billed.values())


def _rest(finding: DifferenceFinding) -> None:
    group, rest = finding.group, finding.volume_nano
    if abs(rest) <= finding.rounding_nano and group.rows and group.recorded_nano:
        finding.because("rounding", rest)
    elif rest and group.recorded_nano and group.rows and not _has_tokens(group):
        finding.because("unexplained", rest, "the export has no token counts: add the pages of the usage API")
    elif rest > 0:
        known = group.billed_requests
        if known is not None and known <= group.recorded_requests and group.recorded_nano:
            finding.because("unexplained", rest, "as many requests, and more is billed for them")
        else:
            more = "" if known is None else f", {known - group.recorded_requests} requests"
            why = (
                "a tool or a fee of the provider's, which is not recorded"
                if group.billed.keys() == {"other"}
                else "the key is used elsewhere, too"
            )
            finding.because("past_farebox", rest, f"billed and not recorded{more}: {why}")
    elif rest < 0:
        finding.because("unexplained", rest, "recorded, and not billed")


def _shares(
    attempts: Sequence[RecordedAttempt], weights: Sequence[Nano], billed: Nano, group: Group
) -> Iterator[Correction]:
    """Each attempt's share of what all of them were billed; the shares add up."""
    total, spent, given = sum(weights), 0, 0
    for attempt, weight in zip(attempts, weights, strict=True):
        spent += weight
        upto = billed * spent // total if total else 0
        yield Correction(attempt, upto - given, group.key.day)
        given = upto


def _price_note(group: Group) -> str:
    units = ", ".join(
        f"{kind.replace('_', ' ')} at {format_money(round(one.nano * _MTOK / one.tokens))}"
        for kind, one in sorted(group.billed.items())
        if kind in KINDS and one.tokens and one.nano
    )
    text = f"billed per million tokens: {units}" if units else "billed at other rates"
    return f"{text}; recorded with {group.rate_version} of {group.key.day}"


def sums(findings: Iterable[DifferenceFinding]) -> dict[Cause, Nano]:
    """What each cause comes to over all groups; causes that came to nothing in every group are left out."""
    found: dict[Cause, Nano] = {}
    for finding in findings:
        for reason in finding.reasons:
            found[reason.cause] = found.get(reason.cause, 0) + reason.nano
    return {cause: found[cause] for cause in CAUSES if cause in found}
