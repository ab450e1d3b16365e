"""Tables of support tickets, and of what tools look up about them, from CSV files with a header."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from flows.sources.files import MAX_BYTES, read_at_most
from flows.sources.text import HALVES, clean_line, clean_text
from pricing import SourceError

MAX_ROW = 100_000
"""Characters in one row; more is a quotation mark that was never closed."""

_Line = Annotated[str, BeforeValidator(lambda value: clean_line(str(value), 300)), Field(min_length=1)]
_Text = Annotated[str, BeforeValidator(lambda value: clean_text(str(value))), Field(min_length=1, max_length=20_000)]


class Ticket(BaseModel):
    """One request for support, as the help desk exported it."""

    model_config = ConfigDict(frozen=True)

    id: Annotated[_Line, Field(max_length=40)]
    customer: _Line
    plan: _Line
    subject: _Line
    body: _Text
    opened: date
    email: Annotated[str | None, BeforeValidator(lambda value: clean_line(str(value or "")) or None)] = None


def load_tickets(path: str | Path) -> list[Ticket]:
    """The tickets of a CSV file, in the file's order.

    The header names ``id``, ``customer``, ``plan``, ``subject``, ``body``, ``opened`` (``2026-03-31``) and, if there is
    one, ``email``; other columns are ignored. Rows count from 1, the first after the header.

    Raises:
        SourceError: the file cannot be read, a column is missing, or a row is wrong; the message names the row.
    """
    name = _name(path)
    tickets: dict[str, Ticket] = {}
    for number, row in _rows(path, [key for key, field in Ticket.model_fields.items() if field.is_required()]):
        try:
            ticket = Ticket.model_validate(row)
        except ValidationError as error:
            columns = ", ".join(sorted({str(fault["loc"][0]) for fault in error.errors() if fault["loc"]}))
            raise SourceError(
                f"Row {number} of {name} has no usable {columns}.",
                next_step="A ticket has id, customer, plan, subject, body (to 20,000 characters), opened (2026-03-31).",
                row=number,
            ) from None
        if ticket.id in tickets:
            raise SourceError(
                f"Row {number} of {name} repeats the id of an earlier row.", next_step="Give each its own.", row=number
            )
        tickets[ticket.id] = ticket
    return list(tickets.values())


def load_rows(path: str | Path, required: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV file by column name (lower case), for tools to look things up in.

    Raises:
        SourceError: the file cannot be read, one of the ``required`` columns is missing, or a row is malformed.
    """
    return [{key: clean_text(value) for key, value in row.items()} for _, row in _rows(path, required)]


def _rows(path: str | Path, required: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row with its number, from 1; at least one."""
    name = _name(path)
    lines = csv.reader(io.StringIO(_read(path), newline=""), strict=True)
    number = 0
    header: list[str] = []
    try:
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            _check_cells(cells, f"Row {number + 1} of {name}" if header else f"The header of {name}")
            if not header:
                header = _header(cells, required, name)
                continue
            number += 1
            if len(cells) != len(header):
                raise SourceError(
                    f"Row {number} of {name} (line {lines.line_num}) has {len(cells)} cells, the header {len(header)}.",
                    next_step="Put cells that hold commas or line breaks in double quotes.",
                    row=number,
                )
            yield number, dict(zip(header, cells, strict=True))
    except csv.Error:
        raise SourceError(
            f"Row {number + 1} of {name} (line {lines.line_num}) is not valid CSV, or a cell in it is absurdly long.",
            next_step="Look for a double quote that is not closed or not doubled.",
            row=number + 1,
        ) from None
    if not number:
        raise SourceError(
            f"{name} holds no rows.", next_step=f"Give it a header ({', '.join(required)}) and at least one row."
        )


def _header(cells: Sequence[str], required: Sequence[str], name: str) -> list[str]:
    header = [clean_line(cell).lower() for cell in cells]
    if missing := [column for column in required if column not in header]:
        raise SourceError(
            f"{name} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}.",
            next_step=f"Its first line must name them, with commas between, not {clean_line(', '.join(header), 120)}.",
        )
    if len(set(header)) < len(header):
        raise SourceError(f"{name} names a column twice.", next_step="Give every column its own name.")
    return header


def _check_cells(cells: Sequence[str], place: str) -> None:
    if sum(map(len, cells)) > MAX_ROW:
        raise SourceError(
            f"{place} is longer than {MAX_ROW:,} characters.", next_step="Look for an unclosed double quote."
        )
    if any(HALVES.search(cell) for cell in cells):
        raise SourceError(f"{place} is not UTF-8.", next_step="Export the table as “CSV UTF-8”.")


def _read(path: str | Path) -> str:
    """The file's text; bytes that are not UTF-8 stay as lone surrogates, so that their row can be named."""
    name = _name(path)
    try:
        data = read_at_most(Path(path).expanduser(), MAX_BYTES + 1)
    except FileNotFoundError:
        raise SourceError(f"There is no {name}.", next_step="Name a CSV file of tickets.") from None
    except OSError as error:
        reason = clean_line(error.strerror or "not a regular file")
        raise SourceError(
            f"{name} cannot be read ({reason}).", next_step="Name a CSV file that this user may read."
        ) from None
    except (ValueError, RuntimeError):
        raise SourceError(f"{name} cannot be a path.", next_step="Name a CSV file of tickets.") from None
    if len(data) > MAX_BYTES:
        raise SourceError(
            f"{name} has more than {MAX_BYTES // 1_000_000} MB.", next_step="Split the table.", limit=MAX_BYTES
        )
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    if b"\x00" in data:
        raise SourceError(f"{name} is binary, not CSV.", next_step="Export the table as “CSV UTF-8”.")
    return data.decode("utf-8-sig", "surrogateescape")


def _name(path: str | Path) -> str:
    return clean_line(str(path)) or "the empty path"
