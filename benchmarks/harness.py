"""What the benchmarks share: servers to call, a project to call from, samples, and tables.

Every figure they print is to be read within its own run: what is compared is interleaved, warmed up first, and given
as a median with its spread.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles

from farebox.config.guard_settings import GuardsSettings
from farebox.config.settings import HoldSettings, SandboxSettings, Settings, TargetSettings
from farebox.runtime import Runtime
from pricing.clock import now_us
from pricing.ledger.facts import Run

ROOT = Path(__file__).resolve().parent.parent
STEP = "summarize"
TEMPLATE = "bench.j2"
"""A prompt as flows have them: instructions that providers can cache, and a document."""
KEY = "BENCH_KEY"
DOCUMENT = (
    "The nightly export failed twice this week because the target volume was full. The team moved the archive to cold "
    "storage, added an alert at eighty percent, and agreed to review the retention of raw events in January. "
) * 5
_HUGE = 10**17
"""Nano-dollars: a hold that no benchmark uses up."""


def quiet_environment() -> None:
    """Remove keys, machine settings and telemetry from the environment, so that results are comparable."""
    for name in list(os.environ):
        if name.endswith("_API_KEY") or name.startswith(("AWS_", "FAREBOX_", "PREFECT_", "OTEL_")):
            del os.environ[name]
    os.environ |= {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_LOGGING_SERVER_LEVEL": "CRITICAL",
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        KEY: "benchmark",
    }


def machine() -> str:
    """A description of the machine, in one line."""
    names = ("httpx", "aiohttp", "sqlalchemy", "duckdb", "prefect")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, load {load:.1f}, Python {platform.python_version()}, {versions}"


@contextmanager
def workplace() -> Iterator[Path]:
    """A temporary folder for one benchmark."""
    folder = Path(tempfile.mkdtemp(prefix="farebox-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Served:
    """A server in a separate process."""

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self._pid = pid

    def cpu_seconds(self) -> float:
        """User and system CPU time so far, in seconds; 0 where the machine does not report it."""
        try:
            fields = Path(f"/proc/{self._pid}/stat").read_text("ascii").rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(*command: str) -> Iterator[Served]:
    """``python -m command…`` for as long as it is needed; its first line is its address."""
    process = subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        yield Served(process.stdout.readline().strip() if process.stdout else "", process.pid)
    finally:
        process.terminate()
        process.wait(10)


def sandbox(folder: Path) -> AbstractContextManager[Served]:
    """The sandbox provider as a process, as fast as it can."""
    journal = str(folder / "journal.jsonl")
    return serving("tasks.sandbox", "--journal", journal, "--base-latency", "0", "--token-latency", "0")


@contextmanager
def project(
    folder: Path, *, sandbox_url: str = "", base_url: str = "", ledger_url: str = "", pii: bool = False
) -> Iterator[Runtime]:
    """A project with a prompt and three targets, which are the sandbox's or, with a ``base_url``, a server's.

    ``pii`` has personal data masked although the server is on this machine, as it is for one that is not.
    """
    home = folder / uuid.uuid4().hex[:8]
    prompts = home / "prompts"
    prompts.mkdir(parents=True)
    (prompts / TEMPLATE).write_text(
        "{% block system %}\nSummarize what you are given in two sentences.\n{% endblock %}\n"
        "{% block user %}\n<document>\n{{ document }}\n</document>\n{% endblock %}\n",
        "utf-8",
    )
    reached = {"base_url": base_url, "key_env": KEY if base_url else ""}
    settings = Settings(
        home=home,
        ledger_url=ledger_url,
        prompts=(prompts,),
        holds=HoldSettings(lease_seconds=3600),
        sandbox=SandboxSettings(url=sandbox_url),
        guards=GuardsSettings.model_validate({"pii": {"mode": "enforce", "everywhere": True}} if pii else {}),
        targets=(
            TargetSettings(name="light", provider="openai", model="gpt-4.1-mini", tier="light", **reached),
            TargetSettings(name="premium", provider="openai", model="gpt-4.1", tier="premium", **reached),
            TargetSettings(name="last", provider="openai", model="gpt-4.1-nano", tier="last_resort", **reached),
        ),
    )
    runtime = Runtime(settings, home)
    try:
        yield runtime
    finally:
        runtime.close()


def admitted(runtime: Runtime) -> str:
    """The id of a new run that is held."""
    run = Run(
        run_id=str(uuid.uuid4()),
        automation="benchmark",
        quality="fast",
        plan="{}",
        routes="{}",
        rate_version=runtime.rates.version,
        method="prior",
        history=0,
        point_nano=_HUGE,
        p50_nano=_HUGE,
        p95_nano=_HUGE,
        ceiling_nano=_HUGE,
        held_nano=_HUGE,
        stand_in=True,
        started_at=now_us(),
    )
    expect(runtime.ledger.admit(run, []) == [])
    return run.run_id


def expect(true: object) -> None:
    """Fail unless the condition holds: a failed call is not measured."""
    if not true:
        raise RuntimeError("what is measured does not work")


def ledgers(stack: ExitStack) -> dict[str, Callable[[], str]]:
    """URLs of empty ledgers by kind of database; SQLite's is the project's own file."""
    from tests.support.postgres import MISSING, postgres_server

    kinds: dict[str, Callable[[], str]] = {"SQLite": str}
    if MISSING is None:
        kinds["Postgres"] = stack.enter_context(postgres_server()).database
    return kinds


def milliseconds(work: Callable[[], object]) -> float:
    """The duration of ``work`` in milliseconds."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def p95(samples: Sequence[float]) -> float:
    return quantiles(samples, n=20)[-1] if len(samples) > 1 else samples[0]


def spread(samples: Sequence[float], digits: int = 2) -> str:
    """The median with its quartiles, as text."""
    low, _, high = quantiles(samples, n=4)
    return f"{median(samples):.{digits}f} [{low:.{digits}f}–{high:.{digits}f}]"


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> None:
    """Print a table with the first column to the left and figures to the right."""
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads))]
    print(f"\n{title}\n{machine()}\n")
    for row in (heads, *rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print("  ".join(cells).rstrip())
    for note in notes:
        print(note)
    sys.stdout.flush()
