"""What every test stands on: no way out of the machine, a scrubbed environment, a store of each kind."""

import tests.support.environment  # noqa: F401 - before anything that reads the environment where it is imported

# isort: split

import gc
import ipaddress
import socket
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import flows  # noqa: F401 - this repository's, before a project of a test brings its own
from pricing.db.database import Store
from tests.support.command import Call, Said
from tests.support.examples import LONG, examples
from tests.support.made_ledgers import copy_migrations, migrated_for_real
from tests.support.postgres import MISSING, Postgres, postgres_server


def _is_local(address: Any) -> bool:
    if not isinstance(address, tuple):
        return True  # a Unix socket
    host = str(address[0]).split("%")[0]
    if host in {"", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback or ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _refuse_the_world(event: str, arguments: tuple[Any, ...]) -> None:
    if event in {"socket.connect", "socket.sendto"} and not _is_local(arguments[-1]):
        raise PermissionError(f"tests may only reach loopback, not {arguments[-1]!r}")
    if event == "socket.getaddrinfo" and not _is_local((arguments[0] or "localhost",)):
        host = arguments[0].decode() if isinstance(arguments[0], bytes) else str(arguments[0])
        if host not in {socket.gethostname(), "localhost"}:
            raise socket.gaierror(socket.EAI_NONAME, f"tests may not look up {host!r}")


sys.addaudithook(_refuse_the_world)

# Thousands of tests are objects that never become garbage: looking through them took a part of every test's time.
gc.set_threshold(50_000, 20, 50)


def pytest_collection_finish() -> None:
    """What was collected and imported stays to the end."""
    gc.collect()
    gc.freeze()


copy_migrations()

# The machine may be busy: how long an example takes says nothing about the code. Every day's examples are the same on
# every machine, so that a change fails for what it does; long tests look for new ones.
settings.register_profile(
    "farebox",
    max_examples=examples(40),
    deadline=None,
    derandomize=not LONG,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("farebox")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if MISSING:
        pytest.skip(MISSING)
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database for a new ledger, once per kind; of an empty one, see ``empty_database_url``."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.ledger()


@pytest.fixture(params=["sqlite", "postgres"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, once per kind, which its migrations make a ledger."""
    with migrated_for_real():
        if request.param == "sqlite":
            yield f"sqlite:///{tmp_path / 'ledger.db'}"
        else:
            server: Postgres = request.getfixturevalue("postgres")
            yield server.database()


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = Store(database_url)
    yield opened
    opened.close()


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """The command line in this process: it takes a tenth of what a process of its own does."""
    from farebox.cli.main import _QUIET, main

    for name, value in (_QUIET | {"COLUMNS": "120"}).items():
        monkeypatch.setenv(name, value)

    def called(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["farebox", *arguments])
        capsys.readouterr()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Cyclopts application invoked without tokens")
            with pytest.raises(SystemExit) as ended:
                main()
        code = ended.value.code
        return Said(code if isinstance(code, int) else 0, *capsys.readouterr())

    return called
