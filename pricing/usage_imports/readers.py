"""Files of usage as records: one function per format, which says where a line of it has what."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from pricing.errors import SourceError, UsageError
from pricing.usage_imports.records import FIELDS, BadRecord, UsageRecord, at_path, first, record_of, sum_of

_LARGEST: Final = 500_000_000
_SHOWN: Final = 10
"""Lines that an error names."""

Line = tuple[int, Any]
Read = Callable[[Any], Mapping[str, Any] | None]


class UsageFormat(NamedTuple):
    """How lines of one source are read; ``None`` of a line that is not usage. ``lists`` are the paths of a JSON
    document under which its lines are.
    """

    about: str
    read: Read
    lists: tuple[str, ...] = ("data",)


def read_usage(path: Path, kind: str, columns: Mapping[str, str]) -> list[UsageRecord]:
    """The records of a file.

    Args:
        path: JSON, JSON lines or CSV.
        kind: the name of a format.
        columns: by field of ``FIELDS``, the column or the dotted path that has it, in place of the format's own.

    Raises:
        SourceError: it cannot be read, or some of its lines are not usage: they are named, and nothing is returned.
        UsageError: there is no such field, or a format without columns of its own has none for the model and the time.
    """
    unknown = sorted(set(columns) - set(FIELDS))
    if unknown:
        raise UsageError(f"There is no field {unknown[0][:40]!r}.", next_step=f"There are: {', '.join(FIELDS)}.")
    if kind == "csv" and (lacking := [name for name in ("model", "time") if name not in columns]):
        raise UsageError(
            f"The mapping does not say which column has the {lacking[0]}.",
            next_step="Add it: --map model=COLUMN --map time=COLUMN --map input=COLUMN --map output=COLUMN.",
        )
    found: list[UsageRecord] = []
    wrong: list[str] = []
    for line, value in _lines(path, FORMATS[kind]):
        try:
            fields = FORMATS[kind].read(value)
            if fields is None:
                continue
            mapped = {name: at_path(value, where) for name, where in columns.items()}
            found.append(record_of(line, {**fields, **mapped}))
        except BadRecord as error:
            wrong.append(f"line {line}: {error}")
        except (KeyError, TypeError, AttributeError, ValueError):
            wrong.append(f"line {line}: it is not a line of {FORMATS[kind].about}")
    if wrong:
        more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise SourceError(
            f"{path.name} was not imported: {'; '.join(wrong[:_SHOWN])}{more}.",
            next_step="Correct or remove these lines; nothing was written.",
        )
    if not found:
        raise SourceError(f"{path.name} has no line with usage of a model.", next_step=f"Give {FORMATS[kind].about}.")
    return found


def _lines(path: Path, kind: UsageFormat) -> Iterator[Line]:
    """The lines of a file, numbered from 1; the entries of a document that is one JSON value."""
    try:
        if path.stat().st_size > _LARGEST:
            raise SourceError(
                f"{path.name} has more than {_LARGEST // 1_000_000:,} MB.", next_step="Import it in parts."
            )
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror}.", next_step="Check the path and its permissions."
        ) from None
    except UnicodeDecodeError:
        raise SourceError(
            f"{path.name} is not UTF-8 text.", next_step="Export it as JSON, JSON lines or CSV."
        ) from None
    if path.suffix.lower() == ".csv" or (kind.about == FORMATS["csv"].about and text.lstrip()[:1] not in {"{", "["}):
        yield from _csv_lines(path, text)
        return
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        yield from _json_lines(path, text)
        return
    yield from enumerate((line for entry in _entries(whole, kind.lists) for line in _opened(entry)), 1)


def _csv_lines(path: Path, text: str) -> Iterator[Line]:
    rows = csv.DictReader(io.StringIO(text), strict=True)
    try:
        for row in rows:
            yield rows.line_num, {key: value for key, value in row.items() if key is not None}
    except csv.Error as error:
        raise SourceError(
            f"{path.name} is not CSV from line {rows.line_num} on: {error}.", next_step="Export it again."
        ) from None


def _json_lines(path: Path, text: str) -> Iterator[Line]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield from ((number, one) for one in _opened(json.loads(line)))
            except (ValueError, RecursionError):
                raise SourceError(
                    f"{path.name} was not imported: line {number}: it is not JSON.",
                    next_step="Correct that line; nothing was written.",
                ) from None


def _entries(whole: Any, paths: Sequence[str]) -> list[Any]:
    if isinstance(whole, dict):
        for path in paths:
            if isinstance(found := at_path(whole, path), list):
                return found
        return [whole]
    return whole if isinstance(whole, list) else [whole]


def _opened(entry: Any) -> list[Any]:
    """The lines in an entry: a provider's bucket of time has results, OTLP's resources have scopes with spans."""
    if not isinstance(entry, dict):
        return [entry]
    if isinstance(results := entry.get("results"), list):
        since = first(entry.get("start_time"), entry.get("starting_at"))
        return [{"start_time": since, **one} if isinstance(one, dict) else one for one in results]
    for inner in ("resourceSpans", "scopeSpans", "spans"):
        if isinstance(held := entry.get(inner), list):
            return [line for one in held for line in _opened(one)]
    return [entry]


def _litellm(line: Any) -> Mapping[str, Any]:
    metadata = line.get("metadata")
    if isinstance(metadata, str):
        metadata = json.loads(metadata or "{}")
    usage = first(at_path(metadata, "usage_object"), line.get("usage"), {})
    return {
        "run": first(line.get("session_id"), line.get("trace_id"), at_path(metadata, "trace_id")),
        "time": first(line.get("startTime"), line.get("start_time")),
        "model": first(line.get("model"), line.get("model_group")),
        "provider": line.get("custom_llm_provider"),
        "input": first(line.get("prompt_tokens"), at_path(usage, "prompt_tokens")),
        "output": first(line.get("completion_tokens"), at_path(usage, "completion_tokens")),
        "cache_read": first(
            at_path(usage, "prompt_tokens_details.cached_tokens"), at_path(usage, "cache_read_input_tokens")
        ),
        "cache_write": at_path(usage, "cache_creation_input_tokens"),
        "reasoning": at_path(usage, "completion_tokens_details.reasoning_tokens"),
        "cost": first(line.get("spend"), line.get("response_cost")),
        "failed": line.get("status") == "failure",
    }


def _langfuse(line: Any) -> Mapping[str, Any] | None:
    if str(first(line.get("type"), "GENERATION")).upper() != "GENERATION":
        return None
    details = first(line.get("usageDetails"), line.get("usage_details"), line.get("usage"), {})
    if isinstance(details, str):
        details = json.loads(details)
    costs = first(line.get("costDetails"), line.get("cost_details"), {})
    if isinstance(costs, str):
        costs = json.loads(costs)
    read, written = (
        sum_of([value for name, value in details.items() if "cache" in name and any(word in name for word in words)])
        for words in (("read", "cached"), ("creation", "write"))
    )
    plain = first(details.get("input"), details.get("promptTokens"), line.get("promptTokens"), line.get("inputTokens"))
    apart = any(name.startswith("cache_") or "input_cache" in name for name in details)
    return {
        "run": first(line.get("traceId"), line.get("trace_id")),
        "time": first(line.get("startTime"), line.get("start_time"), line.get("timestamp")),
        "model": first(line.get("model"), line.get("providedModelName"), line.get("modelId")),
        "input": sum_of([plain, read, written]) if apart and plain is not None else plain,
        "output": first(
            details.get("output"),
            details.get("completionTokens"),
            line.get("completionTokens"),
            line.get("outputTokens"),
        ),
        "cache_read": read,
        "cache_write": written,
        "reasoning": first(details.get("output_reasoning_tokens"), details.get("reasoning")),
        "cost": first(line.get("calculatedTotalCost"), line.get("totalCost"), at_path(costs, "total")),
        "failed": line.get("level") == "ERROR",
    }


def _otel(line: Any) -> Mapping[str, Any] | None:
    """A span, as the OTLP's JSON has it or with plain attributes; other spans than a model's are ignored."""
    attributes = line.get("attributes") or {}
    if isinstance(attributes, list):
        attributes = {one["key"]: next(iter(one["value"].values()), None) for one in attributes}
    model = _said(attributes, "response.model", "request.model")
    kind = _said(attributes, "operation.name")
    if model is None or kind in {"execute_tool", "invoke_agent", "create_agent", "embeddings"}:
        return None
    status = line.get("status") or {}
    code = first(at_path(status, "code"), at_path(status, "status_code"), status if isinstance(status, str) else None)
    context = line.get("context") or {}
    return {
        "run": first(line.get("traceId"), line.get("trace_id"), context.get("trace_id"), context.get("traceId")),
        "time": first(line.get("startTimeUnixNano"), line.get("start_time"), line.get("startTime")),
        "model": model,
        "provider": _said(attributes, "provider.name", "system"),
        "input": _said(attributes, "usage.input_tokens", "usage.prompt_tokens"),
        "output": _said(attributes, "usage.output_tokens", "usage.completion_tokens"),
        "cache_read": first(
            _said(attributes, "usage.cache_read.input_tokens"), _said(attributes, "usage.cache_read_input_tokens")
        ),
        "cache_write": first(
            _said(attributes, "usage.cache_creation.input_tokens"),
            _said(attributes, "usage.cache_creation_input_tokens"),
        ),
        "reasoning": first(
            _said(attributes, "usage.reasoning.output_tokens"), _said(attributes, "usage.reasoning_tokens")
        ),
        "cost": _said(attributes, "usage.cost"),
        "failed": str(code) in {"2", "ERROR", "STATUS_CODE_ERROR", "StatusCode.ERROR"},
    }


def _said(attributes: Any, *names: str) -> Any:
    """The first of these attributes that is there: conventions have renamed some."""
    return first(*(at_path(attributes, f"gen_ai.{name}") for name in names))


def _openai(line: Any) -> Mapping[str, Any]:
    return {
        "time": line["start_time"],
        "model": line["model"],
        "provider": "openai",
        "input": line["input_tokens"],
        "output": line["output_tokens"],
        "cache_read": line.get("input_cached_tokens"),
        "requests": line["num_model_requests"],
    }


def _anthropic(line: Any) -> Mapping[str, Any]:
    created = line.get("cache_creation") or {}
    written = sum_of(list(created.values()))
    return {
        "time": line["start_time"],
        "model": line["model"],
        "provider": "anthropic",
        "input": sum_of([line["uncached_input_tokens"], line.get("cache_read_input_tokens"), written]),
        "output": line["output_tokens"],
        "cache_read": line.get("cache_read_input_tokens"),
        "cache_write": written,
        "requests": line.get("requests"),
    }


def _openrouter(line: Any) -> Mapping[str, Any]:
    return {
        "time": line["date"],
        "model": first(line.get("model_permaslug"), line["model"]),
        "provider": "openrouter",
        "input": line["prompt_tokens"],
        "output": line["completion_tokens"],
        "reasoning": line.get("reasoning_tokens"),
        "requests": line["requests"],
        "cost": line.get("usage"),
    }


FORMATS: Final[Mapping[str, UsageFormat]] = {
    "litellm": UsageFormat("LiteLLM's spend logs", _litellm),
    "langfuse": UsageFormat("Langfuse's observations", _langfuse, ("data", "observations")),
    "otel": UsageFormat("spans by OpenTelemetry's GenAI conventions", _otel, ("spans",)),
    "openai": UsageFormat("OpenAI's usage of completions", _openai),
    "anthropic": UsageFormat("Anthropic's usage report of messages", _anthropic),
    "openrouter": UsageFormat("OpenRouter's activity", _openrouter),
    "csv": UsageFormat("CSV or JSON with a mapping", lambda _: {}),
}
