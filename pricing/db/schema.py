"""The ledger's tables: append-only facts, and a little state beside them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, MetaData, Table, Text, false, types
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement


class TransactionId(types.UserDefinedType[int]):
    """Postgres' 64-bit transaction id: the watermark that late commits cannot slip past (SQLite needs none)."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The type's name in DDL."""
        return "xid8"


class current_transaction(FunctionElement[Any]):  # noqa: N801 - an SQL function, written as one
    """The id of the writing transaction on Postgres, 0 on SQLite."""

    inherit_cache = True


@compiles(current_transaction, "postgresql")
def _postgres(*_: Any, **__: Any) -> str:
    return "pg_current_xact_id()"


@compiles(current_transaction, "sqlite")
def _sqlite(*_: Any, **__: Any) -> str:
    return "0"


metadata = MetaData()

Number = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits everywhere; SQLite numbers rows only in columns it calls INTEGER."""


def fact(name: str, *columns: Column[Any] | Index) -> Table:
    """A table of facts: rows are numbered, and know the transaction that wrote them."""
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


def text(name: str, *, optional: bool = False) -> Column[Any]:
    """A column of text."""
    return Column(name, Text, nullable=optional)


def number(name: str, *, optional: bool = False) -> Column[Any]:
    """A column of 64 bits."""
    return Column(name, Number, nullable=optional)


def key(name: str, kind: Any = Text) -> Column[Any]:
    """A column of the primary key."""
    return Column(name, kind, primary_key=True)


def usage() -> list[Column[Any]]:
    """The token counts of one or more answers."""
    names = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning")
    return [number(f"{name}_tokens", optional=True) for name in names]


VERSION = "0017"
"""The migration these tables correspond to."""

runs = fact(
    "runs",
    Column("run_id", Text, nullable=False, unique=True),
    text("automation"),
    text("quality"),
    text("user_id", optional=True),
    text("org_id", optional=True),
    text("plan"),
    text("routes"),
    text("rate_version"),
    text("method"),
    number("history"),
    number("point_nano"),
    number("p50_nano"),
    number("p95_nano"),
    number("ceiling_nano"),
    number("held_nano"),
    Column("stand_in", Boolean, nullable=False),
    number("started_at"),
    Column("tags", Text, nullable=False, server_default="[]"),
    number("price_credits", optional=True),
    number("price_nano", optional=True),
    Column("durable", Boolean, nullable=False, server_default=false()),
    number("due_at", optional=True),
)
"""One row per run that asked to start, with the quote it was given; refused ones included.

``price_credits`` is what its outcome is sold for where that is said in credits, ``price_nano`` what that is worth;
``durable``: its answers are kept in the journal until it has ended well; ``due_at``: by when it is to be done, in
microseconds UTC, null where it is to be done as soon as possible.
"""

turns = fact(
    "turns",
    Column("turn_id", Text, nullable=False, unique=True),
    text("run_id"),
    text("operation"),
    text("prompt"),
    text("prompt_version"),
    text("route"),
    text("outcome"),
    text("reason", optional=True),
    text("target", optional=True),
    number("attempts"),
    Column("repaired", Boolean, nullable=False),
    Column("complexity", Float, nullable=True),
    number("saved_nano"),
    number("started_at"),
    number("duration_us"),
    Column("execution", Number, nullable=False, server_default="0"),
    Index("ix_turns_run_id", "run_id"),
)
"""One model exchange as the automation sees it: answered, stored, replayed, failed, blocked or stopped.

``saved_nano`` is what a stored or replayed answer did not cost again, ``complexity`` the score that chose a tier, if
one did; ``execution`` the number of the run's execution, 0 where that was not written down.
"""

attempts = fact(
    "attempts",
    Column("attempt_id", Text, nullable=False, unique=True),
    text("turn_id"),
    text("run_id"),
    text("operation"),
    number("hop"),
    number("ordinal"),
    text("reason"),
    text("target"),
    text("provider"),
    text("account"),
    text("model"),
    text("tier"),
    Column("stand_in", Boolean, nullable=False),
    text("outcome"),
    number("status", optional=True),
    text("code", optional=True),
    text("phase", optional=True),
    text("request_id", optional=True),
    *usage(),
    number("worst_nano"),
    number("cost_nano"),
    text("priced"),
    number("saved_nano"),
    text("rate_version"),
    number("started_at"),
    number("duration_us"),
    number("estimated_input", optional=True),
    Column("kind", Text, nullable=False, server_default="model"),
    Column("units", Float, nullable=True),
    Column("execution", Number, nullable=False, server_default="0"),
    text("service_tier_asked", optional=True),
    Column("service_tier", Text, nullable=False, server_default="standard"),
    Column("service_tier_saved_nano", Number, nullable=False, server_default="0"),
    text("prompt_parts", optional=True),
    Index("ix_attempts_run_id", "run_id"),
    Index("ix_attempts_target", "target", "seq"),
)
"""One request on the wire. ``priced`` says where the cost comes from: ``usage``, ``worst_case`` or ``unbilled``;
``saved_nano`` is what prompt caching took off it (negative when a cache was written and not read);
``estimated_input`` what its input was thought to count before it was sent.

``kind`` is ``model`` for a request to a model and ``tool`` for any other cost, whose ``priced`` is ``stated``: the code
named the amount, for so many ``units``. Its ``turn_id`` is its own ``attempt_id``, its ``model`` its operation.

``service_tier_asked`` is the service tier that the request named, if it named one; ``service_tier`` the one that it is
priced at: what the reply said, else the one asked for. A provider's word for a tier of its own stays as it is.

``service_tier_saved_nano`` is what its service tier took off what it would have cost at the standard one; negative
where that tier costs more.

``prompt_parts`` tells the static part of a prompt that its model can cache, in about 45 characters: estimated tokens,
the model's minimum, seconds that an entry lives, and keyed hashes of the place, tools, schema, system text and shared
parts of messages, with dots between; null where nothing is cached."""

adjustments = fact(
    "adjustments",
    text("attempt_id"),
    text("run_id"),
    text("reason"),
    *usage(),
    number("cost_delta_nano"),
    number("recorded_at"),
    text("reconciliation_id", optional=True),
    Index("ix_adjustments_run_id", "run_id"),
)
"""What a later finding changed about an attempt: facts are corrected by facts. With a ``reconciliation_id`` it is what
a provider's bill said that the attempt cost."""

settlements = fact(
    "settlements",
    text("run_id"),
    number("ordinal"),
    text("automation"),
    text("quality"),
    Column("stand_in", Boolean, nullable=False),
    text("outcome"),
    text("reason", optional=True),
    text("budgets"),
    number("held_nano"),
    number("spent_nano"),
    number("released_nano"),
    Column("score", Float, nullable=True),
    text("rate_version"),
    number("ended_at"),
    text("wallet", optional=True),
    number("charged_credits", optional=True),
    number("charged_nano", optional=True),
    Column("execution", Number, nullable=False, server_default="0"),
    Index("ix_settlements_history", "automation", "quality", "stand_in", "seq"),
    Index("ix_settlements_run_id", "run_id", "ordinal", unique=True),
)
"""The end of a hold. A run that Prefect retries or resumes is held, and so settled, more than once.

``charged_nano`` is what the outcome earned: its price, or 0 when it failed; ``wallet`` paid it, if anybody's did.
``execution`` is the number of the execution whose hold it was.
"""

guard_decisions = fact(
    "guard_decisions",
    text("run_id"),
    text("operation"),
    text("guard"),
    text("version"),
    text("mode"),
    text("direction"),
    text("action"),
    text("reason", optional=True),
    number("latency_us"),
    number("cost_nano"),
    text("spans"),
    number("decided_at"),
    text("facts", optional=True),
    text("turn_id", optional=True),
    Index("ix_guard_decisions_run_id", "run_id"),
)
"""What a guard said about one exchange: positions in ``spans``, counts and limits in ``facts``, both JSON, no text."""

guard_reviews = fact(
    "guard_reviews",
    number("decision"),
    text("verdict"),
    text("origin"),
    number("reviewed_at"),
    Index("ix_guard_reviews_decision", "decision"),
)
"""What a person found of a guard's decision (its ``seq``): ``right`` or ``wrong``; the latest one counts."""

circuit_events = fact(
    "circuit_events",
    text("target"),
    text("event"),
    text("reason", optional=True),
    number("level"),
    number("open_until"),
    number("happened_at"),
)
"""A circuit that opened, was probed or closed."""

budget_changes = fact(
    "budget_changes",
    text("scope"),
    text("key"),
    text("span"),
    number("limit_nano", optional=True),
    number("soft_nano", optional=True),
    text("origin"),
    number("changed_at"),
)
"""Each limit as it came to be: ``origin`` is ``set`` (by a person; no limit: taken back) or ``window`` (in force)."""

credit_entries = fact(
    "credit_entries",
    text("wallet_id"),
    text("grant_id"),
    text("run_id", optional=True),
    text("debit"),
    text("credit"),
    number("credits"),
    number("recorded_at"),
    Index("ix_credit_entries_wallet_id", "wallet_id", "seq"),
)
"""Credits that moved from one account of a grant (``debit``) to another (``credit``): both sides of a double entry in
one row. Accounts: ``issued``, ``available``, ``held``, ``charged``, ``expired``, ``rolled_over``."""

approvals = fact(
    "approvals",
    text("run_id"),
    text("automation"),
    text("choice"),
    text("decided_by", optional=True),
    number("hold_nano"),
    text("budgets"),
    number("asked_at"),
    number("decided_at"),
    Index("ix_approvals_run_id", "run_id"),
)
"""What a person decided about a run that exceeded budgets: ``once``, ``cheaper``, ``raise``, ``refuse``, or
``timed_out`` where nobody did.

``budgets`` is JSON: by the id of each budget named, the nano-dollars it was overdrawn or raised by; else those that it
is short. ``hold_nano`` is what was approved, or asked for.
"""

reconciliations = fact(
    "reconciliations",
    Column("reconciliation_id", Text, nullable=False, unique=True),
    text("provider"),
    text("digest"),
    text("first_day"),
    text("last_day"),
    number("billed_nano"),
    number("recorded_nano"),
    number("unexplained_nano"),
    number("adjusted_nano"),
    number("accepted_at"),
    Index("ix_reconciliations_digest", "provider", "digest", unique=True),
)
"""A comparison with a provider's bill that was accepted. ``digest`` is of the export's files; ``unexplained_nano`` sums
the amounts of differences that have no class, whatever their sign; ``adjusted_nano`` is what attempts were corrected
by.
"""

reconciliation_lines = fact(
    "reconciliation_lines",
    text("reconciliation_id"),
    text("day"),
    number("days"),
    text("account"),
    text("model"),
    text("service_tier"),
    text("cause"),
    number("difference_nano"),
    Index("ix_reconciliation_lines_id", "reconciliation_id"),
)
"""What a bill said more (or less) than was recorded, by group and cause."""

month_closes = fact(
    "month_closes",
    Column("month", Text, nullable=False, unique=True),
    number("begins_at"),
    number("ends_at"),
    number("closed_at"),
    text("zone"),
    number("cost_nano"),
    number("corrections_nano"),
    number("charged_nano"),
    text("figures"),
    text("digest"),
)
"""Months that were closed. ``figures`` is the report (JSON) as it was then, ``digest`` its SHA-256. What became known
before ``closed_at`` is in it; what becomes known later is in the month in which it does, as a correction.
"""

statements = fact(
    "statements",
    Column("number", Number, nullable=False, unique=True),
    text("org_id"),
    text("month"),
    Column("with_cost", Boolean, nullable=False),
    text("figures"),
    number("issued_at"),
    Index("ix_statements_org_id", "org_id", "month", "with_cost", unique=True),
)
"""The charges of organisations for a month, as stated to them: ``figures`` is the statement (JSON) as it was issued."""

imports = fact(
    "imports",
    *map(text, ("automation", "quality", "source", "digest")),
    *map(number, ("runs", "requests", "cost_nano", "imported_at")),
    Index("ix_imports_digest", "automation", "quality", "digest", unique=True),
)
"""Files of usage that became history of an automation; ``digest`` is the file's SHA-256."""

imported_runs = fact(
    "imported_runs",
    Column("run_id", Text, nullable=False, unique=True),
    *map(text, ("automation", "quality", "plan", "routes", "rate_version")),
    number("point_nano"),
    number("runs"),
    text("outcome"),
    number("cost_nano"),
    text("user_id", optional=True),
    text("org_id", optional=True),
    number("started_at"),
    number("ended_at"),
    Index("ix_imported_runs_history", "automation", "quality", "seq"),
)
"""Runs from before Farebox, or sums of so many ``runs``: only quotes, packaging and price reviews read them. They were
never held, so that no budget, wallet, statement, reconciliation or close knows them. ``point_nano`` is of one run.
"""

imported_usage = fact(
    "imported_usage",
    *map(text, ("run_id", "operation", "provider", "model")),
    number("requests"),
    *usage(),
    number("cost_nano"),
    text("priced"),
    number("started_at"),
    Index("ix_imported_usage_run_id", "run_id"),
)
"""What an imported run used, by model: ``priced`` by its ``usage``, or as ``stated`` by its source."""

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
    approvals,
    reconciliations,
    reconciliation_lines,
    month_closes,
    statements,
    imports,
    imported_runs,
    imported_usage,
)

rate_slots = Table("rate_slots", metadata, key("subject"), key("slot", Number), number("used_at"))
"""The places of a moving window, as many as it admits: each is taken again once its last use is out of the window."""

circuits = Table(
    "circuits",
    metadata,
    Column("target", Text, primary_key=True),
    number("level"),
    number("open_until"),
    number("probe_until"),
    text("reason"),
)
"""Targets in quarantine until ``open_until``; then one caller at a time may try, with a claim until ``probe_until``."""

budgets = Table(
    "budgets",
    metadata,
    Column("budget_id", Text, primary_key=True),
    text("name"),
    text("scope"),
    text("key"),
    text("span"),
    number("starts_at"),
    number("ends_at", optional=True),
    number("limit_nano"),
    number("spent_nano"),
    number("held_nano"),
    number("soft_nano", optional=True),
    number("soft_at", optional=True),
    number("raised_nano", optional=True),
)
"""One budget in one window. ``span`` is the window's kind: run, day, week or month.

``soft_nano`` is the threshold to tell of, ``soft_at`` when it was reached; ``raised_nano`` is the limit that a person
raised it to for this window, whatever its rule says.
"""

budget_settings = Table(
    "budget_settings",
    metadata,
    key("scope"),
    key("key"),
    key("span"),
    number("limit_nano"),
    text("soft"),
)
"""Limits that people set with ``farebox budgets set``; ``soft`` as they wrote it."""

holds = Table(
    "holds",
    metadata,
    Column("run_id", Text, primary_key=True),
    number("ordinal"),
    number("amount_nano"),
    number("used_nano"),
    number("inflight_nano"),
    number("lease_until"),
    Column("by_operation", Boolean, nullable=False, server_default=false()),
    Column("execution", Number, nullable=False, server_default="0"),
    Column("state", Text, nullable=False, server_default="running"),
    text("fault", optional=True),
    Index("ix_holds_lease_until", "lease_until"),
)
"""What a run has reserved. ``by_operation``: some of its budgets are of single operations, and held attempt by attempt.

``ordinal`` is that of the settlement it will end in. Only the execution with the number ``execution``, or a newer one,
may spend and settle it. ``state`` is ``running``, ``suspended`` (until ``lease_until``, or a resumption) or
``unsettled``: it could not be settled because of ``fault``, the type of an error, and is left alone.
"""

executions = Table("executions", metadata, Column("run_id", Text, primary_key=True), number("number"))
"""How often a run was started: a crash, a retry and a resumption each give it a new number."""

written_off = Table(
    "written_off",
    metadata,
    Column("attempt_id", Text, primary_key=True),
    text("run_id"),
    text("budgets"),
)
"""Attempts that were in flight when their hold was settled, and the budgets (JSON) that carry their worst case."""

hold_budgets = Table("hold_budgets", metadata, key("run_id"), key("budget_id"), text("operation", optional=True))
"""What a run is held on; with an ``operation``, only the attempts of that operation are."""

inflight = Table(
    "inflight",
    metadata,
    Column("attempt_id", Text, primary_key=True),
    text("run_id"),
    number("worst_nano"),
    text("intent"),
    Index("ix_inflight_run_id", "run_id"),
)
"""What was about to be sent; ``intent`` is the attempt's row as far as it is known, as JSON."""

batches = Table(
    "batches",
    metadata,
    key("label"),
    *map(text, ("run_id", "target", "provider", "model")),
    Column("stand_in", Boolean, nullable=False),
    text("batch_id", optional=True),
    text("state"),
    *map(number, ("execution", "lines", "completed", "failed", "begun_at")),
    *(number(name, optional=True) for name in ("submitted_at", "ended_at", "collected_at")),
    *map(number, ("cancel_at", "leave_at")),
    number("cancelled_at", optional=True),
    text("cancelled_by", optional=True),
    number("checked_at", optional=True),
    text("fault", optional=True),
    Index("ix_batches_run_id", "run_id"),
    Index("ix_batches_collected_at", "collected_at"),
)
"""Batches that runs have sent to providers. ``label`` names it at the provider before it has an id there, so that one
whose creation was not recorded is found again; ``batch_id`` is the provider's. ``state`` is
``begun``, then what the provider says, or ``abandoned`` where it was never created. It is cancelled at ``cancel_at``;
from ``leave_at`` on its run waits no longer. All its results are taken once ``collected_at`` is set."""

batch_lines = Table(
    "batch_lines",
    metadata,
    key("line_id"),
    *map(text, ("label", "run_id", "journal_id", "holder", "key", "entry_id", "turn_id")),
    number("execution"),
    text("state"),
    text("outcome", optional=True),
    text("intent"),
    text("details"),
    Index("ix_batch_lines_label", "label"),
    Index("ix_batch_lines_key", "journal_id", "key"),
    Index("ix_batch_lines_entry_id", "entry_id"),
    Index("ix_batch_lines_turn_id", "turn_id"),
)
"""The lines of batches: each is one attempt, whose id is ``line_id``. ``state`` is ``open``, ``answered`` (its reply is
in the journal as ``entry_id``) or ``failed`` (``outcome`` says how). ``execution`` is the newest of the run that waits
for it. ``intent`` is the attempt's row, ``details`` what its completion needs to know of the request (JSON); neither
holds content."""

questions = Table(
    "questions",
    metadata,
    Column("run_id", Text, primary_key=True),
    number("hold_nano"),
    number("cheaper_nano"),
    text("budgets"),
    text("run"),
    number("asked_at"),
    number("due_at"),
)
"""Runs that a person is asked about: what they would hold, as they are and on the cheapest route, by the budgets
that it exceeds what these are short (JSON), and the run's own row (JSON), to be written down once it is decided.
"""

calibration_scores = Table(
    "calibration_scores",
    metadata,
    key("score_key"),
    text("subject"),
    text("run_id"),
    number("asked_at"),
    number("ended_at", optional=True),
    Column("score", Float, nullable=True),
    *map(number, ("cost_nano", "duration_us", "input_tokens", "output_tokens")),
    Column("verified", Boolean, nullable=True),
    text("operations"),
    Column("usage_known", Boolean, nullable=True),
    Index("ix_calibration_scores_subject", "subject"),
)
"""How calibrations' cases were answered. A row claims a case before it is asked, and has no end until it is answered.
``score_key``: the case's digest, scorer, prompt, target; ``operations`` (JSON): others that its turns count for. Tokens
are 0 where ``usage_known`` is false, and were, before there was that column, where they had not been reported."""

usage_events = Table(
    "usage_events",
    metadata,
    key("event_id"),
    *map(text, ("run_id", "customer", "automation", "quality", "value")),
    number("happened_at"),
    number("tries"),
    number("next_at"),
    text("fault", optional=True),
    number("delivered_at", optional=True),
    Index("ix_usage_events_waiting", "delivered_at", "next_at"),
)
"""The outbox of outcomes for a metered-billing service: ``event_id`` is the run and the ordinal of its
settlement. One without ``delivered_at`` waits, and is sent from ``next_at`` on; ``fault`` is why it failed lastly.
"""

wallets = Table("wallets", metadata, Column("wallet_id", Text, primary_key=True), number("opened_at"))
"""``org:acme`` or ``user:ana``; its row is locked while its grants change."""

grants = Table(
    "grants",
    metadata,
    Column("grant_id", Text, primary_key=True),
    text("wallet_id"),
    number("granted_credits"),
    number("available_credits"),
    number("held_credits"),
    number("priority"),
    number("rollover_credits"),
    number("granted_at"),
    number("expires_at", optional=True),
    Index("ix_grants_wallet_id", "wallet_id"),
)
"""Credits that somebody was given, and what is left of them."""

credit_holds = Table(
    "credit_holds",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("grant_id", Text, primary_key=True),
    number("credits"),
)
"""Credits set aside for the outcome of a run under way."""

segments = Table(
    "segments",
    metadata,
    Column("ordinal", Number, primary_key=True, autoincrement=False),
    number("runs"),
    number("before"),
    text("files"),
    number("sealed_at"),
    number("pruned_at", optional=True),
)
"""What was archived: runs whose facts are in Parquet files and, once ``pruned_at`` is set, no longer here.

``files`` is JSON, by table: how many rows, and the file's SHA-256. ``before``: when the newest run was to have ended.
"""

meta = Table("meta", metadata, Column("key", Text, primary_key=True), text("value"))
"""``epoch``: the identity of this ledger, so that a replica notices that it belongs to another. On Postgres also
``writer:…``: the last transaction of each thread that writes, by which it knows whether an unanswered commit was made.
``replica:…``: the token of each replica's last sync (``sync_points``).
"""
