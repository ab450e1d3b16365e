"""What a turn adds to a call: ``python -m benchmarks.call_overhead``.

One after the other, by turns: a bare post on Farebox's own transport, and ``ask`` with everything on — prompt, route,
guards, an intent committed before the request and a completion after it. Both send the same body to one sandbox
process, and both run on the process's one event loop.
"""

from __future__ import annotations

import time
import uuid
from contextlib import ExitStack
from statistics import median

from benchmarks import harness
from farebox.runtime import Runtime
from tasks.ask import Ask
from tasks.context import Step, inside
from tasks.providers import adapter_for
from tasks.providers.messages import HttpRequest, Message, ModelRequest
from tasks.run_context import RunContext

CALLS = 700
WARM = 100


def bare_request(runtime: Runtime, step: Step) -> HttpRequest:
    """The request that a turn of the step sends."""
    prompt = runtime.engine.render(harness.TEMPLATE, {"document": harness.DOCUMENT})
    request = ModelRequest([Message("user", prompt.user)], step.max_tokens, prompt.system, cache=True)
    target = runtime._sandbox.reached(runtime.router.route("light")[0].target)
    return adapter_for(target.provider).encode(target, request, attempt_id=uuid.uuid4().hex)


async def measure(runtime: Runtime, run_id: str, calls: int) -> tuple[list[float], list[float]]:
    """Milliseconds of bare calls and of turns."""
    ask, step = Ask(lambda: runtime.engine), Step(harness.STEP, max_turns=10**9)
    request = bare_request(runtime, step)
    with inside(step, run=RunContext(run_id)):
        bare, turns = [], []
        for _ in range(calls):
            started = time.perf_counter()
            reply = await runtime._transport.send(request, read_timeout=30)
            bare.append((time.perf_counter() - started) * 1000)
            harness.expect(reply.status == 200)
            started = time.perf_counter()
            harness.expect(await ask._ask(harness.TEMPLATE, str, {"document": harness.DOCUMENT}))
            turns.append((time.perf_counter() - started) * 1000)
    return bare, turns


def main() -> None:
    harness.quiet_environment()
    rows = []
    with ExitStack() as stack:
        folder = stack.enter_context(harness.workplace())
        url = stack.enter_context(harness.sandbox(folder)).url
        kinds = harness.ledgers(stack)
        for name, ledger_url in kinds.items():
            with harness.project(folder, sandbox_url=url, ledger_url=ledger_url()) as runtime:
                run_id = harness.admitted(runtime)
                runtime.engine.loop.run(measure(runtime, run_id, WARM))
                bare, turns = runtime.engine.loop.run(measure(runtime, run_id, CALLS))
            added = [turn - call for turn, call in zip(turns, bare, strict=True)]
            for what, samples in (("bare call", bare), ("turn", turns), ("added", added)):
                rows.append((f"{name}: {what}", harness.spread(samples), f"{harness.p95(samples):.2f}"))
            rows.append((f"{name}: turn / bare call", f"{median(turns) / median(bare):.2f}", ""))
    harness.table(
        f"call_overhead: {CALLS} calls of each, one after the other, ms", ("", "p50 [quartiles]", "p95"), rows
    )


if __name__ == "__main__":
    main()
