"""The composition root: one per process, built lazily from farebox.toml and the environment."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from farebox.calibration.lockfile import LOCK_FILE, read_locks
from farebox.config.content import ContentCapture
from farebox.config.credentials import find_key
from farebox.config.guards import DeclaredGuards
from farebox.config.keys import Key, Missing
from farebox.config.settings import Settings, load_settings
from farebox.config.targets import answering, build_target
from farebox.judging.ask import PROMPTS, GuardAsk
from farebox.prefect.events import (
    tell_blocked,
    tell_implausible_usage,
    tell_other_model,
    tell_prefect,
    tell_soft_threshold,
    tell_unsettled,
)
from farebox.project import find_root, make_importable
from farebox.runs.ad_hoc import AdHocRuns
from pricing import Captures, ConfigError
from pricing.db import Store, abandon, after_fork
from pricing.ledger import (
    Approvals,
    BudgetRule,
    Circuits,
    Ledger,
    MovingWindows,
    PendingEnds,
    Refusal,
    Run,
    Settled,
    StatedLimits,
    TargetStats,
    Wallets,
    observe,
)
from pricing.quotes import History, Quote
from pricing.rates import PriceLists, RateCard
from pricing.replica import Archive, Replica
from pricing.tokens import TokenFactors, learn_factors
from tasks import LoopThread, Prompts
from tasks.providers import Transport, WireFailed, adapter_for, price_list_of
from tasks.routing import Breaker, Credential, HoldsInUse, Observations, Quarantine, RouteLocks, Router, Target
from tasks.telemetry import Telemetry
from tasks.turn import Attempts, Engine, Limits, TurnEvent, Turns


class Watcher(Protocol):
    """Somebody who follows runs of this process: the command line's display."""

    def quoted(self, run: Run, quote: Quote, rules: Sequence[BudgetRule], refusals: Sequence[Refusal]) -> None:
        """A run was quoted, and held on the budgets of ``rules``, or refused by some."""

    def turn(self, event: TurnEvent) -> None:
        """A turn ended."""

    def settled(self, run: Run, outcome: str, settled: Settled) -> None:
        """A run ended."""


class Runtime:
    """Ledger, rate card, router, guards and connections of one process.

    Everything in it opens when it is first used, so that building one costs little.
    """

    def __init__(self, settings: Settings, root: Path) -> None:
        self.settings = settings
        self.root = root
        self.home = settings.home
        self.watchers: list[Watcher] = []
        published = PriceLists(settings.home / "prices").current()
        own = (rate.rate() for rate in settings.rates)
        self.rates = RateCard.load(own, published=published, price_lists=price_list_of)
        self.keys = _keys(settings)
        self.observations = Observations(self._observe, dict[str, TargetStats]())
        self.token_factors = Observations(lambda: learn_factors(self.ledger), TokenFactors())
        may_stand_in = settings.sandbox.stand_in
        self.targets = [build_target(t, self.rates, self.keys[t.name], stand_in=may_stand_in) for t in settings.targets]
        self.router = Router(answering(self.targets), self.rates, self.observations)
        self.locks = RouteLocks(read_locks(root / LOCK_FILE))
        store = Store(settings.ledger_url or f"sqlite:///{self.home / 'ledger.db'}")
        self.ledger = _ledger(settings, store)
        self.history = History(self.ledger, self.rates)
        self.limits = StatedLimits(store)
        self.approvals = Approvals(store)
        self.wallets = Wallets(store)
        self.archive = Archive(settings.archive.folder or self.home / "archive", store)
        self.replica = Replica(self.home / "replica.duckdb", store, self.archive.folder)
        self._transport = Transport()
        self._warmed: set[str] = set()
        self._warming: Future[None] | None = None
        """Held, as the loop itself holds no task that waits."""
        self._sandbox = _SandboxAddress(settings, self.home)
        parts = {"windows": MovingWindows(store), "ask": GuardAsk(lambda: self.engine)}
        self.guards = guards = DeclaredGuards(settings.guards, parts)
        self.captures = Captures(store, settings.content.days)
        turns = settings.turns
        telemetry, holds = Telemetry(), HoldsInUse()
        self.circuits = Circuits(store)
        self.ad_hoc = AdHocRuns(self)
        attempts = self._attempts(telemetry, holds)
        self.engine = Engine(
            self.ledger,
            self.router,
            Prompts((*settings.prompts, PROMPTS)),
            Turns(
                self.ledger,
                attempts,
                guards,
                Limits(turns.deadline_seconds, turns.max_attempts),
                watch=self._watch_turn,
                telemetry=telemetry,
                breaker=self._breaker(),
                content=ContentCapture(settings.content, self.captures, guards.finder),
                factors=self.token_factors,
            ),
            LoopThread(),
            holds=holds,
            pressure=settings.routing.pressure,
            locks=self.locks,
            outside=self.ad_hoc,
        )

    def warm_up(self, run: Run) -> None:
        """Get ready for the first request of an admitted run, beside its other work: load the HTTP client and the
        adapters, look keys up, start the sandbox, and connect to the targets that its steps ask first.
        """
        first = {route[0]["target"] for route in json.loads(run.routes).values() if route}
        new = [target for target in self.router.targets if target.name in first - self._warmed]
        if new or not self._transport.loaded:
            self._warmed |= first
            self._warming = self.engine.loop.submit(self._warm_up(new))

    async def _warm_up(self, targets: Sequence[Target]) -> None:
        await self._transport.load()
        for reached in await asyncio.to_thread(self._ready, targets):
            with suppress(WireFailed):  # its first attempt finds out, and writes that down
                await self._transport.connect(reached.base_url, reached.ca_file)

    def _ready(self, targets: Sequence[Target]) -> list[Target]:
        """The targets as they are reached, with their adapters loaded; without those that cannot be reached."""
        found = []
        for target in targets:
            with suppress(ConfigError):  # raised again, and told, where the target is asked
                adapter_for(target.provider)
                found.append(self._reached(target))
        return found

    def close(self) -> None:
        """Close connections and the ledger; the process may go on without them."""
        self.ad_hoc.settle()
        self.engine.loop.run(self._transport.close())
        self.engine.loop.stop()
        self._sandbox.stop()
        self.captures.close()
        self.ledger.close()

    def _attempts(self, telemetry: Telemetry, holds: HoldsInUse) -> Attempts:
        return Attempts(
            self.ledger,
            self.rates,
            self._transport,
            self._reached,
            retries=self.settings.turns.retries,
            telemetry=telemetry,
            spent=holds.note,
            implausible=tell_implausible_usage,
            other_model=tell_other_model,
        )

    def _breaker(self) -> Breaker:
        settings = self.settings.breaker
        quarantine = Quarantine(settings.quarantine_seconds, settings.cap_seconds, settings.long_seconds)
        return Breaker(self.circuits, self.router.targets, quarantine, tell=tell_prefect)

    def _observe(self) -> dict[str, TargetStats]:
        found = {
            target.name: observe(
                self.ledger, target.name, provider=target.provider, model=target.model, stand_in=target.stand_in
            )
            for target in self.router.targets
        }
        return {name: observed for name, observed in found.items() if observed is not None}

    def _reached(self, target: Target) -> Target:
        """The target as it is reached: a stand-in at the sandbox, any other with its key.

        Raises:
            ConfigError: its key is with somebody else, who does not give it.
        """
        key = self.keys.get(target.name)
        if isinstance(key, Key) and key.late:
            return dataclasses.replace(target, credential=key.load())
        return self._sandbox.reached(target)

    def _watch_turn(self, event: TurnEvent) -> None:
        if event.outcome == "blocked":
            tell_blocked(event)
        for watcher in tuple(self.watchers):  # runs that end meanwhile take theirs away
            watcher.turn(event)


def _keys(settings: Settings) -> dict[str, Key | Missing]:
    """The keys by target; none where the sandbox is to answer for all of them."""
    if settings.sandbox.only:
        return {target.name: Missing(("none, since sandbox.only is set",)) for target in settings.targets}
    return {target.name: find_key(target) for target in settings.targets}


def _ledger(settings: Settings, store: Store) -> Ledger:
    return Ledger(
        store,
        zone=settings.zone,
        lease_seconds=settings.holds.lease_seconds,
        warn=tell_soft_threshold,
        tell_unsettled=tell_unsettled,
        pending=PendingEnds(settings.home / "pending-ends"),
    )


class _SandboxAddress:
    """Where stand-ins are reached: a sandbox of this process, started with the first request, or one that runs."""

    def __init__(self, settings: Settings, home: Path) -> None:
        self._settings = settings.sandbox
        self._journal = home / "sandbox-journal.jsonl"
        self._starting = threading.Lock()
        self._url = settings.sandbox.url
        self._own: object | None = None
        after_fork(self._forked)

    def reached(self, target: Target) -> Target:
        """The target as it is reached: itself, or its stand-in."""
        if not target.stand_in:
            return target
        path = urlsplit(target.base_url).path
        return dataclasses.replace(
            target, base_url=f"{self._started()}/t/{target.name}{path}", credential=Credential(key="sandbox")
        )

    def _forked(self) -> None:
        """The sandbox is the parent's, and ends with it."""
        self._starting = threading.Lock()
        abandon(self._own)
        if self._own is not None:
            self._url, self._own = self._settings.url, None

    def stop(self) -> None:
        """Stop the sandbox of this process, if there is one."""
        from tasks.sandbox import Sandbox

        if isinstance(self._own, Sandbox):
            self._own.stop()

    def _started(self) -> str:
        with self._starting:
            if not self._url:
                from tasks.sandbox import Latency, Sandbox

                self._journal.parent.mkdir(parents=True, exist_ok=True)
                own = Sandbox(self._journal, latency=Latency(base=self._settings.latency_seconds))
                self._url = own.start()
                self._own = own
            return self._url


class _OncePerProcess:
    """Builds the runtime for whoever asks first; threads that ask at the same time get the same one."""

    def __init__(self) -> None:
        self._building = threading.Lock()
        self._built: Runtime | None = None
        after_fork(self._forked)

    def __call__(self) -> Runtime:
        """This process's runtime, for the project we are in.

        Raises:
            ConfigError: the settings are wrong.
        """
        with self._building:
            if self._built is None:
                root = find_root()
                make_importable(root)  # its guards may be its own
                self._built = Runtime(load_settings(root), root)
            return self._built

    def _forked(self) -> None:
        """A forked child builds its own; the parent's keeps the parent's runs."""
        self._building = threading.Lock()
        abandon(self._built)
        self._built = None

    def use(self, runtime: Runtime) -> None:
        """Have it be this one from now on: for tests, which build their own."""
        with self._building:
            self._built = runtime

    def cache_clear(self) -> None:
        """Forget it: the next one may be of another project."""
        with self._building:
            self._built = None


get_runtime = _OncePerProcess()
