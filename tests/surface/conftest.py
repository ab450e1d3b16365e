"""A Prefect server of these tests' own, a project deployed on it, workers in processes of their own, and a browser."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from farebox.config.settings import load_settings
from farebox.runtime import Runtime
from pricing.ledger.limits import Limit
from pricing.money import parse_money
from tests.support import waiting
from tests.support.command import Said, farebox
from tests.support.prefect_runs import migrated_database
from tests.support.project import REPOSITORY
from tests.support.waiting import PATIENCE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DIGEST, TRIAGE = "daily-digest/daily", "support-triage/daily"
_BUSY = 503
_CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def until(what: str, look: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """What ``look`` finds, as soon as it finds something; each look asks a server."""
    return waiting.until(what, look, seconds=seconds, pause=0.3)


@dataclass
class Surface:
    """The server, and the project that is deployed on it: this repository's, its data in a folder of its own."""

    url: str
    folder: Path
    environment: dict[str, str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / "farebox"

    def farebox(self, *arguments: str, folder: Path = REPOSITORY) -> Said:
        return farebox(folder, *arguments, timeout=PATIENCE, **self.environment)

    def start(self, *command: str, log: str, **environment: str) -> subprocess.Popen[bytes]:
        with (self.folder / log).open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=REPOSITORY,
                env={**os.environ, "FAREBOX_PROJECT": str(REPOSITORY), **self.environment, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def worker(self, name: str, **environment: str) -> subprocess.Popen[bytes]:
        return self.start("prefect", "worker", "start", "--pool", "farebox", "--name", name, log=name, **environment)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """With all that it started, at once."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def runtime(self) -> Runtime:
        settings = load_settings(REPOSITORY)
        return Runtime(settings.model_copy(update={"home": self.home}), REPOSITORY)

    def api(self, method: str, path: str, **given: Any) -> Any:
        def answer() -> httpx.Response | None:
            """Prefect's server on SQLite answers 503 while its database is busy."""
            found = httpx.request(method, f"{self.url}/api{path}", timeout=PATIENCE, **given)
            return None if found.status_code == _BUSY else found

        reply: httpx.Response = until("answer", answer)
        reply.raise_for_status()
        return reply.json() if reply.content else None

    def runs(self, flow: str) -> list[dict[str, Any]]:
        """The runs of a flow, newest first."""
        asked = {"flows": {"name": {"any_": [flow]}}, "sort": "EXPECTED_START_TIME_DESC", "limit": 200}
        found: list[dict[str, Any]] = self.api("POST", "/flow_runs/filter", json=asked)
        return found

    def deployment(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api("GET", f"/deployments/name/{name}")
        return found

    def default(self, deployment: str, **parameters: Any) -> None:
        """Let its runs have these parameters, unless they are given others."""
        known = self.deployment(deployment)
        self.api("PATCH", f"/deployments/{known['id']}", json={"parameters": known["parameters"] | parameters})

    def limit(self, automation: str, amount: str) -> None:
        """What it may spend a day; ``none`` is as much as it declares itself."""
        with closing(self.runtime()) as runtime:
            if amount == "none":
                runtime.limits.unset("automation", automation, "day")
            else:
                runtime.limits.set(Limit("automation", automation, "day", parse_money(amount)))

    def run(self, deployment: str, **parameters: Any) -> str:
        """Trigger a run; its id."""
        known = self.deployment(deployment)
        made = self.api("POST", f"/deployments/{known['id']}/create_flow_run", json={"parameters": parameters})
        return str(made["id"])

    def state(self, run_id: str) -> str:
        """How a run stands now."""
        return str(self.api("GET", f"/flow_runs/{run_id}")["state"]["name"])

    def _saw(self, run_id: str, seen: list[str]) -> str:
        now = self.state(run_id)
        if seen[-1:] != [now]:
            seen.append(now)
        return now

    def ends_as(self, run_id: str, name: str) -> str:
        """Wait for a state; the message that comes with it."""
        seen: list[str] = []
        try:
            until(f"run in state {name}", lambda: self._saw(run_id, seen) == name)
        except AssertionError:
            pytest.fail(f"the run was {' → '.join(seen)}, never {name}")
        return str(self.api("GET", f"/flow_runs/{run_id}")["state"]["message"] or "")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture(scope="session")
def surface(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surface]:
    folder = tmp_path_factory.mktemp("surface")
    port = _free_port()
    made = Surface(
        f"http://127.0.0.1:{port}",
        folder,
        {
            "FAREBOX_HOME": str(folder / "farebox"),
            "FAREBOX_HOLDS__LEASE_SECONDS": "4",
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_SERVER_API_HOST": "127.0.0.1",
            "PREFECT_SERVER_API_PORT": str(port),
            "PREFECT_SERVER_UI_V2_ENABLED": "false",
            "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
            "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
            "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
            "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "1",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_WORKER_PREFETCH_SECONDS": "1",
            "PREFECT_CLI_PROMPT": "false",
        },
    )
    migrated_database(folder / "prefect" / "prefect.db")
    try:
        made.start("prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), log="server")
        until("server", lambda: _answers(f"{made.url}/api/health"))
        yield made
    finally:
        for process in reversed(made.started):
            made.kill(process)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=30).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="session")
def deployed(surface: Surface) -> Surface:
    """With every deployment of prefect.yaml on it, and a worker. What runs has two documents or tickets to do."""
    said = surface.farebox("deploy", folder=REPOSITORY / "docs")  # from wherever in the project
    assert said.code == 0, said.all
    (surface.folder / "deployed.txt").write_text(said.out)
    surface.worker("worker")
    surface.default(DIGEST, limit=2)
    tickets = (REPOSITORY / "flows" / "data" / "tickets.csv").read_text().splitlines()
    (surface.folder / "tickets.csv").write_text("\n".join(tickets[:3]))
    surface.default(TRIAGE, tickets=str(surface.folder / "tickets.csv"))
    return surface


@pytest.fixture
def page() -> Iterator[Any]:
    """A page of a browser that is gone with the test: while Playwright runs, no test of this process has a loop."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=_CHROMIUM_OPTIONS)
        opened = browser.new_page(viewport={"width": 1200, "height": 900})
        opened.set_default_timeout(120_000)  # a step is taken again after it
        yield opened
        browser.close()
