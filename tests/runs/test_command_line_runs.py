"""Async automations from the command line, and runs that are refused before Prefect starts."""

import http.server
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from farebox.discovery import with_defaults
from farebox.prefect.server import check_answers, check_home, check_port, last_lines, spawn_server, wait_for_server
from farebox.runs.admission import check_admission
from farebox.runs.context import starter_context
from farebox.runtime import Runtime
from pricing import ConfigError, FareboxError, OverBudget
from pricing.db import schema
from pricing.ledger import Limit
from tasks import use_run
from tests.support.books import rows
from tests.support.command import farebox
from tests.support.project import Project

FLOW = """import asyncio
from decimal import Decimal

from prefect import flow

from farebox import Budget, ask, automation, llm_task, plan


@llm_task(operation="say", max_tokens=40)
async def say(text: str) -> str:
    return await ask.aio("say.j2", text=text)


@flow
async def inner(texts: list[str]) -> list[str]:
    return [await say(text) for text in texts]


@automation(price="1 credit", budget=Budget(per_run="1 USD"),
            plan=plan(say, calls=lambda texts: 3 * len(texts), input_tokens=40, output_tokens=20))
async def at_once(texts: list[str], fail: bool = False) -> list[dict[str, object]]:
    said = list(await asyncio.gather(*(say(text) for text in texts))) + await inner(texts)
    said += [future.result() for future in say.map(texts)]
    if fail:
        raise ValueError("a fault of its own")
    return [{"text": one[:9], "amount": Decimal("0.10")} for one in said]
"""
TEXTS = '["one thing", "another"]'


@pytest.fixture
def written(project: Project) -> Project:
    (project.root / "flows").mkdir()
    (project.root / "flows" / "__init__.py").touch()
    (project.root / "flows" / "several.py").write_text(FLOW)
    return project


def test_an_async_automation_runs_with_gather_a_subflow_and_map(written: Project):
    ran = farebox(written.root, "run", "at-once", "--texts", TEXTS, "--json")
    assert ran.code == 0, ran.all
    told = json.loads(ran.out)
    assert told["outcome"] == "completed"
    assert told["result"] == [{"text": "[sandbox]", "amount": "0.10"}] * 6
    runtime = written.runtime()
    assert len(rows(runtime.ledger, schema.attempts)) == 6
    runtime.close()
    failed = farebox(written.root, "run", "flows.several:at_once", "--texts", TEXTS, "--fail", "true")
    assert (failed.code, "ValueError: a fault of its own at several.py" in failed.err) == (1, True), failed.all
    assert "coroutine" not in failed.all + ran.all


@pytest.mark.parametrize("as_json", [False, True])
def test_a_run_without_room_is_refused_before_prefect_starts(written: Project, as_json: bool):
    words = ["run", "at-once", "--texts", TEXTS, "--budget", "0.000001 USD", *(["--json"] if as_json else [])]
    said = farebox(written.root, *words, PREFECT_API_URL="http://127.0.0.1:9/api")  # where no server is
    assert said.code == 3, said.all
    assert "short by" in said.err
    if as_json:
        assert json.loads(said.out)["outcome"] == "over_budget"
    else:
        assert "ceiling" in said.out
    [run] = json.loads(farebox(written.root, "runs", "--json").out)
    assert (run["outcome"], run["spent_nano"]) == ("over_budget", 0)
    assert farebox(written.root, "report", "last").code == 0


def test_what_would_be_admitted_leaves_no_trace_and_what_is_not_holds_nothing(
    written: Project, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(written.root)
    monkeypatch.syspath_prepend(str(written.root))
    import importlib.util

    spec = importlib.util.spec_from_file_location("several_here", written.root / "flows" / "several.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    automation = module.at_once.fn.farebox_automation
    given = with_defaults(module.at_once, {"texts": ["a", "b"]})
    check_admission(runtime, automation, "would-fit", given)
    for table in (schema.runs, schema.settlements, schema.holds, schema.budgets):
        assert rows(runtime.ledger, table) == []
    with use_run(starter_context(budget_nano=1)), pytest.raises(OverBudget, match="short by"):
        check_admission(runtime, automation, "too-dear", given)
    assert rows(runtime.ledger, schema.holds) == []
    assert [row["outcome"] for row in rows(runtime.ledger, schema.settlements)] == ["over_budget"]
    runtime.limits.set(Limit("automation", "at-once", "day", 1, "none"))
    with pytest.raises(OverBudget):
        check_admission(runtime, automation, "another", given)


def test_each_reason_why_prefect_does_not_start_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(FareboxError, match=f"No Prefect server answers at 127.0.0.1:{port}"):
            check_answers(f"http://127.0.0.1:{port}/api")
        taken.listen()
        check_answers(f"http://127.0.0.1:{port}/api")
        with pytest.raises(ConfigError, match=f"Port {port} of 127.0.0.1 cannot be used"):
            check_port("127.0.0.1", port)
        with pytest.raises(FareboxError, match=r"No Prefect server answers|not a valid address"):
            check_answers("http://127.0.0.1:99999/api")
    log = tmp_path / "log"
    log.write_text("first\n\nsecond\nthird\nOSError: the disk is full.\n")
    assert last_lines(log) == "second / third / OSError: the disk is full"
    assert last_lines(tmp_path / "none") == "no output"
    from prefect.settings import PREFECT_HOME, temporary_settings

    (tmp_path / "file").touch()
    with temporary_settings({PREFECT_HOME: tmp_path / "file"}), pytest.raises(ConfigError, match="cannot be written"):
        check_home()


def test_a_server_that_ends_is_told_with_its_last_words(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ours = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": "nonsense://", "PREFECT_HOME": str(tmp_path)}
        process = spawn_server("127.0.0.1", port, tmp_path / "log", ours)
        with pytest.raises(FareboxError, match=r"ended while it started \(exit code \d+\): \S") as caught:
            wait_for_server(process, f"http://127.0.0.1:{port}/x", tmp_path / "log", 900)
    assert str(tmp_path / "log") in caught.value.next_step
    assert (tmp_path / "log").stat().st_size


class NoPrefect(http.server.BaseHTTPRequestHandler):
    """A web server of somebody else's."""

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


@pytest.fixture
def other_server() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), NoPrefect) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@contextmanager
def served(answer: Callable[[socket.socket], object]) -> Iterator[int]:
    """The port of a server that answers each connection once it was asked something, or found closed, and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, suppress(ConnectionError):
                        connection.recv(65_536)
                        answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


@pytest.fixture
def no_http() -> Iterator[int]:
    """A server that greets in a protocol of its own."""
    with served(lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")) as port:
        yield port


@pytest.fixture
def no_answer() -> Iterator[int]:
    """A server that resets each connection."""
    with served(lambda one: one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))) as port:
        yield port


def test_each_reason_why_prefect_does_not_start_is_told_by_a_run(
    written: Project, tmp_path: Path, other_server: int, no_http: int, no_answer: int
):
    (tmp_path / "file").touch()
    reasons: list[tuple[dict[str, str], str]] = [
        ({"PREFECT_API_URL": "http://127.0.0.1:9/api"}, "No Prefect server answers at 127.0.0.1:9"),
        ({"PREFECT_API_URL": f"http://127.0.0.1:{other_server}/api"}, "but another program answers there (status 404)"),
        (
            {"PREFECT_API_URL": f"http://127.0.0.1:{no_http}/api"},
            "but another program answers there (it does not speak HTTP)",
        ),
        ({"PREFECT_API_URL": f"http://127.0.0.1:{no_answer}/api"}, "program answers there (it closed the connection)"),
        ({"PREFECT_API_URL": "localhost"}, "PREFECT_API_URL is not a valid address"),
        ({"PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false"}, "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE is off"),
        ({"PREFECT_API_DATABASE_CONNECTION_URL": "nonsense://"}, "Prefect's server ended while it started"),
        ({"PREFECT_HOME": str(tmp_path / "file"), "PREFECT_API_URL": ""}, "cannot be written (File exists)"),
    ]
    for environment, told in reasons:
        said = farebox(written.root, "run", "at-once", "--texts", TEXTS, **environment)  # type: ignore[arg-type]
        assert said.code in {1, 2}, said
        first, second = said.err.strip().splitlines()
        assert (first.startswith("error: "), second.startswith("  next: "), told in first) == (True, True, True), said
    runtime = written.runtime()
    assert rows(runtime.ledger, schema.holds) == []
    runtime.close()
