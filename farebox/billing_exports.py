"""Bills fetched from providers' admin APIs, read only. Pages are stored in files that the export readers take."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pricing import ConfigError, UsageError
from tasks.providers import HttpRequest, Transport, WireFailed

_OK, _TOO_MANY = 200, 429
_REFUSED = frozenset({401, 403})
_TRIES = 6
_LONGEST_WAIT = 60.0
_READ_SECONDS = 120.0
_MOST_PAGES = 10_000
_LARGEST_PAGE = 256 * 1024 * 1024
_DAYS = 30


@dataclass(frozen=True, slots=True)
class ExportEndpoint:
    """One list to fetch; ``span`` is how its days are requested, ``query`` holds the other parameters."""

    path: str
    span: str
    query: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class AdminApi:
    """A provider's cost API. ``variable`` names its admin key, and with ``_BASE_URL`` the address of a gateway."""

    base_url: str
    variable: str
    header: str
    scheme: str
    more: tuple[tuple[str, str], ...]
    endpoints: tuple[ExportEndpoint, ...]


ADMIN_APIS = {
    "openai": AdminApi(
        "https://api.openai.com",
        "OPENAI_ADMIN_KEY",
        "Authorization",
        "Bearer ",
        (),
        (
            ExportEndpoint(
                "/v1/organization/costs",
                "unix",
                (("bucket_width", "1d"), ("limit", "180"), ("group_by", "project_id"), ("group_by", "line_item")),
            ),
            ExportEndpoint(
                "/v1/organization/usage/completions",
                "unix",
                (
                    *(("bucket_width", "1d"), ("limit", "31")),
                    *(("group_by", name) for name in ("project_id", "model", "batch", "service_tier")),
                ),
            ),
        ),
    ),
    "anthropic": AdminApi(
        "https://api.anthropic.com",
        "ANTHROPIC_ADMIN_KEY",
        "x-api-key",
        "",
        (("anthropic-version", "2023-06-01"),),
        (
            ExportEndpoint(
                "/v1/organizations/cost_report",
                "iso",
                (
                    ("bucket_width", "1d"),
                    ("limit", "31"),
                    ("group_by[]", "workspace_id"),
                    ("group_by[]", "description"),
                ),
            ),
            ExportEndpoint(
                "/v1/organizations/usage_report/messages",
                "iso",
                (
                    *(("bucket_width", "1d"), ("limit", "31")),
                    *(("group_by[]", name) for name in ("workspace_id", "model", "service_tier")),
                ),
            ),
        ),
    ),
    "openrouter": AdminApi(
        "https://openrouter.ai",
        "OPENROUTER_MANAGEMENT_KEY",
        "Authorization",
        "Bearer ",
        (),
        (ExportEndpoint("/api/v1/activity", "none", ()),),
    ),
}


@contextmanager
def fetched_export(
    provider: str, files: Sequence[Path], since: date | None = None, until: date | None = None
) -> Iterator[list[Path]]:
    """The files of an export: those given, or what the provider's admin API returns, deleted when the block ends.

    Args:
        provider: openai, anthropic or openrouter, if no file is given.
        files: the files, if there are any.
        since: the first day to fetch, in UTC; 30 days ago by default.
        until: the last day; yesterday by default.

    Raises:
        ConfigError: there is no admin key.
        UsageError: a file does not exist, the provider has no such API, or it refused the request.
    """
    if files:
        for path in files:
            if not path.is_file():
                raise UsageError(f"{path} is not a file.", next_step="Name the export's file.")
        yield list(files)
        return
    api = ADMIN_APIS.get(provider)
    if api is None:
        raise UsageError(
            f"{provider} has no cost API that Farebox supports.", next_step="Export its bill and name it with --file."
        )
    key = os.environ.get(api.variable, "").strip()
    if not key:
        raise ConfigError(
            f"There is no admin key for {provider}; tried: environment variable {api.variable}.",
            next_step="Set it to a key that may read costs, or export the bill and name it with --file.",
        )
    last = until or datetime.now(UTC).date() - timedelta(days=1)
    first = since or last - timedelta(days=_DAYS - 1)
    if last < first:
        raise UsageError("--until is before --since.", next_step="Name a last day that is not before the first.")
    with tempfile.TemporaryDirectory(prefix="farebox-bill-") as folder:
        yield asyncio.run(_fetch(provider, api, key, (first, last), Path(folder)))


async def _fetch(provider: str, api: AdminApi, key: str, days: tuple[date, date], folder: Path) -> list[Path]:
    transport = Transport()
    try:
        found = []
        for number, endpoint in enumerate(api.endpoints):
            path = folder / f"{number}.jsonl"
            with path.open("wb") as file:
                async for page in _pages(provider, transport, api, key, (endpoint, days)):
                    file.write(json.dumps(page).encode() + b"\n")
            found.append(path)
        return found
    finally:
        await transport.close()


async def _pages(
    provider: str, transport: Transport, api: AdminApi, key: str, asked: tuple[ExportEndpoint, tuple[date, date]]
) -> Any:
    endpoint, days = asked
    query = [*endpoint.query, *_span(endpoint.span, *days)]
    base = os.environ.get(f"{api.variable}_BASE_URL", "").rstrip("/") or api.base_url
    headers = {api.header: f"{api.scheme}{key}", "Accept": "application/json", **dict(api.more)}
    seen: set[str] = set()
    following: str | None = None
    for _ in range(_MOST_PAGES):
        parameters = query if following is None else [*query, ("page", following)]
        url = f"{base}{endpoint.path}" + (f"?{urlencode(parameters)}" if parameters else "")
        page = await _page(provider, transport, HttpRequest(url, headers, b"", "GET"), endpoint.path)
        yield page
        following = page.get("next_page") if page.get("has_more") else None
        if following is None:
            return
        if following in seen:
            break
        seen.add(following)
    raise UsageError(
        f"The pages of {provider} {endpoint.path} do not end.", next_step="Ask for fewer days, or export a file."
    )


async def _page(provider: str, transport: Transport, request: HttpRequest, path: str) -> Mapping[str, Any]:
    status, why = 0, "no answer"
    for tried in range(_TRIES):
        try:
            reply = await transport.send(request, read_timeout=_READ_SECONDS, most=_LARGEST_PAGE)
        except WireFailed as error:
            why = type(error.__cause__ or error).__name__
            await asyncio.sleep(2.0**tried / 10)
            continue
        status, why = reply.status, f"HTTP {reply.status}"
        if status == _OK:
            return _object(provider, path, reply.body)
        if status in _REFUSED:
            raise UsageError(
                f"{provider} refused the admin key for {path} (HTTP {status}).",
                next_step="Use an admin key of the organisation that may read costs; keys for models may not.",
            )
        if status != _TOO_MANY and status < 500:  # noqa: PLR2004 - a fault of the request
            break
        await asyncio.sleep(_wait(reply.headers.get("retry-after"), tried))
    raise UsageError(f"{provider} {path} cannot be read ({why}).", next_step="Try later, or export the bill as a file.")


def _object(provider: str, path: str, body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("data"), list):
        raise UsageError(f"{provider} {path} returned an unexpected reply.", next_step="Export the bill as a file.")
    return found


def _wait(retry_after: str | None, tried: int) -> float:
    try:
        seconds = float(retry_after) if retry_after is not None else 2.0**tried / 10
    except ValueError:
        seconds = 2.0**tried / 10
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def _span(kind: str, first: date, last: date) -> list[tuple[str, str]]:
    after = last + timedelta(days=1)
    if kind == "unix":
        begins, ends = (int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) for day in (first, after))
        return [("start_time", str(begins)), ("end_time", str(ends))]
    if kind == "iso":
        return [("starting_at", f"{first}T00:00:00Z"), ("ending_at", f"{after}T00:00:00Z")]
    return []
