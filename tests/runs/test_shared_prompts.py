"""Turns with one long prompt, over HTTP: one writes the cache and the others read it, at what the sandbox bills."""

import asyncio
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from farebox.doctor.economics import diagnose
from farebox.prefect import events
from farebox.prefect.artifacts import publish, report_of
from farebox.runs.planning import cached_prompts
from pricing.db import schema
from pricing.quotes import CachedPrompt
from pricing.reports import drop_sentence, render_html, render_markdown
from pricing.reports.sentences import caching_sentences
from tasks.ask import Ask
from tasks.context import Step, inside
from tasks.run_context import RunContext
from tasks.sandbox import Latency
from tests.support.books import assert_ledger_equals_journal, rows
from tests.support.project import SUBJECTS
from tests.support.shared_prompts import DIALECTS, fan_out, prompting, read_all, read_once, write_prompt
from tests.support.turns import admitted

TURNS = 8


@pytest.mark.parametrize("dialect", DIALECTS)
def test_one_turn_writes_and_the_others_read(tmp_path: Path, dialect: str):
    found = fan_out(tmp_path, dialect, TURNS, wait=15.0)
    assert found.writers == 1
    assert found.read == (TURNS - 1) * found.written
    assert found.journal_nano == found.ledger_nano


def test_without_waiting_each_writes_what_it_shares(tmp_path: Path):
    found = fan_out(tmp_path, "Anthropic", 3, wait=0.0, latency=Latency(2.0, 0))
    assert (found.writers, found.read) == (3, 0)


def test_followers_of_a_stream_go_at_its_first_words(tmp_path: Path):
    with prompting(tmp_path, "Anthropic", wait=60.0, latency=Latency(0.05, 0.05)) as (runtime, journal):

        async def streamed(run_id: str, text: str) -> None:
            with inside(Step("read", max_tokens=60), run=RunContext(run_id)):
                await Ask(lambda: runtime.engine)._ask("read.j2", str, {"text": text}, lambda _piece: None)

        async def all_of_them(run_id: str) -> None:
            texts = [f"{subject} was paid late, and then it was sent once more. " * 8 for subject in SUBJECTS[:4]]
            await asyncio.gather(*(streamed(run_id, text) for text in texts))

        with admitted(runtime) as run_id:
            runtime.engine.loop.run(all_of_them(run_id))
        attempts = assert_ledger_equals_journal(runtime, journal)
    writers = [attempt for attempt in attempts if attempt["cache_write_tokens"]]
    readers = [attempt for attempt in attempts if attempt["cache_read_tokens"]]
    assert (len(writers), len(readers)) == (1, 3)
    ended = writers[0]["started_at"] + writers[0]["duration_us"]
    assert all(writers[0]["started_at"] < reader["started_at"] < ended for reader in readers)


def test_a_first_turn_that_fails_is_replaced(tmp_path: Path):
    with prompting(tmp_path, "Anthropic", wait=60.0, latency=Latency(0, 0)) as (runtime, journal):
        url = runtime._sandbox.reached(runtime.targets[0]).base_url.partition("/t/")[0]
        httpx.post(f"{url}/_sandbox/faults", json=[{"kind": "500", "first": 2}]).raise_for_status()
        with admitted(runtime) as run_id:
            read_all(runtime, run_id, [f"Invoice {number}." for number in range(4)])
        attempts = assert_ledger_equals_journal(runtime, journal)
    assert [attempt["outcome"] for attempt in attempts].count("ok") == 4
    assert sum((attempt["cache_write_tokens"] or 0) > 0 for attempt in attempts) == 1


def test_the_ledger_keeps_hashes_of_static_parts_and_nothing_of_what_they_say(tmp_path: Path):
    with prompting(tmp_path, "OpenAI", wait=15.0, latency=Latency(0, 0)) as (runtime, _):
        with admitted(runtime) as run_id:
            read_all(runtime, run_id, ["Invoice 1.", "Invoice 2."])
        labels = {attempt["prompt_parts"] for attempt in rows(runtime.ledger, schema.attempts)}
        with runtime.store.read() as connection:
            query = sa.select(schema.meta.c.value).where(schema.meta.c.key == "prompt_hash_key")
            assert len(bytes.fromhex(connection.execute(query).scalar_one())) == 32
        quoted = cached_prompts(runtime, "asking", "fast", stand_in=True)
        assert quoted == {"read": {DIALECTS["OpenAI"]: CachedPrompt(6_250, once=True)}}
    [label] = labels
    tokens, minimum, seconds, *hashes = label.split(".")
    assert 4_000 < int(tokens) < 8_000
    assert (minimum, seconds) == ("1024", "1800")
    assert [len(one) for one in hashes] == [5] * 5
    assert hashes[1:3] == ["-----"] * 2
    assert hashes[4] == "-----", "no part of the messages is shared"


def test_a_changing_value_is_found_and_told_wherever_caches_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs of a fan-out; then a number that differs in each request is put into the system text."""
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(events, "_start", lambda name, *, resource, payload: told.append((name, payload["cause"])))
    with prompting(tmp_path, "Anthropic", wait=15.0, latency=Latency(0, 0), rules=40) as (runtime, journal):
        changing = "{{ seed }}{{ text | length }} "

        def run_once(number: int, *, published: bool, **values: object) -> str:
            async def all_of_them(run_id: str) -> None:
                texts = [f"Invoice {number}{'.' * place}" for place in range(3)]
                await asyncio.gather(*(read_once(runtime, run_id, text, **values) for text in texts))

            with admitted(runtime) as run_id:
                runtime.engine.loop.run(all_of_them(run_id))
            if published:
                publish(runtime, run_id, None)
            return run_id

        for number in range(12):
            last = run_once(number, published=number == 11)
        assert report_of(runtime, last).cache_drops == ()
        write_prompt(runtime.root, 40, changing=changing)
        for number in range(10):
            last = run_once(number, published=not told or number > 7, seed=number)
        assert_ledger_equals_journal(runtime, journal)
        report = report_of(runtime, last)
        [drop] = report.cache_drops
        assert (drop.operation, drop.cause) == ("read", "system")
        assert drop.runs <= 10
        assert told == [("farebox.cache.drop", "system")], "once, however many runs are told of it"
        sentence = drop_sentence(drop)
        assert sentence in render_html(report).replace("&#39;", "'")
        assert sentence.split(".")[0] in render_markdown(report).replace("\\", "")
        assert report.to_json()["cache_drops"][0]["cause"] == "system"
        [found] = [one for one in diagnose(runtime, days=1) or [] if one.check == "cache drop"]
        assert found.found
        assert found.evidence["cause"] == "system"
        saved = caching_sentences(report)
        assert len(saved) == 1
        assert "more than without a cache" in saved[0]
