"""Bills of batches written out by hand, each held to the replies that our clients read from the provider's files."""

import asyncio
import json
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from pricing.rates import RateCard
from tasks.batches import BatchHandle, LineResult, batch_client
from tasks.batches.bedrock import _record
from tasks.providers import HttpRequest, spec_of
from tasks.providers.transport import HttpReply
from tasks.routing import Credential, Target

BILLS: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parents[2] / "data" / "batch_bills.toml").read_text("utf-8")
)["bills"]
CARD = RateCard.load()
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
STATES = {"ended": "completed", "expired": "expired", "cancelled": "cancelled", "failed": "failed"}
JOBS = {"ended": "Completed", "expired": "Expired", "cancelled": "Stopped", "failed": "Failed"}


@dataclass
class Files:
    """What the provider says of one bill's batch, and the files of its results."""

    kind: str
    model: str
    bill: dict[str, Any]

    async def load(self) -> None: ...

    async def send(self, request: HttpRequest, **_: Any) -> HttpReply:
        return HttpReply(200, {}, json.dumps(self.status()).encode())

    @asynccontextmanager
    async def stream(
        self, request: HttpRequest, **_: Any
    ) -> AsyncIterator[tuple[int, dict[str, str], AsyncIterator[bytes]]]:
        which = {"errored", "expired", "cancelled"} if "file-error" in request.url else {"succeeded"}
        if self.kind in {"anthropic", "bedrock"}:
            which = {"succeeded", "errored", "expired", "cancelled"}
        rows = [self.row(place, line) for place, line in enumerate(self.bill["lines"]) if line["ends"] in which]

        async def chunks() -> AsyncIterator[bytes]:
            for row in rows:
                yield json.dumps(row).encode() + b"\n"

        yield 200, {}, chunks()

    def count(self, *ends: str) -> int:
        return sum(line["ends"] in ends for line in self.bill["lines"])

    def status(self) -> dict[str, Any]:
        state, done = self.bill["state"], self.count("succeeded")
        if self.kind == "anthropic":
            counts = {
                "processing": 0,
                "succeeded": done,
                "errored": self.count("errored"),
                "canceled": self.count("cancelled"),
                "expired": self.count("expired"),
            }
            return {
                "id": "b",
                "processing_status": "ended",
                "request_counts": counts,
                "ended_at": "2026-11-28T00:00:00Z",
            }
        if self.kind == "bedrock":
            return {
                "jobArn": "a/b",
                "status": JOBS[state],
                "successRecordCount": done,
                "totalRecordCount": len(self.bill["lines"]),
            }
        counts = {"total": len(self.bill["lines"]), "completed": done, "failed": len(self.bill["lines"]) - done}
        files = {"output_file_id": "file-output", "error_file_id": "file-error"} if done else {}
        return {"id": "b", "status": STATES[state], "request_counts": counts, **files}

    def row(self, place: int, line: dict[str, Any]) -> dict[str, Any]:
        line_id, ends = f"line-{place}", line["ends"]
        if self.kind == "anthropic":
            return {"custom_id": line_id, "result": self.anthropic(ends, line)}
        if self.kind == "bedrock":
            if ends == "succeeded":
                return {"recordId": _record(line_id), "modelInput": {}, "modelOutput": self.body(line)}
            return {
                "recordId": _record(line_id),
                "modelInput": {},
                "error": {"errorCode": line["status"], "errorMessage": "Wrong."},
            }
        if ends in {"expired", "cancelled"}:
            return {"custom_id": line_id, "response": None, "error": {"code": f"batch_{ends}", "message": "Not run."}}
        status = line.get("status", 200)
        body = self.body(line) if status == 200 else {"error": {"type": "invalid_request_error", "message": "Wrong."}}
        return {
            "custom_id": line_id,
            "response": {"status_code": status, "request_id": "req_1", "body": body},
            "error": None,
        }

    def anthropic(self, ends: str, line: dict[str, Any]) -> dict[str, Any]:
        if ends == "succeeded":
            return {"type": "succeeded", "message": self.body(line)}
        if ends == "errored":
            return {
                "type": "errored",
                "error": {"type": "error", "error": {"type": "invalid_request_error", "message": "Wrong."}},
            }
        return {"type": "canceled" if ends == "cancelled" else ends}

    def body(self, line: dict[str, Any]) -> dict[str, Any]:
        usage = line["usage"]
        if self.kind == "anthropic":
            return {
                "id": "msg_1",
                "type": "message",
                "model": self.model,
                "content": [{"type": "text", "text": "Yes."}],
                "stop_reason": "end_turn",
                "usage": usage,
            }
        if self.kind == "bedrock":
            return {
                "output": {"message": {"role": "assistant", "content": [{"text": "Yes."}]}},
                "stopReason": "end_turn",
                "usage": usage,
            }
        if self.kind == "responses":
            cut = line.get("stop") == "incomplete"
            item = {
                "type": "message",
                "id": "m",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Yes.", "annotations": []}],
            }
            return {
                "id": "resp_1", "object": "response", "model": self.model, "status": "incomplete" if cut else "completed",
                "incomplete_details": {"reason": "max_output_tokens"} if cut else None, "output": [] if cut else [item], "usage": usage,
            }  # fmt: skip
        choice = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
        return {"id": "c", "object": "chat.completion", "model": self.model, "choices": [choice], "usage": usage}


def by_hand(sum_of_products: str) -> int:
    """``2000 x 3.00 + 500 x 15.00``: tokens times dollars per million, added and rounded up to the nano-dollar."""
    lines = [line.split(" x ") for line in sum_of_products.split(" + ")]
    return ceil(sum((int(count) * Decimal(rate) * 1000 for count, rate in lines), Decimal(0)))


def taken(kind: str, model: str, bill: dict[str, Any]) -> dict[str, LineResult]:
    provider = "openai" if kind == "responses" else kind
    target = Target(
        name=kind, provider=provider, model=model, tier="light", window=1_000_000, max_output=4_000,
        base_url=spec_of(provider).base_url.format(region="us-east-1"), failure_domain=kind,
        credential=Credential(key="k", access_key_id="a", secret_access_key="s"),
        batch_s3="s3://bucket", batch_role="arn:aws:iam::000000000000:role/r",
    )  # fmt: skip
    handle = BatchHandle(target, "a/b", "bill", tuple(f"line-{place}" for place in range(len(bill["lines"]))))
    client = batch_client(provider, Files(kind, model, bill))  # type: ignore[arg-type]

    async def take() -> list[LineResult]:
        return [result async for result in client.results(handle)]

    results = asyncio.run(take())
    assert len(results) == len({result.line_id for result in results}) == len(bill["lines"])
    return {result.line_id: result for result in results}


@pytest.mark.parametrize("bill", BILLS, ids=[bill["what"] for bill in BILLS])
def test_a_batch_costs_what_its_bill_says(bill: dict[str, Any]):
    kind, _, model = bill["at"].partition(" ")
    provider = "openai" if kind == "responses" else kind
    results, total = taken(kind, model, bill), 0
    for place, line in enumerate(bill["lines"]):
        result = results[f"line-{place}"]
        assert result.outcome == line["ends"], line
        assert (result.reply is not None) is ("bill" in line)
        if result.reply is None:
            assert result.failure is not None
            assert not result.failure.maybe_billed, "no provider charges for it"
            continue
        assert result.reply.service_tier == "batch"
        price = CARD.price(model, provider, result.reply.usage, NOW, result.reply.service_tier)
        assert price == by_hand(line["bill"])
        total += price
    assert total == Decimal(bill["total"]) * 10**9


def test_there_are_enough_bills_and_of_each_kind():
    assert len(BILLS) >= 10
    assert {bill["at"].split()[0] for bill in BILLS} == {"anthropic", "groq", "openai", "responses", "bedrock"}
    assert {bill["state"] for bill in BILLS} == set(STATES)
