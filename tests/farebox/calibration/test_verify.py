"""Stale locks are found, each for its own reason."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farebox.calibration.lockfile import LOCK_FILE, LockedRoute, read_lock_file, write_lock
from farebox.calibration.page import calibration_page
from farebox.calibration.subject import find_subject
from farebox.calibration.verify import put_lock, stale
from farebox.runtime import Runtime
from pricing.reports.page import render_page
from pricing.usage import Usage
from tests.support.command import farebox
from tests.support.lockfile import DAY, candidate, locked
from tests.support.project import REPOSITORY, Project, make_project

KEY = "daily-digest/classify"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = make_project(tmp_path / "project", "http://127.0.0.1:9")
    (project.root / "flows").symlink_to(REPOSITORY / "flows")
    return project


@pytest.fixture
def runtime(project: Project) -> Iterator[Runtime]:
    with project.runtime_here() as runtime:
        yield runtime


def good(runtime: Runtime) -> LockedRoute:
    version = runtime.engine.prompt_version("classify.j2")
    verifier = find_subject(KEY).verifier
    return locked().model_copy(update={"prompts": {"classify.j2": version}, "verifier": verifier})


def reasons(runtime: Runtime, key: str = KEY, today: dt.date = DAY, **changed: object) -> list[str]:
    return list(stale(runtime, key, good(runtime).model_copy(update=changed), today))


def test_a_good_lock_is_not_stale(runtime: Runtime):
    assert reasons(runtime) == []
    assert reasons(runtime, scorer="judge") == [], "nobody has judged live answers yet"


def test_each_reason_is_told(runtime: Runtime):
    assert reasons(runtime, "daily-digest/gone") == ["the operation no longer exists"]
    assert reasons(runtime, prompts={"classify.j2": "other"}) == ["its prompt classify.j2 has changed"]
    assert reasons(runtime, prompts={"gone.j2": "1"}) == ["its prompt gone.j2 is gone"]
    assert reasons(runtime, verifier="schema@other") == ["what verifies its answers has changed"]
    assert reasons(runtime, models=("groq another",)) == ["gpt-oss was groq another then"]
    assert reasons(runtime, expires=dt.date(2026, 1, 1)) == ["its evidence is too old: it expired on 2026-01-01"]


def test_a_lock_that_rests_on_more_and_holds_is_not_replaced(runtime: Runtime):
    path, there = runtime.root / LOCK_FILE, good(runtime)
    stays = {"route": ("sonnet",), "models": ("anthropic claude-sonnet-4-5",)}
    fewer = there.model_copy(update={**stays, "n": 20})

    def locked_now(there: LockedRoute, found: LockedRoute, *, replace: bool = False) -> tuple[str, tuple[str, ...]]:
        write_lock(path, KEY, there)
        return put_lock(runtime, KEY, found, replace=replace), read_lock_file(path)[KEY].route

    told, route = locked_now(there, fewer)
    assert route == ("gpt-oss",)
    assert "stays locked on gpt-oss: that lock is based on 240 cases and is still valid." in told
    assert "is based on 20, and would lock sonnet: calibrate on more, or use --replace." in told
    real = there.model_copy(update={"sandbox": False})
    told, route = locked_now(real, there.model_copy(update={**stays, "n": 999}))
    assert (route, "is based on answers of models" in told) == (("gpt-oss",), True)
    assert "is based on the sandbox's, and would lock sonnet: calibrate with a key, or use --replace." in told
    assert locked_now(there, real.model_copy(update={**stays, "n": 20}))[1] == ("sonnet",), "the sandbox's weigh less"
    assert locked_now(there, fewer, replace=True)[1] == ("sonnet",)
    assert locked_now(there, there.model_copy(update=stays))[1] == ("sonnet",), "as many"
    assert locked_now(there.model_copy(update={"prompts": {"classify.j2": "other"}}), fewer)[1] == ("sonnet",)


def test_moved_rates_that_flip_the_choice_are_told(runtime: Runtime, monkeypatch: pytest.MonkeyPatch):
    usual = runtime.rates.price

    def moved(model: str, provider: str, usage: Usage, at: dt.datetime | None, service_tier: str) -> int:
        return usual(model, provider, usage, at, service_tier) * (1000 if at is None and provider == "groq" else 1)

    monkeypatch.setattr(runtime.rates, "price", moved)
    assert reasons(runtime) == ["rates have moved: sonnet is cheaper now"]


def test_a_cascade_moves_with_the_price_of_both_its_targets(runtime: Runtime, monkeypatch: pytest.MonkeyPatch):
    """Most of what it costs may be spent at the second: at five times that one's price haiku alone is cheaper."""
    usual = runtime.rates.price

    def moved(model: str, provider: str, usage: Usage, at: dt.datetime | None, service_tier: str) -> int:
        return usual(model, provider, usage, at, service_tier) * (5 if at is None and provider == "anthropic" else 1)

    lock = good(runtime)
    changed: dict[str, Any] = {
        "route": ("gpt-oss", "sonnet"),
        "models": (*lock.models, "anthropic claude-sonnet-4-5"),
        "candidates": (
            lock.reference,
            candidate("gpt-oss", verdict="worse", cost=100_500),
            candidate("gpt-oss", "sonnet", verdict="enough", cost=600_500),
            candidate("haiku", verdict="not_tested", cost=900_000),
        ),
    }
    assert reasons(runtime, **changed) == []
    monkeypatch.setattr(runtime.rates, "price", moved)
    assert reasons(runtime, **changed) == ["rates have moved: haiku is cheaper now"]


def test_the_command_fails_where_one_is_stale(project: Project):
    none = farebox(project.root, "routes", "verify")
    assert (none.code, "no locks" in none.out) == (0, True)
    write_lock(project.root / LOCK_FILE, KEY, locked())
    told = farebox(project.root, "routes", "verify")
    assert told.code == 1
    assert "its prompt classify.j2 has changed" in " ".join(told.out.split())
    assert "farebox calibrate daily-digest/classify" in " ".join(told.all.split())


def test_the_page_says_what_is_saved_in_a_month():
    page = render_page(calibration_page(KEY, locked(), turns=1_000))
    assert "$1.90" in page
    assert "gpt-oss" in page
    assert "sandbox" in page
