"""Every provider's batches over HTTP: what is submitted, how it ends, what each line gives, and what is billed."""

from collections import Counter
from dataclasses import replace

import pytest

from tasks.batches import BatchCallFailed, BatchNotEnded, BatchUncertain, LinesRefused, ResultTally
from tests.support.batches import DAY, KEY, BatchBench, some_lines

KINDS = ["openai", "responses", "groq", "anthropic"]
LABELLED = ["openai", "responses", "groq"]
each = pytest.mark.parametrize("kind", KINDS)


@each
def test_every_line_is_answered_at_batch_price(bench: BatchBench, kind: str):
    handle = bench.submitted(bench.target(kind))
    status = bench.status(handle)
    assert (status.state, status.counts.total, status.counts.succeeded, status.counts.failed) == ("ended", 4, 4, 0)
    assert (status.final, status.fault, status.counts.done) == (True, None, 4)
    assert status.ended_at is not None
    results = bench.taken(handle)
    assert [result.line_id for result in results] == ["line-3", "line-2", "line-1", "line-0"], "in any order"
    journal = {entry.client_request_id: entry for entry in bench.billed(handle)}
    for result in results:
        assert (result.outcome, result.failure) == ("succeeded", None)
        assert result.reply is not None
        assert result.reply.text
        assert result.reply.service_tier == "batch"
        entry = journal[result.line_id]
        assert (entry.service_tier, entry.billed, entry.status) == ("batch", True, 200)
        if kind != "anthropic":
            assert entry.request_id == result.request_id
        assert result.reply.usage.input_tokens == entry.input_tokens
        assert result.reply.usage.output_tokens == entry.output_tokens


@each
def test_results_are_not_taken_before_the_end(bench: BatchBench, kind: str):
    bench.rules(seconds=1000)
    handle = bench.submitted(bench.target(kind))
    status = bench.status(handle)
    assert (status.state, status.final) == ("running" if kind == "anthropic" else "submitted", False)
    with pytest.raises(BatchNotEnded):
        bench.taken(handle)
    bench.advance(500)
    halfway = bench.status(handle)
    assert (halfway.state, halfway.counts.succeeded) == ("running", None if kind == "anthropic" else 2)
    assert halfway.counts.total == 4
    assert len(bench.billed(handle)) == 2
    bench.advance(500)
    assert bench.status(handle).state == "ended"


@each
def test_a_line_fails_for_itself(bench: BatchBench, kind: str):
    target = bench.target(kind)
    bench.faults(
        {"kind": "429", "target": target.name, "nth": 1},
        {"kind": "overflow", "target": target.name, "nth": 2},
        {"kind": "500", "target": target.name, "nth": 3},
        {"kind": "refusal", "target": target.name, "nth": 4},
    )
    handle = bench.submitted(target, lines=5)
    status = bench.status(handle)
    assert (status.state, status.counts.succeeded, status.counts.failed) == ("ended", 2, 3)
    results = {result.line_id: result for result in bench.taken(handle)}
    kinds = {line_id: result.failure.kind for line_id, result in results.items() if result.failure is not None}
    assert kinds == {"line-0": "rate_limit", "line-1": "context_overflow", "line-2": "server_error"}
    assert all(results[line_id].outcome == "errored" for line_id in kinds)
    assert not any(result.failure.maybe_billed for result in results.values() if result.failure)
    assert results["line-3"].reply is not None
    if kind != "groq":  # which has no word for a refusal
        assert results["line-3"].reply.stop == "refusal"
    assert sorted(entry.client_request_id or "" for entry in bench.billed(handle) if entry.billed) == [
        "line-3",
        "line-4",
    ]


@each
def test_what_has_run_counts_when_a_batch_is_cancelled(bench: BatchBench, kind: str):
    bench.rules(seconds=1000)
    handle = bench.submitted(bench.target(kind), lines=10)
    bench.advance(600)
    cancelled = bench.run(handle.provider, lambda client: client.cancel(handle))
    assert (cancelled.state, cancelled.final) == ("cancelled", True)
    assert bench.run(handle.provider, lambda client: client.cancel(handle)).state == "cancelled", (
        "once more is no error"
    )
    results = bench.taken(handle)
    assert Counter(result.outcome for result in results) == {"succeeded": 6, "cancelled": 4}
    assert {entry.client_request_id for entry in bench.billed(handle)} == {f"line-{place}" for place in range(6)}
    assert not any(result.failure.maybe_billed for result in results if result.failure)


@each
def test_what_has_not_run_within_the_window_expires(bench: BatchBench, kind: str):
    bench.rules(seconds=10, lines=3)
    handle = bench.submitted(bench.target(kind), lines=5)
    bench.advance(DAY - 60)
    assert not bench.status(handle).final
    bench.advance(60)
    assert bench.status(handle).state == "expired"
    results = bench.taken(handle)
    assert Counter(result.outcome for result in results) == {"succeeded": 3, "expired": 2}
    expired = [result.failure for result in results if result.outcome == "expired"]
    assert {why.code for why in expired if why} == {"batch_expired"}
    assert len(bench.billed(handle)) == 3


@each
@pytest.mark.parametrize(
    ("damage", "missing", "tally"),
    [
        ("truncated", 1, ResultTally(damaged=1)),
        ("garbage", 1, ResultTally(damaged=1)),
        ("missing", 1, ResultTally()),
        ("repeated", 0, ResultTally(repeated=1)),
        ("unknown", 0, ResultTally(unknown=1)),
    ],
)
def test_each_line_comes_once_whatever_the_results_hold(
    bench: BatchBench, kind: str, damage: str, missing: int, tally: ResultTally
):
    bench.rules(seconds=0, damage=damage)
    handle, counted = bench.submitted(bench.target(kind)), ResultTally()
    results = bench.taken(handle, counted)
    assert sorted(result.line_id for result in results) == [f"line-{place}" for place in range(4)]
    lost = [result for result in results if result.outcome == "missing"]
    assert len(lost) == missing
    assert all(result.failure is not None and result.failure.maybe_billed for result in lost), "it ran, and was billed"
    assert counted == tally


@each
def test_results_are_gone_after_their_term(bench: BatchBench, kind: str):
    handle = bench.submitted(bench.target(kind))
    bench.advance(31 * DAY)
    status = bench.status(handle)
    assert status.fault is not None
    assert (status.final, status.fault.kind, status.fault.again) == (True, "retention_over", False)
    results = bench.taken(handle)
    assert {result.outcome for result in results} == {"missing"}
    assert {result.failure.code for result in results if result.failure} == {"batch_retention_over"}
    assert all(result.failure.maybe_billed for result in results if result.failure)


@each
def test_a_batch_that_nobody_submitted_is_gone(bench: BatchBench, kind: str):
    handle = replace(bench.submitted(bench.target(kind)), batch_id="../models/x?y=1")
    assert bench.status(handle).fault is not None
    assert {result.outcome for result in bench.taken(handle)} == {"missing"}


@each
def test_a_create_call_that_is_lost_is_found_and_not_made_again(bench: BatchBench, kind: str):
    bench.rules(seconds=0, create="drop")
    target = bench.target(kind)
    ids = [f"line-{place}" for place in range(4)]
    assert bench.found(target, "wave-1", line_ids=ids) is None
    with pytest.raises(BatchCallFailed) as lost:
        bench.submitted(target)
    assert (lost.value.call, lost.value.uncertain) == ("create", True)
    found = bench.found(target, "wave-1", line_ids=ids)
    assert found is not None
    assert {result.outcome for result in bench.taken(found)} == {"succeeded"}
    assert len(bench.billed(found)) == 4, "there is one batch, not two"


@pytest.mark.parametrize("kind", LABELLED)
def test_a_running_batch_is_found_by_its_label(bench: BatchBench, kind: str):
    bench.rules(seconds=1000)
    target = bench.target(kind)
    first, second = bench.submitted(target, label="wave-1"), bench.submitted(target, label="wave-2")
    for label, handle in (("wave-1", first), ("wave-2", second)):
        assert bench.found(target, label, line_ids=handle.line_ids) == handle
    assert bench.found(target, "wave-3") is None


def test_anthropic_has_no_label_and_a_running_batch_may_be_it(bench: BatchBench):
    bench.rules(seconds=1000)
    target = bench.target("anthropic")
    handle = bench.submitted(target)
    with pytest.raises(BatchUncertain) as told:
        bench.found(target, "wave-1", line_ids=handle.line_ids)
    assert told.value.candidates == (handle,)
    assert bench.found(target, "wave-1", line_ids=("other-1", "other-2")) is None, "it has another number of lines"
    bench.advance(1000)
    assert bench.found(target, "wave-1", line_ids=handle.line_ids) == handle
    assert bench.found(target, "wave-1", line_ids=[f"other-{place}" for place in range(4)]) is None
    later = (bench.status(handle).ended_at or 0) + 3_600_000_000
    assert bench.found(target, "wave-1", line_ids=handle.line_ids, since=later) is None, "it began long before"


@each
@pytest.mark.parametrize(
    ("fault", "kind_of_failure", "uncertain"),
    [("rate_limit", "rate_limit", False), ("unavailable", "server_error", True)],
)
def test_a_create_call_that_fails_is_not_made_again(
    bench: BatchBench, kind: str, fault: str, kind_of_failure: str, uncertain: bool
):
    bench.rules(create=fault)
    target = bench.target(kind)
    with pytest.raises(BatchCallFailed) as failed:
        bench.submitted(target)
    assert (failed.value.failure.kind, failed.value.uncertain) == (kind_of_failure, uncertain)
    assert KEY not in f"{failed.value} {failed.value!r}"
    assert bench.found(target, "wave-1", line_ids=[f"line-{place}" for place in range(4)]) is None


@pytest.mark.parametrize("kind", LABELLED)
def test_a_full_queue_means_wait_and_submit_again(bench: BatchBench, kind: str):
    target = bench.target(kind)
    bench.control("batches", [{"nth": 1, "seconds": 1000}, {"nth": 1, "queue_tokens": 40, "seconds": 0}])
    first = bench.submitted(target, label="wave-1")
    bench.control("batches", [{"queue_tokens": 40, "seconds": 0}])
    second = bench.submitted(target, label="wave-2")
    status = bench.status(second)
    assert status.fault is not None
    assert (status.state, status.fault.kind, status.fault.again) == ("failed", "queue_full", True)
    assert status.fault.code == "token_limit_exceeded"
    assert bench.billed(second) == []
    assert not bench.status(first).final


def test_a_full_queue_at_anthropic_refuses_the_call(bench: BatchBench):
    bench.rules(queue_tokens=1)
    with pytest.raises(BatchCallFailed) as failed:
        bench.submitted(bench.target("anthropic"))
    assert (failed.value.failure.kind, failed.value.uncertain) == ("rate_limit", False)


@pytest.mark.parametrize("kind", LABELLED)
@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("invalid_json_line", "rejected"),
        ("mismatched_model", "rejected"),
        ("model_not_found", "refused"),
        ("billing_hard_limit_reached", "refused"),
        ("server_error", "server"),
    ],
)
def test_a_batch_that_failed_says_for_what(bench: BatchBench, kind: str, code: str, fault: str):
    bench.rules(seconds=0, fails=code, fails_line=3)
    handle = bench.submitted(bench.target(kind))
    status = bench.status(handle)
    assert status.fault is not None
    assert (status.state, status.fault.kind, status.fault.code, status.fault.line) == ("failed", fault, code, 3)
    assert code in status.fault.cause
    assert {result.outcome for result in bench.taken(handle)} == {"missing"}
    assert not any(result.failure.maybe_billed for result in bench.taken(handle) if result.failure)
    assert bench.billed(handle) == []


@each
def test_what_is_discarded_is_gone_and_may_be_discarded_twice(bench: BatchBench, kind: str):
    handle = bench.submitted(bench.target(kind))
    for _ in range(2):
        bench.run(handle.provider, lambda client: client.discard(handle))
    assert {result.outcome for result in bench.taken(handle)} == {"missing"}


@each
def test_a_404_line_may_be_asked_live_at_the_same_target(bench: BatchBench, kind: str):
    bench.rules(seconds=0, not_found=2)
    results = {result.line_id: result for result in bench.taken(bench.submitted(bench.target(kind)))}
    why = results["line-1"].failure
    assert why is not None
    assert (results["line-1"].outcome, why.kind, why.status) == ("errored", "not_found", 404)
    assert why.retry_same_target, "the model is listed, and may be there all the same"
    assert sum(result.outcome == "succeeded" for result in results.values()) == 3


@each
def test_lines_are_split_by_the_limits_of_the_provider(bench: BatchBench, kind: str):
    target = bench.target(kind)

    async def parts(client):
        lines = some_lines(client, target, 7)
        size = sum(map(len, (line.body for line in lines))) // 2
        narrow = replace(client, rules=replace(client.rules, lines=3, whole=10**6))
        short = replace(client, rules=replace(client.rules, whole=size))
        tiny = replace(client, rules=replace(client.rules, whole=20))
        with pytest.raises(LinesRefused, match="line-0"):
            tiny.split(target, lines)
        assert [line for part in short.split(target, lines) for line in part] == lines
        assert len(short.split(target, lines)) > 1
        with pytest.raises(LinesRefused, match=r"1 to 3 lines"):
            await narrow.submit(target, lines, label="wave-1")
        with pytest.raises(LinesRefused, match="same id"):
            await client.submit(target, [lines[0], lines[0]], label="wave-1")
        with pytest.raises(LinesRefused, match="0 were given"):
            await client.submit(target, [], label="wave-1")
        with pytest.raises(ValueError, match="no label"):
            await client.submit(target, lines, label="has spaces")
        return [len(part) for part in narrow.split(target, lines)]

    assert bench.run(target.provider, parts) == [3, 3, 1]
