"""A daily digest of what changed: a repository's history and documents, a folder of texts, or a feed."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from prefect import task
from pydantic import BaseModel, Field

from farebox import Budget, Quality, ask, automation, llm_task, plan
from flows.sources import Collection, Document, collect, count_documents, fetch

Topic = Literal["feature", "fix", "documentation", "operations", "decision", "other"]


class Summary(BaseModel):
    headline: Annotated[str, Field(max_length=120)]
    summary: Annotated[str, Field(max_length=600)]


class Sorting(BaseModel):
    topic: Topic
    importance: Literal["high", "normal", "low"]


class Entry(Sorting, Summary):
    origin: str


class Digest(BaseModel):
    opening: str
    entries: list[Entry]
    notes: list[str]


@task(name="collect", persist_result=False)
def gather(source: str, limit: int) -> Collection:
    return collect(source, limit=limit, fetch=fetch)


@llm_task(operation="summarize", tier="light", max_tokens=400)
def summarize(document: Document) -> Summary:
    return ask("summarize.j2", kind=document.kind, title=document.title, text=document.text, returns=Summary)


@llm_task(operation="classify", tier="light", max_tokens=100)
def classify(summary: Summary) -> Sorting:
    return ask("classify.j2", headline=summary.headline, summary=summary.summary, returns=Sorting)


@llm_task(operation="compose", tier="premium", max_tokens=500)
def compose(entries: list[Entry]) -> str:
    return ask("compose.j2", entries=entries)


def items(source: str, limit: int) -> int:
    return count_documents(source, limit)


@automation(
    price="3 credits",
    budget=Budget(per_run="2 USD", per_day="10 USD"),
    approval=timedelta(hours=8),
    plan=plan(summarize, calls=items, input_tokens=900, output_tokens=90)
    + plan(classify, calls=items, input_tokens=250, output_tokens=25)
    + plan(compose, input_tokens=1200, output_tokens=160),
)
def daily_digest(
    source: str = ".", limit: Annotated[int, Field(ge=1, le=200)] = 12, quality: Quality = "fast"
) -> Digest:
    """Collect, summarize, classify, compose.

    Args:
        source: a folder of text, Markdown or PDF files, a git repository, or an RSS/Atom feed (file or address).
        limit: how many items at most.
        quality: fast takes light models, best takes premium ones for every step.
    """
    found = gather(source, limit)
    summaries = summarize.map(found.documents)
    sortings = classify.map(summaries)
    entries = [
        Entry(**summary.model_dump(), **sorting.model_dump(), origin=document.origin)
        for document, summary, sorting in zip(found.documents, summaries.result(), sortings.result(), strict=True)
    ]
    entries.sort(key=lambda entry: ["high", "normal", "low"].index(entry.importance))
    return Digest(opening=compose(entries), entries=entries, notes=list(found.notes))
