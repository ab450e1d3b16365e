"""Invoice extraction: a folder of PDFs and images becomes typed records whose totals add up, and a summary."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from farebox import Budget, Document, FareboxError, Image, Quality, ask, automation, llm_task, plan
from flows.sources import media_file, media_files

DATA = Path(__file__).parent / "data" / "invoices"


class Line(BaseModel):
    description: Annotated[str, Field(max_length=200)]
    amount: Decimal


class Invoice(BaseModel):
    number: Annotated[str, Field(max_length=60)]
    supplier: Annotated[str, Field(max_length=120)]
    issued: date | None
    currency: Annotated[str, Field(min_length=3, max_length=3)]
    lines: list[Line]
    tax: Decimal
    total: Decimal


class Record(Invoice):
    file: str


class Extraction(BaseModel):
    summary: str
    invoices: list[Record]
    to_check: list[str]


def adds_up(invoice: Invoice) -> bool:
    """Whether the lines and the tax of an invoice come to its total."""
    return bool(invoice.lines) and sum(line.amount for line in invoice.lines) + invoice.tax == invoice.total


# Invoices name their senders, and a picture cannot be masked: that these files may leave is decided here.
@llm_task(operation="read_invoice", tier="light", max_tokens=900, verify=adds_up, unmasked_media=True)
def read_invoice(file: str) -> Invoice:
    return ask("invoice.j2", invoice=media_file(file), returns=Invoice)


@llm_task(operation="summarize_invoices", tier="light", max_tokens=300)
def summarize_invoices(records: list[Record], to_check: int) -> str:
    return ask("invoice_summary.j2", records=records, to_check=to_check)


def count(folder: str, limit: int) -> int:
    return len(media_files(folder, limit))


def largest(folder: str, limit: int) -> list[Image | Document]:
    """The largest of the files: each call is planned as if it read that one."""
    files = sorted(media_files(folder, limit), key=lambda file: Path(file).stat().st_size)
    return [media_file(files[-1])] if files else []


@automation(
    price="4 credits",
    budget=Budget(per_run="3 USD", per_day="15 USD"),
    plan=plan(read_invoice, calls=count, input_tokens=350, output_tokens=250, images=largest)
    + plan(summarize_invoices, input_tokens=700, output_tokens=120),
)
def invoice_extraction(
    folder: str = str(DATA), limit: Annotated[int, Field(ge=1, le=200)] = 50, quality: Quality = "fast"
) -> Extraction:
    """Read every invoice of a folder, and leave to a person those whose totals do not add up.

    Args:
        folder: PDFs, PNGs, JPEGs, WebPs and GIFs, one invoice each.
        limit: how many files at most.
        quality: fast takes light models, best takes premium ones for every step.
    """
    files = media_files(folder, limit)
    records: list[Record] = []
    to_check: list[str] = []
    read: Sequence[object] = read_invoice.map(files).result(raise_on_failure=False)
    for file, found in zip(files, read, strict=True):
        if isinstance(found, Invoice):
            records.append(Record(**found.model_dump(), file=Path(file).name))
        elif isinstance(found, FareboxError) and found.fields.get("kind") == "unverified":
            to_check.append(Path(file).name)
        elif isinstance(found, BaseException):
            raise found
    return Extraction(summary=summarize_invoices(records, len(to_check)), invoices=records, to_check=to_check)
