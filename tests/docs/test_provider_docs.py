"""Every sample in docs/providers.md works, and its tables say what the code does."""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from farebox.config.credentials import find_key
from farebox.config.keys import Key, Missing
from farebox.config.settings import Settings, load_settings
from farebox.config.targets import build_target
from farebox.runtime import Runtime
from pricing.db import schema
from pricing.rates.card import RateCard
from pricing.usage import Usage
from tasks.prompts import Prompts
from tasks.providers import provider_names, spec_of
from tasks.providers.failure_kinds import ALLOWED
from tasks.sandbox import Latency, Sandbox
from tasks.telemetry import attributes
from tests.support.books import rows
from tests.support.project import REPOSITORY, make_project
from tests.support.runs import riding

TEXT = (REPOSITORY / "docs" / "providers.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def table(heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without its own heading."""
    section = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def settings_of(block: str, root: Path) -> Settings:
    (root / "farebox.toml").write_text(block, "utf-8")
    return load_settings(root)


@pytest.fixture(autouse=True)
def no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home without AWS files, on a machine that is not Amazon's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("farebox.config.aws._VENDOR", tmp_path / "vendor")


@pytest.mark.parametrize("number", range(len(blocks("toml"))))
def test_each_toml_sample_loads_and_each_of_its_targets_has_a_price(tmp_path: Path, number: int):
    settings = settings_of(blocks("toml")[number], tmp_path)
    assert settings.targets or settings.rates or not settings.sandbox.stand_in
    rates = RateCard.load(rate.rate() for rate in settings.rates)
    for declared in settings.targets:
        target = build_target(declared, rates, find_key(declared))
        assert rates.price(target.model, target.provider, Usage(1000, 100)) > 0
        assert target.base_url.startswith("http")
        assert target.window >= 4096


def test_every_provider_is_shown(tmp_path: Path):
    shown = {target.provider for block in blocks("toml") for target in settings_of(block, tmp_path).targets}
    listed = {row[0]: row[1:] for row in table("Every provider")}
    assert set(listed) == set(provider_names())
    assert {"anthropic", "bedrock", "openai", "groq", "openai_compatible", "ollama", "openrouter"} <= shown
    for name, (address, variable, prices, *able) in listed.items():
        spec = spec_of(name)
        assert (address or "", variable or "") == (spec.base_url, spec.credentials.variable), name
        assert prices == (spec.price_list or "[[rates]]"), name
        features = spec.features
        assert able == [
            "yes" if can else "no" for can in (features.schemas, bool(features.media.takes), features.batches)
        ]


def test_the_table_of_batches_says_what_the_specs_say():
    listed = [row for row in table("Batches") if row[0] in provider_names()]
    rows = {name: (lines, size, kept) for name, _, lines, size, _, kept in listed}
    assert set(rows) == {name for name in provider_names() if spec_of(name).features.batches is not None}
    for name, (lines, size, kept) in rows.items():
        rules = spec_of(name).features.batches
        assert rules is not None
        assert lines == f"{rules.least:,} to {rules.lines:,}", name
        assert size == f"{rules.whole // 10**6:,} MB", name
        assert kept.partition(" ")[0] == str(rules.kept_days) or rules.kept_days is None, name


def test_the_table_of_media_says_what_the_specs_say():
    for name, *cells in table("Images and documents"):
        rules = spec_of(name).features.media
        for cell, medium in zip(cells, ("image data", "image URL", "document data", "document URL"), strict=True):
            assert (cell != "no") is (medium in rules.takes), (name, medium)
            limit = rules.largest.get(medium.split()[0]) if medium.endswith("data") else None
            assert ("up to" in cell) is (cell != "no" and limit is not None), (name, medium)


def test_regional_profiles_cost_ten_percent_more():
    card, usage = RateCard.load(), Usage(1_000_000, 0)
    model = "anthropic.claude-haiku-4-5-20251001-v1:0"
    base = card.price(f"global.{model}", "bedrock", usage)
    for prefix in ("us", "eu", "jp", "apac"):
        assert card.price(f"{prefix}.{model}", "bedrock", usage) * 10 == base * 11


def test_two_accounts_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    [block] = [block for block in blocks("toml") if "team-b" in block]
    monkeypatch.setenv("GROQ_API_KEY", "gsk-neither")
    monkeypatch.setenv("GROQ_TEAM_A", "gsk-a")
    first, second = settings_of(block, tmp_path).targets
    keys = [find_key(first), find_key(second)]
    assert [key.place for key in keys if isinstance(key, Key)] == [
        "environment variable GROQ_TEAM_A",
        "Prefect Secret block 'groq-team-b'",
    ]
    targets = [build_target(one, RateCard.load(), key) for one, key in zip((first, second), keys, strict=True)]
    assert targets[0].failure_domain != targets[1].failure_domain


def test_a_server_of_ones_own_needs_a_key_only_where_it_says_so(tmp_path: Path):
    [block] = [block for block in blocks("toml") if "vllm" in block]
    vllm, ollama, gateway = (find_key(target) for target in settings_of(block, tmp_path).targets)
    assert isinstance(vllm, Key)
    assert isinstance(ollama, Key)
    assert isinstance(gateway, Missing)


def test_the_failure_table_is_the_matrix():
    told = {kind: (retry, move) for kind, retry, move in table("When a call fails")}
    assert told == {
        kind: ("yes" if allowed.retry_same_target else "no", allowed.move.replace("_", " "))
        for kind, allowed in ALLOWED.items()
    }


def test_the_names_of_spans_are_those_that_are_emitted():
    section = TEXT.split("## OpenTelemetry\n")[1]
    emitted = {value for value in vars(attributes).values() if isinstance(value, str)}
    for name in re.findall(r"`((?:gen_ai|farebox|error)\.[a-z_.]+)`", section):
        assert name in emitted, name
    assert attributes.turn_name("x") == "farebox.turn x"
    assert attributes.attempt_name("m") == "chat m"


def test_the_cached_prompt_renders_in_two_parts(tmp_path: Path):
    [template] = blocks("jinja")
    (tmp_path / "triage.j2").write_text(template, "utf-8")
    prompt = Prompts([tmp_path]).render("triage.j2", {"ticket": "It is slow."})
    assert prompt.system.text.startswith("You triage tickets.")
    assert prompt.user_text == "It is slow."


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with (
        Sandbox(tmp_path / "journal.jsonl", latency=Latency(0, 0)) as sandbox,
        make_project(tmp_path / "project", sandbox.url).runtime_here() as found,
    ):
        yield found


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The sample of stored and streamed answers, as a module of its own."""
    [code] = [block for block in blocks("python") if "stored_for" in block]
    path = tmp_path / "provider_docs_sample.py"
    path.write_text(code, "utf-8")
    spec = importlib.util.spec_from_file_location("provider_docs_sample", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "provider_docs_sample", module)
    spec.loader.exec_module(module)
    return module


async def test_the_sample_of_stored_and_streamed_answers_runs(
    runtime: Runtime, sample: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from prefect import results
    from prefect.filesystems import LocalFileSystem

    storage = results.ResultStore(result_storage=LocalFileSystem(basepath=str(tmp_path / "results")))
    monkeypatch.setattr(results, "get_result_store", lambda: storage)
    question = "The importer stopped for two hours. Nobody lost anything. A disk was full."
    with riding(runtime, sample.helpdesk, {"question": question}):
        assert sample.answer.fn(question) == sample.answer.fn(question)
        assert "importer" in sample.chat.fn(question)
        assert "importer" in await sample.chat_async.fn(question)
    outcomes = [turn["outcome"] for turn in rows(runtime.ledger, schema.turns)]
    assert outcomes == ["answered", "stored", "answered", "answered"]


SWITCHED_ON = """
import sys, types
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter
from opentelemetry.sdk.trace.export import ConsoleSpanExporter

for name, exporter in (("metric_exporter", ConsoleMetricExporter), ("trace_exporter", ConsoleSpanExporter)):
    module = types.ModuleType(name)
    module.OTLPMetricExporter = module.OTLPSpanExporter = exporter
    for depth in range(1, 5):
        part = ".".join("opentelemetry.exporter.otlp.proto.http".split(".")[: depth + 1])
        if depth > 0 and part not in sys.modules:
            sys.modules[part] = types.ModuleType(part)
            sys.modules[part].__path__ = []
    sys.modules["opentelemetry.exporter.otlp.proto.http." + name] = module

exec(compile(sys.stdin.read(), "docs/providers.md", "exec"))
from tasks.telemetry.spans import Telemetry

assert Telemetry()._find_tracer() is None
assert Telemetry()._find_instruments() is None
switch_on()
assert Telemetry()._find_tracer() is not None
assert Telemetry()._find_instruments() is not None
print("on")
"""


def test_the_exporter_switches_telemetry_on():
    """In a process of its own, as a provider is set once; with stand-ins for the exporters, which are not installed."""
    [code] = [block for block in blocks("python") if "OTLPSpanExporter" in block]
    done = subprocess.run(
        [sys.executable, "-c", SWITCHED_ON], input=code, capture_output=True, text=True, check=False, cwd=REPOSITORY
    )
    assert done.stdout.startswith("on"), done.stderr[-2000:]


def test_every_python_sample_is_one_of_those_tested():
    assert len(blocks("python")) == 2


def test_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)]+)\)", TEXT):
        name, _, place = link.partition("#")
        page = REPOSITORY / "docs" / (name or "providers.md")
        assert page.exists(), link
        headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE) if place else []
        anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert not place or place in anchors, link
    for path in re.findall(r"`((?:tasks|farebox|pricing)/[\w/]+\.py)`", TEXT):
        assert (REPOSITORY / path).exists(), path
