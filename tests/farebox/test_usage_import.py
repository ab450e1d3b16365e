"""Usage from elsewhere as history of an automation: every format, wrong files, and what imported runs count for."""

import json
from pathlib import Path
from typing import Any

import pytest

from farebox.cli.quote import compare
from farebox.discovery import find_flow
from farebox.price_review import ReviewQuery, make_review
from farebox.testing import TestProject
from farebox.usage_import import import_file
from pricing import SourceError, UsageError, now_us
from pricing.db import schema
from pricing.ledger import Import
from pricing.rates import RateCard
from pricing.reports import sales
from pricing.usage import Usage
from pricing.usage_imports import UsageRecord, read_usage
from pricing.usage_imports.records import BadRecord, record_of
from tests.support.command import Call

NOW = now_us() // 1_000_000
NAME = "support-triage"


def written(folder: Path, name: str, lines: Any) -> Path:
    path = folder / name
    text = (
        lines
        if isinstance(lines, str)
        else "\n".join(map(json.dumps, lines))
        if name.endswith("l")
        else json.dumps(lines)
    )
    path.write_text(text, "utf-8")
    return path


def spend_log(number: int = 0, **more: Any) -> dict[str, Any]:
    """A line of LiteLLM's spend logs, its answer included, which nothing reads."""
    return {
        "request_id": f"chatcmpl-{number}",
        "session_id": f"s{number // 4}",
        "startTime": f"2026-11-2{number % 8}T10:00:00Z",
        "model": "gpt-4.1-mini",
        "custom_llm_provider": "openai",
        "prompt_tokens": 700 + number,
        "completion_tokens": 50,
        "spend": 0.0004,
        "status": "success",
        "messages": [{"role": "user", "content": "a secret question"}],
        "response": {"text": "a secret answer"},
        **more,
    }


FILES: dict[str, tuple[str, str, Any]] = {
    "litellm as lines": ("litellm", "logs.jsonl", [spend_log()]),
    "litellm as one document": ("litellm", "logs.json", {"data": [spend_log()]}),
    "litellm as csv": (
        "litellm",
        "logs.csv",
        "session_id,startTime,model,prompt_tokens,completion_tokens\ns0,2026-11-20T10:00:00Z,gpt-4.1-mini,700,50\n",
    ),
    "langfuse": (
        "langfuse",
        "observations.jsonl",
        [
            {"type": "SPAN", "traceId": "s0", "startTime": "2026-11-20T10:00:00Z"},
            {
                "type": "GENERATION",
                "traceId": "s0",
                "startTime": "2026-11-20T10:00:00.000Z",
                "model": "gpt-4.1-mini-2025-04-14",
                "usageDetails": {"input": 700, "output": 50, "total": 750},
                "costDetails": {"total": 0.0004},
                "input": "a secret question",
            },
        ],
    ),
    "otel, as an exporter to the console writes it": (
        "otel",
        "spans.jsonl",
        [
            {"name": "agent", "context": {"trace_id": "0xs0"}, "attributes": {"gen_ai.operation.name": "invoke_agent"}},
            {
                "name": "chat gpt-4.1-mini",
                "context": {"trace_id": "0xs0"},
                "start_time": "2026-11-20T10:00:00.000000Z",
                "status": {"status_code": "UNSET"},
                "attributes": {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "openai",
                    "gen_ai.request.model": "gpt-4.1-mini",
                    "gen_ai.usage.input_tokens": 700,
                    "gen_ai.usage.output_tokens": 50,
                    "gen_ai.input.messages": "a secret question",
                },
            },
        ],
    ),
    "otel, as a collector writes it": (
        "otel",
        "otlp.jsonl",
        [
            {
                "resourceSpans": [
                    {
                        "scopeSpans": [
                            {
                                "spans": [
                                    {
                                        "traceId": "s0",
                                        "startTimeUnixNano": "1795687200000000000",
                                        "attributes": [
                                            {"key": "gen_ai.system", "value": {"stringValue": "openai"}},
                                            {"key": "gen_ai.response.model", "value": {"stringValue": "gpt-4.1-mini"}},
                                            {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "700"}},
                                            {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "50"}},
                                        ],
                                    }
                                ]
                            }
                        ]
                    }
                ]
            }
        ],
    ),
    "openai": (
        "openai",
        "usage.json",
        {
            "object": "page",
            "data": [
                {
                    "start_time": NOW - 86_400,
                    "results": [
                        {
                            "model": "gpt-4.1-mini",
                            "input_tokens": 700,
                            "output_tokens": 50,
                            "input_cached_tokens": 0,
                            "num_model_requests": 1,
                        }
                    ],
                }
            ],
        },
    ),
    "anthropic": (
        "anthropic",
        "usage.json",
        {
            "data": [
                {
                    "starting_at": "2026-11-20T00:00:00Z",
                    "results": [
                        {
                            "model": "claude-sonnet-5-5",
                            "uncached_input_tokens": 500,
                            "cache_read_input_tokens": 150,
                            "cache_creation": {"ephemeral_5m_input_tokens": 50, "ephemeral_1h_input_tokens": 0},
                            "output_tokens": 50,
                        }
                    ],
                }
            ]
        },
    ),
    "openrouter": (
        "openrouter",
        "activity.json",
        {
            "data": [
                {
                    "date": "2026-11-20",
                    "model": "openai/gpt-4.1-mini",
                    "prompt_tokens": 700,
                    "completion_tokens": 50,
                    "requests": 1,
                    "usage": 0.0004,
                }
            ]
        },
    ),
    "csv": ("csv", "own.csv", "when,llm,in,out\n2026-11-20 10:00:00+00:00,gpt-4.1-mini,700,50\n"),
}
MAPPED = {"time": "when", "model": "llm", "input": "in", "output": "out"}


def imported(path: Path, source: str = "litellm", *, write: bool = True, **columns: Any) -> Import:
    return import_file(source, path, NAME, quality="fast", columns=columns, parameters={}, write=write)


@pytest.mark.parametrize("name", FILES)
def test_every_format_is_read_and_priced(farebox_project: TestProject, tmp_path: Path, name: str):
    source, file, lines = FILES[name]
    path = written(tmp_path, file, lines)
    [record] = read_usage(path, source, MAPPED if source == "csv" else {})
    assert (record.usage.input_tokens, record.usage.output_tokens) == (700, 50)
    made = imported(path, source, **dict[str, Any](MAPPED if source == "csv" else {}))
    assert (made.added, made.runs, made.requests) == (1, 1, 1)
    assert made.cost_nano > 0
    with farebox_project.runtime.ledger.store.read() as connection:
        rows = [connection.execute(table.select()).all() for table in schema.FACTS]
    assert "secret" not in str(rows)
    if source not in {"anthropic", "openrouter"}:
        card = farebox_project.runtime.rates
        assert made.cost_nano == card.price("gpt-4.1-mini", "openai", Usage(700, 50, 0))


def test_quotes_packaging_and_reviews_work_on_the_first_day(farebox_project: TestProject, tmp_path: Path):
    runtime, flow = farebox_project.runtime, find_flow(NAME)
    before = compare(runtime, flow, {})
    path = written(tmp_path, "logs.jsonl", [spend_log(number) for number in range(400)])
    foreseen = imported(path, write=False)
    assert compare(runtime, flow, {}).quotes[0].quote == before.quotes[0].quote
    assert imported(path) == foreseen == Import(100, 100, 400, foreseen.cost_nano, 0)
    after = compare(runtime, flow, {})
    assert (before.quotes[0].quote.n, after.quotes[0].quote.n) == (0, 100)
    assert (before.imported, after.imported) == (0, 100)
    mean = foreseen.cost_nano / 100
    assert mean <= after.quotes[0].quote.p95 < 1.3 * mean
    sold = sales(runtime.replica, NAME, "fast", stand_in=False)
    assert (len(sold.sales), sum(one.cost_nano for one in sold.sales)) == (100, foreseen.cost_nano)
    review = make_review(runtime, ReviewQuery(days=3650))
    assert [(line.automation, line.runs, line.before_nano) for line in review.lines] == [
        (NAME, 100, foreseen.cost_nano)
    ]


def test_imported_runs_touch_nothing_that_is_owed(farebox_project: TestProject, tmp_path: Path):
    runtime = farebox_project.runtime

    def owed() -> dict[str, list[Any]]:
        others = [
            t
            for t in schema.metadata.sorted_tables
            if t.name not in {"imports", "imported_runs", "imported_usage", "meta"}
        ]
        with runtime.ledger.store.read() as connection:
            return {table.name: list(connection.execute(table.select()).all()) for table in others}

    before = owed()
    imported(written(tmp_path, "logs.jsonl", [spend_log(number, user="u1") for number in range(8)]))
    assert owed() == before


def test_the_same_file_and_the_same_runs_are_imported_once(farebox_project: TestProject, tmp_path: Path):
    lines = [spend_log(number) for number in range(8)]
    path = written(tmp_path, "logs.jsonl", lines)
    assert imported(path).added == 2
    again = imported(path)
    assert (again.added, again.again) == (0, True)
    longer = written(tmp_path, "more.jsonl", [*lines, spend_log(8)])
    made = imported(longer)
    assert (made.added, made.known, made.again) == (1, 2, False)
    assert farebox_project.runtime.imported.count(NAME, "fast") == 3


def test_a_sum_of_requests_stands_for_runs_of_its_mean(farebox_project: TestProject, tmp_path: Path):
    line = {"model": "gpt-4.1-mini", "input_tokens": 7_000_000, "output_tokens": 500_000, "num_model_requests": 10_000}
    path = written(tmp_path, "usage.json", {"data": [{"start_time": NOW - 86_400, "results": [line]}]})
    made = imported(path, "openai")
    runtime = farebox_project.runtime
    assert made.cost_nano == 10_000 * runtime.rates.price("gpt-4.1-mini", "openai", Usage(700, 50))
    assert made.added == 1
    assert made.runs > 1
    [past] = runtime.imported.history(NAME, "fast")
    assert past.score * past.point_nano == pytest.approx(made.cost_nano / made.runs)
    review = make_review(runtime, ReviewQuery(days=30))
    assert review.lines[0].before_nano == pytest.approx(made.cost_nano, rel=1e-6)


def test_a_model_without_a_rate_needs_a_stated_cost(farebox_project: TestProject, tmp_path: Path):
    unknown = {"model": "house-llm", "custom_llm_provider": "own"}
    lines = [spend_log(), spend_log(1, **unknown, spend=None), spend_log(2, **unknown, spend=None)]
    with pytest.raises(SourceError, match=r"no cost is stated for 'house-llm' on own \(line 2 and 1 more\)"):
        imported(written(tmp_path, "logs.jsonl", lines))
    assert farebox_project.runtime.imported.count(NAME, "fast") == 0
    made = imported(written(tmp_path, "stated.jsonl", [spend_log(1, **unknown)]))
    assert made.cost_nano == 400_000
    imported(written(tmp_path, "known.jsonl", [spend_log(5)]))
    review = make_review(farebox_project.runtime, ReviewQuery(days=3650))
    assert review.lines[0].before_nano > 400_000, "what is stated stays as it is"


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no model": ({"model": ""}, "it names no model"),
    "a model that is a list": ({"model": ["a"]}, "its model is not a name"),
    "tokens below 0": ({"prompt_tokens": -1}, "its input is not a whole number"),
    "tokens that are text": ({"prompt_tokens": "many"}, "its input is not a whole number"),
    "half a token": ({"completion_tokens": 1.5}, "its output is not a whole number"),
    "tokens that are true": ({"completion_tokens": True}, "its output is not a whole number"),
    "no time": ({"startTime": None}, "its time is not a date"),
    "a time to come": ({"startTime": "2199-01-01T00:00:00Z"}, "its time is before 2010 or to come"),
    "a time of 1970": ({"startTime": 5}, "its time is before 2010 or to come"),
    "a cost that is none": ({"spend": "free"}, "its cost is not an amount"),
    "neither tokens nor cost": ({"prompt_tokens": None, "spend": None}, "it has neither tokens"),
    "a broken metadata": ({"metadata": "{"}, "it is not a line of LiteLLM's spend logs"),
}


@pytest.mark.parametrize("name", WRONG)
def test_one_wrong_line_keeps_the_file_out(farebox_project: TestProject, tmp_path: Path, name: str):
    change, why = WRONG[name]
    path = written(tmp_path, "logs.jsonl", [spend_log(0), spend_log(1, **change), spend_log(2)])
    with pytest.raises(SourceError, match=f"logs.jsonl was not imported: line 2: {why}") as raised:
        imported(path)
    assert "secret" not in str(raised.value)
    assert farebox_project.runtime.imported.count(NAME, "fast") == 0


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.jsonl", '{"a": 1}\n{"b":', "line 2: it is not JSON"),
        ("a.json", "[]", "has no line with usage"),
        ("a.jsonl", "", "has no line with usage"),
        ("a.jsonl", "[1, 2]", "line 1: it is not a line of LiteLLM"),
        ("a.csv", 'model,a\n"open', "is not CSV from line"),
        ("a.jsonl", b"\xff\xfe{", "is not UTF-8 text"),
    ],
)
def test_a_file_of_another_kind_is_named(
    farebox_project: TestProject, tmp_path: Path, name: str, text: str | bytes, why: str
):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SourceError, match=why):
        imported(tmp_path / name)


def test_fields_can_be_mapped(farebox_project: TestProject, tmp_path: Path):
    line = spend_log(metadata={"team": {"id": "acme"}, "step": "triage"})
    path = written(tmp_path, "logs.jsonl", [line])
    [record] = read_usage(path, "litellm", {"org": "metadata.team.id", "operation": "metadata.step"})
    assert (record.org, record.operation) == ("acme", "triage")
    imported(path, org="metadata.team.id")
    [sale] = sales(farebox_project.runtime.replica, NAME, "fast", stand_in=False).sales
    assert sale.owner == "org:acme"
    with pytest.raises(UsageError, match="no field 'colour'"):
        imported(path, colour="a")
    with pytest.raises(UsageError, match="does not say which column has the model"):
        imported(path, "csv", time="startTime")
    with pytest.raises(SourceError, match=r"line 1: .*is not a valid name of an? user"):
        imported(written(tmp_path, "wrong.jsonl", [spend_log(9, who="*")]), user="who")


@pytest.mark.parametrize(
    "value",
    ["2026-11-20T10:00:00Z", "2026-11-20 10:00:00", 1795168800, "1795168800000", 1795168800000000, 1795168800000000000],
)
def test_times_of_all_kinds_are_the_same_moment(value: Any):
    assert record_of(1, {"model": "m", "time": value, "cost": 1}).at == 1_795_168_800_000_000


def test_cached_tokens_are_part_of_the_input():
    usage = record_of(1, {"model": "m", "time": NOW, "input": 10, "output": 1, "cache_read": 90}).usage
    assert (usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens) == (90, 90, None)
    with pytest.raises(BadRecord, match="of 0 requests"):
        record_of(1, {"model": "m", "time": NOW, "cost": 1, "requests": 0})


@pytest.mark.parametrize(
    ("provider", "model", "known"),
    [
        ("", "gpt-4.1-mini", ("openai", "gpt-4.1-mini")),
        ("", "openai/gpt-4.1-mini", ("openai", "gpt-4.1-mini")),
        ("", "claude-sonnet-5-5", ("anthropic", "claude-sonnet-5-5")),
        ("anthropic", "anthropic/claude-sonnet-5-5", ("anthropic", "claude-sonnet-5-5")),
    ],
)
def test_models_are_found_under_the_names_that_sources_give_them(provider: str, model: str, known: tuple[str, str]):
    from pricing.usage_imports.runs import _usage

    record = UsageRecord(1, "", now_us(), model, provider, "", Usage(100, 10))
    found = _usage(record, RateCard.load())
    assert found is not None
    assert (found.provider, found.model, found.priced) == (*known, "usage")


def test_the_command_says_what_it_did(farebox_project: TestProject, call: Call, tmp_path: Path):
    path = written(tmp_path, "logs.jsonl", [spend_log(number) for number in range(8)])
    said = call("import", "litellm", str(path), "--automation", NAME, "--dry-run", "--json")
    assert (said.code, json.loads(said.out)["written"]) == (0, False), said.all
    said = call("import", "litellm", str(path), "--automation", NAME)
    assert said.out.startswith(f"Imported 2 runs of {NAME} (fast): 8 requests, $"), said.all
    assert "was imported before: nothing was added" in call("import", "litellm", str(path), "--automation", NAME).out
    assert "2 imported runs" in call("quote", NAME).out
    assert call("packaging", NAME, "--since", "ever").code == 0
    said = call("import", "litellm", str(path), "--automation", NAME, "--map", "model")
    assert (said.code, "is not FIELD=COLUMN" in said.err) == (2, True)
