"""Records of usage as runs of an automation, each priced."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pricing.clock import from_us
from pricing.errors import SourceError, UnknownPrice
from pricing.ledger import ImportedRun, ImportedUsage
from pricing.money import Nano
from pricing.rates import RateCard
from pricing.usage import Usage
from pricing.usage_imports.records import UsageRecord

_PROVIDERS: Final[Mapping[str, str]] = {
    "aws.bedrock": "bedrock",
    "aws_bedrock": "bedrock",
    "bedrock_converse": "bedrock",
    "azure": "azure_openai",
    "azure.ai.openai": "azure_openai",
    "az.ai.openai": "azure_openai",
    "azure_ai": "azure_openai",
    "gcp.gemini": "gemini",
    "google": "gemini",
    "vertex_ai": "vertex",
    "gcp.vertex_ai": "vertex",
    "mistral_ai": "mistral",
    "x_ai": "xai",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
}
"""What sources call providers, and what the rate card does."""
_FAMILIES: Final = (
    ("claude", ("anthropic", "bedrock")),
    ("gpt", ("openai", "azure_openai")),
    ("o", ("openai",)),
    ("gemini", ("gemini", "vertex")),
    ("mistral", ("mistral",)),
    ("command", ("cohere",)),
    ("grok", ("xai",)),
    ("deepseek", ("deepseek",)),
)
"""Providers of models, for sources that name none, by how the model's name begins."""


@dataclass(frozen=True, slots=True)
class RunShape:
    """What imported runs are runs of.

    Args:
        automation: its name.
        quality: ``fast`` or ``best``.
        operation: what usage is attributed to that names no operation.
        calls: how many requests a run takes, for exports that sum requests up.
        plan: the resolved plan (JSON), ``routes`` likewise.
        point_nano: nano-dollars of its point at the rate card.
    """

    automation: str
    quality: str
    operation: str
    calls: int
    plan: str
    routes: str
    point_nano: Nano


def group_runs(records: Sequence[UsageRecord], card: RateCard, shape: RunShape, source: str) -> list[ImportedRun]:
    """The runs that records make, oldest first: those with the same ``run`` are one, and a sum of requests stands for
    as many runs as their calls make.

    Raises:
        SourceError: the price of a model is not known, and its lines state none.
    """
    priced = _priced(records, card)
    by_run: dict[str, list[tuple[UsageRecord, ImportedUsage]]] = defaultdict(list)
    for record, usage in priced:
        key = record.run or f"{record.line} {record.at} {record.model} {record.usage} {record.requests}"
        by_run[key].append((record, usage))
    found = [_run(key, lines, card, shape, source) for key, lines in by_run.items()]
    return sorted(found, key=lambda run: run.ended_at)


def _run(
    key: str, lines: Sequence[tuple[UsageRecord, ImportedUsage]], card: RateCard, shape: RunShape, source: str
) -> ImportedRun:
    records = [record for record, _ in lines]
    requests = sum(record.requests for record in records)
    summed = any(record.requests > 1 for record in records)
    digest = hashlib.sha256(f"{shape.automation} {shape.quality} {source} {key}".encode()).hexdigest()[:32]
    used = tuple(replace(usage, operation=record.operation or shape.operation) for record, usage in lines)
    return ImportedRun(
        run_id=f"imported:{digest}",
        automation=shape.automation,
        quality=shape.quality,
        plan=shape.plan,
        routes=shape.routes,
        rate_version=card.version,
        point_nano=shape.point_nano,
        runs=max(1, round(requests / max(1, shape.calls))) if summed else 1,
        outcome="failed" if all(record.failed for record in records) else "completed",
        cost_nano=sum(usage.cost_nano for usage in used),
        user_id=next((record.user for record in records if record.user), None),
        org_id=next((record.org for record in records if record.org), None),
        started_at=min(record.at for record in records),
        ended_at=max(record.at for record in records),
        usage=used,
    )


def _priced(records: Sequence[UsageRecord], card: RateCard) -> Iterator[tuple[UsageRecord, ImportedUsage]]:
    unknown: dict[str, list[int]] = defaultdict(list)
    found = []
    for record in records:
        usage = _usage(record, card)
        if usage is None:
            unknown[f"{record.model[:60]!r} on {record.provider or 'no provider'}"].append(record.line)
        else:
            found.append((record, usage))
    if unknown:
        names = "; ".join(f"{name} (line {lines[0]}{_more(lines)})" for name, lines in list(unknown.items())[:5])
        raise SourceError(
            f"Nothing was imported: no rate is known and no cost is stated for {names}.",
            next_step="Add [[rates]] in farebox.toml, map the provider (--map provider=…) or a column with the cost.",
        )
    yield from found


def _more(lines: Sequence[int]) -> str:
    return f" and {len(lines) - 1} more" if len(lines) > 1 else ""


def _usage(record: UsageRecord, card: RateCard) -> ImportedUsage | None:
    """The usage at the rate card's price; at the stated cost where it has none."""
    provider = _PROVIDERS.get(record.provider, record.provider)
    for called, model in _names(provider, record.model):
        try:
            cost = card.price(model, called, _mean(record), from_us(record.at)) * record.requests
        except UnknownPrice:
            continue
        return ImportedUsage("", called, model, record.requests, record.usage, cost, "usage", record.at)
    if record.cost_nano is None:
        return None
    named = provider or "other"
    return ImportedUsage("", named, record.model, record.requests, record.usage, record.cost_nano, "stated", record.at)


def _mean(record: UsageRecord) -> Usage:
    """The usage of one request of it: what many took together would be priced as one of a very long prompt."""
    if record.requests == 1:
        return record.usage
    counts = {name: getattr(record.usage, name) for name in Usage.__dataclass_fields__}
    return Usage(**{name: None if n is None else round(n / record.requests) for name, n in counts.items()})


def _names(provider: str, model: str) -> Iterator[tuple[str, str]]:
    """Provider and model as a rate card may know them."""
    before, _, short = model.rpartition("/")
    names = [model, short] if before else [model]
    if provider:
        yield from ((provider, name) for name in names)
        return
    if before:
        first = before.split("/")[0]
        yield _PROVIDERS.get(first, first), short
    for begins, providers in _FAMILIES:
        if short.removeprefix("us.").startswith(begins):
            yield from ((one, name) for one in providers for name in names)
