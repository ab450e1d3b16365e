"""50 calls in flight through one process: ``python -m benchmarks.throughput``.

The server is ``benchmarks.loopback``, which costs far less per call than any of the clients. Rounds of every client
follow each other; CPU is that of this whole process, all its threads. ``--profile`` tells where a turn's goes.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks import harness
from benchmarks.call_overhead import bare_request
from farebox.runtime import Runtime
from tasks.ask import Ask
from tasks.context import Step, inside
from tasks.providers.messages import HttpRequest
from tasks.run_context import RunContext

IN_FLIGHT = 50
ROUNDS = 5
Call = Callable[[], Awaitable[object]]


class Client(NamedTuple):
    """One way to call; ``calls`` per round, fewer for the slow."""

    name: str
    calls: int
    run: Callable[[int], float]
    """Make so many calls; the seconds it took."""


async def many_calls(call: Call, calls: int) -> float:
    """``calls`` calls, never more than 50 at once; seconds."""
    left = iter(range(calls))

    async def one_after_the_other() -> None:
        for _ in left:
            await call()

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(min(IN_FLIGHT, calls)):
            group.create_task(one_after_the_other())
    return time.perf_counter() - started


async def over_httpx(request: HttpRequest, calls: int) -> float:
    import httpx

    limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    async with httpx.AsyncClient(limits=limits, trust_env=False, timeout=60) as client:

        async def call() -> None:
            reply = await client.post(request.url, content=request.body, headers=request.headers)
            harness.expect(reply.status_code == 200)

        return await many_calls(call, calls)


async def over_aiohttp(request: HttpRequest, calls: int) -> float:
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT)) as session:

        async def call() -> None:
            async with session.post(request.url, data=request.body, headers=request.headers) as reply:
                harness.expect(reply.status == 200)
                await reply.read()

        return await many_calls(call, calls)


async def over_transport(runtime: Runtime, request: HttpRequest, calls: int) -> float:
    async def call() -> None:
        reply = await runtime._transport.send(request, read_timeout=30)
        harness.expect(reply.status == 200)

    return await many_calls(call, calls)


async def turns(call: Callable[[Ask], Coroutine[Any, Any, str]], runtime: Runtime, run_id: str, calls: int) -> float:
    """``ask`` in an LLM step of a run, with everything on."""
    ask = Ask(lambda: runtime.engine)

    async def once() -> None:
        harness.expect(await call(ask))

    with inside(Step(harness.STEP, max_turns=10**9), run=RunContext(run_id)):
        return await many_calls(once, calls)


def asked_on_the_loop(ask: Ask) -> Coroutine[Any, Any, str]:
    return ask._ask(harness.TEMPLATE, str, {"document": harness.DOCUMENT})


def asked_from_elsewhere(ask: Ask) -> Coroutine[Any, Any, str]:
    return ask.aio(harness.TEMPLATE, document=harness.DOCUMENT)


def profiled(runtime: Runtime, run_id: str) -> None:
    """Where a turn's CPU goes, on the loop and on the ledger's thread: one profile of each."""
    loop, writer = cProfile.Profile(time.thread_time), cProfile.Profile(time.thread_time)

    async def on_the_loop() -> None:
        loop.enable()
        await turns(asked_on_the_loop, runtime, run_id, 1500)
        loop.disable()

    runtime.ledger.store.submit(lambda _: writer.enable()).result()
    runtime.engine.loop.run(on_the_loop())
    runtime.ledger.store.submit(lambda _: writer.disable()).result()
    for name, profile in (("the loop", loop), ("the ledger's thread", writer)):
        print(f"\n{name}, 1500 turns, by own time and by all below")
        for order in ("tottime", "cumtime"):
            pstats.Stats(profile).sort_stats(order).print_stats(45)


def measure(stack: ExitStack, folder: Path, *, profile: bool) -> None:
    server = stack.enter_context(harness.serving("benchmarks.loopback"))
    runtime = stack.enter_context(harness.project(folder, base_url=f"{server.url}/v1"))
    run_id, loop = harness.admitted(runtime), runtime.engine.loop
    request = bare_request(runtime, Step(harness.STEP))
    if profile:
        loop.run(turns(asked_on_the_loop, runtime, run_id, 300))
        profiled(runtime, run_id)
        return
    clients = [
        Client("httpx.AsyncClient", 200, lambda n: asyncio.run(over_httpx(request, n))),
        Client("aiohttp.ClientSession", 2000, lambda n: asyncio.run(over_aiohttp(request, n))),
        Client("Farebox's transport", 2000, lambda n: loop.run(over_transport(runtime, request, n))),
        Client("turns, on the loop", 1000, lambda n: loop.run(turns(asked_on_the_loop, runtime, run_id, n))),
        Client(
            "turns, ask.aio elsewhere", 1000, lambda n: asyncio.run(turns(asked_from_elsewhere, runtime, run_id, n))
        ),
    ]
    rates: dict[str, list[float]] = {client.name: [] for client in clients}
    cpu: dict[str, list[float]] = {client.name: [] for client in clients}
    served: list[float] = []
    for client in clients:
        client.run(min(300, client.calls))
    for _ in range(ROUNDS):
        for client in clients:
            own, theirs = time.process_time(), server.cpu_seconds()
            seconds = client.run(client.calls)
            rates[client.name].append(client.calls / seconds)
            cpu[client.name].append((time.process_time() - own) * 1000 / client.calls)
            if client.calls >= 1000:
                served.append((server.cpu_seconds() - theirs) * 1000 / client.calls)
    base = median(cpu["Farebox's transport"])
    rows = [
        (name, harness.spread(rates[name], 0), harness.spread(cpu[name]), f"{median(cpu[name]) / base:.2f}")
        for name in rates
    ]
    least = median(served)
    harness.table(
        f"throughput: {IN_FLIGHT} in flight, {ROUNDS} rounds",
        ("", "calls/s", "CPU ms/call", "÷ transport"),
        rows,
        [
            f"The server took {least:.3f} ms of CPU per call: alone on a core it serves {1000 / max(least, 1e-6):,.0f}/s."
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", action="store_true", help="print where the time of a turn goes")
    options = parser.parse_args()
    harness.quiet_environment()
    with ExitStack() as stack:
        measure(stack, stack.enter_context(harness.workplace()), profile=options.profile)


if __name__ == "__main__":
    main()
