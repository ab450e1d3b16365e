"""``python -m benchmarks.peers.worker CLIENT URL``: one peer, which calls on command.

It reads commands, one JSON object a line, and answers each with one: ``{"one": n}`` makes n calls one after the other
and answers with the milliseconds of each; ``{"at_once": n}`` makes n calls, 50 at once, and answers with the seconds and the CPU
seconds of the whole process.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from benchmarks.peers import clients


async def one_by_one(call: clients.Call, calls: int) -> list[float]:
    taken = []
    for _ in range(calls):
        started = time.perf_counter()
        answer = await call()
        taken.append((time.perf_counter() - started) * 1000)
        if not answer:
            raise RuntimeError("there is no answer")
    return taken


async def many_calls(call: clients.Call, calls: int) -> dict[str, float]:
    left = iter(range(calls))

    async def one_after_the_other() -> None:
        for _ in left:
            if not await call():
                raise RuntimeError("there is no answer")

    cpu, started = time.process_time(), time.perf_counter()
    await asyncio.gather(*(one_after_the_other() for _ in range(clients.IN_FLIGHT)))
    return {"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu}


async def main() -> None:
    client = getattr(clients, sys.argv[1])
    document = json.loads(sys.stdin.readline())["document"]
    async with client(sys.argv[2], document) as call:
        await one_by_one(call, 20)
        print("{}", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            command = json.loads(line)
            if "one" in command:
                print(json.dumps(await one_by_one(call, command["one"])), flush=True)
            else:
                print(json.dumps(await many_calls(call, command["at_once"])), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
