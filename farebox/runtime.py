"""The composition root: one per process, built lazily from farebox.toml and the environment."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar, overload
from urllib.parse import urlsplit

from farebox.config.settings import Settings, load_settings
from farebox.garbage_collection import collect_less
from farebox.project import find_root, make_importable
from pricing import ConfigError, Usage, now_us
from pricing.db import Store, abandon, after_fork

if TYPE_CHECKING:
    from farebox.config.guards import DeclaredGuards
    from farebox.config.keys import Key, Missing
    from farebox.runs.ad_hoc import AdHocRuns
    from pricing import Captures
    from pricing.ledger import (
        Approvals,
        Batch,
        Batches,
        BudgetRule,
        Circuits,
        ImportedRuns,
        Journal,
        Ledger,
        Refusal,
        Run,
        Settled,
        StatedLimits,
        TargetStats,
        Wallets,
    )
    from pricing.quotes import History, Quote
    from pricing.rates import RateCard
    from pricing.replica import Archive, Replica
    from pricing.tokens import TokenFactors
    from tasks.batches import BatchClient
    from tasks.providers import Transport
    from tasks.routing import BatchHistory, Breaker, HoldsInUse, Observations, RouteLocks, Router, ServiceTiers, Target
    from tasks.telemetry import Telemetry
    from tasks.turn import Attempts, BatchedAttempts, BatchResults, Engine, RunWaves, TurnEvent, WaveNews, Waves

T = TypeVar("T")

_USUAL_TURN = Usage(1_000, 300)
"""What a turn may read and answer: service tiers differ by a multiple, so that the sizes decide little."""


class Watcher(Protocol):
    """Somebody who follows runs of this process: the command line's display."""

    def quoted(self, run: Run, quote: Quote, rules: Sequence[BudgetRule], refusals: Sequence[Refusal]) -> None:
        """A run was quoted, and held on the budgets of ``rules``, or refused by some."""

    def turn(self, event: TurnEvent) -> None:
        """A turn ended."""

    def batches(self, news: WaveNews) -> None:
        """A run waits for batches."""

    def settled(self, run: Run, outcome: str, settled: Settled) -> None:
        """A run ended."""


class _Part(Generic[T]):
    """A part of the runtime, imported and built when it is first used; once, however many threads ask for it."""

    def __init__(self, build: Callable[[Runtime], T]) -> None:
        self._build = build
        self.__doc__ = build.__doc__

    def __set_name__(self, owner: type[Runtime], name: str) -> None:
        self._name = name

    @overload
    def __get__(self, runtime: None, owner: type[Runtime]) -> Self: ...
    @overload
    def __get__(self, runtime: Runtime, owner: type[Runtime]) -> T: ...
    def __get__(self, runtime: Runtime | None, owner: type[Runtime]) -> Self | T:
        if runtime is None:
            return self
        with runtime.building:
            parts = runtime.__dict__  # where the next look finds it before this descriptor
            if self._name not in parts:
                parts[self._name] = self._build(runtime)
            built: T = parts[self._name]
            return built


class Runtime:
    """Ledger, rate card, router, guards and connections of one process.

    Each part is imported, built and opened when it is first used, so that a command loads only what it needs. What is
    wrong with a part of the settings is found then: ``check`` finds it before a run.
    """

    def __init__(self, settings: Settings, root: Path) -> None:
        self.settings = settings
        self.root = root
        self.home = settings.home
        self.watchers: list[Watcher] = []
        self.building = threading.RLock()
        self.store = Store(settings.ledger_url or f"sqlite:///{self.home / 'ledger.db'}")
        self._warmed: set[str] = set()
        self._warming: Future[None] | None = None
        """Held, as the loop itself holds no task that waits."""
        self._sandbox = _SandboxAddress(settings, self.home)

    def check(self) -> None:
        """Build what a run needs.

        Raises:
            ConfigError: a target, a guard, a locked route or another part cannot be built as it is declared.
        """
        _ = self.engine

    @_Part
    def rates(self) -> RateCard:
        """Own rates, the published price lists, and those that are installed."""
        from pricing.rates import PriceLists, RateCard
        from tasks.providers import price_list_of

        published = PriceLists(self.home / "prices").current()
        own = (rate.rate() for rate in self.settings.rates)
        return RateCard.load(own, published=published, price_lists=price_list_of)

    @_Part
    def keys(self) -> dict[str, Key | Missing]:
        """The keys by target; none where the sandbox is to answer for all of them."""
        from farebox.config.credentials import find_key
        from farebox.config.keys import Missing

        if self.settings.sandbox.only:
            return {target.name: Missing(("none, since sandbox.only is set",)) for target in self.settings.targets}
        return {target.name: find_key(target) for target in self.settings.targets}

    @_Part
    def observations(self) -> Observations[dict[str, TargetStats]]:
        """What the ledger knows of the targets' latencies and failures, read again from time to time."""
        from pricing.ledger import TargetStats
        from tasks.routing import Observations

        return Observations(self._observe, dict[str, TargetStats]())

    @_Part
    def token_factors(self) -> Observations[TokenFactors]:
        """How far token estimates were off, by target, learnt from the ledger."""
        from pricing.tokens import TokenFactors, learn_factors
        from tasks.routing import Observations

        return Observations(lambda: learn_factors(self.ledger), TokenFactors())

    @_Part
    def targets(self) -> list[Target]:
        """The declared targets, completed; those without a key are stood in for."""
        from farebox.config.targets import build_target

        may_stand_in = self.settings.sandbox.stand_in
        return [build_target(t, self.rates, self.keys[t.name], stand_in=may_stand_in) for t in self.settings.targets]

    @_Part
    def router(self) -> Router:
        """The order of the targets that answer."""
        from farebox.config.targets import usable_targets
        from tasks.routing import Router

        return Router(usable_targets(self.targets), self.rates, self.observations)

    @_Part
    def service_tiers(self) -> ServiceTiers:
        """Which service tier turns ask for, by when their run is due."""
        from tasks.routing import ServiceTiers

        flex_seconds = self.settings.turns.flex_deadline_seconds
        return ServiceTiers(self.rates, self.batch_histories, flex_seconds=flex_seconds)

    @_Part
    def batch_histories(self) -> Observations[dict[str, BatchHistory]]:
        """Past batches, by provider."""
        from tasks.routing import BatchHistory, Observations

        return Observations(self._batch_histories, dict[str, BatchHistory]())

    def _batch_histories(self) -> dict[str, BatchHistory]:
        from tasks.routing import BatchHistory

        stand_in = any(target.stand_in for target in self.router.targets)
        took, asked = self.batches.past_seconds(stand_in=stand_in), self.batches.past_turns(stand_in=stand_in)
        return {
            provider: BatchHistory(tuple(took.get(provider, ())), *asked.get(provider, (0, 0)))
            for provider in took.keys() | asked.keys()
        }

    def expected_at(self, batch: Batch) -> int | None:
        """When an open batch is expected back, in microseconds UTC; ``None`` where past batches do not say."""
        if batch.submitted_at is None or not batch.is_open:
            return None
        waited = (now_us() - batch.submitted_at) / 1e6
        expected = self.service_tiers.history(batch.provider).expected_seconds(waited)
        return None if expected is None else batch.submitted_at + round(expected * 1e6)

    def _may_be_batched(self, target: Target, waves: RunWaves) -> bool:
        """Whether a turn asks a target by a batch, by when its run is due."""
        choice = self.service_tiers.choose(
            target,
            _USUAL_TURN,
            due_at=waves.due_at,
            now=waves.settings.clock(),
            batched=True,
            reserve=max(0.0, self.settings.batches.reserve_seconds),
        )
        return choice.service_tier == "batch"

    @_Part
    def locks(self) -> RouteLocks:
        """The routes that calibration locked."""
        from farebox.calibration.lockfile import LOCK_FILE, read_locks
        from tasks.routing import RouteLocks

        return RouteLocks(read_locks(self.root / LOCK_FILE))

    @_Part
    def ledger(self) -> Ledger:
        """The facts of runs, their holds and budgets."""
        from farebox.prefect.events import emit_soft_threshold, emit_unsettled
        from pricing.ledger import Ledger, PendingEnds

        return Ledger(
            self.store,
            zone=self.settings.zone,
            lease_seconds=self.settings.holds.lease_seconds,
            warn=emit_soft_threshold,
            on_unsettled=emit_unsettled,
            pending=PendingEnds(self.home / "pending-ends"),
        )

    @_Part
    def journal(self) -> Journal:
        """What runs that go on after a failure have paid for already."""
        from pricing.ledger import Journal

        kept = self.settings.journal
        return Journal(self.store, days=kept.days, most=kept.megabytes * 1_000_000, secret=kept.key)

    @_Part
    def batches(self) -> Batches:
        """The batches that runs have sent to providers."""
        from pricing.ledger import Batches

        return Batches(self.store, self.journal)

    @_Part
    def batch_results(self) -> BatchResults:
        """Looks for batches at their providers, and takes their results."""
        from farebox.prefect.events import emit_implausible_usage, emit_other_model
        from tasks.telemetry import Telemetry
        from tasks.turn import BatchResults, BatchWaits

        return BatchResults(
            self.batches,
            self.rates,
            self._batch_client,
            self._reached_by_name,
            BatchWaits(self.settings.batches.create_seconds),
            telemetry=Telemetry(),
            load=self._transport.load,
            implausible=emit_implausible_usage,
            other_model=emit_other_model,
        )

    def _batch_client(self, provider: str) -> BatchClient:
        from tasks.batches import batch_client

        return batch_client(provider, self._transport)

    def _reached_by_name(self, name: str) -> Target | None:
        found = next((target for target in self.router.targets if target.name == name), None)
        return None if found is None else self._reached(found)

    @_Part
    def history(self) -> History:
        """Past runs as quotes use them."""
        from pricing.quotes import History

        return History(self.ledger, self.rates)

    @_Part
    def imported(self) -> ImportedRuns:
        """Runs from before Farebox."""
        from pricing.ledger import ImportedRuns

        return ImportedRuns(self.store)

    @_Part
    def limits(self) -> StatedLimits:
        """The limits set by `farebox budgets set`."""
        from pricing.ledger import StatedLimits

        return StatedLimits(self.store)

    @_Part
    def approvals(self) -> Approvals:
        """The decisions about runs that exceeded a budget."""
        from pricing.ledger import Approvals

        return Approvals(self.store)

    @_Part
    def wallets(self) -> Wallets:
        """The credits of users and organisations."""
        from pricing.ledger import Wallets

        return Wallets(self.store)

    @_Part
    def archive(self) -> Archive:
        """Old runs, in Parquet files."""
        from pricing.replica import Archive

        return Archive(self._archived, self.store)

    @_Part
    def replica(self) -> Replica:
        """The copy of the ledger that reports read."""
        from pricing.replica import Replica

        return Replica(self.home / "replica.duckdb", self.store, self._archived)

    @_Part
    def guards(self) -> DeclaredGuards:
        """The guards of every operation."""
        from farebox.config.guards import DeclaredGuards
        from farebox.judging.ask import GuardAsk
        from pricing.ledger import MovingWindows

        parts = {"windows": MovingWindows(self.store), "ask": GuardAsk(lambda: self.engine)}
        return DeclaredGuards(self.settings.guards, parts)

    @_Part
    def captures(self) -> Captures:
        """What is kept of prompts and answers, where [content] says so."""
        from pricing import Captures

        return Captures(self.store, self.settings.content.days)

    @_Part
    def circuits(self) -> Circuits:
        """Which targets are in quarantine."""
        from pricing.ledger import Circuits

        return Circuits(self.store)

    @_Part
    def ad_hoc(self) -> AdHocRuns:
        """The runs of steps that are called outside an automation."""
        from farebox.runs.ad_hoc import AdHocRuns

        return AdHocRuns(self)

    @_Part
    def engine(self) -> Engine:
        """What asks models."""
        from farebox.config.content import ContentCapture
        from farebox.judging.ask import PROMPTS
        from tasks import LoopThread, Prompts
        from tasks.routing import HoldsInUse
        from tasks.telemetry import Telemetry
        from tasks.turn import Answers, Engine, Limits, Turns

        collect_less()
        settings, guards, turns = self.settings, self.guards, self.settings.turns
        telemetry, holds = Telemetry(), HoldsInUse()
        attempts = self._attempts(telemetry, holds)
        batched = self._batched(attempts, telemetry) if settings.batches.enabled else None
        return Engine(
            self.ledger,
            self.router,
            Prompts(settings.prompts, PROMPTS),
            Turns(
                self.ledger,
                attempts,
                guards,
                Limits(turns.deadline_seconds, turns.max_attempts, turns.flex_deadline_seconds),
                watch=self._watch_turn,
                telemetry=telemetry,
                breaker=self._breaker(),
                content=ContentCapture(settings.content, self.captures, guards.finder),
                answers=Answers(self.journal, settings.journal.keeps, self.batches.line_of_entry),
                factors=self.token_factors,
                batched=batched,
            ),
            LoopThread(),
            holds=holds,
            pressure=settings.routing.pressure,
            locks=self.locks,
            outside=self.ad_hoc,
            service_tiers=self.service_tiers,
            waves=self._waves(batched) if batched is not None else None,
            batched=self._may_be_batched,
        )

    @property
    def _archived(self) -> Path:
        """Where old runs lie."""
        return self.settings.archive.folder or self.home / "archive"

    def _batched(self, attempts: Attempts, telemetry: Telemetry) -> BatchedAttempts:
        from tasks.turn import BatchedAttempts

        return BatchedAttempts(
            self.batches,
            self.batch_results,
            self.rates,
            client=self._batch_client,
            endpoint=self._reached,
            refused=attempts.refused,
            telemetry=telemetry,
        )

    def _waves(self, batched: BatchedAttempts) -> Waves:
        from tasks.turn import Waves, WaveSettings

        given = self.settings.batches
        settings = WaveSettings(
            settle_seconds=given.settle_seconds,
            poll_seconds=given.poll_seconds,
            longest_poll_seconds=given.longest_poll_seconds,
            reserve_seconds=given.reserve_seconds,
            most_lines=given.most_lines,
        )
        visit, lines = self.batch_results.visit, self.batches.lines
        return Waves(settings, batched.submit, visit, lines, notify=self._note_waiting, expected=self.expected_at)

    def _note_waiting(self, news: WaveNews) -> None:
        for watcher in tuple(self.watchers):
            watcher.batches(news)

    @_Part
    def _transport(self) -> Transport:
        from tasks.providers import Transport

        return Transport()

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
        from tasks.providers import WireFailed

        await self._transport.load()
        for reached in await asyncio.to_thread(self._ready, targets):
            with suppress(WireFailed):  # its first attempt finds out, and writes that down
                await self._transport.connect(reached.base_url, reached.ca_file)

    def _ready(self, targets: Sequence[Target]) -> list[Target]:
        """The targets as they are reached, with their adapters loaded; without those that cannot be reached."""
        from tasks.providers import adapter_for

        found = []
        for target in targets:
            with suppress(ConfigError):  # raised again, and reported, when the target is asked
                adapter_for(target.provider)
                found.append(self._reached(target))
        return found

    def close(self) -> None:
        """Close connections and the ledger; the process may go on without them."""
        parts = self.__dict__  # what was never used has nothing to close
        if "ad_hoc" in parts:
            self.ad_hoc.settle()
        if "engine" in parts:
            self.engine.loop.run(self._transport.close())
            self.engine.loop.stop()
        self._sandbox.stop()
        if "captures" in parts:
            self.captures.close()
        if "ledger" in parts:
            self.ledger.close()
        else:
            self.store.close()

    def _attempts(self, telemetry: Telemetry, holds: HoldsInUse) -> Attempts:
        from farebox.prefect.events import emit_implausible_usage, emit_other_model, emit_unpriced_tier
        from pricing.ledger import prompt_hash_key
        from tasks.turn import Attempts

        return Attempts(
            self.ledger,
            self.rates,
            self._transport,
            self._reached,
            retries=self.settings.turns.retries,
            telemetry=telemetry,
            hash_key=lambda: prompt_hash_key(self.store),
            prefix_seconds=self.settings.turns.cache_wait_seconds,
            spent=holds.note,
            implausible=emit_implausible_usage,
            other_model=emit_other_model,
            unpriced_tier=emit_unpriced_tier,
        )

    def _breaker(self) -> Breaker:
        from farebox.prefect.events import emit_breaker_event
        from tasks.routing import Breaker, Quarantine

        settings = self.settings.breaker
        quarantine = Quarantine(settings.quarantine_seconds, settings.cap_seconds, settings.long_seconds)
        return Breaker(self.circuits, self.router.targets, quarantine, notify=emit_breaker_event)

    def _observe(self) -> dict[str, TargetStats]:
        from pricing.ledger import observe

        found = {
            target.name: observe(
                self.ledger, target.name, provider=target.provider, model=target.model, stand_in=target.stand_in
            )
            for target in self.router.targets
        }
        return {name: observed for name, observed in found.items() if observed is not None}

    def shared_sandbox(self) -> str | None:
        """The address of a sandbox for other processes, which ends with this one; None where no target stands in."""
        return self._sandbox.started() if any(target.stand_in for target in self.router.targets) else None

    def _reached(self, target: Target) -> Target:
        """The target as it is reached: a stand-in at the sandbox, any other with its key.

        Raises:
            ConfigError: its key is with somebody else, who does not give it.
        """
        from farebox.config.keys import Key

        key = self.keys.get(target.name)
        if isinstance(key, Key) and key.late:
            return dataclasses.replace(target, credential=key.load())
        return self._sandbox.reached(target)

    def _watch_turn(self, event: TurnEvent) -> None:
        if event.outcome == "blocked":
            from farebox.prefect.events import emit_blocked

            emit_blocked(event)
        for watcher in tuple(self.watchers):  # runs that end meanwhile take theirs away
            watcher.turn(event)


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
        from tasks.routing import Credential

        path = urlsplit(target.base_url).path
        return dataclasses.replace(
            target, base_url=f"{self.started()}/t/{target.name}{path}", credential=Credential(key="sandbox")
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

    def started(self) -> str:
        """Its address, once it runs."""
        with self._starting:
            if not self._url:
                from tasks.sandbox import Latency, Sandbox

                self._journal.parent.mkdir(parents=True, exist_ok=True)
                own = Sandbox(self._journal, latency=Latency(base=self._settings.latency_seconds))
                self._url = own.start()
                self._own = own
            return self._url


class _OncePerProcess:
    """Builds the runtime on first use; concurrent threads get the same one."""

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
