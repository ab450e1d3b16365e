"""``farebox rates update``: install newer published prices after showing what they change."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter

from farebox.cli.output import print_json, terminal
from farebox.cli.rates import RateChange, changes, differences, rates
from farebox.config.settings import load_settings
from farebox.project import find_root
from farebox.runtime import Runtime, get_runtime
from pricing import ConfigError, UnknownPrice, UsageError
from pricing.rates import LARGEST_LIST, SERVICE_TIERS, STANDARD, PriceLists, RateCard, read_list

if TYPE_CHECKING:
    from pricing.rates import Band

Json = Annotated[bool, Parameter(name="--json", negative="")]

_out = terminal()
_SECONDS = 30.0


@rates.command
def update(
    source: str | None = None,
    /,
    *,
    undo: Annotated[bool, Parameter(name="--undo", negative="")] = False,
    yes: Annotated[bool, Parameter(name="--yes", negative="")] = False,
    json: Json = False,
) -> None:
    """Install a newer published price list, after showing what it changes for this project's targets.

    Earlier lists are kept. Recorded runs keep the prices they were charged at.

    Args:
        source: a file or an address; the newest list of genai-prices if left out.
        undo: go back to the previous list.
        yes: install it without asking.
        json: print JSON; installs the list only with --yes.
    """
    if undo:
        _undo(json=json)
        return
    runtime = get_runtime()
    lists = PriceLists(runtime.home / "prices")
    place, body = _fetched(source)
    read_list(body)
    offered = _offered(runtime, body)
    _check_newer(runtime.rates, offered)
    found_changes, lost = compare(runtime, offered)
    if lost:
        raise UsageError(
            f"The list has no price for {', '.join(lost)}; it was not installed.",
            next_step="Give these models rates of your own in farebox.toml, or use another list.",
        )
    today = datetime.now(UTC).date()
    newest = offered.newest_date(today)
    if not found_changes and newest == runtime.rates.newest_date(today):
        lists.note_newest(today)
        _print_no_newer(runtime.rates.version, newest, json=json)
        return
    if json:
        found = {"before": runtime.rates.version, "after": offered.version, "newest": str(newest), "taken": yes}
        print_json(found | {"changes": [change.to_json() for change in found_changes]})
    else:
        _out.print(f"{runtime.rates.version} → {offered.version}, newest price of {newest}", markup=False)
        _out.print(differences(found_changes) if found_changes else "No rate of this project's targets changes.")
    if yes or (not json and _agreed()):
        lists.install(body, place, newest)
        if not json:
            _out.print("Installed. Undo with `farebox rates update --undo`.")


def _print_no_newer(version: str, newest: date | None, *, json: bool) -> None:
    if json:
        print_json({"before": version, "after": version, "newest": str(newest), "taken": False, "changes": []})
    else:
        _out.print(f"There is no newer list: the newest price of {version} is also of {newest}.", markup=False)


def compare(runtime: Runtime, offered: RateCard) -> tuple[list[RateChange], list[str]]:
    """The rates of the project's targets that differ, and the models that would have no price any more at the service
    tier that they request.
    """
    found: list[RateChange] = []
    lost = []
    for target in runtime.settings.targets:
        for service_tier in SERVICE_TIERS:
            before = _bands(runtime.rates, target.model, target.provider, service_tier)
            after = _bands(offered, target.model, target.provider, service_tier)
            if before and not after and service_tier in {STANDARD, target.service_tier}:
                lost.append(target.model if service_tier == STANDARD else f"{target.model} at {service_tier}")
            found += changes(target.name, service_tier, before, after)
    return found, lost


def _bands(card: RateCard, model: str, provider: str, service_tier: str) -> list[tuple[int, int, Band]]:
    try:
        return card.bands(model, provider, None, service_tier)
    except UnknownPrice:
        return []


def _undo(*, json: bool) -> None:
    """Runs without the runtime, which cannot be built with a damaged list."""
    settings = load_settings(find_root())
    lists = PriceLists(settings.home / "prices")
    if not lists.undo():
        raise UsageError("There is no installed list to undo.", next_step="The installed prices are in use.")
    version = RateCard.load((rate.rate() for rate in settings.rates), published=lists.current()).version
    if json:
        print_json({"version": version})
    else:
        _out.print(f"Using the prices of {version} again.", markup=False)


def _offered(runtime: Runtime, body: bytes) -> RateCard:
    return RateCard.load((rate.rate() for rate in runtime.settings.rates), published=body)


def _check_newer(now: RateCard, offered: RateCard) -> None:
    today = datetime.now(UTC).date()
    ours, theirs = now.newest_date(today), offered.newest_date(today)
    if ours is not None and (theirs is None or theirs < ours):
        raise UsageError(
            f"The list is older than the prices in use: its newest price is of {theirs}, the present one of {ours}.",
            next_step="Use a newer list, or go back with `farebox rates update --undo`.",
        )


def _fetched(source: str | None) -> tuple[str, bytes]:
    """The list's source, and its bytes."""
    if source is None:
        from genai_prices.update_prices import DEFAULT_UPDATE_URL

        source = DEFAULT_UPDATE_URL
    if urlsplit(source).scheme in {"http", "https"}:
        return source, _downloaded(source)
    path = Path(source)
    try:
        body = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{source} cannot be read ({type(error).__name__}).", next_step="Name a file.") from None
    return str(path.absolute()), body


def _downloaded(url: str) -> bytes:
    from tasks.providers import DownloadFailed, DownloadTooLarge, download

    try:
        return asyncio.run(download(url, most=LARGEST_LIST, read_timeout=_SECONDS))
    except DownloadTooLarge:
        raise ConfigError("The list is larger than 64 MB.", next_step="Use another list.") from None
    except DownloadFailed as error:
        raise UsageError(
            f"The list cannot be downloaded ({error}).", next_step="Check the address and the network, or give a file."
        ) from None


def _agreed() -> bool:
    if not sys.stdin.isatty():
        _out.print("Not installed: confirm with --yes.")
        return False
    return _out.input("Install it? [y/N] ").strip().lower() in {"y", "yes"}
