"""What was spent as rows of the FinOps Open Cost and Usage Specification (FOCUS 1.2), as CSV or Parquet.

https://focus.finops.org/focus-specification/v1-2/. Answers of the sandbox cost nothing and are not exported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from pricing.clock import to_us
from pricing.errors import UnknownPrice, UsageError
from pricing.reports.query import ReadableReplica, ReplicaReading, Row, read_replica
from pricing.reports.selection import RunSelection

if TYPE_CHECKING:
    from pricing.rates import RateCard

VERSION: Final = "1.2"
_END_OF_TIME: Final = 2**62
_KINDS: Final = ("input", "cache_read", "cache_write", "cache_write_1h", "output")


class Column(NamedTuple):
    """One column: its name, what it is in SQL over ``focus_lines``, its type, and what it says."""

    name: str
    value: str
    kind: str
    meaning: str


_TIME = "strftime(make_timestamp({}), '%Y-%m-%dT%H:%M:%SZ')"
_HOUR = "happened // 3600000000 * 3600000000"
_MONTH = "date_trunc('month', make_timestamp(happened))"
_ZULU = "strftime({}, '%Y-%m-%dT%H:%M:%SZ')"
_MONEY, _AMOUNT, _TEXT = "DECIMAL(38, 12)", "DECIMAL(38, 9)", "VARCHAR"
_IS_TOKENS = "unit = 'Tokens'"
_BILLED = "billed_nano::DECIMAL(38, 12) / 1000000000"
_PER_UNIT = "CASE WHEN consumed > 0 THEN billed_nano::DECIMAL(38, 12) / consumed / 1000000000 END"
_LISTED = f"CASE WHEN {_IS_TOKENS} THEN list_nano::DECIMAL(38, 12) / 1000000000 ELSE {_PER_UNIT} END"
_OWN = f"CASE WHEN {_IS_TOKENS} THEN own_nano::DECIMAL(38, 12) / 1000000000 ELSE {_PER_UNIT} END"
_OF_MODELS = "CASE WHEN kind = 'tool' THEN 'Other (AI and Machine Learning)' ELSE 'Generative AI' END"
_AT_TIER = "CASE WHEN service_tier <> 'standard' THEN '/' || service_tier ELSE '' END"
_SKU = f"provider || '/' || model || '/' || token_kind || {_AT_TIER}"
_USAGE = "category = 'Usage'"


def _usage(value: str) -> str:
    return f"CASE WHEN {_USAGE} THEN {value} END"


COLUMNS: Final = (
    Column("BilledCost", _BILLED, _MONEY, "what was recorded; adjustments are rows of their own"),
    Column("EffectiveCost", _BILLED, _MONEY, "the same: nothing is amortised"),
    Column(
        "ListCost",
        f"CASE WHEN {_IS_TOKENS} THEN consumed * list_nano / 1000000 / 1000000000 ELSE {_BILLED} END",
        _MONEY,
        "tokens at the published price; for other rows as billed",
    ),
    Column(
        "ContractedCost",
        f"CASE WHEN {_IS_TOKENS} THEN consumed * own_nano / 1000000 / 1000000000 ELSE {_BILLED} END",
        _MONEY,
        "tokens at your own rate (`[[rates]]`), or at the published one",
    ),
    Column("BillingAccountId", "provider || '/' || account", _TEXT, "provider and account"),
    Column("BillingAccountName", "account", _TEXT, "the account as farebox.toml names it"),
    Column("BillingAccountType", "'Account'", _TEXT, "always `Account`"),
    Column("BillingCurrency", "'USD'", _TEXT, "always `USD`"),
    Column("BillingPeriodStart", _ZULU.format(_MONTH), _TEXT, "the month, in UTC"),
    Column("BillingPeriodEnd", _ZULU.format(f"{_MONTH} + INTERVAL 1 MONTH"), _TEXT, "its end, exclusive"),
    Column("ChargePeriodStart", _TIME.format(_HOUR), _TEXT, "the hour in which the attempt began, or was adjusted"),
    Column("ChargePeriodEnd", _TIME.format(f"{_HOUR} + 3600000000"), _TEXT, "its end, exclusive"),
    Column("ChargeCategory", "category", _TEXT, "`Usage` or `Adjustment`"),
    Column(
        "ChargeClass",
        "CASE WHEN corrects < strftime(make_timestamp(happened), '%Y-%m') THEN 'Correction' END",
        _TEXT,
        "`Correction` for an adjustment of an earlier month",
    ),
    Column(
        "ChargeDescription",
        "CASE WHEN category = 'Adjustment' THEN 'Adjustment of a request to ' || model || ' of ' || corrects "
        "WHEN kind = 'tool' THEN 'Paid request: ' || model ELSE model || ', ' || replace(token_kind, '_', ' ') END",
        _TEXT,
        "model and kind of token, as text",
    ),
    Column("ChargeFrequency", "'Usage-Based'", _TEXT, "always `Usage-Based`"),
    Column("CommitmentDiscountStatus", "NULL", _TEXT, "empty: there are no commitments"),
    Column("ConsumedQuantity", "consumed", _AMOUNT, "tokens; requests where no tokens were reported; a tool's units"),
    Column("ConsumedUnit", "unit", _TEXT, "`Tokens`, `Requests` or `Units`"),
    Column(
        "PricingQuantity",
        f"CASE WHEN {_IS_TOKENS} THEN consumed / 1000000 ELSE consumed END",
        _AMOUNT,
        "the same in the unit that is priced",
    ),
    Column(
        "PricingUnit",
        f"CASE WHEN {_IS_TOKENS} THEN '1000000 Tokens' ELSE unit END",
        _TEXT,
        "`1000000 Tokens`, `Requests` or `Units`",
    ),
    Column("PricingCategory", _usage("'Standard'"), _TEXT, "`Standard`"),
    Column("ListUnitPrice", _LISTED, _MONEY, "published price of a pricing unit"),
    Column("ContractedUnitPrice", _OWN, _MONEY, "your own price of a pricing unit, or the published one"),
    Column("PricingCurrency", "'USD'", _TEXT, "always `USD`"),
    Column("PricingCurrencyEffectiveCost", _BILLED, _MONEY, "as `EffectiveCost`"),
    Column("PricingCurrencyListUnitPrice", _LISTED, _MONEY, "as `ListUnitPrice`"),
    Column("PricingCurrencyContractedUnitPrice", _OWN, _MONEY, "as `ContractedUnitPrice`"),
    Column("InvoiceId", "NULL", _TEXT, "empty: a request is recorded before it is invoiced"),
    Column("InvoiceIssuerName", "provider", _TEXT, "who bills: the provider"),
    Column("ProviderName", "provider", _TEXT, "the provider"),
    Column("PublisherName", "provider", _TEXT, "the provider"),
    Column("ServiceCategory", "'AI and Machine Learning'", _TEXT, "always `AI and Machine Learning`"),
    Column("ServiceSubcategory", _OF_MODELS, _TEXT, "`Generative AI`, or `Other (AI and Machine Learning)` for tools"),
    Column("ServiceName", "CASE WHEN kind = 'tool' THEN model ELSE provider || ' models' END", _TEXT, "what was used"),
    Column("ResourceId", "provider || '/' || model", _TEXT, "provider and model"),
    Column("ResourceName", "model", _TEXT, "the model's id, or a tool's operation"),
    Column("ResourceType", "CASE WHEN kind = 'tool' THEN 'Tool' ELSE 'Model' END", _TEXT, "`Model` or `Tool`"),
    Column("RegionId", "nullif(region, '')", _TEXT, "the target's region, where it has one"),
    Column("RegionName", "nullif(region, '')", _TEXT, "the same"),
    Column("SkuId", _usage("provider || '/' || model"), _TEXT, "provider and model"),
    Column(
        "SkuPriceId",
        _usage(_SKU),
        _TEXT,
        "provider, model and kind of token, and a service tier beside the standard one",
    ),
    Column(
        "SkuPriceDetails",
        _usage("json_object('x_TokenKind', token_kind, 'x_ServiceTier', service_tier)::VARCHAR"),
        _TEXT,
        "kind of token and service tier as JSON",
    ),
    Column("SkuMeter", _usage("replace(token_kind, '_', ' ')"), _TEXT, "the kind of token"),
    Column("SubAccountId", "org_id", _TEXT, "the organisation that the run was for"),
    Column("SubAccountName", "org_id", _TEXT, "the same"),
    Column("SubAccountType", "CASE WHEN org_id IS NOT NULL THEN 'Organisation' END", _TEXT, "`Organisation`"),
    Column("Tags", "focus_tags(automation, quality, org_id, user_id, tags)", _TEXT, "automation, quality, owner, tags"),
    Column("x_ServiceTier", "service_tier", _TEXT, "the provider's service tier that the request is priced at"),
    Column("x_FareboxAutomation", "automation", _TEXT, "the automation"),
    Column("x_FareboxQuality", "quality", _TEXT, "its quality"),
    Column("x_FareboxOwnerOrg", "org_id", _TEXT, "the organisation that the run was for"),
    Column("x_FareboxOwnerUser", "user_id", _TEXT, "the user that the run was for"),
    Column("x_FareboxRunId", "run_id", _TEXT, "the run"),
    Column("x_FareboxOperation", "operation", _TEXT, "the operation"),
    Column("x_FareboxTurnId", "turn_id", _TEXT, "the turn"),
    Column("x_FareboxAttemptId", "attempt_id", _TEXT, "the attempt, also of what an adjustment corrects"),
    Column("x_FareboxTarget", "target", _TEXT, "the target"),
    Column("x_FareboxTier", "tier", _TEXT, "the target's tier"),
    Column(
        "x_FareboxPriced",
        "priced",
        _TEXT,
        "where the cost is from: `usage`, `worst_case` (an estimate), `stated`, `adjusted` or `billed` (by a bill)",
    ),
    Column("x_FareboxCorrectsMonth", "corrects", _TEXT, "the month of what an adjustment corrects"),
)
"""In the order in which they are written."""


@dataclass(frozen=True, slots=True)
class FocusRates:
    """What prices tokens: published rates, and those that count here; ``regions`` by target."""

    listed: RateCard
    own: RateCard
    regions: Mapping[str, str]


def write_focus(
    replica: ReadableReplica, rates: FocusRates, path: Path, choice: RunSelection, *, run_id: str | None = None
) -> int:
    """Write what was spent as FOCUS rows; how many.

    Args:
        replica: the ledger's copy.
        rates: prices by kind of token.
        path: the file: ``.csv`` or ``.parquet``.
        choice: the period by when attempts began and adjustments were made, and whose.
        run_id: only this run's.

    Raises:
        UsageError: the file has another ending, or cannot be written.
        LedgerBusy: somebody holds the replica's file.
    """
    import duckdb

    form = {".csv": "FORMAT csv, HEADER", ".parquet": "FORMAT parquet"}.get(path.suffix.lower())
    if form is None:
        raise UsageError(f"{path} is neither .csv nor .parquet.", next_step="Name a file that ends in one of these.")
    span = {
        "since": to_us(choice.since) if choice.since else 0,
        "until": to_us(choice.until) if choice.until else _END_OF_TIME,
    }
    with read_replica(replica) as source:
        _put_rates(source, rates, span)
        whose = {"automation": choice.automation, "org": choice.org, "user": choice.user, "run_id": run_id}
        source.run("focus", **span, **whose)
        source.execute(_TAGS)
        [(rows,)] = source.execute("SELECT count(*) FROM focus_lines")
        chosen = ", ".join(f"({one.value})::{one.kind} AS {one.name}" for one in COLUMNS)
        query = (
            f"SELECT {chosen} FROM focus_lines LEFT JOIN focus_regions USING (target) "  # noqa: S608 - our own columns
            "ORDER BY happened, attempt_id, place"
        )
        quoted = str(path).replace("'", "''")
        try:
            source.execute(f"COPY ({query}) TO '{quoted}' ({form})")
        except duckdb.IOException:
            raise UsageError(
                f"{path} cannot be written.", next_step="Name a file in a folder that exists and can be written."
            ) from None
    return int(rows)


_TAGS = """
CREATE OR REPLACE TEMP MACRO focus_tags(automation, quality, org, owner, names) AS
    json_merge_patch(
        coalesce(
            (SELECT json_group_object(name, true) FROM (SELECT unnest(from_json(names, '["VARCHAR"]')) AS name)), '{}'
        )::JSON,
        json_object('automation', automation, 'quality', quality)::JSON,
        CASE WHEN org IS NULL THEN '{}' ELSE json_object('organisation', org) END::JSON,
        CASE WHEN owner IS NULL THEN '{}' ELSE json_object('user', owner) END::JSON
    )
"""


def _put_rates(source: ReplicaReading, rates: FocusRates, span: Mapping[str, int]) -> None:
    """Create the tables ``focus_rates`` and ``focus_regions`` for the query."""
    names = ", ".join(f"{side}_{kind} BIGINT" for side in ("list", "own") for kind in _KINDS)
    source.execute(
        "CREATE OR REPLACE TEMP TABLE focus_rates (provider VARCHAR, model VARCHAR, service_tier VARCHAR, day BIGINT, "
        f"above BIGINT, upto BIGINT, {names})"
    )
    source.execute("CREATE OR REPLACE TEMP TABLE focus_regions (target VARCHAR, region VARCHAR)")
    for target, region in rates.regions.items():
        source.execute("INSERT INTO focus_regions VALUES (?, ?)", [target, region])
    marks = ", ".join("?" * (6 + 2 * len(_KINDS)))
    for row in source.rows("focus_models", **span):
        for line in _bands(rates, row):
            source.execute(f"INSERT INTO focus_rates VALUES ({marks})", line)  # noqa: S608 - question marks


def _bands(rates: FocusRates, row: Row) -> list[list[object]]:
    provider, model, service_tier, day = (row[name] for name in ("provider", "model", "service_tier", "day"))
    moment = datetime.combine(date(1970, 1, 1) + timedelta(days=day), datetime.min.time(), UTC) + timedelta(hours=12)
    try:
        own = rates.own.bands(model, provider, moment, service_tier)
    except UnknownPrice:  # its rate is gone since: the cost is exported with the request as its unit
        return []
    try:
        listed = rates.listed.bands(model, provider, moment, service_tier)
    except UnknownPrice:
        listed = own
    found: list[list[object]] = []
    for above, upto, band in own:
        of_list = next((one for low, high, one in listed if low < max(above + 1, 1) <= high), listed[0][2])
        found.append([provider, model, service_tier, day, above, upto, *_numbers(of_list), *_numbers(band)])
    return found


def _numbers(band: Sequence[int | None]) -> list[int]:
    return [value or 0 for value in band]
