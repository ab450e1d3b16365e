"""What stands in the centre: two Postgres servers, Redis, Prefect's API servers and its services, the sandbox."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import sqlalchemy as sa

from benchmarks.topology.processes import Failed, Part, free_port, python, tree_cpu, until
from tests.support.postgres import postgres_server

PREFECT_REDIS = "prefect-redis==0.3.0"
AUTH = "operator:benchmark"
_INSTALL_SECONDS = 300


class Missing(Exception):
    """A program that the benchmark needs is not on this machine; the message says how to get it."""


@dataclass
class Database:
    """A Postgres server of its own with one database."""

    name: str
    address: str
    port: int
    pid: int

    def url(self, driver: str) -> str:
        return f"postgresql{driver}://postgres@{self.address}:{self.port}/{self.name}"

    def cpu(self) -> float:
        return tree_cpu(self.pid)

    def transactions(self) -> int:
        """Committed and rolled back so far, by all clients."""
        engine = sa.create_engine(self.url("+psycopg"))
        with engine.connect() as connection:
            query = sa.text("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = :name")
            done = int(connection.execute(query, {"name": self.name}).scalar_one())
        engine.dispose()
        return done


@dataclass
class Centre:
    """All of it, running."""

    prefect: Database
    ledger: Database
    redis: Part
    apis: list[Part]
    services: Part
    sandbox: Part
    urls: list[str]
    sandbox_url: str
    journal: Path

    def api(self, method: str, path: str, **given: object) -> httpx.Response:
        """Ask the first API server."""
        user, _, password = AUTH.partition(":")
        reply = httpx.request(method, f"{self.urls[0]}{path}", timeout=60, auth=(user, password), **given)  # type: ignore[arg-type]
        reply.raise_for_status()
        return reply


def prefect_redis() -> str:
    """The folder of Prefect's Redis library, beside the project and no dependency of it; installed when first used.

    Raises:
        Missing: it cannot be installed.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "farebox-topology"
    folder = cache / PREFECT_REDIS.replace("==", "-")
    if not (folder / "prefect_redis").exists():
        print(f"installing {PREFECT_REDIS} into {folder}", flush=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
        done = subprocess.run(
            [*command, "--target", str(folder), PREFECT_REDIS],
            capture_output=True, text=True, check=False, timeout=_INSTALL_SECONDS,
        )  # fmt: skip
        if done.returncode != 0:
            shutil.rmtree(folder, ignore_errors=True)
            raise Missing(f"{PREFECT_REDIS} does not install: {(done.stderr.strip().splitlines() or ['?'])[-1][:120]}")
    return str(folder)


def redis_server() -> str:
    """The program.

    Raises:
        Missing: it is not on the PATH.
    """
    found = shutil.which("redis-server")
    if found is None:
        raise Missing("redis-server is missing: `apt-get install redis-server` (or valkey, under that name)")
    return found


def postgres() -> Path:
    """The programs of a Postgres that has what Prefect's tables need: pg_trgm, which the tests' wheel has not.

    Raises:
        Missing: there is none.
    """
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), *map(Path, os.environ.get("PATH", "").split(os.pathsep))]
    for folder in places:
        config = folder / "pg_config"
        if config.exists() and (folder / "initdb").exists():
            printed = subprocess.run([str(config), "--sharedir"], capture_output=True, text=True, check=False).stdout
            if (Path(printed.strip()) / "extension" / "pg_trgm.control").exists():
                return folder
    raise Missing("no Postgres with pg_trgm is installed: `apt-get install postgresql` (with contrib, where apart)")


def database(stack: ExitStack, address: str, name: str) -> Database:
    """A Postgres that keeps its promises (fsync) and listens on the network, with one empty database."""
    port = free_port(address)
    allowed = stack.enter_context(tempfile.NamedTemporaryFile("w", prefix="farebox-hba-", dir="/tmp"))  # noqa: SIM115
    allowed.write("local all all trust\nhost all all samenet trust\nhost all all 127.0.0.1/32 trust\n")
    allowed.flush()
    Path(allowed.name).chmod(0o644)  # Postgres runs as somebody else where we are root
    options = f"-c fsync=on -c listen_addresses={address} -c port={port} -c hba_file={allowed.name}"
    server = stack.enter_context(postgres_server(options, postgres()))
    pid = int((server.base / "data" / "postmaster.pid").read_text().split()[0])
    made = Database("postgres", address, port, pid)
    engine = sa.create_engine(made.url("+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    made.name = name
    return made


def prefect_settings(database_url: str, address: str, redis_port: int) -> dict[str, str]:
    """The settings that docs/topology.md prescribes for every machine with an API server or the services."""
    return {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database_url,
        "PREFECT_SERVER_DATABASE_MIGRATE_ON_START": "false",
        "PREFECT_SERVER_API_AUTH_STRING": AUTH,
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        "PREFECT_MESSAGING_BROKER": "prefect_redis.messaging",
        "PREFECT_MESSAGING_CACHE": "prefect_redis.messaging",
        "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect_redis.ordering",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect_redis.lease_storage",
        "PREFECT_SERVER_WORKER_CHANNEL_CLEANUP_QUEUE_STORAGE": "prefect_redis.cleanup_queue",
        "PREFECT_REDIS_MESSAGING_URL": f"redis://{address}:{redis_port}/0",
        "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL": f"redis://{address}:{redis_port}/0",
        "PREFECT_SERVER_DOCKET_URL": f"redis://{address}:{redis_port}/1",
    }


def need() -> None:
    """See that Redis, Postgres and Prefect's library are there.

    Raises:
        Missing: one is not.
    """
    redis_server()
    postgres()
    prefect_redis()


def start(stack: ExitStack, folder: Path, address: str, *, api_servers: int, latency: float) -> Centre:
    """Everything that the hosts reach, up and answering.

    Raises:
        Failed: one of them does not start.
    """

    def part(name: str, *command: str, **environment: str) -> Part:
        home = folder / name
        home.mkdir()
        settings = {**os.environ, "PREFECT_HOME": str(home), **environment}
        started = Part(name, command, log=home / "log", environment=settings, folder=folder)
        stack.callback(started.stop)
        return started

    prefect, ledger = (database(stack, address, name) for name in ("prefect", "farebox"))
    redis_port = free_port(address)
    redis = part(
        "redis", redis_server(), "--bind", address, "--port", str(redis_port), "--save", "", "--protected-mode", "no"
    )
    settings = {
        **prefect_settings(prefect.url("+asyncpg"), address, redis_port),
        "PYTHONPATH": prefect_redis(),
        "PREFECT_SERVER_UI_ENABLED": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_SERVER_LEVEL": "WARNING",
    }
    upgrade = part("upgrade", *python("prefect", "server", "database", "upgrade", "--yes"), **settings)
    until("tables of Prefect", upgrade.ended)
    apis, urls = [], []
    for number in range(1, api_servers + 1):
        port = free_port(address)
        listening = ("--host", address, "--port", str(port), "--no-services")
        apis.append(part(f"api-{number}", *python("prefect", "server", "start", *listening), **settings))
        urls.append(f"http://{address}:{port}/api")
        # One after the other: at the first start each registers Prefect's blocks, and two at once collide.
        until(f"{apis[-1].name}", lambda: _healthy(urls[-1]), 120, apis[-1])
    services = part("services", *python("prefect", "server", "services", "start"), **settings)
    journal = folder / "journal.jsonl"
    slow = ("--base-latency", str(latency), "--token-latency", "0")
    sandbox = part("sandbox", *python("tasks.sandbox", "--journal", str(journal), "--host", address, *slow))
    sandbox_url = until("sandbox", lambda: sandbox.said().partition("\n")[0], 60, sandbox)
    if services.ended():
        raise Failed(f"Prefect's services ended: {services.said()[-800:]}")
    return Centre(prefect, ledger, redis, apis, services, sandbox, urls, sandbox_url, journal)


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
