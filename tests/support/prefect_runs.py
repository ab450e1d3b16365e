"""Prefect for tests: one server of its own for all of them, and a flow's end without waiting for a heartbeat."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import PATIENCE


@contextmanager
def prefect_server(home: Path) -> Iterator[None]:
    """A temporary Prefect, all its files below ``home``."""
    from prefect.settings import (
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_HOME,
        PREFECT_LOCAL_STORAGE_PATH,
        temporary_settings,
    )
    from prefect.testing.utilities import prefect_test_harness

    places = {PREFECT_HOME: home, PREFECT_LOCAL_STORAGE_PATH: home / "storage"}
    with (
        temporary_settings({**places, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
        prefect_test_harness(server_startup_timeout=int(PATIENCE)),
    ):
        yield
