"""Turns in virtual time: the real turns, breaker and ledger on a loop whose clock jumps, above a wire that is a script.

What waits costs nothing, so that hours of outage and thousands of schedules fit into a test.
"""

import asyncio
import json
import selectors
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest import mock

import sqlalchemy as sa

from farebox.runtime import Runtime
from pricing.db import schema
from pricing.db.write_queue import PendingWrite
from pricing.errors import FareboxError
from tasks.providers.messages import HttpRequest, WireFailed
from tasks.providers.transport import HttpReply
from tasks.turn.state import Limits
from tests.support.project import Project, make_project
from tests.support.turns import ask_once

T = TypeVar("T")
BEGAN = 1_700_000_000.0
READ_TIMEOUT = 5.0


class _Jumping(selectors.SelectSelector):
    """Never waits: time goes on by what would have been waited."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise AssertionError("everything waits for something that never comes")
            self.now += max(timeout, 0.0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time; what would be another thread's is done at once."""

    def __init__(self) -> None:
        self.jumping = _Jumping()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        future: asyncio.Future[T] = self.create_future()
        future.set_result(func(*args))
        return future


@dataclass
class Wire:
    """What each target does with its first, second, … request; the last of them for ever."""

    loop: VirtualLoop
    script: dict[str, list[tuple[str, float]]]
    sent: list[tuple[str, float]] = field(default_factory=list)

    async def send(
        self, request: HttpRequest, *, read_timeout: float, most: int = 0, connected: Callable[[], None] | None = None
    ) -> HttpReply:
        name = request.url.split("/t/")[1].split("/")[0]
        self.sent.append((name, self.loop.time()))
        behaviours = self.script.get(name, [("ok", 0.0)])
        kind, number = behaviours.pop(0) if len(behaviours) > 1 else behaviours[0]
        if kind != "refused" and connected is not None:
            connected()
        return await _behave(kind, number, read_timeout)


def _error(message: str, kind: str, code: str | None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code, "param": None}}


_OVERFLOW = "This model's maximum context length is 10 tokens. However, your messages resulted in 20 tokens."
_REFUSED: dict[str, tuple[int, dict[str, Any]]] = {
    "429": (429, _error("Rate limit reached", "requests", "rate_limit_exceeded")),
    "500": (500, _error("The server had an error", "server_error", None)),
    "503": (503, _error("Overloaded", "service_unavailable_error", "server_is_overloaded")),
    "quota": (429, _error("You exceeded your current quota", "insufficient_quota", "insufficient_quota")),
    "auth": (401, _error("Incorrect API key", "invalid_request_error", "invalid_api_key")),
    "not_found": (404, _error("The model does not exist", "invalid_request_error", "model_not_found")),
    "overflow": (400, _error(_OVERFLOW, "invalid_request_error", "context_length_exceeded")),
    "invalid": (400, _error("Bad request", "invalid_request_error", None)),
    "window": (429, _error("Request too large for gpt: Limit 1, Requested 2", "tokens", "rate_limit_exceeded")),
}
_STOPS = {"ok": "stop", "slow": "stop", "truncated": "length", "filtered": "content_filter", "empty": "stop"}
SERVICE = ("429", "500", "503", "malformed", "refused", "reset", "timeout", "silent")
OTHER = ("quota", "auth", "not_found", "overflow", "invalid", "window", "truncated", "filtered", "empty", "ok", "slow")


async def _behave(kind: str, number: float, read_timeout: float) -> HttpReply:
    if kind in {"timeout", "silent"}:
        await asyncio.sleep(read_timeout if kind == "timeout" else 10_000)
        raise WireFailed from TimeoutError()
    if kind == "slow":
        await asyncio.sleep(min(number, read_timeout))
    else:
        await asyncio.sleep(0.01)
    if kind == "refused":
        raise WireFailed from ConnectionRefusedError()
    if kind == "reset":
        raise WireFailed from ConnectionResetError()
    if kind == "malformed":
        return HttpReply(200, {}, b'{"choices": [')
    if kind in _REFUSED:
        status, body = _REFUSED[kind]
        headers = {"retry-after": str(number)} if kind == "429" and number else {}
        return HttpReply(status, headers, json.dumps(body).encode())
    text = "" if kind == "empty" else "It is done."
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": _STOPS[kind]}
    usage = {"prompt_tokens": 20, "completion_tokens": 4, "total_tokens": 24}
    return HttpReply(200, {}, json.dumps({"id": "1", "model": "m", "choices": [choice], "usage": usage}).encode())


class Stage:
    """One project on which any number of schedules are played, each from the beginning."""

    def __init__(self, runtime: Runtime, run_id: str) -> None:
        self.runtime = runtime
        self.run_id = run_id
        self._breaker = runtime.engine._turns._breaker
        self._store = runtime.ledger.store
        self._store.submit = self._now  # type: ignore[method-assign]

    def _now(self, work: Callable[[Any], T]) -> PendingWrite[T]:
        written = PendingWrite(work)
        try:
            with self._store.write() as connection:
                written.end(work(connection))
        except Exception as error:  # noqa: BLE001 - the waiting caller gets it
            written.fail(error)
        return written

    def play(
        self,
        script: dict[str, list[tuple[str, float]]],
        turns: Sequence[tuple[float, int]],
        *,
        deadline: float,
        max_attempts: int,
        retries: int,
    ) -> "Played":
        """Turns after so many seconds each, so many at once."""
        with self._store.write() as connection:
            connection.execute(sa.delete(schema.circuits))
            last = connection.execute(sa.select(sa.func.max(schema.attempts.c.seq))).scalar() or 0
            last_turn = connection.execute(sa.select(sa.func.max(schema.turns.c.seq))).scalar() or 0
        self._breaker._known = {}
        self._breaker._read_at = -(10**9)
        self.runtime.engine._turns._limits = Limits(deadline, max_attempts)
        self.runtime.engine._turns._attempts._retries = retries
        loop = VirtualLoop()
        wire = Wire(loop, script)
        elapsed: list[float] = []

        def clock() -> int:
            return round((BEGAN + loop.time()) * 1e6)

        async def one() -> str | FareboxError:
            began = loop.time()
            outcome = await ask_once(self.runtime, self.run_id, "It stopped on Monday.")
            elapsed.append(loop.time() - began)
            return outcome

        async def all_of_them() -> list[str | FareboxError]:
            outcomes = []
            for wait, together in turns:
                await asyncio.sleep(wait)
                outcomes += await asyncio.gather(*(one() for _ in range(together)))
            return outcomes

        self.runtime._transport.send = wire.send  # type: ignore[method-assign]
        self.runtime.circuits.clock = clock
        shim = SimpleNamespace(monotonic=loop.time, perf_counter_ns=lambda: round(loop.time() * 1e9))
        try:
            with mock.patch("tasks.turn.attempts.time", shim), mock.patch("pricing.clock.now_us", clock):
                outcomes = loop.run_until_complete(all_of_them())
        finally:
            loop.close()
        with self._store.read() as connection:
            made = [dict(row._mapping) for row in connection.execute(_since(schema.attempts, last))]
            told = [dict(row._mapping) for row in connection.execute(_since(schema.turns, last_turn))]
            left = connection.execute(sa.select(sa.func.count()).select_from(schema.inflight)).scalar_one()
        return Played(outcomes, elapsed, wire.sent, made, told, left)


@dataclass(frozen=True)
class Played:
    """What came of a schedule."""

    outcomes: list[str | FareboxError]
    elapsed: list[float]
    sent: list[tuple[str, float]]
    attempts: list[dict[str, Any]]
    turns: list[dict[str, Any]]
    in_flight: int

    def by_turn(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {turn["turn_id"]: [] for turn in self.turns}
        for attempt in self.attempts:
            found[attempt["turn_id"]].append(attempt)
        return found


def _since(table: sa.Table, seq: int) -> sa.Select[Any]:
    return sa.select(table).where(table.c.seq > seq).order_by(table.c.seq)


TARGETS = {
    "a": ("openai", "gpt-4.1-mini", "light", "x", "one", 100_000),
    "b": ("openai", "gpt-4.1", "premium", "x", "one", 200_000),
    "c": ("groq", "openai/gpt-oss-120b", "light", "y", "one", 50_000),
    "d": ("openai", "gpt-4.1-nano", "legacy", "z", "two", 100_000),
    "e": ("groq", "openai/gpt-oss-20b", "last_resort", "w", "two", 400_000),
}
"""Provider, model, tier, failure domain, account, window."""


def virtual_project(folder: Path) -> Project:
    """Five targets in four failure domains."""
    targets = "".join(
        f'\n[[targets]]\nname = "{name}"\nprovider = "{provider}"\nmodel = "{model}"\ntier = "{tier}"\n'
        f'failure_domain = "{domain}"\naccount = "{account}"\nwindow = {window}\nread_timeout = {READ_TIMEOUT}\n'
        for name, (provider, model, tier, domain, account, window) in TARGETS.items()
    )
    return make_project(folder, "http://127.0.0.1:9", targets=targets, documents=0)


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """A stage in a project of its own."""
    from tests.support.turns import admitted

    with virtual_project(folder).runtime_here() as runtime, admitted(runtime) as run_id:
        yield Stage(runtime, run_id)
