"""Whatever a request holds, however it is spelled: no dialect's bytes have what the guard of personal data took out."""

import html
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.base import GuardInput, Readable, readable
from guardrails.pii.guard import PIIGuard
from pricing.content import ProviderStatePart, Spelled, TextPart, ToolCallPart, ToolResultPart
from pricing.values import leaves, with_leaves
from tasks.providers import adapter_for
from tasks.providers.messages import Message, ModelRequest
from tasks.routing.target import ProviderName
from tasks.turn.redaction import sources_of, unescaped, with_values
from tests.support.exchanges import request, target

NAME = 'Zoë "Zed" O\'Brïen'
PLANTED = ("zoë.müller@example.org", "ada@example.com", "+44 20 7946 0958", "4111 1111 1111 1111", NAME)
KNOWN = (("name", NAME),)
SPELLINGS = (
    json.dumps,
    str,
    repr,
    lambda value: json.dumps(value, ensure_ascii=False, indent=1),
    lambda value: html.escape(str(value)),
)
PROVIDERS = ["anthropic", "bedrock", "groq", "openai", "openai_compatible"]
"""Every dialect."""

around = st.sampled_from(["{}", "\n{}\t", '"{}"', "x {} y", "<{}>", "é {} ü", "\\ {} \\"])
planted = st.builds(lambda frame, value: frame.format(value), around, st.sampled_from(PLANTED))
harmless = st.sampled_from(["note", 'a "b"', "line\nline", "ñ", ""]) | st.integers(-99, 99) | st.booleans() | st.none()
values = st.recursive(
    planted | harmless,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(planted | st.just("key"), inner, max_size=3),
    max_leaves=8,
)


def masked(asked: ModelRequest) -> tuple[ModelRequest, Any, Readable]:
    """The request as the guard lets it pass, its vault, and what the guard was shown."""
    read = readable(sources_of(asked))
    exchange = GuardInput(
        "input", "c", "a", "r", read.texts, known=KNOWN, sources=read.sources, labels=read.labels, origins=read.origins
    )
    verdict = PIIGuard().check(exchange)
    if verdict.texts is None:
        return asked, None, read
    return with_values(asked, exchange.with_texts(verdict.texts).values), verdict.vault, read


def strings(value: Any) -> Iterator[str]:
    """Every string in a body, also in JSON that is text there."""
    for leaf in leaves(value):
        yield leaf.text
        try:
            inner = json.loads(leaf.text)
        except ValueError:
            continue
        if isinstance(inner, dict | list):
            yield from strings(inner)


def assert_none_in(body: bytes) -> None:
    raw = body.decode()
    seen = "\n".join([raw, *strings(json.loads(raw))])
    forms = [seen, unquote(seen), html.unescape(seen), unescaped(seen)]
    for value in PLANTED:
        written = {value, json.dumps(value)[1:-1], repr(value)[1:-1], json.dumps(json.dumps(value)[1:-1])[1:-1]}
        assert not [form for form in written for text in forms if form in text]


@pytest.mark.parametrize("provider", PROVIDERS)
@given(
    value=values,
    arguments=st.dictionaries(planted | st.just("key"), values, max_size=2),
    spell=st.sampled_from(SPELLINGS),
)
def test_no_spelling_carries_what_was_planted(provider: ProviderName, value: Any, arguments: Any, spell: Any):
    asked = request(
        system=TextPart("Be brief."),
        messages=(
            Message("user", (TextPart.of(["The record: ", Spelled(value, spell), "."]),)),
            Message.of("assistant", ToolCallPart("c1", "weather", arguments)),
            Message.of("tool", ToolResultPart("c1", value)),
            Message("user", (TextPart.of(["<tool_result>", Spelled(value, json.dumps), "</tool_result>"]),)),
        ),
    )
    sent, vault, read = masked(asked)
    assert_none_in(adapter_for(provider).encode(target(provider), sent).body)
    if vault is not None:
        back = with_values(sent, [_restored(vault, source.value) for source in readable(sources_of(sent)).sources])
        assert readable(sources_of(back)).texts == read.texts


def _restored(vault: Any, value: Any) -> Any:
    return with_leaves(value, iter([vault.restore(leaf.text) for leaf in leaves(value)]))


@pytest.mark.parametrize(("value", "gone"), [
    ({"card": 4111111111111111}, "4111111111111111"),
    ({"passport": "L898902C3"}, "L898902C3"),
    ({"passportNumber": "L898902C3"}, "L898902C3"),
    ({"ssn": "078-05-1120"}, "078-05-1120"),
    ([{"phone": "020 7946 0958"}], "7946"),
    ({"who": {"ada@example.com"}}, "ada@"),
])  # fmt: skip
def test_the_key_tells_what_a_value_is_and_numbers_are_read(value: Any, gone: str):
    sent, _, _ = masked(request(messages=(Message.of("tool", ToolResultPart("c1", value)),)))
    [result] = sent.messages[0].results
    assert gone not in repr(result.value)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_provider_state_goes_back_to_its_family_only(provider: ProviderName):
    own = "anthropic/default/claude-haiku-4-5"
    state = ProviderStatePart(own, {"type": "thinking", "thinking": "zebra", "signature": "s/+=="})
    asked = request(
        messages=(Message.of("user", "Hi"), Message.of("assistant", state, "Hello."), Message.of("user", "?"))
    )
    body = json.loads(adapter_for(provider).encode(target(provider), asked).body)
    assert ("zebra" in json.dumps(body)) is (provider == "anthropic")
    if provider == "anthropic":
        assert body["messages"][1]["content"][0] == state.payload
        stand_in = adapter_for(provider).encode(target(provider, stand_in=True), asked)
        other = adapter_for(provider).encode(target(provider, model="other-1"), asked)
        assert b"zebra" not in stand_in.body + other.body
    assert "zebra" not in repr(asked) + "".join(readable(sources_of(asked)).texts)
