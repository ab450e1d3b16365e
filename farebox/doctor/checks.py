"""The checks of `farebox doctor`: small checks in a list; none spends a token or shows a key."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from farebox.config.credentials import find_key
from farebox.config.keys import Missing
from farebox.config.settings import Settings, load_settings
from farebox.doctor.reachability import Reached, reach, reach_all
from farebox.project import FILE, make_importable
from farebox.runs.models import prices
from farebox.runtime import Runtime
from pricing import ConfigError, FareboxError, LedgerError, now_us
from pricing.db import SCHEMA_VERSION, check_values
from pricing.ledger import CODED, expired_holds, unsettled, with_code
from pricing.rates import PriceLists, callable_id
from pricing.replica import Comparison
from pricing.reports import plural
from tasks.routing import warnings_of
from tasks.turn import NOT_PLAUSIBLE

CheckState: TypeAlias = Literal["ok", "warn", "fail", "skipped"]

_GIGABYTE = 1_000_000_000
_LITTLE_SPACE, _TOO_LITTLE_SPACE = 1 * _GIGABYTE, _GIGABYTE // 10
_OFF_SECONDS, _REFUSED_SECONDS = 30, 300
"""AWS refuses requests signed by a clock five minutes off (IAM User Guide, "Signature Version 4")."""
_OLD_PRICES_DAYS = 45
_NEWER_PRICES = "`farebox rates update` looks for a newer list and shows what it changes."
_OF_A_LEASE = 0.25
"""A hold is renewed three times a lease: clocks that differ by less expire no live hold."""
_SERVER_ERROR = 500
_ROWS_LOOKED_AT = 100_000
"""The newest rows of each table of the ledger."""


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """The result of one check, and the next step."""

    check: str
    state: CheckState
    message: str
    next_step: str = ""

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


@dataclass
class CheckContext:
    """The inputs of the checks."""

    settings: Settings
    runtime: Runtime
    timeout: float = field(default=3.0)

    @cached_property
    def hosts(self) -> list[Reached]:
        """The hosts of all real targets, each tried once."""
        real = [target for target in self.runtime.router.targets if not target.stand_in]
        return reach_all([(target.base_url, target.ca_file) for target in real], timeout=self.timeout)


def examine(root: Path) -> list[CheckFinding]:
    """Every finding about the project in ``root``."""
    try:
        settings = load_settings(root)
    except ConfigError as error:
        return [_failed(FILE, error), *check_prefect()]
    findings = [_about_settings(root, settings), *check_keys(settings)]
    try:
        make_importable(root)
        runtime = Runtime(settings, root)
        runtime.check()
    except FareboxError as error:
        if all(finding.state != "fail" for finding in findings):  # otherwise it is a key's, reported already
            findings.append(_failed("targets", error))
        rest = CheckFinding("everything else", "skipped", "it needs targets that can be built")
        return [*findings, *check_prefect(), rest]
    try:
        context = CheckContext(settings, runtime)
        return [*findings, *(finding for check in CHECKS for finding in check(context)), *check_prefect()]
    finally:
        runtime.close()


def check_keys(settings: Settings) -> Iterator[CheckFinding]:
    """The place of each target's key; a key in another service is loaded."""
    found: dict[str, str | Missing] = {}
    for target in settings.targets:
        try:
            key = find_key(target)
            if not isinstance(key, Missing):
                key.load()
            found[target.name] = key if isinstance(key, Missing) else key.place
        except ConfigError as error:
            yield _failed(f"key of {target.name}", error)
    mixed = any(isinstance(place, str) for place in found.values())
    for name, place in found.items():
        if isinstance(place, str):
            yield CheckFinding(f"key of {name}", "ok", f"real: {place}")
        elif not settings.sandbox.stand_in:
            yield CheckFinding(
                f"key of {name}", "fail", f"none; tried {'; '.join(place.tried)}", "Put it in one of these."
            )
        elif mixed:
            text = f"none, so it is left out; tried {'; '.join(place.tried)}"
            yield CheckFinding(f"key of {name}", "warn", text, "Give it a key, or take the target out.")
        else:
            yield CheckFinding(f"key of {name}", "ok", f"none, so the sandbox answers; tried {place.tried[0]} …")


def check_fallback(context: CheckContext) -> Iterator[CheckFinding]:
    """Whether a failure can be compensated by another target."""
    targets = context.runtime.router.targets
    domains, providers = {t.failure_domain for t in targets}, {t.provider for t in targets}
    findings = []
    for target in targets:
        if prices(context.runtime.rates, target) is None:
            text = f"{target.name} has no known price: every run that could reach it is refused"
            findings.append(
                CheckFinding("prices", "fail", text, "Give its model a [[rates]] table, or take the target out.")
            )
    findings += [CheckFinding("fallback", "warn", text, advice) for text, advice in warnings_of(context.runtime.router)]
    text = f"{len(targets)} targets, {len(domains)} failure domains, {len(providers)} providers, all priced"
    yield from findings or [CheckFinding("fallback", "ok", text)]


def check_retirement(context: CheckContext) -> Iterator[CheckFinding]:
    """Whether a model is about to be retired or is retired, from farebox.toml or its provider's announcement."""
    today = datetime.now(context.settings.zone).date()
    for target in context.settings.targets:
        ends = target.end_of_life
        if ends is None or not ends.is_near(today):
            continue
        next_step = (
            f"See `farebox rates review --move {target.name}=OTHER` for what its successor would cost, then move."
        )
        state: CheckState = "fail" if ends.is_over(today) else "warn"
        yield CheckFinding("retirement", state, ends.sentence(target.name, target.model, today), next_step)


def check_model_ids(context: CheckContext) -> Iterator[CheckFinding]:
    """Whether a model's id is one that price lists use and Bedrock refuses."""
    for target in context.settings.targets:
        if target.provider == "bedrock" and (called := callable_id(target.model)) != target.model:
            text = f"{target.name}: Bedrock has no model {target.model!r}; that is its name in price lists"
            yield CheckFinding("model", "fail", text, f'Write model = "{called}" in farebox.toml.')


def check_hosts(context: CheckContext) -> Iterator[CheckFinding]:
    """Whether every real target's host takes a connection."""
    if not context.hosts:
        yield CheckFinding("network", "ok", "no target has a key: the sandbox answers on this machine, no host is used")
    for host in context.hosts:
        if host.fault is None:
            yield CheckFinding("network", "ok", f"{host.address} takes connections")
        else:
            next_step = "Check the network, the firewall and the target's base_url."
            yield CheckFinding("network", "fail", f"{host.address} cannot be reached ({host.fault})", next_step)
    if url := context.settings.sandbox.url:
        sandbox = reach(url, timeout=context.timeout)
        if sandbox.fault is not None:
            text = f"the sandbox at {sandbox.address} cannot be reached ({sandbox.fault})"
            yield CheckFinding(
                "network", "fail", text, "Start it (`python -m tasks.sandbox`), or take sandbox.url out."
            )


def check_clock(context: CheckContext) -> Iterator[CheckFinding]:
    """Whether our clock agrees with the hosts' clocks: budget resets and request signatures depend on it."""
    offsets = [host.ahead for host in context.hosts if host.ahead is not None]
    if not offsets:
        yield CheckFinding("clock", "skipped", "no host was reached that sends its time")
        return
    off = min(offsets, key=abs)  # if one host agrees with our clock, the others are wrong
    state: CheckState = "ok" if abs(off) < _OFF_SECONDS else "warn" if abs(off) < _REFUSED_SECONDS else "fail"
    text = "agrees with the hosts reached" if state == "ok" else f"is {abs(off):.0f} s {'slow' if off > 0 else 'fast'}"
    yield CheckFinding("clock", state, text, "" if state == "ok" else "Let the system keep its time (NTP).")


def check_lease_clock(context: CheckContext) -> Iterator[CheckFinding]:
    """Whether our clock agrees with the ledger's server, and so with other machines: leases depend on it."""
    store, lease = context.runtime.ledger.store, context.settings.holds.lease_seconds
    if store.is_sqlite:
        return
    try:
        with store.read() as connection:
            asked = time.time()
            there = float(connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar_one())
    except FareboxError:  # reported by the check of the ledger
        return
    off = there - (asked + time.time()) / 2
    if abs(off) < lease * _OF_A_LEASE:
        yield CheckFinding("lease clock", "ok", "agrees with the ledger's server")
    else:
        text = f"is {abs(off):.0f} s {'slow' if off > 0 else 'fast'} of the ledger's server, and a lease is {lease:g} s"
        step = "Let both keep their time (NTP), or raise holds.lease_seconds: live runs could be settled as lost."
        yield CheckFinding("lease clock", "warn", text, step)


def check_folder(context: CheckContext) -> Iterator[CheckFinding]:
    """Whether the data folder is writable and has enough disk space."""
    home = context.runtime.home
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            free = shutil.disk_usage(home).free
    except OSError as error:
        next_step = "Make it writable, or point FAREBOX_HOME at another folder."
        yield CheckFinding("data folder", "fail", f"{home} cannot be written ({error.strerror})", next_step)
        return
    state: CheckState = "fail" if free < _TOO_LITTLE_SPACE else "warn" if free < _LITTLE_SPACE else "ok"
    text = f"{home} can be written; {free / _GIGABYTE:,.1f} GB are free"
    yield CheckFinding(
        "data folder", state, text, "" if state == "ok" else "Free some space, or point FAREBOX_HOME elsewhere."
    )


def check_ledger(context: CheckContext) -> Iterator[CheckFinding]:
    """Whether the ledger opens, is intact, and has no pending settlements."""
    store = context.runtime.ledger.store
    if store.is_sqlite and not Path(store.place).exists():
        yield CheckFinding("ledger", "ok", f"{store.place} does not exist yet: the first run creates it")
        return
    try:
        with store.read() as connection:
            whole = not store.is_sqlite or connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() == "ok"
            if store.is_sqlite and whole:
                check_values(connection, store.place, newest=_ROWS_LOOKED_AT)
            leases, stuck = expired_holds(connection, now := now_us(), now), unsettled(connection)
    except FareboxError as error:
        yield _failed("ledger", error)
        return
    if whole:
        yield CheckFinding("ledger", "ok", f"{store.place} opens and is whole; schema {SCHEMA_VERSION}")
    else:
        next_step = "Move it aside and restore it from a backup."
        yield CheckFinding("ledger", "fail", f"{store.place} is damaged (quick_check)", next_step)
    if dead := [*leases.dead, *leases.not_resumed]:
        text = f"{len(dead)} held by processes that went away"
        yield CheckFinding("holds", "warn", text, "The next run settles them; nothing is lost.")
    if (pending := context.runtime.ledger.pending) and (ends := pending.all()):
        text = f"{plural(len(ends), 'run')} ended while the ledger could not be written"
        yield CheckFinding("holds", "warn", text, "The next run on this machine settles them; nothing is lost.")
    for hold in stuck:
        text = f"what run {hold.run_id} holds cannot be settled ({hold.fault}): its budgets stay held, other runs go on"
        step = "Update Farebox and start that run again, which settles it; otherwise report it with this line."
        yield CheckFinding("holds", "fail", text, step)


def check_usage(context: CheckContext) -> Iterator[CheckFinding]:
    """Whether a target recently reported token counts that its requests cannot have."""
    ledger, targets = context.runtime.ledger, context.runtime.router.targets
    if ledger.store.is_sqlite and not Path(ledger.store.place).exists():
        return
    try:
        refused = {target.name: with_code(ledger, target.name, NOT_PLAUSIBLE) for target in targets}
    except FareboxError:  # reported by the check of the ledger
        return
    step = "Compare with the provider's bill; check the proxy or server behind its base_url."
    for name, count in refused.items():
        if count:
            text = f"{name} reported token counts that its requests cannot have: {plural(count, 'attempt')} of its "
            yield CheckFinding("usage", "warn", f"{text}newest {CODED:,}, each charged at its worst case", step)
    if not any(refused.values()):
        yield CheckFinding("usage", "ok", "the token counts of all targets are plausible")


def check_replica(context: CheckContext) -> Iterator[CheckFinding]:
    """Whether the replica can be read, matches the ledger, and how far it is behind."""
    import duckdb

    replica, store = context.runtime.replica, context.runtime.ledger.store
    if not replica.path.exists() or (store.is_sqlite and not Path(store.place).exists()):
        yield CheckFinding("replica", "ok", f"{replica.path} does not exist yet: the first report creates it")
        return
    try:
        found = replica.compare(wait=1.0)
    except LedgerError as error:  # only a copy; problems of the ledger are reported above
        yield CheckFinding("replica", "warn", error.message.rstrip("."), error.next_step)
    except duckdb.Error:
        yield CheckFinding(
            "replica", "warn", f"{replica.path} is damaged; it is only a copy", "`farebox sync --rebuild`"
        )
    else:
        yield _about_replica(found)


def check_archive(context: CheckContext) -> Iterator[CheckFinding]:
    """Whether the archive matches the ledger, if this machine stores it."""
    import duckdb

    archive, store = context.runtime.archive, context.runtime.ledger.store
    try:
        segments = [] if store.is_sqlite and not Path(store.place).exists() else archive.segments()
        text = f"{plural(len(segments), 'segment')} in {archive.folder}"
        if not segments:
            yield CheckFinding("archive", "ok", "nothing is archived: every run is in the ledger")
        elif not context.settings.replica.after_runs and not archive.folder.exists():
            yield CheckFinding("archive", "skipped", f"{text}, which another machine has (replica.after_runs is false)")
        else:
            with duckdb.connect(":memory:") as duck:
                for segment in segments:
                    segment.glance(duck)
            yield CheckFinding("archive", "ok", f"{text}, all there; `farebox sync --rebuild` reads every byte of them")
    except FareboxError as error:
        yield _failed("archive", error)
        return
    if any(not segment.pruned for segment in segments):
        text = "an archiving was interrupted; nothing is lost and nothing counts twice"
        yield CheckFinding("archive", "warn", text, "`farebox archive` finishes it.")


def check_content(context: CheckContext) -> Iterator[CheckFinding]:
    """Which prompts and answers are stored, where, and how long."""
    settings, captures = context.settings.content, context.runtime.captures
    try:
        turns = sum(kept.turns for kept in captures.kept())
    except FareboxError as error:
        yield _failed("content", error)
        return
    if settings.keep:
        text = f"kept for {settings.days} days, personal data and keys masked: {', '.join(settings.keep)}; "
        yield CheckFinding(
            "content", "ok", f"{text}{plural(turns, 'turn')} in {captures.place}; `farebox content delete` deletes them"
        )
    elif turns:
        text = f"[content] keeps nothing any more, but {captures.place} holds {plural(turns, 'turn')}, until too old"
        yield CheckFinding("content", "warn", text, "`farebox content delete --all`")
    else:
        yield CheckFinding("content", "ok", "no prompt and no answer is kept ([content] keep is empty)")


def check_rates(context: CheckContext) -> Iterator[CheckFinding]:
    """Which prices are used, and their age: by the newest date in them, not by installation."""
    rates, own = context.runtime.rates, f"{len(context.settings.rates)} own"
    today = datetime.now(UTC).date()
    newest = rates.newest_date(today)
    if newest is None:
        yield CheckFinding("rates", "warn", f"{rates.version}, which has no date, {own}", _NEWER_PRICES)
        return
    days = (today - newest).days
    text = f"{rates.version}, newest price of {newest} ({days} days ago), {own}"
    if days <= _OLD_PRICES_DAYS:
        yield CheckFinding("rates", "ok", text)
    elif (looked := PriceLists(context.runtime.home / "prices").newest_on()) and _recent(looked, today):
        yield CheckFinding("rates", "ok", f"{text}; no newer list was published by {looked}")
    elif any(not target.stand_in for target in context.runtime.router.targets):
        yield CheckFinding("rates", "warn", text, _NEWER_PRICES)
    else:  # no bill uses them
        yield CheckFinding("rates", "ok", text, _NEWER_PRICES)


def _recent(looked: date, today: date) -> bool:
    return (today - looked).days <= _OLD_PRICES_DAYS


def check_time_zone(context: CheckContext) -> Iterator[CheckFinding]:
    """The time zone in which days begin."""
    here = datetime.now(context.settings.zone)
    text = f"{context.settings.timezone}: days of budgets begin at midnight there; it is {here:%H:%M} now"
    yield CheckFinding("time zone", "ok", text)


def check_prefect() -> Iterator[CheckFinding]:
    """The version of Prefect, and whether the configured server answers."""
    from importlib.metadata import version

    from prefect.settings import PREFECT_API_URL

    url = PREFECT_API_URL.value()
    if not url:
        yield CheckFinding("prefect", "ok", f"{version('prefect')}; no server is set, so each run here starts its own")
        return
    parts = urlsplit(url)
    host = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
    server = reach(f"{host}{parts.path.rstrip('/')}/health")
    if server.fault is None and server.status is not None and server.status < _SERVER_ERROR:
        yield CheckFinding("prefect", "ok", f"{version('prefect')}; the server at {host} answers")
    else:
        why = server.fault or (f"status {server.status}" if server.status else "it does not speak HTTP")
        next_step = "Start it (`prefect server start`), or unset PREFECT_API_URL."
        yield CheckFinding(
            "prefect", "fail", f"{version('prefect')}; the server at {host} does not answer ({why})", next_step
        )


CHECKS: tuple[Callable[[CheckContext], Iterable[CheckFinding]], ...] = (
    check_fallback,
    check_retirement,
    check_model_ids,
    check_hosts,
    check_clock,
    check_lease_clock,
    check_folder,
    check_ledger,
    check_usage,
    check_replica,
    check_archive,
    check_content,
    check_rates,
    check_time_zone,
)
"""In display order."""


def _about_settings(root: Path, settings: Settings) -> CheckFinding:
    counts = f"{len(settings.targets)} targets, {len(settings.budgets)} budgets, {len(settings.rates)} own rates"
    if not (root / FILE).exists():
        return CheckFinding(
            FILE, "warn", f"there is none in {root} or above: defaults apply", "Write one, or `farebox init`."
        )
    return CheckFinding(FILE, "ok", f"{root / FILE} is valid: {counts}")


def _about_replica(found: Comparison) -> CheckFinding:
    if found.why:
        step = "`farebox sync` rebuilds it; so does the next report."
        return CheckFinding("replica", "warn", f"must be rebuilt: {found.why}", step)
    if not found.same:
        counts = (
            (found.missing, "missing"),
            (found.extra, "that the ledger does not have"),
            (found.changed, "changed"),
        )
        text = [f"{plural(count, 'row')} {what}" for count, what in counts if count]
        text += [f"older rows of {', '.join(found.older)} differ"] if found.older else []
        return CheckFinding(
            "replica", "warn", f"differs from the ledger: {'; '.join(text)}", "`farebox sync --rebuild`"
        )
    if found.behind:
        step = "`farebox sync` brings it up to date; so does the next report."
        return CheckFinding("replica", "warn", f"{found.behind:,} rows behind the ledger", step)
    return CheckFinding("replica", "ok", "in step with the ledger")


def _failed(check: str, error: FareboxError) -> CheckFinding:
    return CheckFinding(check, "fail", error.message.rstrip("."), error.next_step)
