"""Whose a run is: each value with one text is that name, whatever its type; no value is dropped, and none is unseen."""

import enum
import unicodedata
from collections import deque
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from farebox.runs.context import RunOwner, name_of, run_owner, starter_context
from pricing.characters import invisible, readable
from pricing.db import schema
from pricing.db.database import Store
from pricing.errors import UsageError
from pricing.ledger.credits import Wallets
from pricing.ledger.ledger import Ledger
from pricing.ledger.limits import Limit, StatedLimits, applicable
from pricing.money import USD
from pricing.reports.format import clean
from tasks.context import use_run
from tests.support.books import rows
from tests.support.command import Call
from tests.support.project import make_project
from tests.support.tenants import a_run_for

ID = UUID("7e2d3a4c-0000-4000-8000-00000000abcd")


class Shouted(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


class Counted(int):
    def __repr__(self) -> str:
        return "counted"


class Account(enum.Enum):
    acme = "acme"
    by_id = ID
    by_number = 7
    switch = True
    nothing = None
    empty = ""


class Plan(enum.StrEnum):
    free = "free"


class Level(enum.IntEnum):
    three = 3


class Model(BaseModel):
    name: str = "acme"


NAMES = {
    "text": ("acme", "acme"),
    "text of a type": (Shouted("acme"), "acme"),
    "number": (42, "42"),
    "number of a type": (Counted(42), "42"),
    "negative number": (-3, "-3"),
    "long number": (10**150, f"{10**150}"),
    "uuid": (ID, str(ID)),
    "enum of text": (Account.acme, "acme"),
    "enum of uuid": (Account.by_id, str(ID)),
    "enum of number": (Account.by_number, "7"),
    "text enum": (Plan.free, "free"),
    "number enum": (Level.three, "3"),
    "whole decimal": (Decimal("42.00"), "42"),
    "decimal with an exponent": (Decimal("1E+3"), "1000"),
    "zero with a sign": (Decimal("-0"), "0"),
    "other scripts": ("日本-ação", "日本-ação"),
    "emoji": ("acme 🎉", "acme 🎉"),
    "letter and combining mark": ("e\u0301t\u0301", "e\u0301t\u0301"),
}
NO_NAMES = {
    "bool": True,
    "float": 1.0,
    "not a number": float("nan"),
    "bytes": b"acme",
    "list": ["acme"],
    "dict": {"id": "acme"},
    "object": object(),
    "type": Model,
    "model": Model(),
    "secret": SecretStr("acme"),
    "path": Path("acme"),
    "fraction": Decimal("1.5"),
    "infinite decimal": Decimal("Infinity"),
    "signalling decimal": Decimal("sNaN"),
    "enormous decimal": Decimal("1E+999999"),
    "enormous number": 10**5000,
    "enum of bool": Account.switch,
    "enum of nothing": Account.nothing,
    "enum of no text": Account.empty,
    "ellipsis": ...,
    "complex": 1j,
}
UNSEEN = (
    *"\u3164\u115f\u1160\u2800\u034f\uffa0\u00ad\u17b4\u17b5\u180b\u180e\u200b\u200c\u200d\u200e\u2060\u2064\u206f\ufe00\ufe0f\ufeff",
    *"\ufff9\ufffc\U0001d173\U0001d159\U000e0001\U000e0041\U000e0100\U000e01ef\U000e0fff\U00013441\U00016fe4",
    *"\u202a\u202e\u2066\u2069\u061c\u00a0\u1680\u2003\u2007\u202f\u205f\u3000\u2028\u2029\x00\x1f\x7f\x85\t\n\r",
    *"\ud800\ue000\U000f0000\u0378\uffff",
)
"""Fillers, blanks, joiners, selectors, tags, directions, other spaces, line ends, controls, and what is not a character."""


@pytest.mark.parametrize("scope", ["user", "org", "tag"])
@pytest.mark.parametrize(("value", "text"), NAMES.values(), ids=NAMES)
def test_a_value_with_one_text_is_that_name(scope: str, value: object, text: str):
    assert name_of(scope, value) == text
    assert type(name_of(scope, value)) is str
    found = run_owner({scope: value} if scope != "tag" else {"tags": deque([value])})
    assert (found.tags if scope == "tag" else getattr(found, scope)) == ((text,) if scope == "tag" else text)


@pytest.mark.parametrize("value", NO_NAMES.values(), ids=NO_NAMES)
def test_a_value_without_one_text_is_refused_in_one_line(value: object):
    for parameters in ({"user": value}, {"org": value}, {"tags": [value]}, {"tags": ["fine", value]}):
        with pytest.raises(UsageError) as caught:
            run_owner(parameters)
        assert caught.value.next_step
        assert len(str(caught.value)) < 400
        assert "acme" not in caught.value.message, "a value that is not a name may be a secret"


@pytest.mark.parametrize("tags", ["nightly", b"nightly", {"team": "a"}, 7, True, (tag for tag in "ab"), object()])
def test_tags_that_are_no_list_are_refused(tags: object):
    with pytest.raises(UsageError, match="not a list of names"):
        run_owner({"tags": tags})


def test_what_is_left_out_names_nobody():
    assert run_owner({}) == run_owner({"user": None, "org": "", "tags": None}) == run_owner({"tags": []}) == RunOwner()


@pytest.mark.parametrize("said", [RunOwner(user=""), RunOwner(org=""), RunOwner(tags=("",))])
def test_an_empty_name_that_was_typed_is_refused(said: RunOwner):
    """``--org "$ORG"`` of a variable that is not set: the budget of nobody would apply."""
    with use_run(starter_context(said)), pytest.raises(UsageError, match="not a valid name"):
        run_owner({})


@pytest.mark.parametrize("value", [ID, Account.by_id, Account.by_number, Decimal(42), Counted(5), Shouted("acme")])
def test_the_budget_of_an_owner_of_any_type_applies(store: Store, value: object):
    whose = run_owner({"org": value})
    assert whose.org is not None
    StatedLimits(store).set(Limit("org", whose.org, "day", USD))
    rules = applicable(StatedLimits(store).all(), {"org": [whose.org]})
    ledger = Ledger(store)
    assert ledger.admit(a_run_for(org=whose.org), rules) == []
    [refusal] = ledger.admit(a_run_for(org=whose.org), rules)
    assert refusal.budget.key == whose.org
    assert {row["org_id"] for row in rows(ledger, schema.runs)} == {whose.org}


@pytest.mark.parametrize("letter", UNSEEN, ids=lambda letter: f"{ord(letter):06X}")
def test_letters_that_nobody_sees_are_in_no_name(letter: str, store: Store):
    for name in (letter, f"ac{letter}me", f"acme{letter}", f"{letter}acme", letter * 3):
        assert not readable(name)
        for parameters in ({"org": name}, {"user": name}, {"tags": [name]}):
            with pytest.raises(UsageError) as caught:
                run_owner(parameters)
            assert caught.value.message.isascii(), "what nobody sees is told by its number"
        with pytest.raises(UsageError):
            StatedLimits(store).set(Limit("tag", name, "day", USD))
        for owner in ("org", "user"):
            with pytest.raises(UsageError):
                Wallets(store).grant(f"{owner}:{name}", 1)


@pytest.mark.parametrize("name", ["ac  me", " acme", "acme ", "\u0301acme", "\u20ddx", "*", "", "x" * 201])
def test_names_that_look_like_others_are_refused(name: str):
    with pytest.raises(UsageError):
        name_of("org", name)


@settings(max_examples=300, deadline=None)
@given(st.text(min_size=1, max_size=8))
def test_a_name_is_what_it_looks_like(text: str):
    """Any name that is accepted is shown whole, and only what is shown tells it from others."""
    if not readable(text):
        return
    assert clean(text) == text
    assert name_of("org", text) == text if text != "*" else True
    assert not any(unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for sign in text)
    assert not any(invisible(sign) for sign in text)
    assert text.split() == [part for part in text.split(" ") if part]


def test_no_command_takes_a_name_that_nobody_sees(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch):
    project = make_project(tmp_path / "project", "http://127.0.0.1:9", documents=0)
    monkeypatch.chdir(project.root)
    with project.runtime_here():
        for command in (
            ("budgets", "set", "org", "ac\u3164me", "day", "1 USD"),
            ("budgets", "set", "tag", "\u2800", "day", "1 USD"),
            ("credits", "grant", "org:ac\u034fme", "5"),
            ("credits", "balance", "org:ac\uffa0me"),
            ("credits", "statement", "user:\u1160"),
            ("report", "all", "--org", "ac\ufe0fme"),
            ("report", "all", "--user", "\U000e0041ana"),
        ):
            said = call(*command)
            assert said.code == 2, command
            first, second = said.err.splitlines()
            assert first.startswith("error: ")
            assert second.startswith("  next: ")
            assert "Traceback" not in said.all
            assert not any(map(invisible, said.all)), command
