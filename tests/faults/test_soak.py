"""Automations run over and over leave nothing behind in their process. `python -m benchmarks soak` does it for an hour."""

from pathlib import Path

import pytest

from tests.support.soak import Soak, growth

WARM_UP, RUNS = 8, 24


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="what a process holds is read from /proc")
def test_run_after_run_holds_no_more(tmp_path: Path):
    with Soak(tmp_path) as soak:
        samples = []
        for number in range(WARM_UP + RUNS):
            soak.run()
            if number >= WARM_UP and number % 3 == 0:
                samples.append(soak.measure())
    assert growth(samples, resident=False) == []
    grown = samples[-1].objects - samples[0].objects
    assert grown < 60 * (samples[-1].runs - samples[0].runs), "objects of each run are kept"
