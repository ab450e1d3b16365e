"""What a process keeps of past runs is what one that reads all of them again would use; over SQLite and Postgres."""

import json
import random
import uuid
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from pricing.db import schema
from pricing.db.database import Store
from pricing.ledger.imported_runs import ImportedRun, ImportedRuns, ImportedUsage
from pricing.ledger.ledger import Ledger
from pricing.quotes.history import History
from pricing.quotes.plan import Plan, PlanStep
from pricing.quotes.quote import CachedPrompt
from pricing.rates.card import RateCard
from pricing.usage import Usage
from tests.support.ledger import NOON, a_run, an_intent, ok

CARD = RateCard.load()
HAIKU, SONNET = ("anthropic", "claude-haiku-4-5"), ("anthropic", "claude-sonnet-4-5")
PLANS = [json.dumps(Plan((PlanStep("think", calls, 1000, 200),)).resolve({}).to_json()) for calls in (3, 10)]
ROUTES = json.dumps(
    {
        "think": [
            {"target": "haiku", "provider": HAIKU[0], "model": HAIKU[1], "reason": "r", "percent": 100},
            {"target": "sonnet", "provider": SONNET[0], "model": SONNET[1], "reason": "r", "percent": 0},
        ]
    }
)
ASKED: list[dict[str, Any]] = [
    {},
    {"due": True},
    {"due": True, "alone": True},
    {"mixes": {"think": [60, 40]}},
    {"cached": {"think": {HAIKU: CachedPrompt(500, once=True)}}},
]


def end_a_run(ledger: Ledger, rng: random.Random) -> None:
    """One at this card or another, of one size or another, some of it answered from storage or nothing spent."""
    run = replace(
        a_run(10**7),
        plan=rng.choice(PLANS),
        routes=ROUTES,
        rate_version=rng.choice([CARD.version, CARD.version, "another card"]),
        due_at=rng.choice([None, NOON]),
    )
    ledger.admit(run, [])
    for _ in range(rng.choice([0, 1, 2])):
        intent = replace(an_intent(run, 10**6), operation="think", provider=HAIKU[0], model=HAIKU[1])
        ledger.begin(intent).result()
        ledger.end(intent, ok(rng.randint(1, 10**6))).result()
    if rng.random() < 0.3:
        with ledger.store.write() as connection:
            connection.execute(sa.insert(schema.turns).values(stored(run.run_id)))
    ledger.settle(run.run_id, rng.choice(["completed", "completed", "failed"]))


def stored(run_id: str) -> dict[str, Any]:
    """A turn that was answered from storage."""
    needed = {
        column.name: "" if column.type.python_type is str else column.type.python_type(0)
        for column in schema.turns.c
        if not column.nullable and column.server_default is None and column.name not in {"seq", "xid"}
    }
    known = {"turn_id": uuid.uuid4().hex, "run_id": run_id, "outcome": "stored", "saved_nano": 123_456}
    return {name: value for name, value in (needed | known).items() if name in schema.turns.c}


def an_import(number: int) -> ImportedRun:
    usage = ImportedUsage("think", *HAIKU, 6, Usage(6_000, 1_200), 3_000_000, "usage", NOON - number)
    return ImportedRun(
        f"imported:{number}", "digest", "fast", PLANS[0], ROUTES, "list", 1_000_000, 2, "completed", 3_000_000, None, None,
        NOON - number, NOON - number, (usage,),
    )  # fmt: skip


def test_what_is_kept_is_what_is_read_anew(store: Store):
    """Runs end in another process, between two quotes of this one, at random."""
    rng = random.Random(7)
    ledger, elsewhere = Ledger(store, clock=lambda: NOON), Ledger(Store(str(store_url(store))), clock=lambda: NOON)
    kept = History(ledger, CARD)
    try:
        for step in range(12):
            for _ in range(rng.choice([0, 1, 4])):
                end_a_run(elsewhere, rng)
            if step in {4, 8}:
                ImportedRuns(elsewhere.store).add([an_import(step)], "csv", f"digest-{step}", NOON)
            for asked in rng.sample(ASKED, 3):
                found = kept.costs("digest", "fast", stand_in=True, **asked)
                assert found == History(ledger, CARD).costs("digest", "fast", stand_in=True, **asked)
    finally:
        elsewhere.close()
    everything = kept.costs("digest", "fast", stand_in=True)
    assert len(everything.whole) > 10
    assert everything.whole != everything.paid, "storage spared some runs something"


def store_url(store: Store) -> str:
    return store.url.render_as_string(hide_password=False)


def test_where_storage_spared_nothing_both_are_one(store: Store):
    ledger = Ledger(store, clock=lambda: NOON)
    for cost in (10_000, 20_000):
        run = a_run(10**6)
        ledger.admit(replace(run, rate_version=CARD.version), [])
        intent = an_intent(run)
        ledger.begin(replace(intent, worst_nano=cost)).result()
        ledger.end(replace(intent, worst_nano=cost), ok(cost)).result()
        ledger.settle(run.run_id, "completed")
    found = History(ledger, CARD).costs("digest", "fast", stand_in=True)
    assert [round(cost) for _, cost, _ in found.paid] == [10_000, 20_000]
    assert found.whole is found.paid
