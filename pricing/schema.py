"""The ledger's tables: facts that are only ever added, and a little state beside them.

Times are integer microseconds since 1970 (UTC), money is integer nano-dollars, identifiers are text. No column holds a
prompt, an answer, a key or personal data. ``migrations/`` builds these tables; a test holds the two together.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, MetaData, Table, Text, false

from pricing.transaction_ids import TransactionId, current_transaction

VERSION = "0004"
"""The migration these tables correspond to."""

metadata = MetaData()

Number = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits everywhere; SQLite numbers rows only in columns it calls INTEGER."""


def _fact(name: str, *columns: Column[Any] | Index) -> Table:
    return Table(
        name,
        metadata,
        Column("seq", Number, primary_key=True, autoincrement=True),
        Column(
            "xid",
            TransactionId().with_variant(Integer(), "sqlite"),
            nullable=False,
            server_default=current_transaction(),
        ),
        *columns,
        Index(f"ix_{name}_xid", "xid").ddl_if(dialect="postgresql"),
        sqlite_autoincrement=True,
    )


def _text(name: str, *, optional: bool = False) -> Column[Any]:
    return Column(name, Text, nullable=optional)


def _number(name: str, *, optional: bool = False) -> Column[Any]:
    return Column(name, Number, nullable=optional)


def _key(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, primary_key=True)


def _usage() -> list[Column[Any]]:
    names = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning")
    return [_number(f"{name}_tokens", optional=True) for name in names]


runs = _fact(
    "runs",
    Column("run_id", Text, nullable=False, unique=True),
    _text("automation"),
    _text("quality"),
    _text("user_id", optional=True),
    _text("org_id", optional=True),
    _text("plan"),
    _text("routes"),
    _text("rate_version"),
    _text("method"),
    _number("history"),
    _number("point_nano"),
    _number("p50_nano"),
    _number("p95_nano"),
    _number("ceiling_nano"),
    _number("held_nano"),
    Column("stand_in", Boolean, nullable=False),
    _number("started_at"),
    Column("tags", Text, nullable=False, server_default="[]"),
    _number("price_credits", optional=True),
    _number("price_nano", optional=True),
)
"""One row per run that asked to start, with the quote it was given; refused ones included.

``price_credits`` is what its outcome is sold for where that is said in credits, ``price_nano`` what that is worth.
"""

turns = _fact(
    "turns",
    Column("turn_id", Text, nullable=False, unique=True),
    _text("run_id"),
    _text("operation"),
    _text("prompt"),
    _text("prompt_version"),
    _text("route"),
    _text("outcome"),
    _text("reason", optional=True),
    _text("target", optional=True),
    _number("attempts"),
    Column("repaired", Boolean, nullable=False),
    Column("complexity", Float, nullable=True),
    _number("saved_nano"),
    _number("started_at"),
    _number("duration_us"),
    Index("ix_turns_run_id", "run_id"),
)
"""One model exchange as the automation sees it: answered, stored, failed, blocked or stopped.

``saved_nano`` is what a stored answer did not cost again, ``complexity`` the score that chose a tier, if one did.
"""

attempts = _fact(
    "attempts",
    Column("attempt_id", Text, nullable=False, unique=True),
    _text("turn_id"),
    _text("run_id"),
    _text("operation"),
    _number("hop"),
    _number("ordinal"),
    _text("reason"),
    _text("target"),
    _text("provider"),
    _text("account"),
    _text("model"),
    _text("tier"),
    Column("stand_in", Boolean, nullable=False),
    _text("outcome"),
    _number("status", optional=True),
    _text("code", optional=True),
    _text("phase", optional=True),
    _text("request_id", optional=True),
    *_usage(),
    _number("worst_nano"),
    _number("cost_nano"),
    _text("priced"),
    _number("saved_nano"),
    _text("rate_version"),
    _number("started_at"),
    _number("duration_us"),
    _number("estimated_input", optional=True),
    Index("ix_attempts_run_id", "run_id"),
    Index("ix_attempts_target", "target", "seq"),
)
"""One request on the wire. ``priced`` says where the cost comes from: ``usage``, ``worst_case`` or ``unbilled``;
``saved_nano`` is what prompt caching took off it (negative when a cache was written and not read);
``estimated_input`` what its input was thought to count before it was sent."""

adjustments = _fact(
    "adjustments",
    _text("attempt_id"),
    _text("run_id"),
    _text("reason"),
    *_usage(),
    _number("cost_delta_nano"),
    _number("recorded_at"),
    Index("ix_adjustments_run_id", "run_id"),
)
"""What a later finding changed about an attempt: facts are corrected by facts."""

settlements = _fact(
    "settlements",
    _text("run_id"),
    _number("ordinal"),
    _text("automation"),
    _text("quality"),
    Column("stand_in", Boolean, nullable=False),
    _text("outcome"),
    _text("reason", optional=True),
    _text("budgets"),
    _number("held_nano"),
    _number("spent_nano"),
    _number("released_nano"),
    Column("score", Float, nullable=True),
    _text("rate_version"),
    _number("ended_at"),
    _text("wallet", optional=True),
    _number("charged_credits", optional=True),
    _number("charged_nano", optional=True),
    Index("ix_settlements_history", "automation", "quality", "stand_in", "seq"),
    Index("ix_settlements_run_id", "run_id", "ordinal", unique=True),
)
"""The end of a hold. A run that Prefect retries or resumes is held, and so settled, more than once.

``charged_nano`` is what the outcome earned: its price, or 0 when it failed; ``wallet`` paid it, if anybody's did.
"""

guard_decisions = _fact(
    "guard_decisions",
    _text("run_id"),
    _text("operation"),
    _text("guard"),
    _text("version"),
    _text("mode"),
    _text("direction"),
    _text("action"),
    _text("reason", optional=True),
    _number("latency_us"),
    _number("cost_nano"),
    _text("spans"),
    _number("decided_at"),
    _text("facts", optional=True),
    _text("turn_id", optional=True),
    Index("ix_guard_decisions_run_id", "run_id"),
)
"""What a guard said about one exchange: positions in ``spans``, counts and limits in ``facts``, both JSON, no text."""

guard_reviews = _fact(
    "guard_reviews",
    _number("decision"),
    _text("verdict"),
    _text("origin"),
    _number("reviewed_at"),
    Index("ix_guard_reviews_decision", "decision"),
)
"""What a person found of a guard's decision (its ``seq``): ``right`` or ``wrong``; the latest one counts."""

circuit_events = _fact(
    "circuit_events",
    _text("target"),
    _text("event"),
    _text("reason", optional=True),
    _number("level"),
    _number("open_until"),
    _number("happened_at"),
)
"""A circuit that opened, was probed or closed."""

budget_changes = _fact(
    "budget_changes",
    _text("scope"),
    _text("key"),
    _text("span"),
    _number("limit_nano", optional=True),
    _number("soft_nano", optional=True),
    _text("origin"),
    _number("changed_at"),
)
"""Each limit as it came to be: ``origin`` is ``set`` (by a person; no limit: taken back) or ``window`` (in force)."""

credit_entries = _fact(
    "credit_entries",
    _text("wallet_id"),
    _text("grant_id"),
    _text("run_id", optional=True),
    _text("debit"),
    _text("credit"),
    _number("credits"),
    _number("recorded_at"),
    Index("ix_credit_entries_wallet_id", "wallet_id", "seq"),
)
"""Credits that moved from one account of a grant (``debit``) to another (``credit``): both sides of a double entry in
one row. Accounts: ``issued``, ``available``, ``held``, ``charged``, ``expired``, ``rolled_over``."""

FACTS = (
    runs,
    turns,
    attempts,
    adjustments,
    settlements,
    guard_decisions,
    guard_reviews,
    circuit_events,
    budget_changes,
    credit_entries,
)

rate_slots = Table("rate_slots", metadata, _key("subject"), _key("slot", Number), _number("used_at"))
"""The places of a moving window, as many as it admits: each is taken again once its last use is out of the window."""

circuits = Table(
    "circuits",
    metadata,
    Column("target", Text, primary_key=True),
    _number("level"),
    _number("open_until"),
    _number("probe_until"),
    _text("reason"),
)
"""Targets in quarantine until ``open_until``; then one caller at a time may try, with a claim until ``probe_until``."""

budgets = Table(
    "budgets",
    metadata,
    Column("budget_id", Text, primary_key=True),
    _text("name"),
    _text("scope"),
    _text("key"),
    _text("span"),
    _number("starts_at"),
    _number("ends_at", optional=True),
    _number("limit_nano"),
    _number("spent_nano"),
    _number("held_nano"),
    _number("soft_nano", optional=True),
    _number("soft_at", optional=True),
)
"""One budget in one window. ``span`` is the window's kind: run, day, week or month.

``soft_nano`` is the threshold to tell of, ``soft_at`` when it was reached.
"""

budget_settings = Table(
    "budget_settings",
    metadata,
    _key("scope"),
    _key("key"),
    _key("span"),
    _number("limit_nano"),
    _text("soft"),
)
"""Limits that people set with ``farebox budgets set``; ``soft`` as they wrote it."""

holds = Table(
    "holds",
    metadata,
    Column("run_id", Text, primary_key=True),
    _number("ordinal"),
    _number("amount_nano"),
    _number("used_nano"),
    _number("inflight_nano"),
    _number("lease_until"),
    Column("by_operation", Boolean, nullable=False, server_default=false()),
    Index("ix_holds_lease_until", "lease_until"),
)
"""``by_operation``: some of its budgets are of single operations, and so held attempt by attempt."""

hold_budgets = Table("hold_budgets", metadata, _key("run_id"), _key("budget_id"), _text("operation", optional=True))
"""What a run is held on; with an ``operation``, only the attempts of that operation are."""

inflight = Table(
    "inflight",
    metadata,
    Column("attempt_id", Text, primary_key=True),
    _text("run_id"),
    _number("worst_nano"),
    _text("intent"),
    Index("ix_inflight_run_id", "run_id"),
)
"""What was about to be sent; ``intent`` is the attempt's row as far as it is known, as JSON."""

wallets = Table("wallets", metadata, Column("wallet_id", Text, primary_key=True), _number("opened_at"))
"""``org:acme`` or ``user:ana``; its row is locked while its grants change."""

grants = Table(
    "grants",
    metadata,
    Column("grant_id", Text, primary_key=True),
    _text("wallet_id"),
    _number("granted_credits"),
    _number("available_credits"),
    _number("held_credits"),
    _number("priority"),
    _number("rollover_credits"),
    _number("granted_at"),
    _number("expires_at", optional=True),
    Index("ix_grants_wallet_id", "wallet_id"),
)
"""Credits that somebody was given, and what is left of them."""

credit_holds = Table(
    "credit_holds",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("grant_id", Text, primary_key=True),
    _number("credits"),
)
"""Credits set aside for the outcome of a run under way."""

segments = Table(
    "segments",
    metadata,
    Column("ordinal", Number, primary_key=True, autoincrement=False),
    _number("runs"),
    _number("before"),
    _text("files"),
    _number("sealed_at"),
    _number("pruned_at", optional=True),
)
"""What was archived: runs whose facts are in Parquet files and, once ``pruned_at`` is set, no longer here.

``files`` is JSON, by table: how many rows, and the file's SHA-256. ``before``: when the newest run was to have ended.
"""

meta = Table("meta", metadata, Column("key", Text, primary_key=True), _text("value"))
"""``epoch``: the identity of this ledger, so that a replica notices that it belongs to another. On Postgres also
``writer:…``: the last transaction of each thread that writes, by which it knows whether an unanswered commit was made.
"""
