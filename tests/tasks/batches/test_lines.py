"""Lines of results, wherever the bytes are cut; and lines that no batch can hold."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.batches import BatchLine, LineResult, ResultTally, calls
from tasks.batches.calls import cut_lines
from tasks.batches.lines import Matched


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


@pytest.mark.parametrize("line_id", ["", "a b", "a" * 65, "ü", "a\n", "a.b", "a/b"])
def test_an_id_has_the_form_that_every_provider_takes(line_id: str):
    with pytest.raises(ValueError, match="no id of a line"):
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
