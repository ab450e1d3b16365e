"""The targets that come with Farebox: ids that their providers take, prices that two lists agree on, and no near end."""

import json
import re
import tomllib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from botocore.session import Session

from farebox.config.settings import TargetSettings
from farebox.scaffold import create_project
from pricing.rates import RateCard, callable_id, end_of_life
from pricing.usage import Usage
from tests.support.project import REPOSITORY

LITELLM: dict[str, list[Any]] = json.loads((REPOSITORY / "tests" / "data" / "litellm_prices.json").read_text())["rows"]
CARD = RateCard.load()
CHAIN = [
    ("bedrock", "global.anthropic.claude-haiku-5-5", "light"),
    ("bedrock", "global.anthropic.claude-sonnet-5-5", "premium"),
    ("bedrock", "global.anthropic.claude-haiku-4-5-20251001-v1:0", "legacy"),
    ("groq", "openai/gpt-oss-120b", "light"),
    ("openai", "gpt-6-luna", "last_resort"),
]
"""Chosen on 2026-11-28; a change of it is a change of this test."""


def _targets(text: str) -> list[TargetSettings]:
    return [TargetSettings(**one) for one in tomllib.loads(text)["targets"]]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[TargetSettings]]:
    new = create_project(tmp_path_factory.mktemp("new") / "shop").root
    return {
        name: _targets((root / "farebox.toml").read_text("utf-8")) for name, root in (("own", REPOSITORY), ("new", new))
    }


def _documented() -> list[tuple[str, str]]:
    """Every model that a sample of the documentation names."""
    found = []
    for path in [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]:
        for block in re.findall(r"^```toml\n(.*?)^```", path.read_text("utf-8"), re.DOTALL | re.MULTILINE):
            found += re.findall(r'^provider = "(\w+)".*\nmodel = "([^"]+)"', block, re.MULTILINE)
    return sorted(set(found))


@pytest.mark.parametrize("where", ["own", "new"])
def test_the_chain_is_in_every_shipped_configuration(shipped: dict[str, list[TargetSettings]], where: str):
    assert [(one.provider, one.model, one.tier) for one in shipped[where]] == CHAIN


@pytest.mark.parametrize(("provider", "model", "_tier"), CHAIN)
def test_both_lists_agree_on_the_price(provider: str, model: str, _tier: str):
    given, written, read, *_ = LITELLM[f"groq/{model}" if provider == "groq" else model]
    for per_token, usage in (
        (given, Usage(1_000, 0)),
        (written, Usage(0, 1_000)),
        (read, Usage(1_000, 0, cache_read_tokens=1_000)),
    ):
        assert CARD.price(model, provider, usage) == Decimal(per_token) * 10**12


def test_a_long_prompt_to_the_light_model_costs_five_times_as_much():
    short, long = (CARD.price(CHAIN[0][1], "bedrock", Usage(tokens, 0)) for tokens in (100_000, 200_000))
    assert long == 10 * short


@pytest.mark.parametrize(("provider", "model", "_tier"), CHAIN)
def test_bedrock_takes_the_ids_and_none_of_them_ends_soon(provider: str, model: str, _tier: str):
    if provider == "bedrock":
        shape = Session().get_service_model("bedrock-runtime").operation_model("Converse").input_shape
        pattern = shape.members["modelId"].metadata["pattern"]
        assert re.fullmatch(pattern, model)
        assert callable_id(model) == model, "a name that price lists have for an id"
        assert model in LITELLM
    ends = end_of_life(provider, model)
    assert ends is None or ends.days_left(datetime.now(UTC).date()) > 60


@pytest.mark.parametrize(("provider", "model"), _documented())
def test_no_sample_of_the_documentation_names_a_model_that_has_ended_or_ends_soon(provider: str, model: str):
    assert end_of_life(provider, model) is None
    assert provider != "bedrock" or callable_id(model) == model


@pytest.mark.parametrize(
    "wrong",
    [
        "global.anthropic.claude-sonnet-4-6-v1:0",
        "eu.anthropic.claude-opus-5-5-v1:0",
        "us.anthropic.claude-fable-5-v1:0",
    ],
)
def test_a_name_of_price_lists_is_not_an_id(wrong: str):
    assert callable_id(wrong) == wrong.removesuffix("-v1:0")


def test_the_documentation_has_samples_at_all():
    assert len(_documented()) > 10


def test_the_second_list_is_an_excerpt_of_what_it_says():
    assert len(LITELLM) > 90
    assert all(len(row) == 5 for row in LITELLM.values())
