"""Whatever goes wrong, in whatever order: turns end, within their limits, and are written down.

Random schedules of faults, as many as ``tests.support.examples`` says.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.books import assert_ledger_adds_up
from tests.support.examples import examples
from tests.support.schedules import assert_sound
from tests.support.virtual_time import OTHER, SERVICE, TARGETS, Stage, staged

EXAMPLES = examples(30)

NUMBERS = st.sampled_from([0.0, 0.5, 3.0, 7.0, 30.0, 100.0, 4000.0])
TURNS = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0, 300.0, 700.0, 5000.0]), st.integers(1, 4)), min_size=1, max_size=4
)


def scripts(kinds: tuple[str, ...], names: str) -> st.SearchStrategy[dict[str, list[tuple[str, float]]]]:
    behaviours = st.lists(st.tuples(st.sampled_from(kinds), NUMBERS), min_size=1, max_size=6)
    return st.fixed_dictionaries(dict.fromkeys(names, behaviours))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("virtual")) as stage:
        yield stage


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    script=scripts((*SERVICE, *OTHER), "abcde"),
    turns=TURNS,
    limits=st.tuples(st.sampled_from([0.05, 3.0, 30.0, 120.0]), st.integers(1, 8), st.integers(0, 3)),
)
@pytest.mark.timeout(3600)
def test_no_turn_runs_on_or_is_lost(stage: Stage, script: Any, turns: Any, limits: tuple[float, int, int]):
    deadline, most, retries = limits
    played = stage.play(script, turns, deadline=deadline, max_attempts=most, retries=retries)
    assert_sound(played, sum(together for _, together in turns), deadline, most)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(script=scripts(SERVICE, "abcde"), healthy=st.sampled_from("acde"), turns=TURNS, retries=st.integers(0, 3))
@pytest.mark.timeout(3600)
def test_every_turn_is_answered_while_one_failure_domain_is_healthy(
    stage: Stage, script: Any, healthy: str, turns: Any, retries: int
):
    """By whom does not matter, and how often the others fail does not either."""
    for name in TARGETS:
        if TARGETS[name][3] == TARGETS[healthy][3]:
            script[name] = [("ok", 0.0)]
    played = stage.play(script, turns, deadline=120, max_attempts=5, retries=retries)
    assert [outcome for outcome in played.outcomes if not isinstance(outcome, str)] == []


def test_the_books_add_up_in_the_end(stage: Stage):
    stage.runtime.ledger.settle(stage.run_id, "completed")
    assert_ledger_adds_up(stage.runtime)
