"""Outcomes paid with credits, over SQLite and Postgres."""

import pickle
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pricing.clock import from_us
from pricing.db import schema
from pricing.db.database import Store
from pricing.errors import OutOfCredits, UsageError
from pricing.ledger.budgets import BudgetRule
from pricing.ledger.credits import Wallets
from pricing.ledger.facts import Run
from pricing.ledger.ledger import Ledger
from pricing.money import USD
from tests.support.clock import Clock
from tests.support.ledger import NOON, a_run, an_intent, ok, rows

DAY = 86_400_000_000


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
def ledger(store: Store, clock: Clock) -> Ledger:
    return Ledger(store, lease_seconds=60, clock=clock)


@pytest.fixture
def wallets(store: Store, clock: Clock) -> Wallets:
    return Wallets(store, clock)


def sold(price: int = 3, org: str | None = "acme", user: str | None = None) -> Run:
    return replace(a_run(held=USD), price_credits=price, price_nano=price * USD // 10, org_id=org, user_id=user)


def assert_books_balance(ledger: Ledger) -> None:
    """What the entries say of each grant is what is left of it, and no account was ever overdrawn."""
    accounts: Counter[tuple[str, str]] = Counter()
    for entry in rows(ledger, schema.credit_entries):
        assert entry["credits"] > 0
        accounts[entry["grant_id"], entry["debit"]] -= entry["credits"]
        accounts[entry["grant_id"], entry["credit"]] += entry["credits"]
        assert accounts[entry["grant_id"], "available"] >= 0
        assert accounts[entry["grant_id"], "held"] >= 0
    assert sum(accounts.values()) == 0
    for grant in rows(ledger, schema.grants):
        left = (accounts[grant["grant_id"], "available"], accounts[grant["grant_id"], "held"])
        assert left == (grant["available_credits"], grant["held_credits"])


def test_an_outcome_is_paid_when_it_is_done(ledger: Ledger, wallets: Wallets):
    wallets.grant("org:acme", 10)
    run = sold()
    assert ledger.admit(run, []) == []
    assert (wallets.balance("org:acme").available, wallets.balance("org:acme").held) == (7, 3)
    ledger.settle(run.run_id, "completed")
    assert (wallets.balance("org:acme").available, wallets.balance("org:acme").held) == (7, 0)
    [settled] = rows(ledger, schema.settlements)
    assert (settled["wallet"], settled["charged_credits"], settled["charged_nano"]) == ("org:acme", 3, 3 * USD // 10)
    told = [(line.kind, line.change, line.balance) for line in wallets.statement("org:acme")]
    assert told == [("granted", 10, 10), ("set aside", -3, 7), ("charged", 0, 7)]
    assert_books_balance(ledger)


@pytest.mark.parametrize("outcome", ["failed", "over_budget", "blocked", "cancelled"])
def test_an_outcome_that_failed_is_not_charged_and_its_cost_is_counted(ledger: Ledger, wallets: Wallets, outcome):
    wallets.grant("org:acme", 10)
    run = sold()
    ledger.admit(run, [BudgetRule("automation", "digest", "day", 5 * USD)])
    intent = an_intent(run)
    ledger.begin(intent).result()
    ledger.end(intent, ok(1_000)).result()
    ledger.settle(run.run_id, outcome)
    assert wallets.balance("org:acme").available == 10
    [settled] = rows(ledger, schema.settlements)
    assert (settled["charged_credits"], settled["charged_nano"], settled["spent_nano"]) == (0, 0, 1_000)
    assert ledger.budgets()[0].spent == 1_000


def test_a_run_whose_process_died_gives_its_credits_back(ledger: Ledger, wallets: Wallets, clock: Clock):
    wallets.grant("org:acme", 3)
    ledger.admit(sold(), [])
    clock.now += 61_000_000
    assert ledger.admit(sold(), []) == []


def test_without_enough_credits_a_run_is_refused_before_anything_is_held(ledger: Ledger, wallets: Wallets):
    wallets.grant("org:acme", 5)
    ledger.admit(sold(), [])
    with pytest.raises(OutOfCredits) as refused:
        ledger.admit(sold(), [BudgetRule("org", "acme", "day", 5 * USD)])
    error = pickle.loads(pickle.dumps(refused.value))  # noqa: S301 - our own
    assert "costs 3 credits; wallet org:acme has 2 left and 3 set aside" in error.message
    assert "farebox credits grant org:acme 1" in error.next_step
    assert "or wait" in error.next_step
    assert error.exit_code == 3
    assert [budget.held for budget in ledger.budgets()] == [0]
    [settled] = rows(ledger, schema.settlements)
    assert (settled["outcome"], settled["spent_nano"], settled["charged_credits"]) == ("over_budget", 0, 0)


def test_a_refused_budget_sets_no_credits_aside(ledger: Ledger, wallets: Wallets):
    wallets.grant("org:acme", 5)
    assert len(ledger.admit(sold(), [BudgetRule("org", "acme", "day", 1)])) == 1
    assert (wallets.balance("org:acme").available, wallets.balance("org:acme").held) == (5, 0)


def test_a_users_own_wallet_pays_first_and_nobodys_is_not_enforced(ledger: Ledger, wallets: Wallets):
    assert ledger.admit(sold(), []) == []  # nobody has a wallet yet
    wallets.grant("org:acme", 3)
    wallets.grant("user:ana", 3)
    assert ledger.admit(sold(user="ana"), []) == []
    assert ledger.admit(sold(user="bob"), []) == []
    assert (wallets.balance("user:ana").available, wallets.balance("org:acme").available) == (0, 0)
    with pytest.raises(OutOfCredits, match="user:ana"):
        ledger.admit(sold(user="ana"), [])
    assert ledger.admit(sold(org="other"), []) == []


@pytest.mark.parametrize(("own", "shared", "payer"), [(3, 9, "user:ana"), (2, 9, "org:acme"), (2, 3, "org:acme")])
def test_an_empty_wallet_of_a_user_leaves_the_price_to_the_organisation(
    ledger: Ledger, wallets: Wallets, own: int, shared: int, payer: str
):
    """One wallet pays the whole price; nothing of the other is touched."""
    wallets.grant("user:ana", own)
    wallets.grant("org:acme", shared)
    run = sold(user="ana")
    assert ledger.admit(run, []) == []
    ledger.settle(run.run_id, "completed")
    [settled] = rows(ledger, schema.settlements)
    assert (settled["wallet"], settled["charged_credits"]) == (payer, 3)
    left = {"user:ana": own, "org:acme": shared} | {payer: {"user:ana": own, "org:acme": shared}[payer] - 3}
    assert {name: wallets.balance(name).available for name in left} == left
    assert_books_balance(ledger)


def test_credits_of_two_wallets_are_not_added_up_and_the_refusal_shows_both(ledger: Ledger, wallets: Wallets):
    wallets.grant("user:ana", 1)
    wallets.grant("org:acme", 5)
    assert ledger.admit(sold(3), []) == []  # of the organisation's, set aside
    with pytest.raises(OutOfCredits) as refused:
        ledger.admit(sold(3, user="ana"), [])
    assert "wallet user:ana has 1 left and wallet org:acme has 2 left and 3 set aside" in refused.value.message
    assert "the user's wallet pays first" in refused.value.message
    assert "farebox credits grant org:acme 1" in refused.value.next_step
    assert "or wait" in refused.value.next_step
    assert (wallets.balance("user:ana").available, wallets.balance("org:acme").available) == (1, 2)


def test_grants_are_spent_by_priority_and_expiry(ledger: Ledger, wallets: Wallets):
    late = wallets.grant("org:acme", 2, expires=from_us(NOON + 9 * DAY))
    never = wallets.grant("org:acme", 2)
    soon = wallets.grant("org:acme", 2, expires=from_us(NOON + DAY))
    first = wallets.grant("org:acme", 2, priority=-1)
    assert [grant.grant_id for grant in wallets.balance("org:acme").grants] == [first, soon, late, never]
    ledger.admit(sold(5), [])
    assert [(g.grant_id, g.available) for g in wallets.balance("org:acme").grants] == [(late, 1), (never, 2)]


def test_what_expires_is_gone_but_for_what_rolls_over_once(ledger: Ledger, wallets: Wallets, clock: Clock):
    wallets.grant("org:acme", 10, expires=from_us(NOON + 30 * DAY), rollover=4)
    clock.now += 30 * DAY
    balance = wallets.balance("org:acme")
    assert (balance.available, [grant.expires_at for grant in balance.grants]) == (4, [from_us(NOON + 60 * DAY)])
    clock.now += 30 * DAY
    assert wallets.balance("org:acme").available == 0
    kinds = Counter(line.kind for line in wallets.statement("org:acme"))
    assert kinds == {"granted": 1, "expired, carried over": 1, "carried over": 1, "expired": 2}
    assert_books_balance(ledger)


def test_credits_set_aside_outlive_their_grant_while_the_run_does(ledger: Ledger, wallets: Wallets, clock: Clock):
    wallets.grant("org:acme", 6, expires=from_us(NOON + 1_000_000))
    done, failed = sold(), sold()
    ledger.admit(done, [])
    ledger.admit(failed, [])
    clock.now += 2_000_000
    ledger.settle(done.run_id, "completed")
    ledger.settle(failed.run_id, "failed")
    assert (wallets.balance("org:acme").available, wallets.balance("org:acme").held) == (0, 0)
    assert_books_balance(ledger)


def test_a_wallet_is_never_overdrawn_by_many_at_once(ledger: Ledger, wallets: Wallets, database_url: str):
    wallets.grant("org:acme", 20)
    wallets.grant("org:acme", 11, priority=1)

    def one(_: int) -> bool:
        try:
            return ledger.admit(sold(), []) == []
        except OutOfCredits:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(24))) == 10
    assert wallets.balance("org:acme").available == 1
    assert_books_balance(ledger)


@pytest.mark.parametrize(
    ("wallet", "amount", "more", "says"),
    [
        ("acme", 3, {}, "not a valid wallet"),
        ("org:acme", 0, {}, "cannot be granted"),
        ("org:acme", 5, {"rollover": 2}, "never expire"),
        ("org:acme", 5, {"rollover": 6, "expires": from_us(NOON + DAY)}, "carried over"),
        ("org:acme", 5, {"expires": from_us(NOON - 1)}, "over already"),
    ],
)
def test_grants_that_make_no_sense(wallets: Wallets, wallet, amount, more, says):
    with pytest.raises(UsageError, match=says):
        wallets.grant(wallet, amount, **more)


def test_a_wallet_that_is_not_there_is_told_with_its_neighbour(wallets: Wallets):
    wallets.grant("org:acme", 1)
    with pytest.raises(UsageError) as caught:
        wallets.balance("org:acne")
    assert "org:acme" in caught.value.next_step


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("grant"), st.integers(1, 9), st.integers(0, 3), st.integers(0, 9)),
            st.tuples(st.just("admit"), st.integers(1, 6), st.just(0), st.just(0)),
            st.tuples(st.sampled_from(["completed", "failed"]), st.integers(0, 9), st.just(0), st.just(0)),
            st.tuples(st.just("wait"), st.integers(1, 3), st.just(0), st.just(0)),
        ),
        max_size=25,
    )
)
def test_whatever_happens_the_books_balance(tmp_path_factory, steps):
    clock, name = Clock(NOON), uuid.uuid4().hex
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('credits') / name}")
    ledger, wallets, held = Ledger(store, lease_seconds=10**6, clock=clock), Wallets(store, clock), list[str]()
    for what, number, days, rollover in steps:
        if what == "grant":
            expires = from_us(clock.now + days * DAY) if days else None
            wallets.grant("org:acme", number, expires=expires, rollover=min(rollover, number) if days else 0)
        elif what == "wait":
            clock.now += number * DAY
        elif what != "admit":
            if held:
                ledger.settle(held.pop(number % len(held)), what)
        else:
            run = sold(number)
            try:
                ledger.admit(run, [])
                held.append(run.run_id)
            except OutOfCredits:
                assert wallets.balance("org:acme").available < number
        assert_books_balance(ledger)
    store.close()
