"""The answers: taken from the text, the same every time, within the limit, and loops that end."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.content import ToolCallPart, ToolResultPart
from tasks.providers.messages import Message, Schema, Tool
from tasks.sandbox.answers.answer import answer_question
from tasks.sandbox.answers.digest import TextDigest
from tasks.sandbox.dialects.anthropic import AnthropicDialect
from tasks.sandbox.dialects.bedrock import BedrockDialect
from tasks.sandbox.dialects.openai import OpenAIDialect
from tasks.sandbox.protocol import BadRequest, Dialect, PromptSegment, SandboxAnswer, SandboxRequest
from tasks.sandbox.tokens import chunks, count_tokens, first_tokens
from tests.support.effort import assert_grows_with_length
from tests.support.examples import examples

ARTICLE = """# Outage on Monday

The ledger was locked for two hours on Monday because a disk was full. Payments were not lost, since every attempt is
written before it is sent. Dr. Lee saw it at 9.

```python
raise SystemExit("code is not prose")
```

- Add an alarm on disk space,
  and test it.
- Move the ledger to its own disk.
"""


def ask(
    text: str = "",
    *,
    tools: Sequence[Tool] = (),
    messages: Sequence[Message] = (),
    schema: dict[str, Any] | None = None,
    max_tokens: int | None = None,
    tool_choice: str = "auto",
    forced_tool: str | None = None,
) -> SandboxAnswer:
    question = SandboxRequest(
        "m",
        messages or [Message.of("user", text)],
        [PromptSegment(text)],
        tools=tools,
        schema=Schema("x", schema) if schema else None,
        max_tokens=max_tokens,
        tool_choice=tool_choice,
        forced_tool=forced_tool,
    )
    return answer_question(question, "req_1")


def test_sentences_are_those_of_the_text() -> None:
    text = ask(f"Summarise this:\n\n{ARTICLE}").text
    assert text.startswith("[sandbox] ")
    assert "locked for two hours" in text
    assert "SystemExit" not in text
    assert TextDigest(ARTICLE).items() == [
        "Add an alarm on disk space, and test it.",
        "Move the ledger to its own disk.",
    ]
    assert "Dr. Lee saw it at 9." in TextDigest(ARTICLE).statements()
    assert TextDigest(ARTICLE).title() == "Outage on Monday"


def test_only_delimited_content_is_worked_on() -> None:
    text = ask(f"Be brief. Never mention bananas at all. <document id='1'>{ARTICLE}</document> Thank you kindly.").text
    assert "bananas" not in text
    assert "kindly" not in text
    assert "ledger" in text


def test_a_question_around_a_document_steers_what_is_picked() -> None:
    document = "<document>Cats sleep a lot. Dogs bark at night. Owls hunt mice. Frogs sing in spring.</document>"
    assert "Owls hunt mice." in ask(f"What do owls hunt? {document}").text


def test_a_bare_question_is_answered_with_the_truth() -> None:
    assert "No model is behind this answer" in ask("What is the capital of France?").text


@given(st.text(max_size=300), st.integers(1, 60))
@settings(deadline=None)
def test_answers_are_repeatable_and_within_the_limit(text: str, limit: int) -> None:
    answer = ask(text, max_tokens=limit)
    assert answer == ask(text, max_tokens=limit)
    assert answer.tokens <= limit
    assert answer.tokens == max(1, count_tokens(answer.text))


def test_a_tight_limit_makes_a_shorter_answer_before_a_broken_one() -> None:
    schema = {"type": "object", "properties": {"summary": {"type": "string"}}, "required": ["summary"]}
    answer = ask(ARTICLE, schema=schema, max_tokens=30)
    assert answer.stop == "end"
    assert json.loads(answer.text)["summary"]
    assert ask(ARTICLE, schema=schema, max_tokens=5).stop == "length"


def _tool(name: str, description: str, **properties: str) -> Tool:
    schema = {key: {"type": kind} for key, kind in properties.items()}
    return Tool(name, description, {"type": "object", "properties": schema, "required": list(properties)})


TOOLS = [
    _tool("send_reply", "Send a reply to the customer's ticket", ticket_id="string", body="string"),
    _tool("get_weather", "Forecast for a city", city="string"),
    _tool("get_ticket", "Look up a support ticket", ticket_id="string"),
    _tool("get_customer", "Customer record and plan", customer_id="string"),
]
RESULTS = {
    "get_ticket": '{"ticket_id": "T-1042", "customer_id": "C-77", "status": "open"}',
    "get_customer": '{"customer_id": "C-77", "name": "Ann Lee", "plan": "pro"}',
    "send_reply": "sent",
}


def test_an_agent_looks_up_before_it_acts_and_then_ends() -> None:
    messages = [Message.of("user", "Look up ticket T-1042, check the customer and send a reply about the refund.")]
    called = []
    for _ in range(9):
        answer = ask(messages=messages, tools=TOOLS)
        if not answer.calls:
            break
        [call] = answer.calls
        called.append((call.name, json.loads(call.arguments).get("customer_id")))
        messages += [
            Message.of("assistant", ToolCallPart.parse(call.id, call.name, call.arguments)),
            Message.of("tool", ToolResultPart(call.id, RESULTS[call.name])),
        ]
    assert called == [("get_ticket", None), ("get_customer", "C-77"), ("send_reply", None)]
    assert answer.stop == "end"
    assert "Ann Lee" in answer.text


def test_choices_are_made_by_the_ticket_and_not_by_what_was_looked_up() -> None:
    call = ToolCallPart("c", "look_up_account", {"customer": "Ann Lee"})
    messages = [
        Message.of(
            "user", "Look up the account of customer Ann Lee.\n<ticket>The API answers with 503 for everybody.</ticket>"
        ),
        Message.of("assistant", call),
        Message.of("tool", ToolResultPart("c", {"plan": "team", "last_invoice": "paid", "account_id": "A-7"})),
    ]
    tool = _tool("look_up_account", "The account of a customer", customer="string")
    assert json.loads(ask(messages=messages[:1], tools=[tool]).calls[0].arguments) == {"customer": "Ann Lee"}
    properties = {"category": {"enum": ["billing", "outage", "other"]}, "account_id": {"type": "string"}}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    answer = ask(messages=messages, tools=[tool], schema=schema)
    assert json.loads(answer.text) == {"category": "outage", "account_id": "A-7"}


def test_tools_are_called_only_when_wanted() -> None:
    assert not ask("Tell me a joke about prefects and their flows.", tools=TOOLS).calls
    assert not ask("Get ticket T-1.", tools=TOOLS, tool_choice="none").calls
    assert not ask("Get the ticket.", tools=TOOLS).calls
    assert ask("Anything.", tools=TOOLS, tool_choice="any").calls
    forced = ask("Anything.", tools=TOOLS, tool_choice="tool", forced_tool="get_weather")
    assert [call.name for call in forced.calls] == ["get_weather"]


def test_a_forced_tool_is_not_called_twice() -> None:
    call = ToolCallPart("c", "get_weather")
    messages = [
        Message.of("user", "Hi"),
        Message.of("assistant", call),
        Message.of("tool", ToolResultPart("c", "rain")),
    ]
    assert not ask(messages=messages, tools=TOOLS, tool_choice="tool", forced_tool="get_weather").calls


@given(st.text(max_size=400), st.integers(1, 9))
def test_chunks_are_the_text_again_and_count_the_same(text: str, size: int) -> None:
    parts = chunks(text, size)
    assert "".join(part for part, _ in parts) == text
    assert sum(tokens for _, tokens in parts) == count_tokens(text)


@given(st.text(max_size=200), st.text(max_size=200), st.integers(0, 50))
def test_counts_add_up_and_cuts_count(one: str, two: str, limit: int) -> None:
    assert count_tokens(f"{one}\n{two}") == count_tokens(one) + count_tokens(two)
    assert count_tokens(first_tokens(one, limit)) == min(limit, count_tokens(one))


@pytest.mark.parametrize(
    "hostile", ["<a" * 30_000, "a." * 50_000, " " * 100_000, "[" * 100_000, "1," * 50_000, "- " * 50_000, "A-" * 50_000]
)
def test_hostile_text_does_not_stall(hostile: str) -> None:
    schema = {
        "type": "object",
        "properties": {"email": {"type": "string"}, "order_id": {"type": "string"}, "count": {"type": "integer"}},
    }
    assert_grows_with_length(lambda text: (ask(text, schema=schema), ask(text, tools=TOOLS)), hostile)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "content",
                    "text",
                    "type",
                    "tool_calls",
                    "toolUse",
                    "toolResult",
                    "cachePoint",
                    "function",
                    "id",
                    "name",
                    "input",
                    "schema",
                    "json_schema",
                    "cache_control",
                    "toolSpec",
                    "tools",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
FIELDS = [
    "model",
    "messages",
    "tools",
    "tool_choice",
    "response_format",
    "max_tokens",
    "system",
    "output_config",
    "outputConfig",
    "toolConfig",
    "inferenceConfig",
    "stream_options",
]


@pytest.mark.parametrize(
    "dialect", [OpenAIDialect("openai"), AnthropicDialect(), BedrockDialect()], ids=lambda d: d.provider
)
@given(
    body=st.dictionaries(st.sampled_from(FIELDS), json_values),
    role=st.sampled_from(["user", "assistant", "tool"]),
    content=json_values,
)
@settings(max_examples=examples(40), deadline=None)
def test_nonsense_is_refused_and_never_breaks_the_server(
    dialect: Dialect, body: dict[str, Any], role: str, content: Any
) -> None:
    for whole in (
        body,
        body
        | {
            "model": "m",
            "max_tokens": 5,
            "messages": [{"role": "user", "content": [{"text": "x"}]}, {"role": role, "content": content}],
        },
    ):
        with contextlib.suppress(BadRequest):
            dialect.read(whole, "m", {"anthropic-version": "2023-06-01"})
