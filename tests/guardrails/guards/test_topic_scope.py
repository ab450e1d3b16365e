from collections.abc import Mapping
from typing import Any

import pytest

from benchmarks.guard_texts import hostile
from benchmarks.guards import held_out_shares
from benchmarks.held_out_intents import BANK, SHOP, strange
from benchmarks.intents import requests
from guardrails.base import GuardInput, Reason, Verdict
from guardrails.guards.topic_scope import NEGATIVES, SURE, UNSURE, ScopeGuard, ScopeModel
from guardrails.guards.toxicity import InappropriateGuard
from guardrails.model_calls import ModelJudgement
from tests.support.effort import assert_cheap


class Model:
    """Gives the set answer, and notes what it was asked."""

    def __init__(self, **said: bool) -> None:
        self.said = said
        self.asked: list[Mapping[str, object]] = []

    async def __call__(
        self, exchange: GuardInput, template: str, values: Mapping[str, object], returns: Any
    ) -> ModelJudgement[Any]:
        self.asked.append(values)
        return ModelJudgement(returns(**self.said), 7)


SETS = requests(seed=3)


async def ask(guard: ScopeGuard | InappropriateGuard, text: str) -> Verdict:
    return await guard.check(GuardInput("input", "chat", "assistant", "r", ("system", text)))


async def test_own_requests_pass_and_strange_ones_are_blocked():
    guard = ScopeGuard(Model(), tuple(SETS["learn_in"]), tuple(SETS["learn_out"]), topics="invoices")
    wrong = [text for text in SETS["in"] if (await ask(guard, text)).action == "block"]
    blocked = [text for text in SETS["out"] if (await ask(guard, text)).action == "block"]
    assert len(wrong) <= len(SETS["in"]) * 0.02
    assert len(blocked) >= len(SETS["out"]) * 0.75
    told = await ask(guard, "what is the weather in paris")
    assert (told.reason, told.facts) == (Reason.SCOPE, {"topics": "invoices"})


def test_intents_that_nobody_thought_of_are_blocked():
    wrong, blocked, grey = held_out_shares(BANK, (1, 2))
    assert wrong <= 0.04
    assert blocked >= 0.72
    assert grey <= 0.3


def test_a_scope_with_few_and_varied_examples_blocks_less_rather_than_wrongly():
    wrong, blocked, _ = held_out_shares(SHOP, (1,))
    assert wrong <= 0.1
    assert blocked >= 0.3


FEW = ("where is my parcel", "i want my money back", "the lamp arrived broken", "i can't log in to my account")


def test_few_examples_block_hardly_any_request():
    """Four of them tell little of what else belongs: what is like none is unsure rather than blocked."""
    for embeddings in (False, True):
        model = ScopeModel(FEW, embeddings=embeddings)
        own = ["track my order", "you refunded too little", "one glass of the set is cracked", "reset my password"]
        assert sum(model.inside(text) < UNSURE for text in own) == 0, embeddings
        assert any(model.inside(text) < SURE for text in strange()), embeddings
        assert all(model.inside(text) >= SURE for text in FEW), embeddings


@pytest.mark.parametrize("embeddings", [False, True])
def test_built_in_examples_of_what_does_not_belong_yield_to_the_scope(embeddings: bool):
    """A kitchen timer belongs to a kitchen, whatever other scopes think of timers."""
    kitchen = [f"set a timer for {count} minutes" for count in (5, 8, 10, 20, 45)] + [
        *("start the timer", "stop the timer", "how long until the timer rings", "pause my timer", "cancel the timer"),
        *("how do i cook rice", "how long do i boil eggs", "a recipe for pancakes", "what goes into pesto"),
    ]
    model = ScopeModel(kitchen, embeddings=embeddings)
    assert "set a timer for ten minutes" in NEGATIVES
    assert model.inside("set a timer for ten minutes") >= SURE
    near = ["set a timer for ten minutes", "cancel my timer", "stop the timer now"]
    yielding, told = (
        ScopeModel(kitchen, background=near, embeddings=embeddings),
        ScopeModel(kitchen, near, background=(), embeddings=embeddings),
    )
    assert all(told.inside(text) < yielding.inside(text) for text in near)


@pytest.mark.parametrize("embeddings", [False, True])
def test_examples_that_repeat_each_other_do_not_raise_the_threshold(embeddings: bool):
    """Examples from templates are so alike that each promises more than requests in other words hold."""
    repeated = [
        f"{ask} the invoice of {month}"
        for ask in ("send me", "where is", "please print", "i need")
        for month in ("may", "june", "july", "march", "april")
    ]
    model = ScopeModel(repeated, embeddings=embeddings)
    assert model.inside("can you email me a copy of the june invoice") >= UNSURE
    assert model.inside("tell me a joke") < UNSURE


@pytest.mark.parametrize("embeddings", [False, True])
def test_most_examples_are_surely_inside_and_one_alone_is_enough(embeddings: bool):
    phrases = [phrase for texts in BANK.values() for phrase in texts.split("|")]
    model = ScopeModel(phrases, embeddings=embeddings)
    assert sum(model.inside(phrase) >= SURE for phrase in phrases) >= 0.97 * len(phrases)
    alone = ScopeModel(["where is my parcel"], background=(), embeddings=embeddings)
    assert alone.inside("where is my parcel") > alone.inside("write a poem about spring") >= UNSURE


async def test_the_grey_zone_asks_a_model_and_pays_for_it():
    model = Model(in_scope=False)
    guard = ScopeGuard(model, ("fix the invoice",), ("fix the weather",), block_below=0, sure_above=1, unsure="ask")
    told = await ask(guard, "fix the thing")
    assert (told.action, told.cost_nano, len(model.asked)) == ("block", 7, 1)
    model.said["in_scope"] = True
    assert (await ask(guard, "fix the thing")).action == "allow"


def test_examples_are_needed():
    with pytest.raises(ValueError, match="examples"):
        ScopeGuard(Model(), ())


def test_hostile_texts_cost_little():
    model = ScopeModel(SETS["learn_in"], SETS["learn_out"])
    assert_cheap(model.inside, hostile(), most=125)


async def test_swearing_is_sent_back_and_a_model_may_look_at_the_rest():
    guard = InappropriateGuard(Model(appropriate=False))
    assert (await ask(guard, "What a load of bullshit.")).action == "retry"
    assert (await ask(guard, "Scunthorpe, Essex, assets, a cockpit")).action == "allow"
    assert (await ask(InappropriateGuard(Model(), allowed=("bullshit",)), "bullshit")).action == "allow"
    named = await ask(guard, "you pr1ck? no: you prick, b\u200bitch and f.u.c.k")
    assert named.facts["kinds"] == "swearing: bitch, fuck, prick"
    for fine in ("Do not prick your finger.", "a pussy cat", "spick and span, spic and span", "a bastard sword"):
        assert (await ask(guard, fine)).action == "allow", fine
    judged = await ask(InappropriateGuard(Model(appropriate=False), judge=True, on_find="block"), "You are no good.")
    assert (judged.action, judged.reason, judged.cost_nano) == ("block", Reason.SAFETY, 7)
