import subprocess
import sys
from pathlib import Path

import pytest

from guardrails.base import GuardInput, Reason, Verdict
from guardrails.guards.rate_limit import RateGuard
from guardrails.messages import explain
from pricing.db.database import Store
from pricing.ledger.rate_limits import MovingWindows, RateLimit
from tests.support.clock import Clock
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[3]
MINUTE = 60_000_000


@pytest.fixture
def clock() -> Clock:
    return Clock(1_000 * MINUTE)


@pytest.fixture
def windows(store: Store, clock: Clock) -> MovingWindows:
    return MovingWindows(store, clock)


async def ask(guard: RateGuard, user: str = "ada", org: str = "acme") -> Verdict:
    return await guard.check(GuardInput("input", "chat", "assistant", "r", ("hi",), user=user, org=org))


async def test_a_moving_window_admits_n_and_tells_when_one_is_free(windows: MovingWindows, clock: Clock):
    guard = RateGuard(windows, per_user="5 per minute")
    for _ in range(5):
        assert (await ask(guard)).action == "allow"
        clock.now += MINUTE // 10
    refused = await ask(guard)
    assert (refused.action, refused.reason) == ("block", Reason.RATE)
    assert refused.facts == {"limit": 5, "window": "minute", "subject": "user", "retry_after": 30}
    told = explain(Reason.RATE, refused.facts)
    assert "5 per minute are allowed for this user" in told.message
    assert told.next_step == "Try again in 30 seconds."
    assert (await ask(guard, user="bob")).action == "allow"
    clock.now += MINUTE // 2
    assert (await ask(guard)).action == "allow"
    assert (await ask(guard)).action == "block", "only one of the five is out of the window"


async def test_a_limit_is_announced_at_eighty_percent(windows: MovingWindows):
    guard = RateGuard(windows, per_user="10 per hour")
    told = [(await ask(guard)).facts for _ in range(10)]
    assert [facts.get("left") for facts in told] == [None] * 7 + [2, 1, 0]
    assert told[7] == {"limit": 10, "window": "hour", "subject": "user", "used": 8, "left": 2}


async def test_an_organisation_is_held_together_and_a_refusal_uses_nothing(windows: MovingWindows):
    guard = RateGuard(windows, per_user="2 per minute", per_org="3 per minute")
    assert [(await ask(guard, user)).action for user in ("ada", "ada", "ada")] == ["allow", "allow", "block"]
    assert [(await ask(guard, user)).action for user in ("bob", "bob")] == ["allow", "block"]
    assert (await ask(guard, "bob", org="other")).action == "allow"


async def test_nobody_and_other_places_count_for_themselves(windows: MovingWindows):
    everywhere, here = RateGuard(windows, per_user="1/day"), RateGuard(windows, "letters", per_user="1/day")
    assert [(await ask(guard)).action for guard in (everywhere, here, everywhere)] == ["allow", "allow", "block"]
    assert (await ask(everywhere, user="")).action == "allow"


async def test_the_database_does_not_say_who_asked(windows: MovingWindows, store: Store):
    await ask(RateGuard(windows, per_user="1 per day"), user="ada@example.com")
    with store.read() as connection:
        assert "ada" not in repr(connection.exec_driver_sql("SELECT * FROM rate_slots").all())


@pytest.mark.parametrize("options", [{}, {"per_user": "many"}, {"per_org": "0 per minute"}, {"per_user": "3 per year"}])
def test_a_rate_that_cannot_be_read_is_refused(windows: MovingWindows, options: dict[str, str]):
    with pytest.raises(ValueError, match="60 per minute"):
        RateGuard(windows, **options)


def test_four_processes_are_admitted_exactly_n(database_url: str, store: Store):
    MovingWindows(store).use([RateLimit("somebody else", 1, 60)])  # the database is there
    code = (
        "import sys\nfrom pricing.ledger.rate_limits import *\nfrom pricing.db.database import Store\n"
        "windows = MovingWindows(Store(sys.argv[1]))\nprint('ready', flush=True)\ninput()\n"
        "print(sum(not windows.use([RateLimit('ada', 60, 600)])[0].refused for _ in range(40)))"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", code, database_url], cwd=ROOT, text=True, stdin=-1, stdout=-1)
        for _ in range(4)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    admitted = [int(worker.communicate(timeout=PATIENCE)[0]) for worker in workers]
    assert sum(admitted) == 60
