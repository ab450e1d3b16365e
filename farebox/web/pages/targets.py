"""Targets: whether their circuits are open, how their last attempts went, and when their models end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from farebox.web.grids import UNKNOWN
from farebox.web.site import Site
from farebox.web.view import PageRequest, PageRoute, View
from pricing import from_us
from pricing.ledger import Circuit
from pricing.reports import Figure, Page, Section, TargetHealth, duration, moment, plural, target_health
from pricing.reports.charts import Grid

_STATES = {
    "open": "in\u00a0quarantine",
    "due": "tried with the next turn",
    "probing": "being tried",
}


def view(site: Site, asked: PageRequest) -> View:
    """The page of targets: circuits come from the ledger, attempts from the replica."""
    del asked
    circuits, now = site.runtime.circuits.snapshot(), site.runtime.circuits.clock()
    health = {(one.target, one.model): one for one in target_health(site.replica)}
    declared = site.runtime.settings.targets
    lines = [
        {
            "target": one.name,
            "provider": one.provider,
            "model": one.model,
            "tier": one.tier,
            "region": one.region,
            "retires": _retires(site, one.name),
            **_circuit(circuits.get(one.name), now),
            "health": _health(health.get((one.name, one.model))),
        }
        for one in declared
    ]
    known = {(one.name, one.model) for one in declared}
    past = [one for key, one in health.items() if key not in known]
    opened = sum(line["circuit"] != "closed" for line in lines)
    sections = [Section("Declared targets", grid=_grid(site, lines))] if lines else []
    if past:
        sections.append(Section("Used before, not declared now", grid=_past(site, past)))
    page = Page(
        "Targets",
        "circuit breakers, and the last attempts of each target",
        lead=() if lines else ("No target is declared in farebox.toml.",),
        figures=(
            Figure("Targets", f"{len(lines):,}", plural(len({line["provider"] for line in lines}), "provider")),
            Figure("In quarantine", f"{opened:,}", "turns go to others meanwhile", "warn" if opened else "good"),
        )
        if lines
        else (),
        sections=tuple(sections),
    )
    return View(page, {"targets": lines, "past": [one.to_json() for one in past]})


def _retires(site: Site, name: str) -> str | None:
    [target] = [one for one in site.runtime.settings.targets if one.name == name]
    ends = target.end_of_life
    return None if ends is None else ends.sentence(name, target.model, datetime.now(UTC).astimezone(site.zone).date())


def _circuit(circuit: Circuit | None, now: int) -> dict[str, Any]:
    if circuit is None:
        return {"circuit": "closed", "open_until": None, "reopened": 0, "reason": None}
    return {
        "circuit": circuit.state_at(now),
        "open_until": from_us(circuit.open_until),
        "reopened": circuit.level,
        "reason": circuit.reason,
    }


def _health(found: TargetHealth | None) -> dict[str, Any] | None:
    return None if found is None else found.to_json()


def _grid(site: Site, lines: list[dict[str, Any]]) -> Grid:
    heads = ("target", "model", "tier", "circuit", "until", "last attempt", "last attempts failed", "p50")
    rows = []
    for line in lines:
        health, state, until = line["health"], "in service", ""
        if line["circuit"] != "closed":
            until = moment(line["open_until"].astimezone(site.zone))
            state = f"{_STATES[line['circuit']]}: {(line['reason'] or '').replace('_', ' ')}"
        last = UNKNOWN if health is None else moment(datetime.fromisoformat(health["last_at"]).astimezone(site.zone))
        failed = UNKNOWN if health is None else f"{health['failed']} of {health['attempts']}"
        took = UNKNOWN if health is None else duration(health["p50_us"])
        model = f"{line['provider']} {line['model']}"
        rows.append((line["target"], model, line["tier"].replace("_", " "), state, until, last, failed, took))
    return Grid(heads, tuple(rows), 6)


def _past(site: Site, past: list[TargetHealth]) -> Grid:
    heads = ("target", "model", "last attempt", "last attempts failed", "p50")
    rows = tuple(
        (
            one.target,
            f"{one.provider} {one.model}" + (" (sandbox)" if one.stand_in else ""),
            moment(one.last_at.astimezone(site.zone)),
            f"{one.failed} of {one.attempts}",
            duration(one.p50_us),
        )
        for one in past
    )
    return Grid(heads, rows, 3)


PAGE = PageRoute("/targets", view)
