"""What runs read from prompt caches, as either database tells it; a drop is found in it with its cause."""

from dataclasses import replace

import pytest

from pricing.db.database import Store
from pricing.ledger.cache_use import CacheUse
from pricing.ledger.facts import Completion
from pricing.ledger.hash_key import prompt_hash_key
from pricing.ledger.ledger import Ledger
from pricing.reports.cache_drops import drop_sentence, find_cache_drops
from pricing.usage import Usage
from tests.support.ledger import NOON, a_run, an_intent

MINUTE = 60_000_000
WARM, COLD = "2000.1024.300.place.-----.-----.syste.-----", "2000.1024.300.place.-----.-----.{}.-----"


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store)


def run_once(ledger: Ledger, number: int, *reads: int, parts: str | None = WARM, automation: str = "reading") -> str:
    """A run with one request per count of tokens read; the id of it."""
    run = a_run(automation=automation)
    assert ledger.admit(run, []) == []
    for place, read in enumerate(reads):
        at = NOON + number * MINUTE + place * 1_000_000
        intent = replace(an_intent(run), started_at=at, prompt_parts=parts)
        assert ledger.begin(intent).result() == []
        ledger.end(intent, Completion("ok", Usage(2_500, 5, read), 1, "usage", 1_000, status=200)).result()
    failed = replace(an_intent(run), started_at=NOON + number * MINUTE)
    assert ledger.begin(failed).result() == []
    ledger.end(failed, Completion("server_error", Usage(), 0, "unbilled", 1_000, status=500)).result()
    ledger.settle(run.run_id, "completed")
    return run.run_id


def test_runs_and_requests_are_read_in_order(ledger: Ledger):
    ids = [run_once(ledger, number, 0, 2_000 - number) for number in range(4)]
    run_once(ledger, 9, 2_000, automation="another")
    use = CacheUse(ledger.store)
    [runs] = use.runs("reading", "fast", stand_in=True).values()
    assert [run.run_id for run in runs] == ids
    assert [(run.input_tokens, run.read_tokens) for run in runs] == [(5_000, 2_000 - number) for number in range(4)]
    assert runs[0].share == 0.4
    assert [run.run_id for run in use.runs("reading", "fast", stand_in=True, until=ids[1])["summarize"]] == ids[:2]
    assert use.runs("reading", "fast", stand_in=False) == use.runs("nobody", "fast", stand_in=True) == {}
    asked = use.requests("summarize", ids[1:3])
    assert [(one.run_id, one.read_tokens) for one in asked] == [
        (ids[1], 0), (ids[1], 1_999), (ids[2], 0), (ids[2], 1_998),
    ]  # fmt: skip
    assert {one.prompt_parts for one in asked} == {WARM}
    assert asked[0].ended_at - asked[0].started_at == 1_000


def test_a_drop_is_found_with_its_cause(ledger: Ledger):
    for number in range(14):
        run_once(ledger, number, 2_000)
    assert find_cache_drops(ledger.store, "reading", "fast", stand_in=True) == ()
    last = ""
    for number in range(14, 24):
        last = run_once(ledger, number, 0, parts=COLD.format(f"sys{number}"))
    [drop] = find_cache_drops(ledger.store, "reading", "fast", stand_in=True)
    assert (drop.operation, drop.runs, drop.cause) == ("summarize", 10, "system")
    assert drop_sentence(drop).startswith(
        "summarize read 0 % of its input from prompt caches in the last 10 runs, and 80 %"
    )
    for number in range(24, 26):
        run_once(ledger, number, 2_000)
    assert find_cache_drops(ledger.store, "reading", "fast", stand_in=True) == ()
    assert find_cache_drops(ledger.store, "reading", "fast", stand_in=True, until=last) == (drop,)


def test_the_key_of_hashes_is_made_once_per_ledger(store: Store):
    key = prompt_hash_key(store)
    assert (len(key), prompt_hash_key(store)) == (32, key)
