"""Bills written out by hand, each held to what the ledger says after the same bytes came over a real wire."""

import re
import threading
import tomllib
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

from farebox.runtime import Runtime
from pricing.clock import now_us, to_us
from pricing.content import TextPart
from pricing.db import schema
from pricing.errors import FareboxError
from pricing.ledger.facts import NEWEST, Run
from tasks.prompts import Prompt
from tasks.providers.messages import Message
from tasks.routing.router import Candidate
from tasks.routing.target import Credential, Target
from tasks.structured_output import answer_type
from tasks.turn.request import TurnContext, TurnRequest
from tasks.turn.usage_check import PROVIDER_TOKENS
from tests.support.books import rows
from tests.support.playback import Playback
from tests.support.project import make_project
from tests.support.replies import STREAMED, recorded
from tests.support.waiting import PATIENCE, until

TABLE = tomllib.loads((Path(__file__).parents[1] / "data" / "bills.toml").read_text("utf-8"))
BILLS: list[dict[str, Any]] = TABLE["bills"]
PATHS = {"openai": "/v1", "groq": "/openai/v1", "openai_compatible": "/v1", "anthropic": "", "bedrock": ""}
OWN_RATES = "".join(
    "[[rates]]\n" + "".join(f"{name} = {value!r}\n" for name, value in rate.items()) for rate in TABLE["rates"]
)


_INPUT = re.compile("prompt_tokens|input|cache")


class Note(BaseModel):
    title: str


class Till(NamedTuple):
    """What asks, and what answers."""

    runtime: Runtime
    playback: Playback
    run: Run


@pytest.fixture(scope="module")
def till(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Till]:
    target = '[[targets]]\nname = "nobody"\nprovider = "openai"\nmodel = "gpt-4.1-mini"\ntier = "light"\n'
    folder = tmp_path_factory.mktemp("bills")
    project = make_project(folder, "http://127.0.0.1:9", lease_seconds=3600, retries=0, targets=target, more=OWN_RATES)
    runtime, playback = project.runtime(), Playback()
    runtime.engine.loop.run(playback.start())
    held = 10**13  # $10,000: no bill fails for want of money
    run = Run(
        run_id="bills", automation="bills", quality="fast", plan="[]", routes="{}", rate_version=runtime.rates.version,
        method="prior", history=0, point_nano=1, p50_nano=1, p95_nano=1, ceiling_nano=1, held_nano=held,
        stand_in=False, started_at=now_us(),
    )  # fmt: skip
    assert runtime.ledger.admit(run, ()) == []
    yield Till(runtime, playback, run)
    runtime.engine.loop.run(playback.stop())
    runtime.close()


@pytest.fixture
def result_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect import results
    from prefect.filesystems import LocalFileSystem

    storage = results.ResultStore(result_storage=LocalFileSystem(basepath=str(tmp_path)))
    monkeypatch.setattr(results, "get_result_store", lambda: storage)


def usd(text: str) -> int:
    """Nano-dollars of an amount as the table writes it."""
    nano = Decimal(text) * 10**9
    assert nano % 1 == 0, text
    return int(nano)


def by_hand(sum_of_products: str) -> int:
    """``2000 x 3.00 + 500 x 15.00``: tokens times dollars per million, added and rounded up to the nano-dollar."""
    lines = [line.split(" x ") for line in sum_of_products.split(" + ")]
    return ceil(sum((int(count) * Decimal(rate) * 1000 for count, rate in lines), Decimal(0)))


def ask(till: Till, bill: dict[str, Any], tape: str) -> None:
    """Ask the bill's question once; how it ends is in the ledger."""
    attempts = bill["attempts"]
    places = dict.fromkeys((one["at"], one.get("refused", False)) for one in attempts)
    slow = {one["at"]: 1.0 for one in attempts if one.get("reply") == "silence"}
    route = tuple(
        Candidate(target(till, tape, number, at, refused=refused, seconds=slow.get(at, PATIENCE)), "as the bill says")
        for number, (at, refused) in enumerate(places)
    )
    kinds = [one.get("reply", "whole") for one in attempts]
    began = threading.Event()

    answer = answer_type(Note) if bill.get("structured") else answer_type(str)
    prompt = Prompt("hi.j2", tape, TextPart(""), (TextPart("Hi" + " " * _room(attempts)),))
    asked: TurnRequest[Any] = TurnRequest(
        prompt,
        [Message("user", prompt.user)],
        answer,
        operation=tape,
        tier="light",
        max_tokens=500,
        emit=(lambda _: began.set()) if STREAMED.intersection(kinds) else None,
        stored_for=timedelta(days=1) if bill.get("stored") else None,
    )
    turn = till.runtime.engine.loop.submit(till.runtime.engine._turns.ask(asked, TurnContext(till.run, NEWEST, route)))
    if "endless" in kinds:
        assert began.wait(PATIENCE)
        turn.cancel()
    with suppress(FareboxError, CancelledError):
        turn.result(timeout=PATIENCE)


def _room(attempts: list[dict[str, Any]]) -> int:
    """Bytes that the question needs so that it can have the tokens of its bill, beyond what any question can."""
    inputs = [
        sum(count for name, count in one.get("usage", {}).items() if _INPUT.match(name) and isinstance(count, int))
        for one in attempts
    ]
    return max(0, max(inputs) - PROVIDER_TOKENS)


def target(till: Till, tape: str, number: int, at: str, *, refused: bool, seconds: float) -> Target:
    provider, model = at.split(" ")
    url = "http://127.0.0.1:9" if refused else till.playback.url
    return Target(
        name=f"{tape}-{number}", provider=provider, model=model, tier="premium" if number else "light",
        window=1_000_000, max_output=4096, base_url=f"{url}/{tape}{PATHS[provider]}", failure_domain=f"{tape}-{number}",
        region="us-east-1", read_timeout=seconds, credential=Credential(key="a-key"),
    )  # fmt: skip


def written(till: Till, table: Any, tape: str, count: int) -> list[dict[str, Any]]:
    """The rows of one bill; a cancelled turn is written down a moment after its caller is gone."""

    def found() -> list[dict[str, Any]] | None:
        written = [row for row in rows(till.runtime.ledger, table) if row["operation"] == tape]
        return written if len(written) >= count else None

    return until(f"{count} rows of {tape}", found) or []


@pytest.mark.usefixtures("result_storage")
@pytest.mark.parametrize("number", range(len(BILLS)), ids=[re.sub(r"\W+", "-", bill["what"]) for bill in BILLS])
def test_the_ledger_says_what_the_bill_says(till: Till, monkeypatch: pytest.MonkeyPatch, number: int):
    bill, tape = BILLS[number], f"bill-{number}"
    if on := bill.get("on"):
        moment = datetime.combine(on, datetime.min.time(), UTC) if not isinstance(on, datetime) else on
        monkeypatch.setattr("tasks.turn.attempts.now_us", lambda: to_us(moment))
    for one in bill["attempts"]:
        if not one.get("refused"):
            provider = one["at"].split(" ")[0]
            words = {name: one[name] for name in ("text", "stop") if name in one}
            till.playback.put_on(tape, recorded(provider, one.get("reply", "whole"), one.get("usage"), **words))
    ask(till, bill, tape)
    if bill.get("stored"):
        ask(till, bill, tape)

    attempts = written(till, schema.attempts, tape, len(bill["attempts"]))
    turns = written(till, schema.turns, tape, 2 if bill.get("stored") else 1)
    assert [(row["outcome"], row["priced"], row["cost_nano"], row["saved_nano"]) for row in attempts] == [
        (one.get("outcome", "ok"), one.get("priced", "usage"), by_hand(one["bill"]) if one["bill"] else 0, usd(one.get("saved", "0")))
        for one in bill["attempts"]
    ]  # fmt: skip
    assert [row["model"] for row in attempts] == [one["at"].split(" ")[1] for one in bill["attempts"]]
    assert sum(row["cost_nano"] for row in attempts) == usd(bill["total"])
    assert turns[0]["outcome"] == bill.get("ends", "answered")
    assert till.playback.left(tape) == 0
    if bill.get("stored"):
        assert (turns[1]["outcome"], turns[1]["attempts"]) == ("stored", 0)
        assert turns[1]["saved_nano"] == usd(bill["total"])


def test_the_table_is_long_enough_and_adds_up():
    assert len(BILLS) >= 40
    for bill in BILLS:
        assert usd(bill["total"]) == sum(by_hand(one["bill"]) for one in bill["attempts"] if one["bill"]), bill["what"]
        for one in bill["attempts"]:
            assert bool(one["bill"]) != (one.get("priced") == "unbilled"), bill["what"]


def test_a_run_costs_what_its_bills_come_to(till: Till):
    """Whatever of the table has been asked by now."""
    attempts = rows(till.runtime.ledger, schema.attempts)
    [hold] = [row for row in rows(till.runtime.ledger, schema.holds) if row["run_id"] == "bills"]
    assert hold["used_nano"] == sum(row["cost_nano"] for row in attempts)
    assert hold["inflight_nano"] == 0
