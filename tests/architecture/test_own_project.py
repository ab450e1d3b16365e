"""The wheel in an empty folder, as a user goes: new project, own automations, test, quote, run, deploy, report."""

import json
import os
import signal
import socket
import subprocess
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.waiting import PATIENCE, until

ASYNC = '''"""Greets several people at once."""

import asyncio
from decimal import Decimal
from enum import Enum

from prefect import flow
from pydantic import BaseModel

from farebox import Budget, ask, automation, llm_task, plan


class Tone(Enum):
    WARM = "warm"


class Greeting(BaseModel):
    text: str
    tone: Tone
    weight: Decimal


@llm_task(operation="greet", max_tokens=60)
async def greet(name: str) -> str:
    return await ask.aio("summarize_notes.j2", line=name)


@flow
async def in_turn(names: list[str]) -> list[str]:
    return [await greet(name) for name in names]


@automation(
    price="1 credit",
    budget=Budget(per_run="0.50 USD"),
    plan=plan(greet, calls=lambda names: 3 * len(names), input_tokens=80, output_tokens=40),
)
async def welcome(names: list[str]) -> list[Greeting]:
    """Greet everybody three times: at once, in a flow of their own, and mapped."""
    texts = list(await asyncio.gather(*(greet(name) for name in names)))
    texts += await in_turn(names)
    texts += [future.result() for future in greet.map(names)]
    return [Greeting(text=text, tone=Tone.WARM, weight=Decimal("0.50")) for text in texts]
'''


class User:
    """Somebody at a terminal, in a folder, with nothing but the installed wheel."""

    def __init__(self, installed: Path, folder: Path) -> None:
        self.bin, self.folder = installed / "bin", folder
        left_out = ("PYTHON", "VIRTUAL_ENV", "FAREBOX_", "PREFECT_API")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        self.environment |= {
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": f"{PATIENCE:.0f}",
            "PREFECT_HOME": str(folder.parent / "prefect"),
            "HOME": str(folder.parent),
            "COLUMNS": "120",
        }

    def start(self, *words: str, apart: bool = False) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.bin / words[0]), *words[1:]],
            cwd=self.folder,
            env=self.environment | {"PWD": str(self.folder)},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=apart,
        )

    def types(self, *words: str, code: int = 0) -> str:
        process = self.start(*words)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, f"{' '.join(words)}\n{out}\n{err}"
        assert "Traceback" not in out + err
        return str(out + err)


@pytest.fixture(scope="module")
def user(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> User:
    folder = tmp_path_factory.mktemp("user") / "empty"
    folder.mkdir()
    outside = User(installed, folder)
    assert "farebox new" in outside.types("farebox", "run", "daily-digest", code=2)
    assert "farebox run summarize-notes" in outside.types("farebox", "new", "my-automations")
    inside = User(installed, folder / "my-automations")
    inside.types("farebox", "init", "weekly-notes")
    (inside.folder / "flows" / "people.py").write_text(ASYNC)
    return inside


@contextmanager
def everything_up(user: User, port: int) -> Iterator[str]:
    """``farebox up`` until the end, which Ctrl-C makes."""
    process = user.start("farebox", "up", "--port", str(port), apart=True)
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "Ctrl-C" in line:
                break
        assert f"Open http://127.0.0.1:{port}" in "".join(said), "".join(said)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)  # it ends its server and its worker, which has a group of its own
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


def ended(user: User) -> list[tuple[str, str]]:
    return [(run["automation"], run["outcome"]) for run in json.loads(user.types("farebox", "runs", "--json"))]


def runs_in_prefect(address: str, flow: str, state: str) -> list[Any]:
    """The runs of a flow that are in a state, by Prefect's server: a command each time would take more CPU."""
    asked = {"flows": {"name": {"any_": [flow]}}, "flow_runs": {"state": {"type": {"any_": [state]}}}}
    found: list[Any] = httpx.post(f"{address}/api/flow_runs/filter", json=asked, timeout=PATIENCE).json()
    return found


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]) - 1


def test_a_new_project_from_its_first_command_to_its_report(user: User):
    assert json.loads(user.types("farebox", "quote", "welcome", "--names", '["Ada"]', "--json"))["quotes"]
    assert "--names" in user.types("farebox", "run", "welcome", code=2)
    told = user.types("farebox", "run", "flows.people:welcome", "--help")
    assert "required" in told
    assert "Drives the cost" in told

    refused = user.types("farebox", "run", "welcome", "--names", '["Ada"]', "--budget", "0.0000001 USD", code=3)
    assert "short by" in refused
    assert not Path(user.environment["PREFECT_HOME"], "prefect.db").exists(), "Prefect was started for nothing"

    port = free_port()
    with everything_up(user, port) as address:
        user.environment["PREFECT_API_URL"] = f"{address}/api"
        ran = json.loads(user.types("farebox", "run", "welcome", "--names", '["Ada", "Grace"]', "--json"))
        assert ran["outcome"] == "completed"
        assert [one["tone"] for one in ran["result"]] == ["warm"] * 6
        shown = user.types("farebox", "run", "weekly-notes")
        assert "completed" in shown
        assert "farebox" in user.types("farebox", "deploy")
        ahead = ("farebox", "schedule", "--hours", "48")
        until("scheduled run", lambda: runs_in_prefect(address, "weekly-notes", "SCHEDULED"), pause=0.5)
        assert "weekly-notes/daily" in user.types(*ahead)
        user.types("python", "-m", "prefect", "--no-prompt", "deployment", "run", "summarize-notes/daily")
        until("run of the worker", lambda: runs_in_prefect(address, "summarize-notes", "COMPLETED"), pause=0.5)
        assert ("summarize-notes", "completed") in ended(user)
        assert ("welcome", "over_budget") in ended(user)
        with urllib.request.urlopen(f"http://127.0.0.1:{port + 1}/runs/{ran['run_id']}", timeout=PATIENCE) as page:
            assert "welcome completed" in page.read().decode()
    del user.environment["PREFECT_API_URL"]
    assert "welcome" in user.types("farebox", "report", "all", "--since", "1d")


def test_its_own_tests_pass(user: User):
    entry_points = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"].get(
        "entry-points", {}
    )
    if "pytest11" not in entry_points:
        pytest.skip("the distribution has no pytest plugin yet; the generated tests need its fixture farebox_project")
    assert "2 passed" in user.types("python", "-m", "pytest", "-q", "-p", "no:cacheprovider")
