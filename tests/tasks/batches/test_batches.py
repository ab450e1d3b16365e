"""Every provider's batches over HTTP: what is submitted, how it ends, what each line gives, and what is billed."""

import json
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest

from pricing import TextPart, Usage, now_us
from pricing.rates import RateCard
from tasks.batches import BatchCallFailed, BatchHandle, BatchNotEnded, BatchUncertain, LinesRefused, ResultTally
from tasks.providers import HttpRequest
from tasks.providers.transport import HttpReply
from tests.support.batches import DAY, KEY, BatchBench, question, some_lines

CARD = RateCard.load()
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
def test_results_that_were_cut_off_on_the_way_are_read_once_more(bench: BatchBench, kind: str):
    bench.rules(seconds=0, damage="truncated_once")
    handle, tally = bench.submitted(bench.target(kind)), ResultTally()
    results = bench.taken(handle, tally)
    assert sorted(result.line_id for result in results) == [f"line-{place}" for place in range(4)]
    assert {result.outcome for result in results} == {"succeeded"}
    assert tally == ResultTally(damaged=1), "the lines that came twice are no repetitions"


@pytest.mark.parametrize("kind", LABELLED)
def test_files_that_come_after_the_end_are_not_taken_for_none(bench: BatchBench, kind: str):
    bench.rules(seconds=0, late_files=2)
    handle = bench.submitted(bench.target(kind))
    with pytest.raises(BatchCallFailed) as late:
        bench.taken(handle)
    assert (late.value.call, late.value.failure.code) == ("results", "output_file_missing")
    assert {result.outcome for result in bench.taken(handle)} == {"succeeded"}


def test_a_file_of_results_that_never_comes_is_given_up_an_hour_after_the_end(bench: BatchBench):
    target, now = bench.target("openai"), now_us() // 1_000_000
    handle = BatchHandle(target, "batch_1", "wave-1", ("line-0", "line-1"))

    def replies(ended: int) -> Gateway:
        told = {"id": "batch_1", "status": "completed", "completed_at": ended, "request_counts": {"completed": 2}}
        return Gateway(200, json.dumps(told))

    async def outcomes(client: Any, ended: int) -> list[tuple[str, bool]]:
        found = [one async for one in replace(client, transport=replies(ended)).results(handle)]
        return [(one.outcome, one.failure is not None and one.failure.maybe_billed) for one in found]

    async def late(client: Any) -> None:
        with pytest.raises(BatchCallFailed):
            await outcomes(client, now - 60)
        assert await outcomes(client, now - 7_200) == [("missing", True)] * 2, "what the provider counts may be billed"

    bench.run("openai", late)


@each
@pytest.mark.parametrize(
    "reply", ["<html>404</html>", '{"error": {"code": "unknown_url", "message": "Unknown request URL"}}']
)
def test_a_404_of_a_gateway_says_nothing_of_the_batch(bench: BatchBench, kind: str, reply: str):
    handle = bench.submitted(bench.target(kind))

    async def through_gateway(client):
        return replace(client, transport=Gateway(404, reply)), handle

    client, handle = bench.run(handle.provider, through_gateway)
    with pytest.raises(BatchCallFailed) as failed:
        bench.runner.run(client.status(handle))
    assert (failed.value.call, failed.value.failure.status) == ("status", 404)


@each
def test_a_state_that_is_new_is_one_of_a_batch_that_runs(bench: BatchBench, kind: str):
    handle = bench.submitted(bench.target(kind))
    word = "processing_status" if kind == "anthropic" else "status"

    async def newer(client):
        return replace(client, transport=Gateway(200, json.dumps({"id": "b", word: "resting"})))

    client = bench.run(handle.provider, newer)
    status = bench.runner.run(client.status(handle))
    assert (status.state, status.final) == ("running", False)
    for nothing in ("{}", "[]", "<html>", json.dumps({word: None})):
        with pytest.raises(BatchCallFailed):
            bench.runner.run(replace(client, transport=Gateway(200, nothing)).status(handle))


@dataclass
class Gateway:
    """Answers every call alike."""

    status: int
    body: str

    async def load(self) -> None: ...

    async def send(self, request: HttpRequest, **_: Any) -> HttpReply:
        return HttpReply(self.status, {}, self.body.encode())


def test_batches_are_looked_for_page_by_page(bench: BatchBench):
    """OpenAI's pages follow the last batch, Groq's a cursor; a full page that tells of none may not be the last."""

    def batch(number: int, label: str = "other") -> dict[str, Any]:
        return {"id": f"b{number}", "created_at": 2_000, "status": "completed", "metadata": {"farebox_label": label}}

    whole = [batch(number) for number in range(20)]
    pages: dict[str, dict[str, Any]] = {
        "openai": {
            "": {"data": whole, "has_more": True},
            "&after=b19": {"data": [batch(20, "wave-1")], "has_more": False},
        },
        "groq": {
            "": {"data": whole, "paging": {"next_cursor": "c/1"}},
            "&cursor=c%2F1": {"data": [batch(20, "wave-1")]},
        },
    }

    @dataclass
    class Pages:
        held: dict[str, Any]

        async def load(self) -> None: ...

        async def send(self, request: HttpRequest, **_: Any) -> HttpReply:
            return HttpReply(200, {}, json.dumps(self.held[request.url.partition("limit=100")[2]]).encode())

    async def look(client, held: dict[str, Any], label: str, since: int = 0):
        return await replace(client, transport=Pages(held)).find(bench.target("openai"), label, since=since)

    for provider, held in pages.items():
        found = bench.run(provider, partial(look, held=held, label="wave-1"))
        assert found is not None
        assert found.batch_id == "b20"
        assert bench.run(provider, partial(look, held=held, label="wave-2")) is None
        late = 3_000 * 1_000_000
        assert bench.run(provider, partial(look, held={"": held[""]}, label="wave-1", since=late)) is None
    with pytest.raises(BatchUncertain):
        bench.run("groq", partial(look, held={"": {"data": whole}, "&after=b19": {"data": whole}}, label="wave-1"))
    assert bench.run("groq", partial(look, held={"": {"data": whole[:19]}}, label="wave-1")) is None


@each
def test_calls_go_by_the_settings_of_the_target(bench: BatchBench, kind: str):
    sent: list[HttpRequest] = []
    target = bench.target(kind, ca_file="/etc/own.pem", extra_headers={"X-Team": "blue", "anthropic-beta": "own-beta"})

    class Recorder(Gateway):
        async def send(self, request: HttpRequest, **more: Any) -> HttpReply:
            sent.append(request)
            return await super().send(request, **more)

    async def submit(client):
        own = replace(client, transport=Recorder(200, '{"id": "b"}'))
        return await own.submit(target, some_lines(client, target, 1), label="wave-1")

    bench.run(target.provider, submit)
    assert {request.ca_file for request in sent} == {"/etc/own.pem"}
    assert all(
        (request.headers["X-Team"], request.headers["anthropic-beta"]) == ("blue", "own-beta") for request in sent
    )
    assert KEY not in repr(sent)


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
        ("model_mismatch", "rejected"),
        ("url_mismatch", "rejected"),
        ("too_many_tasks", "rejected"),
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
        assert tiny.split(target, lines, 1_000) == [(line,) for line in lines]
        with pytest.raises(LinesRefused, match="at most 20 are accepted"):
            await tiny.submit(target, lines[:1], label="wave-1")
        for whole in range(size - 40, size + 40):  # the frame around the lines counts, too
            close = replace(client, rules=replace(client.rules, whole=whole), transport=Gateway(200, '{"id": "b"}'))
            for part in close.split(target, lines, 1_000):
                await close.submit(target, part, label="wave-1")
        assert [line for part in short.split(target, lines, 1_000) for line in part] == lines
        assert len(short.split(target, lines, 1_000)) > 1
        with pytest.raises(LinesRefused, match=r"1 to 3 lines, not 7"):
            await narrow.submit(target, lines, label="wave-1")
        with pytest.raises(LinesRefused, match="must be unique"):
            await client.submit(target, [lines[0], lines[0]], label="wave-1")
        with pytest.raises(LinesRefused, match="not 0"):
            await client.submit(target, [], label="wave-1")
        with pytest.raises(ValueError, match="not a valid batch label"):
            await client.submit(target, lines, label="has spaces")
        return [len(part) for part in narrow.split(target, lines, 1_000)]

    assert bench.run(target.provider, parts) == [3, 3, 1]


@pytest.mark.parametrize("kind", [*KINDS, "bedrock"])
def test_a_line_names_no_service_tier_and_is_not_streamed(bench: BatchBench, kind: str):
    target = bench.target(kind, stand_in=True)

    async def line(client):
        return client.line("line-0", target, question("Hi", service_tier="priority"))

    body = json.loads(bench.run(target.provider, line).body)
    assert not {"service_tier", "serviceTier", "stream", "stream_options"} & body.keys()


@pytest.mark.parametrize("kind", [*KINDS, "bedrock"])
def test_what_is_read_costs_what_the_provider_bills(bench: BatchBench, kind: str):
    """A long prefix that is cached, a batch cancelled half-way, a line that failed: by the journal and by the replies."""
    bench.rules(seconds=1000)
    target, prefix = bench.target(kind, stand_in=True), TextPart("The rules of the house are long. " * 900)
    bench.faults({"kind": "500", "target": target.name, "nth": 2})
    handle = bench.submitted(target, lines=100 if kind == "bedrock" else 10, system=prefix, cache=True)
    bench.advance(500)
    bench.run(handle.provider, lambda client: client.cancel(handle))
    replies = [result.reply for result in bench.taken(handle) if result.reply is not None]
    billed = [entry for entry in bench.billed(handle) if entry.billed]
    assert len(replies) == len(billed) == (49 if kind == "bedrock" else 4)

    def price(usage: Usage, service_tier: str | None) -> int:
        return CARD.price(target.model, target.provider, usage, service_tier=service_tier or "standard")

    paid = sum(price(reply.usage, reply.service_tier) for reply in replies)
    assert paid == sum(price(entry.usage, entry.service_tier) for entry in billed)
    assert any(reply.usage.cache_read_tokens for reply in replies), "lines share their prefix"
    live = sum(price(reply.usage, "standard") for reply in replies)
    assert live / 2 <= paid < live
