"""Hosts: each with a clone of the project, a home of its own for Farebox and for Prefect, and a worker."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks import harness
from benchmarks.topology.network import Place
from benchmarks.topology.processes import Failed, Part, python, until
from benchmarks.topology.servers import AUTH, Centre

POOL = "farebox"
DEPLOYMENT = "tenant-notes/shared"
LOOK_AHEAD = "forecast/hourly"
LEASE_SECONDS = 10
_PACKAGES = ("farebox", "flows", "guardrails", "pricing", "tasks")
_FAREBOX = (sys.executable, "-c", "from farebox.cli import main; main()")
_OURS = Path(__file__).parent / "project"


@dataclass
class Host:
    """A machine that runs the project."""

    place: Place
    folder: Path
    environment: dict[str, str]
    worker: Part | None = None

    @property
    def name(self) -> str:
        return self.place.name

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def home(self) -> Path:
        return self.folder / "farebox"

    def farebox(self, *arguments: str) -> str:
        """Run a command on the host; returns its output.

        Raises:
            Failed: it did not succeed.
        """
        done = subprocess.run(
            [*self.place.prefix, *_FAREBOX, *arguments],
            cwd=self.project, env=self.environment, capture_output=True, text=True, check=False, timeout=180,
        )  # fmt: skip
        if done.returncode:
            raise Failed(f"farebox {' '.join(arguments)}: {(done.stdout + done.stderr)[-800:]}")
        return done.stdout

    def sync(self, stack: ExitStack) -> Part:
        """Keep the replica, here only."""
        return self.start(stack, "syncer", *_FAREBOX, "sync", "--watch", "--every", "1")

    def start(self, stack: ExitStack, name: str, *command: str) -> Part:
        part = Part(
            f"{self.name} {name}",
            command,
            log=self.folder / f"{name}.log",
            environment=self.environment,
            folder=self.folder,
            prefix=self.place.prefix,
        )
        stack.callback(part.stop)
        return part

    def work(self, stack: ExitStack, limit: int) -> Part:
        """Start the host's worker; runs begin once Prefect knows it."""
        named = ("--pool", POOL, "--name", self.name, "--limit", str(limit))
        self.worker = self.start(stack, "worker", *python("prefect", "worker", "start", *named))
        return self.worker

    def die(self) -> None:
        """As when it loses its power: the worker, and every run that it started."""
        if self.worker is not None:
            self.worker.kill()

    def began(self) -> dict[str, float]:
        """When the first line of each of its runs was reached, in seconds since 1970, by run."""
        folder = self.home / "began"
        return {path.name: float(path.read_text()) for path in folder.iterdir()} if folder.exists() else {}


def host(folder: Path, place: Place, centre: Centre, number: int) -> Host:
    """A machine with a fresh clone of the project."""
    root = folder / place.name
    clone(root / "project")
    (root / "tmp").mkdir()
    environment = {
        **os.environ,
        "HOME": str(root),
        "TMPDIR": str(root / "tmp"),
        "PYTHONPATH": str(root / "project"),
        "FAREBOX_HOME": str(root / "farebox"),
        "FAREBOX_LEDGER_URL": centre.ledger.url(""),
        "FAREBOX_REPLICA__AFTER_RUNS": "false",
        "FAREBOX_SANDBOX__URL": centre.sandbox_url,
        "FAREBOX_HOLDS__LEASE_SECONDS": str(LEASE_SECONDS),
        "PREFECT_HOME": str(root / "prefect"),
        "PREFECT_API_URL": centre.urls[number % len(centre.urls)],
        "PREFECT_API_AUTH_STRING": AUTH,
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        "PREFECT_LOGGING_LEVEL": "INFO",
        "PREFECT_CLI_PROMPT": "false",
    }
    return Host(place, root, environment)


def clone(project: Path) -> None:
    """The project's code, with the automation of this benchmark and its deployments."""
    for name in _PACKAGES:
        shutil.copytree(harness.ROOT / name, project / name)
    shutil.copy(_OURS / "tenant_notes.py", project / "flows")
    shutil.copy(_OURS / "tenant_note.j2", project / "flows" / "prompts")
    shutil.copy(harness.ROOT / "farebox.toml", project)
    declared = yaml.safe_load((harness.ROOT / "prefect.yaml").read_text("utf-8"))
    ahead = next(entry for entry in declared["deployments"] if entry["entrypoint"].endswith(".forecast"))
    mine = {"name": "shared", "entrypoint": "flows.tenant_notes.tenant_notes", "work_pool": {"name": POOL}}
    declared["deployments"] = [mine | {"parameters": {"org": "acme"}}, ahead]
    (project / "prefect.yaml").write_text(yaml.safe_dump(declared, sort_keys=False), "utf-8")


def online(centre: Centre, names: set[str]) -> None:
    """Wait until Prefect knows these workers."""

    def known() -> bool:
        reply = centre.api("POST", f"/work_pools/{POOL}/workers/filter", json={"limit": 200})
        return names <= {worker["name"] for worker in reply.json() if worker["status"] == "ONLINE"}

    until("worker at the pool", known)
