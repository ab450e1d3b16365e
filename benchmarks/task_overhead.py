"""What ``@llm_task`` adds to a Prefect task: ``python -m benchmarks.task_overhead``.

By turns within one flow run, against Prefect's own test server and one sandbox process: a bare ``@task`` that posts
with httpx, and an ``@llm_task`` that asks. Both send the same body.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from statistics import median

from benchmarks import harness
from benchmarks.call_overhead import bare_request
from farebox.runtime import Runtime
from tasks.ask import Ask
from tasks.context import Step, use_run
from tasks.llm_step import llm_task
from tasks.run_context import RunContext

CALLS = 120
WARM = 15


def measure(runtime: Runtime, run_id: str) -> tuple[list[float], list[float]]:
    """Milliseconds of bare tasks and of LLM tasks."""
    import httpx
    from prefect import flow, task

    request = bare_request(runtime, Step(harness.STEP))
    ask = Ask(lambda: runtime.engine)
    client = httpx.Client(trust_env=False, timeout=30)

    @task
    def bare(document: str) -> str:
        del document
        reply = client.post(request.url, content=request.body, headers=request.headers)
        return str(reply.raise_for_status().json()["choices"][0]["message"]["content"])

    @llm_task(operation=harness.STEP)
    def summarize(document: str) -> str:
        return ask(harness.TEMPLATE, document=document)

    plain: list[float] = []
    ours: list[float] = []

    @flow
    def benchmark() -> None:
        with use_run(RunContext(run_id)):
            for number in range(-WARM, CALLS):
                first = harness.milliseconds(lambda: bare(harness.DOCUMENT))
                second = harness.milliseconds(lambda: summarize(harness.DOCUMENT))
                if number >= 0:
                    plain.append(first)
                    ours.append(second)

    with client:
        benchmark()
    return plain, ours


def main() -> None:
    harness.quiet_environment()
    with ExitStack() as stack:
        folder = stack.enter_context(harness.workplace())
        os.environ["PREFECT_HOME"] = str(folder / "prefect")
        from prefect.testing.utilities import prefect_test_harness

        url = stack.enter_context(harness.sandbox(folder)).url
        runtime = stack.enter_context(harness.project(folder, sandbox_url=url))
        stack.enter_context(prefect_test_harness(server_startup_timeout=60))
        bare, ours = measure(runtime, harness.admitted(runtime))
    added = [one - other for one, other in zip(ours, bare, strict=True)]
    rows = [
        (name, harness.spread(samples), f"{harness.p95(samples):.2f}")
        for name, samples in (("bare @task", bare), ("@llm_task", ours), ("added", added))
    ]
    rows.append(("@llm_task / bare @task", f"{median(ours) / median(bare):.2f}", ""))
    harness.table(f"task_overhead: {CALLS} of each in one flow run, ms", ("", "p50 [quartiles]", "p95"), rows)


if __name__ == "__main__":
    main()
