"""What requests have in common: found by hashes, marked where each dialect wants it, waited for only where it pays."""

import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from pricing.content import DocumentPart, TextPart
from pricing.rates import OwnRate, RateCard
from pricing.usage import Usage
from tasks.providers import adapter_for, spec_of
from tasks.providers.messages import Message, ModelRequest, Tool
from tasks.providers.prompt_blocks import NONE, prompt_blocks
from tasks.providers.refused_features import RefusedFeatures, refused_by
from tasks.routing.target import Target
from tasks.turn.static_parts import StaticParts, StaticUse, TurnPlace
from tests.support.exchanges import WEATHER, Free, request, schema, target

RATES = RateCard.load([])
RATES_OF_ITS_OWN = Decimal(3)
MANUAL = "Answer by the manual, in one word. " * 400
HANDBOOK = "A handbook that every question is about. " * 200
QUESTIONS = [f"Question number {number}?" for number in range(4)]
DIALECTS = {
    "anthropic": target("anthropic", model="claude-sonnet-5"),
    "bedrock": target("bedrock", model="global.anthropic.claude-sonnet-4-6"),
    "openai": target("openai", model="gpt-6-luna"),
    "responses": target("openai", model="gpt-5.6-luna"),
}
MARKS = ("cache_control", "cachePoint", "prompt_cache_breakpoint")


def plain(*parts: Any, **changes: Any) -> ModelRequest:
    shape = {"messages": (Message.of("user", *parts),), "system": TextPart(MANUAL), "tools": (), "schema": None}
    return request(**(shape | changes))


def uses(where: Target, *requests: ModelRequest, seconds: float = 5.0) -> list[StaticUse]:
    """Each of some requests as it would be sent, one after another; none of them ends before the last was sent."""

    async def all_of_them() -> list[StaticUse]:
        parts, found = StaticParts(RATES, lambda: b"key", seconds), []
        for number, one in enumerate(requests):
            tokens = sum(
                len(part.text) for message in one.messages for part in message.parts if part.__class__ is TextPart
            )
            text_tokens = (tokens + len(one.system.text)) // 4
            with await parts.use(
                where, one, TurnPlace("read", f"{number}"), text_tokens=text_tokens, seconds_left=0.0
            ) as use:
                found.append(use)
        return found

    return asyncio.run(all_of_them())


def marked(where: Target, sent: ModelRequest) -> list[str]:
    """The beginning of each text behind which a request marks the end of what is cached."""
    body = json.loads(adapter_for(where.provider).encode(where, sent).body)
    found: list[str] = []
    last = ""

    def walk(value: Any) -> None:
        nonlocal last
        for one in value if isinstance(value, list) else [value] if isinstance(value, dict) else []:
            if isinstance(one, dict):
                last = str(one.get("text") or one.get("name") or last)
                found.extend(last[:10] for name in MARKS if name in one)
                for inner in one.values():
                    walk(inner)

    for name in ("toolConfig", "tools", "system", "input", "messages"):
        walk(body.get(name, []))
    return found


def label(sent: ModelRequest, where: Target = DIALECTS["anthropic"], key: bytes = b"key") -> list[str]:
    return prompt_blocks(where, sent, key).label(0, tokens=1_000, minimum=1_024, seconds=300).split(".")


def test_each_block_has_its_own_hash():
    whole = request()
    plain_label = label(whole)
    assert plain_label[:3] == ["1000", "1024", "300"]
    others = {
        3: [label(whole, target("anthropic", model="claude-opus-5")), label(whole, target("anthropic", account="b"))],
        4: [label(replace(whole, tools=(Tool("w", "x", {}),)))],
        5: [label(replace(whole, schema=schema(Free)))],
        6: [label(replace(whole, system=TextPart("Be brief!")))],
    }
    others[3] = [label(whole, replace(DIALECTS["anthropic"], region=region)) for region in ("a", "b")]
    for place, changed in others.items():
        for one in changed:
            differ = [number for number, pair in enumerate(zip(plain_label, one, strict=True)) if pair[0] != pair[1]]
            assert differ == [place]
    bare = replace(whole, tools=(), schema=None)
    assert label(bare)[4:6] == [NONE, NONE]


def test_hashes_tell_nothing_and_cannot_be_compared_without_their_key():
    assert len(".".join(label(request()))) <= 50
    assert label(request())[3:7] != label(request(), key=b"other")[3:7]
    assert all(one != two for one, two in zip(label(request())[3:7], label(request(), key=b"x")[3:7], strict=True))


@pytest.mark.parametrize("where", DIALECTS.values(), ids=DIALECTS)
def test_what_is_cached_ends_behind_the_static_part(where: Target):
    one = uses(where, plain("Why?"))[0].request
    assert marked(where, one) == [MANUAL[:10]]
    body = json.loads(adapter_for(where.provider).encode(where, one).body)
    explicit = body.get("prompt_cache_options")
    assert explicit == ({"mode": "explicit"} if where.provider == "openai" else None)


@pytest.mark.parametrize("where", DIALECTS.values(), ids=DIALECTS)
def test_leading_parts_of_messages_that_requests_share_are_cached_too(where: Target):
    asked = [plain(HANDBOOK, question) for question in QUESTIONS]
    sent = [use.request for use in uses(where, *asked)]
    assert [marked(where, one) for one in sent] == [
        [MANUAL[:10]],
        *([MANUAL[:10], HANDBOOK[:10]] for _ in QUESTIONS[1:]),
    ]


def test_a_retry_shares_nothing_with_itself():
    async def twice() -> StaticUse:
        parts, turn = StaticParts(RATES, lambda: b"key", 5.0), TurnPlace("read", "one")
        for _ in range(2):
            asked = parts.use(DIALECTS["anthropic"], plain(HANDBOOK), turn, text_tokens=4_000, seconds_left=0.0)
            with await asked as use:
                pass
        return use

    assert asyncio.run(twice()).request.shared_end is None


@pytest.mark.parametrize("where", DIALECTS.values(), ids=DIALECTS)
def test_a_conversation_keeps_what_openai_writes_by_itself(where: Target):
    talk = (Message.of("user", "Why?"), Message.of("assistant", "Because."), Message.of("user", "And?"))
    for sent in (plain("", messages=talk), plain("Why?", tools=(WEATHER,))):
        body = json.loads(adapter_for(where.provider).encode(where, sent).body)
        assert "prompt_cache_options" not in body


def test_a_document_that_is_shared_is_marked_and_counted():
    pdf = DocumentPart("application/pdf", b"%PDF-1.4 same")
    where = DIALECTS["anthropic"]
    first, second = uses(
        where, plain(pdf, "One?", system=TextPart("Read.")), plain(pdf, "Two?", system=TextPart("Read."))
    )
    assert first.request.shared_end is None
    assert second.request.shared_end is pdf


@pytest.mark.parametrize(
    ("where", "why"),
    [
        (target("openai", model="gpt-4"), "no cache"),
        (target("groq", model="llama-3.3-70b-versatile"), "no cache"),
        (target("bedrock", model="openai.gpt-oss-120b-1:0"), "no cache"),
        (target("openai_compatible"), "no price for it"),
    ],
)
def test_models_without_a_cache_have_no_static_part(where: Target, why: str):
    [use] = uses(where, plain("Why?"))
    assert (use.label, use.request.shared_end) == (None, None), why


def test_only_what_is_long_enough_and_cheaper_to_read_is_waited_for():
    def waits(where: Target, asked: ModelRequest, rates: RateCard = RATES) -> bool:
        async def second() -> bool:
            parts = StaticParts(rates, lambda: b"key", 0.01)
            tokens = len(asked.system.text) // 4
            how: Any = {"text_tokens": tokens, "seconds_left": 60.0}
            with await parts.use(where, asked, TurnPlace("read", "1"), **how) as one:
                assert one._prefix is None or one._prefix.first
                with await parts.use(where, asked, TurnPlace("read", "1"), **how) as other:
                    return one._prefix is not None and other._prefix is not None

        return asyncio.run(second())

    long, short = plain("Why?"), plain("Why?", system=TextPart(MANUAL[:3_000]))
    for where in DIALECTS.values():
        assert waits(where, long)
        assert not waits(where, short)
    haiku = target("anthropic", model="claude-haiku-4-5")
    assert not waits(haiku, long), "its minimum is 4,096 tokens"
    assert waits(target("anthropic", model="claude-haiku-5-5"), short), "its minimum is 512"
    same = RateCard.load([OwnRate("anthropic", "claude-sonnet-5", *(RATES_OF_ITS_OWN,) * 4)])
    assert not waits(DIALECTS["anthropic"], long, same)
    assert not waits(DIALECTS["anthropic"], replace(long, cache=False)), "it marks nothing"
    assert not waits(DIALECTS["anthropic"], replace(long, without=frozenset({"cache_control"})))
    assert not waits(DIALECTS["openai"], replace(long, without=frozenset({"prompt_cache_breakpoint"})))


@pytest.mark.parametrize(
    ("where", "error", "feature"),
    [
        (
            DIALECTS["openai"],
            {"message": "Unknown parameter: 'prompt_cache_options'.", "param": "prompt_cache_options",
             "code": "unknown_parameter"},
            "prompt_cache_breakpoint",
        ),
        (
            DIALECTS["openai"],
            {"message": "Unknown parameter: 'messages[0].content[0].prompt_cache_breakpoint'.",
             "param": "messages[0].content[0].prompt_cache_breakpoint", "code": "unknown_parameter"},
            "prompt_cache_breakpoint",
        ),
        (
            DIALECTS["anthropic"],
            {"message": "system.0.cache_control: Extra inputs are not permitted", "type": "invalid_request_error"},
            "cache_control",
        ),
        (
            DIALECTS["bedrock"],
            {"message": "This model does not support cachePoint in system."},
            "cache_control",
        ),
    ],
)  # fmt: skip
def test_marks_that_a_model_refuses_are_left_out_from_then_on(where: Target, error: dict[str, str], feature: str):
    asked, refused = plain("Why?"), RefusedFeatures()
    assert refused.learn(where, asked, refused_by(error, {"error": error}, error["message"])) == feature
    again = replace(asked, without=refused.of(where, None))
    assert marked(where, again) == []
    assert "prompt_cache_options" not in json.loads(adapter_for(where.provider).encode(where, again).body)


def test_a_first_that_cached_nothing_tells_the_others():
    where = DIALECTS["anthropic"]

    async def first(counted: Usage) -> bool:
        parts = StaticParts(RATES, lambda: b"key", 5.0)
        how: Any = {"text_tokens": 4_000, "seconds_left": 60.0}
        with await parts.use(where, plain("Why?"), TurnPlace("read", "1"), **how) as use:
            use.began()
            use.counted(counted)
        with await parts.use(where, plain("And?"), TurnPlace("read", "2"), **how) as use:
            assert use._prefix is not None
            return use._prefix._prefix.useless_until > 0

    assert asyncio.run(first(Usage(4_000, 9, 0, 0, 0)))
    for counted in (Usage(4_000, 9, 0, 3_900), Usage(4_000, 9, 3_900, 0), Usage(4_000, 9), Usage()):
        assert not asyncio.run(first(counted))


def test_every_model_that_ships_has_rules_that_can_be_used():
    for provider in ("anthropic", "bedrock", "openai", "groq", "gemini", "deepseek", "azure_openai", "vertex"):
        for model in RATES.known_models(provider):
            rules = spec_of(provider).features.caching(model)
            assert rules is None or (rules.minimum >= 512 and rules.seconds >= 300)
