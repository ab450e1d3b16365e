"""Phrases and words of lists, however they are written, and what only looks like them."""

from collections.abc import Mapping
from typing import Any

import pytest

from guardrails.base import GuardInput, Verdict
from guardrails.guards.policy import PolicyGuard
from guardrails.guards.toxicity import InappropriateGuard
from guardrails.model_calls import ModelJudgement
from tests.support.effort import assert_cheap


async def nobody(
    exchange: GuardInput, template: str, values: Mapping[str, object], returns: Any
) -> ModelJudgement[Any]:
    raise AssertionError("no model is asked here")


def answer(text: str) -> GuardInput:
    return GuardInput("output", "reply", "assistant", "r", (text,))


async def swearing(text: str) -> Verdict:
    return await InappropriateGuard(nobody).check(answer(text))


@pytest.mark.parametrize(
    "text",
    [
        *("f*ck this", "f**k off", "sh*t", "s#it happens", "fuuuuck", "shiiiit", "phuck", "dumb ass", "mother-fuckers"),
        *("<b>fu</b>ck", "fu&shy;ck", "fu\u200bck", "ｆｕｃｋ", "𝖋𝖚𝖈𝖐", "f u c k", "b1tch", "**bull**shit", "$hit"),
    ],
)
async def test_swearing_is_found_however_it_is_written(text):
    assert (await swearing(text)).action == "retry"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "prick your finger",
            "push it, fish it, cash it",
            "Scunthorpe",
            "2*f*k",
            "growth is retarded growth",
            "a * b * c",
        ),
        *(
            "cooool",
            "hmmmm",
            "## shift ##",
            "the class hits, the bass hit hard",
            "see C# and F# code",
            "**bold** and *it*",
        ),
    ],
)
async def test_plain_words_are_no_swearing(text):
    assert (await swearing(text)).action == "allow"


async def test_the_verdict_names_the_word():
    assert (await swearing("what a load of b*llshit")).facts["kinds"] == "swearing: bullshit"


GUARD = PolicyGuard(forbidden={"promises": ("we guarantee", "risk free", "no refund")}, canaries=("zebra-quartz-19",))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "we&nbsp;guarantee",
            "we <b>guarantee</b>",
            '<i class="x">we</i> guarantee',
            "[we](https://a.example/x) guarantee",
        ),
        *("w.e. g.u.a.r.a.n.t.e.e", "we\n guarantee", "risk\u2011free", "No Refund.", "zebra<wbr>quartz&shy;19"),
    ],
)
def test_phrases_are_found_behind_markup(text):
    assert GUARD.check(answer(text)).action != "allow"


@pytest.mark.parametrize(
    "text", ["If not, we, guarantee or no, act.", "Was it a risk? Free entry.", "No, refund the lady."]
)
def test_words_of_two_clauses_are_no_phrase(text):
    assert GUARD.check(answer(text)).action == "allow"


def test_hostile_texts_cost_little():
    texts = {name: (unit * 100_000)[:100_000] for name, unit in
             {"stars": "ab*d ", "tags": "<a", "links": "](", "entities": "&#", "runs": "aaa ", "tag": "<b>x</b>"}.items()}  # fmt: skip
    assert_cheap(lambda text: GUARD.check(answer(text)), texts, most=125)
    listed = InappropriateGuard(nobody)
    assert_cheap(lambda text: list(listed._found(text)), texts, most=125)
