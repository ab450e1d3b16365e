"""docs/architecture.md: a provider is one module. One is added here, and everything that treats providers knows it."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import ValidationError

from farebox.cli.doctor import models
from farebox.config.settings import TargetSettings
from farebox.doctor.checks import examine
from guardrails.guards.secret_rules import RULES
from pricing.db import schema
from pricing.errors import ConfigError
from pricing.rates.card import RateCard
from pricing.rates.sources import ListPrices
from pricing.usage import Usage
from tasks.providers import catalog, classify, price_list_of, provider_names, spec_of
from tasks.providers.spec import ProviderSpec
from tasks.sandbox import Latency, Sandbox
from tasks.telemetry.spans import Telemetry
from tests.support.catalog import ACME, provider_added
from tests.support.project import make_project
from tests.support.turns import admitted, ask

TARGET = """
[[targets]]
name = "coyote"
provider = "acme"
model = "openai/gpt-oss-120b"
tier = "light"
"""


def test_a_new_provider_is_one_module_and_works_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    sandbox = Sandbox(tmp_path / "journal.jsonl", latency=Latency(0))
    spans = InMemorySpanExporter()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr("tasks.telemetry.Telemetry", lambda: Telemetry(tracers, None))
    monkeypatch.setenv("ACME_API_KEY", "coyote-4711")
    text = ACME.format(name="acme", url=f"{sandbox.start()}/t/coyote/v1")
    project = make_project(tmp_path / "project", "", targets=TARGET)
    try:
        with provider_added(tmp_path / "catalog", "acme", text), project.runtime_here() as runtime:
            with admitted(runtime) as run_id:
                [answer] = ask(runtime, run_id, 1)
            assert isinstance(answer, str), answer
            with runtime.ledger.store.read() as connection:
                [attempt] = connection.execute(sa.select(schema.attempts)).all()
            price = RateCard.load().price(
                "openai/gpt-oss-120b", "groq", Usage(attempt.input_tokens, attempt.output_tokens)
            )
            assert (attempt.provider, attempt.stand_in, attempt.cost_nano) == ("acme", False, price)
            assert "acme_ai" in {
                dict(span.attributes or {}).get("gen_ai.provider.name") for span in spans.get_finished_spans()
            }
            models(json=True)
            [line] = json.loads(capsys.readouterr().out)["targets"]
            assert (line["provider"], line["key"]) == ("acme", "environment variable ACME_API_KEY")
            assert line["features"]["service_tiers"] == ["flex"]
            findings = {finding.check: finding for finding in examine(project.root)}
            assert "ACME_API_KEY" in findings["key of coyote"].message
            body = json.dumps({"error": {"message": "Too long for Acme: 9 tokens", "code": "no"}}).encode()
            assert classify("acme", 400, {}, body).kind == "context_overflow"
            assert classify("acme", 429, {}, b'{"error": {"code": "out_of_coins"}}').kind == "quota_exhausted"
    finally:
        sandbox.stop()
    assert "acme" not in provider_names()


@pytest.mark.parametrize(
    "field", ["name", *sorted(set(ProviderSpec.__dataclass_fields__) - {"name"}), "features.batches"]
)
def test_what_a_provider_leaves_out_is_an_error_at_import(field: str, tmp_path: Path):
    name = "acme"
    text = ACME.format(name=name, url="http://127.0.0.1:9")
    start = text.index(f"{field.rpartition('.')[2]}=")
    depth, end = 0, start
    while depth or text[end] != ",":
        depth += (text[end] in "([{") - (text[end] in ")]}")
        end += 1
    left_out = text[:start] + text[end + 1 :]
    with (
        provider_added(tmp_path, name, left_out),
        pytest.raises(TypeError, match=field.rpartition(".")[2]),
    ):
        spec_of(name)


@pytest.mark.parametrize(("before", "after", "why"), [
    ('name="acme"', 'name="other"', "must define SPEC"), ('name="acme"', 'name="Acme Inc"', "not the name of a provider"),
    ("SPEC = ", "SPECIFICATION = ", "must define SPEC"), ('"http://127.0.0.1:9"', '""', "no address"),
    ('"http://127.0.0.1:9"', '"127.0.0.1"', "not an http"), ('"http://127.0.0.1:9"', '"http://{zone}.x"', "not an http"),
    ('"ACME_API_KEY"', '""', "names its environment variable"), ('"ACME_API_KEY"', '"sk-1"', "environment variable"),
    ('price_list="groq"', 'price_list=""', "price_list"), ('otel_name="acme_ai"', 'otel_name=""', "otel_name"),
])  # fmt: skip
def test_what_cannot_be_right_is_an_error_at_import(before: str, after: str, why: str, tmp_path: Path):
    text = ACME.format(name="acme", url="http://127.0.0.1:9")
    assert before in text
    with (
        provider_added(tmp_path, "acme", text.replace(before, after)),
        pytest.raises((TypeError, ValueError), match=why),
    ):
        spec_of("acme")


@pytest.mark.parametrize("name", provider_names())
def test_every_provider_that_ships_is_complete(name: str):
    spec = spec_of(name)
    assert spec.key_kind is None or spec.key_kind in {rule.kind for rule in RULES}
    assert price_list_of(name) == spec.price_list
    if spec.price_list is not None:
        assert ListPrices(price_lists=price_list_of).models(name), "its price list has no models"


def test_names_and_spellings(tmp_path: Path):
    assert len({spec_of(name).otel_name for name in provider_names()}) == len(provider_names())
    for wrong in ("opnai", "", "__init__", "../openai", "openai.x", "OpenAI"):
        with pytest.raises(ConfigError, match="is not a provider"):
            spec_of(wrong)
        with pytest.raises(ValidationError, match="is not a provider"):
            TargetSettings(name="x", provider=wrong, model="m", tier="light")
    with pytest.raises(ConfigError, match="did you mean 'openai'"):
        spec_of("opnai")
    assert price_list_of("nobody") is None
    assert Path(catalog.__path__[0]).name == "catalog"
