"""Lines of results, wherever the bytes are cut; and lines that no batch can hold."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.batches import BatchCallFailed, BatchHandle, BatchLine, LineResult, ResultTally, batch_client, calls
from tasks.batches.anthropic import _result as anthropic_row
from tasks.batches.bedrock import _result as bedrock_row
from tasks.batches.calls import cut_lines
from tasks.batches.lines import Matched, split
from tasks.batches.openai import _result as openai_row
from tasks.providers import Failure, HttpRequest
from tasks.providers.batch_rules import BatchRules
from tasks.providers.bodies import LARGEST_ANSWER
from tasks.providers.failure_kinds import failure
from tasks.providers.json_fields import encode
from tasks.providers.transport import HttpReply
from tests.support.exchanges import target


def lines_of(chunks: Sequence[bytes]) -> list[bytes]:
    async def feed() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def read() -> list[bytes]:
        return [line async for line in cut_lines(feed())]

    return asyncio.run(read())


@given(st.lists(st.binary(max_size=12)), st.data())
def test_lines_are_the_same_wherever_the_bytes_are_cut(lines: list[bytes], data: st.DataObject):
    whole = b"\n".join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    chunks = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert lines_of(chunks) == [line for line in whole.split(b"\n") if line.strip()]


def test_a_line_without_end_takes_no_memory_and_is_one_damaged_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(calls, "LARGEST_LINE", 100)
    assert lines_of([b"a\n{", *[b"x" * 40] * 50, b"y\nb\n", b"c"]) == [b"a", b"{", b"b", b"c"]
    assert lines_of([*[b"x" * 40] * 50]) == [b"x"]


def test_results_are_read_as_they_are_asked_for():
    """Results may be larger than memory: what is not asked for yet is not read."""
    pulled = 0

    class Endless:
        async def load(self) -> None: ...

        async def send(self, request: HttpRequest, **_: Any) -> HttpReply:
            return HttpReply(
                200, {}, b'{"id":"b","status":"completed","output_file_id":"f","request_counts":{"completed":1}}'
            )

        @asynccontextmanager
        async def stream(
            self, request: HttpRequest, **_: Any
        ) -> AsyncIterator[tuple[int, dict[str, str], AsyncIterator[bytes]]]:
            yield 200, {}, self.chunks()

        async def chunks(self) -> AsyncIterator[bytes]:
            nonlocal pulled
            for place in range(10**9):
                pulled += 1
                yield b'{"custom_id":"line-%d","response":{"status_code":500,"body":{}},"error":null}\n' % place

    async def take() -> list[str]:
        client = batch_client("openai", Endless())  # type: ignore[arg-type]
        handle = BatchHandle(target("openai"), "b", line_ids=tuple(f"line-{place}" for place in range(10)))
        taken = []
        async with aclosing(client.results(handle)) as results:  # type: ignore[type-var]
            async for result in results:
                taken.append(result.line_id)
                if len(taken) == 3:
                    return taken
        return taken

    assert asyncio.run(take()) == ["line-0", "line-1", "line-2"]
    assert pulled == 3


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 600) | st.sampled_from(["", "a", "succeeded", "errored", "response", "message"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from([
            "custom_id", "recordId", "response", "status_code", "body", "error", "code", "result", "type", "message", "usage",
            "content", "choices", "output", "status", "object", "modelOutput", "errorCode", "errorMessage", "text", "request_id",
        ]),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.one_of(JSON.map(encode), st.binary(max_size=40)))
def test_no_line_of_results_stops_the_others(row: bytes):
    found = [
        openai_row(target("openai"), row),
        anthropic_row(target("anthropic"), row),
        bedrock_row(target("bedrock"), row, ids={}, native=False),
        bedrock_row(target("bedrock"), row, ids={}, native=True),
    ]
    for result in found:
        if result is not None:
            assert (result.outcome == "succeeded") is (result.reply is not None)
            assert (result.failure is None) is (result.reply is not None)


def test_an_answer_without_an_end_fails_its_line_alone():
    words = "x" * (LARGEST_ANSWER + 1)
    choice = {"message": {"role": "assistant", "content": words}, "finish_reason": "stop"}
    body = {"id": "c", "choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
    result = openai_row(target("openai"), encode({"custom_id": "a", "response": {"status_code": 200, "body": body}}))
    assert result is not None
    assert result.failure is not None
    assert (result.outcome, result.failure.code, result.failure.maybe_billed) == ("errored", "reply_too_large", True)


@pytest.mark.parametrize("bare", [True, False])
def test_errors_of_anthropic_are_read_bare_or_wrapped(bare: bool):
    error = {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"}
    told = error if bare else {"type": "error", "error": error, "request_id": "req_1"}
    row = encode({"custom_id": "a", "result": {"type": "errored", "error": told}})
    result = anthropic_row(target("anthropic"), row)
    assert result is not None
    assert result.failure is not None
    assert (result.failure.kind, result.failure.status) == ("context_overflow", 400)
    assert result.request_id == (None if bare else "req_1")


@pytest.mark.parametrize(
    ("why", "uncertain"),
    [
        (failure("timeout", phase="connect"), False),
        (failure("timeout", phase="pool"), False),
        (failure("timeout", phase="read"), True),
        (failure("connection", phase="write"), True),
        (failure("server_error", status=502), True),
        (failure("overloaded", status=529), True),
        (failure("timeout", status=408), True),
        (failure("server_error", status=409), True),
        (failure("server_error", status=200), True),
        (failure("rate_limit", status=429), False),
        (failure("invalid_request", status=400), False),
        (failure("auth", status=401), False),
    ],
)
def test_only_what_was_sent_may_have_made_a_batch(why: Failure, uncertain: bool):
    assert BatchCallFailed("openai", "create", why).uncertain is uncertain
    assert not BatchCallFailed("openai", "upload", why).uncertain


@pytest.mark.parametrize("line_id", ["", "a b", "a" * 65, "ü", "a\n", "a.b", "a/b"])
def test_an_id_has_the_form_that_every_provider_takes(line_id: str):
    with pytest.raises(ValueError, match="not a valid line id"):
        BatchLine(line_id, "/chat/completions", b"{}")


@given(st.lists(st.sampled_from("abcdefgh"), unique=True), st.lists(st.sampled_from([*"abcdefghxyz", None])))
def test_each_line_counts_once(submitted: list[str], came: list[str | None]):
    tally = ResultTally()
    matched = Matched(submitted, tally)
    taken = [
        result.line_id
        for line_id in came
        for result in matched.take(None if line_id is None else LineResult(line_id, "succeeded"))
    ]
    assert sorted([*taken, *matched.missing]) == sorted(submitted)
    assert matched.missing == [line_id for line_id in submitted if line_id not in taken]
    assert tally.damaged == came.count(None)
    assert tally.unknown == sum(line_id is not None and line_id not in submitted for line_id in came)
    assert len(taken) + tally.repeated + tally.unknown + tally.damaged == len(came)


BEDROCK = BatchRules(api="bedrock", paths=("/converse",), lines=50_000, whole=10**9, least=100)


@pytest.mark.parametrize(
    ("number", "most", "parts"),
    [
        (1_050, 1_000, [950, 100]),
        (1_100, 1_000, [1_000, 100]),
        (2_001, 1_000, [1_000, 901, 100]),
        (150, 100, [150]),
        (250, 100, [100, 150]),
        (99, 1_000, [99]),
        (120, 10, [120]),
        (300, 10, [100, 100, 100]),
    ],
)
def test_no_rest_is_too_small_for_a_provider_that_wants_many(number: int, most: int, parts: list[int]):
    lines = [BatchLine(f"line-{place}", "/converse", b"{}") for place in range(number)]
    found = split(BEDROCK, lines, lambda _line: 100, most)
    assert [line for part in found for line in part] == lines
    assert [len(part) for part in found] == parts


def test_lines_are_not_put_together_that_one_batch_cannot_hold():
    lines = [BatchLine(f"line-{place}", "/converse", b"{}") for place in range(150)]
    found = split(replace(BEDROCK, whole=100 * 120), lines, lambda _line: 100, 1_000)
    assert [len(part) for part in found] == [120, 30], "the live endpoint takes the rest"


@given(st.integers(0, 400), st.integers(1, 300), st.integers(1, 120), st.integers(1, 400))
def test_lines_are_split_within_every_limit(number: int, most: int, least: int, limit: int):
    rules = replace(BEDROCK, least=least, lines=max(limit, least))
    lines = [BatchLine(f"line-{place}", "/converse", b"{}") for place in range(number)]
    found = split(rules, lines, lambda _line: 1, most)
    assert [line for part in found for line in part] == lines
    assert all(len(part) <= rules.lines for part in found)
    if all(len(part) >= least for part in found):
        assert all(len(part) <= max(most, 2 * least) for part in found)
    elif number >= least:
        assert rules.lines < 2 * least, "a rest stays only where no batch can take it"
