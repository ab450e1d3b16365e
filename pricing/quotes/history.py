"""What past runs cost at the current rate card, whatever card they ran under.

A process keeps what it has read: a run that ended does not change any more, so each quote reads only the runs that
ended since the one before.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from pricing.clock import from_us
from pricing.db.forks import after_fork
from pricing.db.prepared import one_trip
from pricing.errors import UnknownPrice
from pricing.ledger.imported_runs import IMPORTED, ImportedRuns, ask_imported_history
from pricing.ledger.ledger import HISTORY, Ledger, PastRun, RunUsage, ask_history
from pricing.money import Nano
from pricing.quotes.plan import ResolvedPlan, ResolvedStep
from pricing.quotes.prediction import PastCost
from pricing.quotes.quote import CachedPrompts, Mix, ModelAt, expected_cost, score_of
from pricing.rates.card import RateCard

Percents: TypeAlias = Mapping[str, Sequence[int]]
"""Of operations whose turns begin at several targets: how many of a hundred do at each."""

OWN_KIND = 30
"""From so many past runs on, a quote of a run with a due time leans on such runs alone, and one of a run without leans
on those without. Before, it leans on both: each is compared with its own point, at the prices it was quoted at."""
_OVERLAP = 256
"""Settlements that are read once more on Postgres, where one may become visible after those that were numbered later;
SQLite has one writer at a time."""


@dataclass(frozen=True, slots=True)
class PastCosts:
    """Past runs as ``(point, cost, calls)`` at the current rate card, oldest first, and when the oldest of them ended.

    Args:
        whole: as if nothing had been answered from storage: what storage spared a run may be paid by the next.
        paid: as it was; the same tuple where storage spared nothing.
    """

    whole: tuple[PastCost, ...] = ()
    paid: tuple[PastCost, ...] = ()
    since: datetime | None = None


_Cached: TypeAlias = Mapping[str, CachedPrompts]
_Begins: TypeAlias = tuple[tuple[ModelAt, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class _Shape:
    """What a past run's point was made of: its steps, where their turns began, and its costs that are not tokens.

    Runs whose plan and routes are the same text share one, so that it is compared as an object.
    """

    steps: tuple[tuple[ResolvedStep, _Begins], ...]
    costs: Nano


@dataclass(frozen=True, slots=True)
class _Repriced:
    """A run as it would be scored at a card: its cost there, and what its point is made of."""

    cost: Nano | None
    shape: _Shape


@dataclass(slots=True)
class _Kept:
    """What was read of one automation at one quality; ``all`` are the newest ``HISTORY`` runs, imported ones first."""

    runs: list[PastRun] = field(default_factory=list)
    imported: list[PastRun] = field(default_factory=list)
    all: list[PastRun] = field(default_factory=list)
    repriced: dict[str, _Repriced] = field(default_factory=dict)
    ready: Literal["nothing", "other cards", "everything"] = "nothing"
    """Which of the runs are repriced."""


class History:
    """The past runs of a ledger, as quotes lean on them.

    Args:
        ledger: knows them.
        card: the current rate card.
    """

    def __init__(self, ledger: Ledger, card: RateCard) -> None:
        self._ledger = ledger
        self._imported = ImportedRuns(ledger.store)
        self._card = card
        self._kept: dict[tuple[str, str, bool], _Kept] = defaultdict(_Kept)
        self._reading = threading.Lock()
        after_fork(self._forked)

    def _forked(self) -> None:
        """In a forked child: the thread that held the lock is not here."""
        self._reading = threading.Lock()

    def costs(
        self,
        automation: str,
        quality: str,
        *,
        stand_in: bool,
        mixes: Percents = MappingProxyType({}),
        due: bool = False,
        alone: bool = False,
        cached: Mapping[str, CachedPrompts] = MappingProxyType({}),
    ) -> PastCosts:
        """The past runs that a quote leans on: where there are enough, only those with a due time, if it is ``due``, or
        only those without; also where there are few, if only these ``alone`` can be compared with.

        A run under another card is repriced, tokens and point alike. One whose models have no rate any more is left
        out. Imported runs come before all others, and count for the sandbox's too: they tell sizes of runs. With
        ``mixes``, as they are now, the points of past runs are taken at the same shares, and with what is ``cached``
        now, by operation, as if it had been then, so that what is compared is comparable.
        """
        with self._reading:
            kept = self._kept[automation, quality, stand_in]
            self._read_new(kept, automation, quality, stand_in=stand_in)
            self._reprice(kept, everything=bool(mixes or cached))
            own = [run for run in kept.all if run.due == due]
            return self._scored(own if alone or len(own) >= OWN_KIND else kept.all, kept.repriced, mixes, cached)

    def _read_new(self, kept: _Kept, automation: str, quality: str, *, stand_in: bool) -> None:
        overlap = 0 if self._ledger.store.is_sqlite else _OVERLAP
        after = max(0, kept.runs[-1].seq - overlap) if kept.runs else 0
        newest = max((run.seq for run in kept.imported), default=0)
        with self._ledger.store.read() as connection:
            with one_trip(connection):
                own = ask_history(connection, automation, quality, stand_in=stand_in, after=after)
                imported = ask_imported_history(connection, automation, quality, after=newest)
            new, added = self._ledger.past_runs(own), self._imported.past_runs(imported)
        if not added and new == kept.runs[len(kept.runs) - len(new) :]:
            return
        kept.runs = ([run for run in kept.runs if run.seq <= after] + new)[-HISTORY:]
        kept.imported = sorted((*kept.imported, *added), key=lambda run: run.ended_at)[-HISTORY:]
        kept.all = (kept.imported + kept.runs)[-HISTORY:]
        if kept.repriced:
            known = {run.run_id for run in (*kept.imported, *kept.runs)}
            kept.repriced = {run_id: repriced for run_id, repriced in kept.repriced.items() if run_id in known}
        kept.ready = "nothing"

    def _reprice(self, kept: _Kept, *, everything: bool) -> None:
        """Make ready what a stored score does not say: of runs under another card, or of all."""
        if kept.ready == "everything" or (kept.ready == "other cards" and not everything):
            return
        missing = {
            run.run_id: run
            for run in kept.all
            if run.run_id not in kept.repriced and (everything or run.rate_version != self._card.version)
        }
        self._reprice_missing(kept, missing)
        kept.ready = "everything" if everything else "other cards"

    def _reprice_missing(self, kept: _Kept, missing: Mapping[str, PastRun]) -> None:
        if not missing:
            return
        used: dict[str, list[RunUsage]] = defaultdict(list)
        foreign = sorted(run_id for run_id, run in missing.items() if run.rate_version != self._card.version)
        for read in (self._ledger.usage_of, self._imported.usage_of):
            for usage in read(foreign) if foreign else ():
                used[usage.run_id].append(usage)
        for run_id, (plan, routes, point) in self._shapes(list(missing)).items():
            past = missing[run_id]
            if past.rate_version == self._card.version:
                cost: Nano | None = round(past.score * point)
            else:
                cost = self._cost(used[run_id])
            kept.repriced[run_id] = _Repriced(cost, _shape(plan, routes))

    def _shapes(self, run_ids: Sequence[str]) -> dict[str, tuple[str, str, Nano]]:
        """By run, its plan and its routes (JSON) and its point."""
        own = [run_id for run_id in run_ids if not run_id.startswith(IMPORTED)]
        found = {run.run_id: (run.plan, run.routes, run.point_nano) for run in self._ledger.runs(own)}
        imported = [run_id for run_id in run_ids if run_id.startswith(IMPORTED)]
        return found | dict(self._imported.shapes(imported) if imported else {})

    def _cost(self, used: Sequence[RunUsage]) -> Nano | None:
        """At the card, where it has the rates; what has no tokens (a worst case, a tool) stays."""
        try:
            return sum(
                self._card.price(one.model, one.provider, one.usage, service_tier=one.service_tier)
                if one.counted
                else one.cost_nano
                for one in used
            )
        except UnknownPrice:
            return None

    def _scored(
        self,
        runs: Sequence[PastRun],
        known: Mapping[str, _Repriced],
        mixes: Percents,
        cached: Mapping[str, CachedPrompts],
    ) -> PastCosts:
        points: dict[_Shape, Nano | None] = {}  # runs of a day mostly have one
        whole: list[PastCost] = []
        paid: list[PastCost] = []
        since, version, everything = None, self._card.version, bool(mixes or cached)
        for run in runs:
            score: float | None = run.score
            point: Nano | None = run.point_nano
            if (everything or run.rate_version != version) and (repriced := known.get(run.run_id)) is not None:
                if repriced.shape not in points:
                    points[repriced.shape] = self._point(repriced.shape, mixes, cached)
                point = points[repriced.shape]
                score = None if repriced.cost is None or point is None else score_of(repriced.cost, point)
            if score is None or not point:
                continue
            since = since or run.ended_at
            if run.spared and not whole:
                whole = [*paid]
            if run.spared or whole:
                whole.append((point, (score + run.spared) * point, run.calls))
            paid.append((point, score * point, run.calls))
        as_paid = tuple(paid)
        return PastCosts(tuple(whole) or as_paid, as_paid, None if since is None else from_us(since))

    def _point(self, shape: _Shape, mixes: Percents, cached: _Cached) -> Nano | None:
        try:
            return shape.costs + sum(
                expected_cost(
                    step,
                    _mix(begins, mixes.get(step.operation)),
                    self._card,
                    thoughts=dict(zip(begins[0], begins[2], strict=True)),
                    live=dict(zip(begins[0], begins[3], strict=True)),
                    cached=cached.get(step.operation),
                )
                for step, begins in shape.steps
            )
        except UnknownPrice:
            return None


@lru_cache(maxsize=HISTORY)
def _shape(plan: str, routes: str) -> _Shape:
    """What a past run's point was made of, from the JSON of its plan and of its routes."""
    planned, by_operation = ResolvedPlan.from_json(json.loads(plan)), json.loads(routes)
    steps = tuple((step, _begins(by_operation[step.operation])) for step in planned.steps)
    return _Shape(steps, sum(cost.expected for cost in planned.costs))


def _begins(route: Sequence[Mapping[str, Any]]) -> _Begins:
    begins = [one for one in route if "percent" in one]
    models = tuple(_model_at(one) for one in begins or route[:1])
    thoughts = tuple(one.get("thinking", 0) for one in begins or route[:1])
    live = tuple(one.get("live_percent", 0) for one in begins or route[:1])
    return models, tuple(one["percent"] for one in begins) or (100,), thoughts, live


def _model_at(one: Mapping[str, Any]) -> ModelAt:
    where = one["provider"], one["model"]
    return (*where, one["service_tier"]) if "service_tier" in one else where


def _mix(begins: _Begins, percents: Sequence[int] | None) -> Mix:
    """Where a past run's turns were expected to begin, at today's shares where it is the same targets they go to."""
    models, shares, *_ = begins
    return tuple(zip(models, percents if percents and len(percents) == len(shares) else shares, strict=True))
