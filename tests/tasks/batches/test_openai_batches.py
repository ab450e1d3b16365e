"""Batches of OpenAI's dialect over HTTP: what is submitted, how it ends, what each line gives."""

import pytest

from tests.support.batches import KEY, BatchBench, some_lines

KINDS = ["openai", "responses", "groq"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_answers_every_line_at_batch_price(bench: BatchBench, kind: str):
    target = bench.target(kind)
    handle = bench.submitted(target)
    status = bench.run(target.provider, lambda client: client.status(handle))
    assert (status.state, status.counts.total, status.counts.succeeded, status.counts.failed) == ("ended", 4, 4, 0)
    assert status.ended_at is not None
    results = bench.taken(handle)
    assert sorted(result.line_id for result in results) == ["line-0", "line-1", "line-2", "line-3"]
    assert [result.line_id for result in results] != sorted(result.line_id for result in results), "in any order"
    journal = {entry.client_request_id: entry for entry in bench.billed(handle)}
    for result in results:
        assert (result.outcome, result.failure) == ("succeeded", None)
        assert result.reply is not None
        assert result.reply.text
        assert result.reply.service_tier == "batch"
        entry = journal[result.line_id]
        assert (entry.service_tier, entry.billed, entry.request_id) == ("batch", True, result.request_id)
        assert result.reply.usage.input_tokens == entry.input_tokens
        assert result.reply.usage.output_tokens == entry.output_tokens


def test_a_batch_is_found_by_its_label(bench: BatchBench):
    target = bench.target("openai")
    first, second = bench.submitted(target, label="wave-1"), bench.submitted(target, label="wave-2")
    for label, handle in (("wave-1", first), ("wave-2", second)):
        assert bench.found(target, label, line_ids=handle.line_ids) == handle
    assert bench.found(target, "wave-3") is None


def test_the_key_is_in_no_text(bench: BatchBench):
    target = bench.target("openai")
    handle = bench.submitted(target)
    assert KEY not in f"{handle!r} {some_lines!r}"
