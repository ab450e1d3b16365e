"""One sandbox for all tests of a module; each target is a test's own."""

from collections.abc import Iterator

import pytest

from tests.support.batches import BatchBench, open_bench


@pytest.fixture(scope="module")
def sandbox_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BatchBench]:
    with open_bench(tmp_path_factory.mktemp("sandbox"), windows={"gpt-small": 80}) as running:
        bench = BatchBench(running)
        yield bench
        bench.close()


@pytest.fixture
def bench(sandbox_bench: BatchBench) -> Iterator[BatchBench]:
    sandbox_bench.rules(seconds=0)
    yield sandbox_bench
    sandbox_bench.faults()
