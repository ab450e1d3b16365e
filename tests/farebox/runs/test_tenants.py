"""Organisations share an installation: none can spend, see or exhaust what another has, whatever they are called."""

import json
import unicodedata
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farebox.runs.context import RunOwner, run_owner, starter_context
from guardrails.base import GuardInput
from guardrails.guards.rate_limit import RateGuard
from pricing.db import schema
from pricing.db.database import Store
from pricing.errors import OutOfCredits, UsageError
from pricing.ledger.budgets import BudgetRule
from pricing.ledger.credits import Wallets
from pricing.ledger.ledger import Ledger
from pricing.ledger.limits import WILDCARD, Limit, StatedLimits, applicable
from pricing.ledger.rate_limits import MovingWindows
from pricing.money import USD
from tasks.context import use_run
from tests.support.books import rows
from tests.support.tenants import a_run_for

TWINS = (
    "acme", "ACME", "Acme", "acme:day", "acme:day:2026-11-25", "acme:run", "org:acme", "user:acme", "acme%", "acm_", "a*",
    "ac?e", "'acme'", "acme\\", "acme--", "acmé", unicodedata.normalize("NFD", "acmé"), "асme", "ａｃｍｅ", "acme.", "acme/x", "acme x",
)  # fmt: skip
"""Names that look, sort, match or are joined alike: with separators, in other case, of other letters, as patterns."""
names = st.one_of(st.sampled_from(TWINS), st.text(st.sampled_from("ao:*%_'day -2026é\u0301"), min_size=1, max_size=12))


def test_no_two_names_share_a_budget(store: Store):
    ledger = Ledger(store)
    for scope in ("org", "user", "tag"):
        for name in TWINS:
            assert ledger.admit(a_run_for(), [BudgetRule(scope, name, window, USD) for window in ("day", "week")]) == []
            [full, _] = ledger.admit(a_run_for(), [BudgetRule(scope, name, window, USD) for window in ("day", "week")])
            assert full.budget.key == name
    held = rows(ledger, schema.budgets)
    assert len(held) == 3 * 2 * len(TWINS)
    assert {row["held_nano"] for row in held} == {USD}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["org", "user", "tag", "automation", "operation"]), names),
        min_size=2,
        max_size=6,
        unique=True,
    )
)
def test_a_limit_is_for_whom_it_names_and_for_each_on_its_own(pairs):
    """Whatever others are called, one's own limit counts for one alone, and that of each makes a budget for each."""
    limits = [Limit("org", WILDCARD, "day", 5 * USD), Limit("user", WILDCARD, "day", 5 * USD)]
    limits += [Limit(scope, name, "day", USD) for scope, name in pairs if name != WILDCARD]
    for scope, name in pairs:
        if name == WILDCARD:
            continue
        found = applicable(limits, {scope: [name]})
        assert [(rule.scope, rule.key) for rule in found if rule.limit == USD] == [(scope, name)]
        assert {(rule.scope, rule.key) for rule in found} == {(scope, name)}


def test_no_two_names_share_a_wallet(store: Store):
    """Neither kinds of owner nor names like a pattern, a prefix or another's form reach into another's credits."""
    ledger, wallets = Ledger(store), Wallets(store)
    owners = [(kind, name) for kind in ("org", "user") for name in TWINS if " " not in name]
    for number, (kind, name) in enumerate(owners, start=1):
        wallets.grant(f"{kind}:{name}", number)
    for number, (kind, name) in enumerate(owners, start=1):
        with pytest.raises(OutOfCredits) as caught:
            ledger.admit(a_run_for(**{kind: name}, price=number + 1), [])
        assert caught.value.fields["wallet"] == f"{kind}:{name}"
        run = a_run_for(**{kind: name}, price=number)
        assert ledger.admit(run, []) == []
        ledger.settle(run.run_id, "completed")
    assert {wallets.balance(f"{kind}:{name}").available for kind, name in owners} == {0}
    for kind, name in owners:
        assert {line.credits for line in wallets.statement(f"{kind}:{name}")} == {owners.index((kind, name)) + 1}


def test_who_has_no_wallet_pays_from_nobodys(store: Store):
    ledger, wallets = Ledger(store), Wallets(store)
    wallets.grant("org:acme", 10)
    for org, user in ((None, "acme"), (None, "org:acme"), ("ACME", None), ("acme ", None), ("other", "acme")):
        run = a_run_for(org=org, user=user, price=3)
        assert ledger.admit(run, []) == []
        ledger.settle(run.run_id, "completed")
    assert wallets.balance("org:acme").available == 10
    assert {row["wallet"] for row in rows(ledger, schema.settlements)} == {None}


async def test_no_two_names_share_a_rate(store: Store):
    guard = RateGuard(MovingWindows(store), per_org="1 per hour")

    async def allowed(org: str) -> bool:
        exchange = GuardInput("input", "chat", "assistant", "r", ("hi",), user="u", org=org)
        return (await guard.check(exchange)).action == "allow"

    assert [await allowed(name) for name in TWINS] == [True] * len(TWINS)
    assert [await allowed(name) for name in TWINS] == [False] * len(TWINS)


@pytest.mark.parametrize(
    "name",
    [WILDCARD, " acme", "acme ", "ac\nme", "ac\x00me", "\u202eemca", "a\u200bcme", "\ud800", "x" * 201, "\x1b[31m"],
)
def test_a_name_that_could_be_taken_for_another_is_refused(name: str, store: Store):
    for given_by in ({"org": name}, {"user": name}, {"tags": [name]}):
        with pytest.raises(UsageError) as caught:
            run_owner(given_by)
        assert caught.value.next_step
        assert str(caught.value).isprintable()
    with use_run(starter_context(RunOwner(org=name))), pytest.raises(UsageError):
        run_owner({})
    if name != WILDCARD:
        with pytest.raises(UsageError):
            StatedLimits(store).set(Limit("org", name, "day", USD))
        with pytest.raises(UsageError):
            Wallets(store).grant(f"org:{name}", 1)


def test_an_exhausted_org_stops_nobody_else(store: Store):
    ledger = Ledger(store)
    limits = [Limit("org", WILDCARD, "day", USD)]
    for first, second in list(permutations(("acme", "acme:day", "zeta"), 2))[:2]:
        while not ledger.admit(a_run_for(org=first), applicable(limits, {"org": [first]})):
            pass
        ledger.admit(a_run_for(org=second), applicable(limits, {"org": [second]}))
    held = {row["key"]: row["held_nano"] for row in rows(ledger, schema.budgets)}
    assert set(held) == {"acme", "acme:day", "zeta"}
    assert all(amount == USD for amount in held.values())


def test_what_a_refused_org_is_told_is_its_own(store: Store, tmp_path: Path):
    """The message of a refusal names the budget that refused, and nobody else's."""
    ledger = Ledger(store)
    rules = {org: applicable([Limit("org", WILDCARD, "day", USD)], {"org": [org]}) for org in ("acme", "rival")}
    for org in ("rival", "acme"):
        assert ledger.admit(a_run_for(org=org), rules[org]) == []
    [refusal] = ledger.admit(a_run_for(org="acme"), rules["acme"])
    assert "acme" in refusal.explain()
    assert "rival" not in refusal.explain()
    written = [row for row in rows(ledger, schema.settlements) if row["outcome"] == "over_budget"]
    assert "rival" not in json.dumps(written)
