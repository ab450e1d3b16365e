"""What tests of automations and steps stand on: see :mod:`farebox.pytest_plugin` and docs/testing.md."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from urllib.parse import urlsplit

from farebox.config.settings import Settings, load_settings
from farebox.project import FILE
from farebox.runtime import Runtime, get_runtime
from pricing import Nano, UsageError
from pricing.db import schema
from tasks import StepContext
from tasks.routing import Credential, Target
from tasks.sandbox import Fault, Latency, Sandbox, SandboxRequest, ScriptedCalls, ScriptedValue
from tasks.turn import Engine

if TYPE_CHECKING:
    import pytest

    from tasks.turn import Answer, TurnRequest

T = TypeVar("T")

FAILURES: Final = {
    "rate_limit": "429",
    "overloaded": "529",
    "server_error": "500",
    "connection": "drop",
    "quota_exhausted": "quota",
    "auth": "auth",
    "context_overflow": "overflow",
    "refusal": "refusal",
    "invalid_output": "invalid_json",
    "truncated": "truncate",
}
"""What a provider may do instead of answering, by the names that reports give them."""

_PROJECT = """\
# The project of tests that are in none.
[[targets]]
name = "light"
provider = "openai"
model = "gpt-6-luna"
tier = "light"
reasoning = "none"

[[targets]]
name = "premium"
provider = "anthropic"
model = "claude-sonnet-5-5"
tier = "premium"
reasoning = "none"
"""
_ASKING: ContextVar[str] = ContextVar("farebox_scripted_operation", default="")
_SEPARATOR = "~"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that a model got, as the provider would have read it."""

    operation: str
    target: str
    system: str
    text: str
    tools: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    """One scripted answer; an empty operation stands for any."""

    operation: str
    what: ScriptedValue | ScriptedCalls | Fault | BaseException


class ScriptedAnswers:
    """What models answer: each request takes the first answer left that is for its operation, or for any.

    Without one left, the sandbox answers. Every attempt is a request: after ``fail("rate_limit")`` the retry takes the
    next answer.
    """

    def __init__(self) -> None:
        self._lines: deque[_Line] = deque()
        self._lock = threading.Lock()
        self.asked: list[Asked] = []
        """Every request so far, oldest first."""

    def add(self, *answers: object, operation: str = "") -> None:
        """Answers in their order: texts; objects for answers of a type; exceptions, which ``ask`` raises.

        Args:
            answers: a model, a dataclass or any JSON value stands for an answer of that type.
            operation: only for turns of it.
        """
        from pydantic_core import to_jsonable_python

        for answer in answers:
            raises = isinstance(answer, BaseException) or (
                isinstance(answer, type) and issubclass(answer, BaseException)
            )
            if raises:
                error = answer() if isinstance(answer, type) else answer
                self._lines.append(_Line(operation, cast("BaseException", error)))
            else:
                self._lines.append(_Line(operation, ScriptedValue(to_jsonable_python(answer))))

    def call(self, tool: str, /, *, operation: str = "", **arguments: object) -> None:
        """A reply of an agent's model that calls a tool; several tools of one reply with ``calls``."""
        self.calls((tool, arguments), operation=operation)

    def calls(self, *calls: tuple[str, dict[str, Any]], operation: str = "") -> None:
        """A reply that calls several tools, each by its name and arguments."""
        self._lines.append(_Line(operation, ScriptedCalls(calls)))

    def fail(self, failure: str, *, times: int = 1, operation: str = "") -> None:
        """What a provider does instead of answering: ``"rate_limit"``, ``"refusal"`` or another of ``FAILURES``.

        Raises:
            UsageError: there is no such failure.
        """
        if failure not in FAILURES:
            raise UsageError(
                f"{failure!r} is not a failure that can be scripted.", next_step=f"Use one of {', '.join(FAILURES)}."
            )
        fault = Fault(kind=cast("Any", FAILURES[failure]))
        self._lines.extend(_Line(operation, fault) for _ in range(times))

    def check_all_used(self) -> None:
        """See that every scripted answer was asked for.

        Raises:
            AssertionError: some were not.
        """
        left = [line.operation or "any operation" for line in self._lines]
        if left:
            raise AssertionError(f"{len(left)} scripted answer(s) were not asked for: for {', '.join(left)}.")

    def take_error(self, operation: str) -> BaseException | None:
        """The error that a turn of an operation is to raise, if that is next."""
        with self._lock:
            line = self._next(operation)
            if line is None or not isinstance(line.what, BaseException):
                return None
            self._lines.remove(line)
            return line.what

    def __call__(self, target: str, asked: SandboxRequest, /) -> ScriptedValue | ScriptedCalls | Fault | None:
        """What a request gets: the sandbox asks."""
        name, _, operation = target.partition(_SEPARATOR)
        text = "\n".join(message.text for message in asked.messages)
        tools = tuple(tool.name for tool in asked.tools)
        with self._lock:
            self.asked.append(Asked(operation, name, asked.instructions, text, tools))
            line = self._next(operation)
            if line is None or isinstance(line.what, BaseException):
                return None
            self._lines.remove(line)
            return line.what

    def _next(self, operation: str) -> _Line | None:
        return next((line for line in self._lines if line.operation in {"", operation}), None)


@dataclass(frozen=True, slots=True)
class TestedTurn:
    """One turn of a test, as the ledger has it."""

    __test__ = False
    run_id: str
    operation: str
    outcome: str
    reason: str | None
    target: str | None
    attempts: int
    cost_nano: Nano


@dataclass(frozen=True, slots=True)
class TestedRun:
    """One run of a test that has ended; ``quoted`` unless its steps were called outside an automation."""

    __test__ = False
    run_id: str
    automation: str
    outcome: str
    spent_nano: Nano
    quoted: bool


@dataclass(frozen=True)
class TestProject:
    """A test's own ledger, and what happened in it.

    Args:
        root: the project's folder, with its farebox.toml and its prompts.
        home: the temporary folder with the ledger and everything else that is written.
        runtime: the runtime of this process.
        answers: what models answer.
    """

    __test__ = False
    root: Path
    home: Path
    runtime: Runtime = field(repr=False)
    answers: ScriptedAnswers = field(repr=False)

    def turns(self, operation: str = "") -> list[TestedTurn]:
        """The turns so far, oldest first; of one operation, where it is named."""
        with self.runtime.ledger.store.read() as connection:
            rows = connection.execute(schema.turns.select().order_by(schema.turns.c.seq)).mappings().all()
            paid = connection.execute(schema.attempts.select()).mappings().all()
        return [
            TestedTurn(
                row["run_id"],
                row["operation"],
                row["outcome"],
                row["reason"],
                row["target"],
                row["attempts"],
                sum(int(one["cost_nano"]) for one in paid if one["turn_id"] == row["turn_id"]),
            )
            for row in rows
            if operation in {"", row["operation"]}
        ]

    def runs(self) -> list[TestedRun]:
        """The runs that have ended, oldest first."""
        self.runtime.ad_hoc.settle()
        with self.runtime.ledger.store.read() as connection:
            rows = connection.execute(schema.settlements.select().order_by(schema.settlements.c.seq)).mappings().all()
        known = {run.run_id: run.quoted for run in self.runtime.ledger.runs([row["run_id"] for row in rows])}
        return [
            TestedRun(
                row["run_id"], row["automation"], row["outcome"], int(row["spent_nano"]), known.get(row["run_id"], True)
            )
            for row in rows
        ]

    def spent(self, operation: str = "") -> Nano:
        """Nano-dollars that the turns so far cost."""
        return sum(turn.cost_nano for turn in self.turns(operation))


class _ScriptedEngine(Engine):
    """An engine whose turns tell their operation to the script, and raise what it says."""

    def __init__(self, engine: Engine, answers: ScriptedAnswers) -> None:
        self.__dict__.update(engine.__dict__)
        self._answers = answers

    async def turn(self, here: StepContext, asked: TurnRequest[T]) -> Answer[T]:
        if (error := self._answers.take_error(asked.operation)) is not None:
            raise error
        token = _ASKING.set(asked.operation)
        try:
            return await super().turn(here, asked)
        finally:
            _ASKING.reset(token)


class _TestRuntime(Runtime):
    """A runtime that is answered by one sandbox, which receives the operation with the target's name."""

    def __init__(self, settings: Settings, root: Path, answers: ScriptedAnswers) -> None:
        super().__init__(settings, root)
        self.engine = _ScriptedEngine(self.engine, answers)

    def _reached(self, target: Target) -> Target:
        import dataclasses

        path = urlsplit(target.base_url).path
        called = f"{target.name}{_SEPARATOR}{_ASKING.get()}"
        url = f"{self.settings.sandbox.url}/t/{called}{path}"
        return dataclasses.replace(target, base_url=url, credential=Credential(key="sandbox"))


@contextmanager
def project_apart(start: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestProject]:
    """The process's runtime in the project around ``start``, with all that it writes below ``folder``."""
    folder.mkdir(parents=True)
    root = next((place for place in (Path.cwd(), *Path.cwd().parents) if (place / FILE).exists()), None)
    if root is None:
        root = next((place for place in (start, *start.parents) if (place / FILE).exists()), folder)
        if root == folder:
            (folder / FILE).write_text(_PROJECT, "utf-8")
            (folder / "flows" / "prompts").mkdir(parents=True)
        monkeypatch.chdir(root)
    answers, home = ScriptedAnswers(), folder / "home"
    home.mkdir()
    with Sandbox(home / "sandbox-journal.jsonl", latency=Latency(0, 0), script=answers) as sandbox, _only_loopback():
        for name in [name for name in os.environ if name.startswith("FAREBOX_SANDBOX")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("FAREBOX_HOME", str(home))
        monkeypatch.setenv("FAREBOX_LEDGER_URL", f"sqlite:///{home / 'ledger.db'}")
        monkeypatch.setenv("FAREBOX_ARCHIVE__FOLDER", str(home / "archive"))
        monkeypatch.setenv("FAREBOX_SANDBOX", json.dumps({"only": True, "stand_in": True, "url": sandbox.url}))
        runtime = _TestRuntime(load_settings(root), root, answers)
        get_runtime.use(runtime)
        try:
            yield TestProject(root, home, runtime, answers)
        finally:
            runtime.close()
            get_runtime.cache_clear()


@contextmanager
def prefect_apart(home: Path) -> Iterator[None]:
    """Prefect with everything of it below ``home``; its server starts when something first needs it."""
    from prefect.context import (
        _temporary_global_settings_context,
        get_settings_context,
    )
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_HOME,
        PREFECT_LOCAL_STORAGE_PATH,
        PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
        PREFECT_SERVER_DATABASE_CONNECTION_URL,
        PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
        temporary_settings,
    )

    updates: dict[Any, Any] = {
        PREFECT_HOME: home,
        PREFECT_LOCAL_STORAGE_PATH: home / "storage",
        PREFECT_SERVER_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{home / 'prefect.db'}",
        PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: True,
        PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: 300,
    }
    with ExitStack() as places:
        places.enter_context(temporary_settings(updates, restore_defaults={PREFECT_API_URL}))
        places.enter_context(_temporary_global_settings_context(get_settings_context()))
        servers = SubprocessASGIServer._instances  # noqa: SLF001 - as Prefect's own test harness does
        before = servers.pop(None, None)
        try:
            yield
        finally:
            own = servers.pop(None, None)
            if own is not None:
                _drain_logs()
                own.stop()
            if before is not None:
                servers[None] = before


def _drain_logs() -> None:
    """Have Prefect send the logs that it still has: a server that is gone would be complained of."""
    import inspect

    from prefect.logging.handlers import APILogWorker
    from prefect.utilities.asyncutils import run_coro_as_sync

    async def drain() -> None:
        with suppress(RuntimeError):  # no log was ever sent
            result = APILogWorker.instance().drain()
            if inspect.isawaitable(result):
                await result

    run_coro_as_sync(drain())


class _Guard:
    """Refuses connections that leave the machine while it is on. An audit hook cannot be taken back."""

    def __init__(self) -> None:
        self.on = 0
        self._hooked = False

    def enter(self) -> None:
        if not self._hooked:
            sys.addaudithook(self._watch)
            self._hooked = True
        self.on += 1

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in {"socket.connect", "socket.sendto"} and not _is_local(arguments[-1]):
            raise PermissionError(f"a test with farebox_project reaches loopback only, not {arguments[-1]!r}")
        if event == "socket.getaddrinfo" and not _is_local((arguments[0] or "localhost",)):
            host = arguments[0].decode() if isinstance(arguments[0], bytes) else str(arguments[0])
            if host != socket.gethostname():
                raise socket.gaierror(
                    socket.EAI_NONAME, f"a test with farebox_project reaches loopback only, not {host!r}"
                )


_GUARD = _Guard()


@contextmanager
def _only_loopback() -> Iterator[None]:
    _GUARD.enter()
    try:
        yield
    finally:
        _GUARD.on -= 1


def _is_local(address: Any) -> bool:
    if not isinstance(address, tuple):
        return True  # a Unix socket
    host = address[0].decode() if isinstance(address[0], bytes) else str(address[0])
    host = host.split("%")[0]
    if host in {"", "localhost"}:
        return True
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return False
    return found.is_loopback or found.is_unspecified
