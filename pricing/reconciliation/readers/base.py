"""What a reader of a provider's export gives: lines in one shape, whatever the provider calls things.

A reader fills the table ``staged`` by a query of its own, with one row per line of the export and an ``item``: the text
that says what was bought. Its ``describe`` says once per distinct item what that is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from pricing.errors import UsageError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TokenKind: TypeAlias = Literal["input", "cache_read", "cache_write", "cache_write_1h", "output", "all", "other"]
"""``input`` is without cached tokens where the export tells these apart; ``all`` is an amount for tokens of every kind;
``other`` is for other items, such as a search."""
STANDARD: Final = "standard"
_LINES: Final = {
    ".csv": "read_csv($path, all_varchar = true, header = true)",
    ".parquet": "read_parquet($path)",
}
"""What stands for ``{lines}`` in a query, by the suffix of the file."""
_TIERS: Final = ("batch", "flex", "priority", "provisioned")
_SQL: Final = Path(__file__).parents[1] / "sql"
_DATED = re.compile(r"-20\d{2}-?\d{2}-?\d{2}$|-v?\d+:\d+$|-v\d+$")
_PREFIXED = re.compile(r"^(?:(?:us|eu|apac|au|jp|ca|global|us-gov)\.)?(?:[a-z0-9-]+\.(?=[a-z]))?")
_WORD = re.compile(r"[a-z]+|\d+")
_IGNORED: Final = frozenset({"instruct", "chat", "latest", "on", "demand", "v"})


class Item(NamedTuple):
    """What a line is for: the model as the export calls it, the kind of token, and the service tier."""

    model: str
    kind: TokenKind
    service_tier: str = STANDARD


@dataclass(frozen=True, slots=True)
class Reader:
    """How to read one provider's export.

    ``provider`` is what the ledger calls it. ``stages`` are queries in ``sql/``, by the suffix of the files that they
    read. ``splits_tiers``: service tiers are lines of their own. ``admin`` says how it can be fetched, if it can.
    """

    name: str
    provider: str
    stages: dict[str, str]
    describe: Callable[[str], Item]
    splits_tiers: bool
    expects: str


def model_key(model: str) -> str:
    """A model's name as invoices and requests share it: vendors, regions, dates and the order of words are left out.

    >>> model_key("us.anthropic.claude-sonnet-4-6-v1:0") == model_key("Claude4.6Sonnet")
    True
    >>> model_key("gpt-4.1-mini-2025-04-14"), model_key("openai/gpt-oss-120b")
    ('1 4 gpt mini', '120 b gpt oss')
    """
    text = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "-", model.strip()).rpartition("/")[2].lower()
    text = _PREFIXED.sub("", text, count=1)
    while (shorter := _DATED.sub("", text)) != text:
        text = shorter
    return " ".join(sorted(word for word in _WORD.findall(text) if word not in _IGNORED))


def tier_of(text: str) -> str:
    """The service tier that a text names.

    >>> tier_of("gpt-4.1-mini batch, input"), tier_of("on_demand")
    ('batch', 'standard')
    """
    lowered = text.lower()
    return next((tier for tier in _TIERS if tier in lowered), STANDARD)


def token_kind(text: str) -> TokenKind:
    """The kind of token that a text names.

    >>> [token_kind(text) for text in ("cached input", "uncached_input_tokens", "cache-write-input-tokens", "searches")]
    ['cache_read', 'input', 'cache_write', 'other']
    """
    lowered = text.lower().replace("_", " ").replace("-", " ").replace("uncached", "")
    if "cach" in lowered:
        if any(word in lowered for word in ("write", "creation")):
            return "cache_write_1h" if re.search(r"\b1 ?h", lowered) else "cache_write"
        return "cache_read"
    if "output" in lowered or "completion" in lowered:
        return "output"
    return "input" if "input" in lowered or "prompt" in lowered else "other"


def read_export(reader: Reader, files: Sequence[Path], duck: DuckDBPyConnection) -> None:
    """Fill the table ``billed`` from the files.

    Its columns: ``row`` (the number of the line, over all files), ``measure`` (``cost``, or ``usage`` for lines without
    money), ``day``, ``days`` (that the line is about), ``account``, ``model`` (its key), ``model_name``,
    ``service_tier``, ``kind``, ``charge`` (``usage``, ``credit``, ``discount`` or ``tax``), ``tokens``, ``requests``,
    ``amount`` in dollars.

    Raises:
        UsageError: a file cannot be read, is of another format, or is in another currency.
    """
    import duckdb

    duck.execute(
        "CREATE TEMP TABLE staged (row BIGINT, measure VARCHAR, day DATE, days INTEGER, account VARCHAR, item VARCHAR, "
        "service_tier VARCHAR, kind VARCHAR, charge VARCHAR, tokens DECIMAL(38, 3), requests BIGINT, "
        "amount DECIMAL(38, 12), currency VARCHAR)"
    )
    for path in files:
        suffix = (
            "".join(path.suffixes[-2:]).lower().removesuffix(".gz") if path.suffix == ".gz" else path.suffix.lower()
        )
        stage = reader.stages.get(suffix)
        if stage is None:
            raise _unreadable(reader, path, f"its name ends in {suffix or 'nothing'!r}")
        query = (_SQL / f"{stage}.sql").read_text("utf-8").replace("{lines}", _LINES.get(suffix, ""))
        try:
            duck.execute(query, {"path": str(path)})
        except duckdb.Error as error:
            first = str(error).strip().partition("\n")[0]
            raise _unreadable(reader, path, f"{type(error).__name__}: {first[:200]}") from None
    [(rows, foreign)] = duck.execute(
        "SELECT count(*), any_value(currency) FILTER (WHERE upper(currency) <> 'USD') FROM staged"
    ).fetchall()
    if not rows:
        raise _unreadable(reader, files[0], "there is no line in it")
    if foreign:
        raise UsageError(
            f"The export is in {str(foreign)[:10]!r}; Farebox counts in USD.", next_step="Export it in US dollars."
        )
    _describe(reader, duck)


def _describe(reader: Reader, duck: DuckDBPyConnection) -> None:
    items = [row[0] for row in duck.execute("SELECT DISTINCT item FROM staged WHERE item IS NOT NULL").fetchall()]
    found = [(item, *reader.describe(item)) for item in items]
    duck.execute(
        "CREATE TEMP TABLE items (item VARCHAR, key VARCHAR, model VARCHAR, kind VARCHAR, service_tier VARCHAR)"
    )
    for item, model, kind, tier in found:
        duck.execute("INSERT INTO items VALUES (?, ?, ?, ?, ?)", [item, model_key(model), model, kind, tier])
    duck.execute((_SQL / "billed.sql").read_text("utf-8"))


def _unreadable(reader: Reader, path: Path, why: str) -> UsageError:
    return UsageError(
        f"{path} cannot be read as an export of {reader.name} ({why}).", next_step=f"Give {reader.expects}."
    )
