"""The score of a question: monotone in every feature, explained as text, deaf to what is only data."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from tasks.providers.messages import Message, ModelRequest, Tool
from tasks.routing.complexity import PromptFeatures, features_of, rate, score
from tasks.structured_output import answer_type

COUNTS = st.integers(0, 100_000)
FEATURES = st.builds(PromptFeatures, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
NAMES = [field.name for field in fields(PromptFeatures)]


class Leaf(BaseModel):
    children: list["Leaf"]


class Branch(BaseModel):
    leaves: list[list[dict[str, list[int]]]]


def asking(text: str, **more: Any) -> ModelRequest:
    return ModelRequest([Message.of("user", text)], 100, **more)


@given(FEATURES, st.sampled_from(NAMES), st.integers(1, 10_000))
def test_more_of_a_feature_never_lowers_the_score(features, name, more):
    richer = replace(features, **{name: getattr(features, name) + more})
    assert 0 <= rate(features).score <= rate(richer).score <= 1


@given(FEATURES)
def test_every_reason_carries_points_and_none_is_missing(features):
    found = rate(features)
    points = [float(reason.rpartition("+")[2].rstrip(")")) for reason in found.reasons]
    assert points == sorted(points, reverse=True)
    assert found.score == pytest.approx(min(1, sum(points)), abs=0.01 * len(points) + 1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_each_feature_can_raise_the_score_and_says_so(name):
    found = rate(replace(PromptFeatures(), **{name: 100_000}))
    assert found.score >= 0.2
    [reason] = found.reasons
    assert "100,000" in reason


@pytest.mark.parametrize(
    ("text", "tier"),
    [
        ("Summarize what you are given in two sentences.", "light"),
        ("Extract the invoice number.", "light"),
        ("Which plan is this customer on?", "light"),
        ("Choose a topic: feature, fix, or other.", "light"),
        ("Compare the three vendors, weigh the trade-offs, analyse the risks and justify your choice.", "premium"),
        ("1. List the tables.\n2. Order them.\n3. Write the script.\n4. Check it.\nThen explain why.", "premium"),
        (
            "Plan a migration step by step: first the schema, then the data, finally the traffic. Why this order?",
            "premium",
        ),
    ],
)
def test_simple_things_are_light_and_demanding_ones_premium(text, tier):
    assert score(asking(text)).tier(0.5) == tier


def test_what_stands_between_tags_is_data():
    steps = "\n".join(f"{n}. Compare, analyse and justify." for n in range(1, 9))
    assert score(asking(steps)).score >= 0.5
    inside = features_of(asking(f"Summarize this.\n<document>\n{steps}\n</document>\nIn two sentences."))
    assert (inside.steps, inside.markers) == (0, 0)
    never_ends = features_of(asking(f"Summarize this.\n<document>\n{steps}"))
    assert (never_ends.steps, never_ends.markers) == (0, 0)
    after = features_of(asking(f"<document>{steps}</document>\nCompare them."))
    assert after.markers == 1


def test_many_unclosed_tags_take_no_time():
    assert features_of(asking("<a>" * 50_000)).steps == 0


@pytest.mark.parametrize(("kind", "depth"), [(str, 0), (int, 1), (Branch, 5), (Leaf, 6)])
def test_depth_of_the_answer(kind, depth):
    found = features_of(asking("Answer.", schema=answer_type(kind).schema)).depth
    assert min(found, 6) == depth


def test_tools_and_history_count():
    tools = [Tool(f"tool_{n}", "Looks things up.", {"type": "object"}) for n in range(5)]
    request = ModelRequest([Message.of("user", "Go.")] * 7, 100, tools=tools)
    found = features_of(request)
    assert (found.tools, found.history) == (5, 7)
    assert any("tools to choose from: 5" in reason for reason in score(request).reasons)


def test_the_explanation_is_one_line_without_content():
    found = score(asking("Compare Zanzibar with Quito and justify it."))
    told = found.explain(0.5)
    assert told == "complexity 0.25 < 0.50 (words that ask for reasoning: 2 (+0.25))"
    assert score(asking("Hello.")).explain(0.5) == "complexity 0.00 < 0.50 (nothing demanding about it)"
