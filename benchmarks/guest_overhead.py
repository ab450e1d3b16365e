"""What a turn adds to a request of another library: ``python -m benchmarks.guest_overhead``.

By turns, one after the other: the bare library against the least server there is, the same inside a run, and ``ask`` for
comparison. CPU is of this process, the server is another. Then imports, each in a fresh interpreter, and sizes on disk.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import files
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import harness
from farebox.runtime import Runtime, get_runtime
from tasks.ask import Ask
from tasks.context import Step, inside, use_run
from tasks.run_context import RunContext

CALLS = 150
WARM = 20
ROUNDS = 3
IMPORTS = {
    "nothing": "pass",
    "farebox, every name": "from farebox import *",
    "openai": "import openai",
    "farebox.integrations.openai beside both": "from farebox import *; import openai, farebox.integrations.openai",
    "pydantic_ai": "import pydantic_ai",
    "farebox.integrations.pydantic_ai beside both": (
        "from farebox import *; import pydantic_ai, farebox.integrations.pydantic_ai"
    ),
    "mcp": "import mcp",
}
SIZES = ("openai", "pydantic-ai-slim", "pydantic-graph", "mcp", "mcp-types")


def works(runtime: Runtime, url: str) -> dict[str, Callable[[], Any]]:
    """One request of each library, bare and inside a run."""
    import openai
    import pydantic_ai
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    from farebox.integrations.openai import client
    from farebox.integrations.pydantic_ai import FareboxModel

    bare = openai.OpenAI(api_key="none", base_url=url, max_retries=0)
    own = client(operation=harness.STEP, max_tokens=100)
    messages: list[Any] = [{"role": "user", "content": harness.DOCUMENT}]
    provider = OpenAIProvider(openai_client=openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0))
    loop = asyncio.new_event_loop()
    bare_agent = pydantic_ai.Agent(OpenAIChatModel("gpt-4.1-mini", provider=provider))
    own_agent = pydantic_ai.Agent(FareboxModel(operation=harness.STEP, max_tokens=100))
    ask, step = Ask(lambda: runtime.engine), Step(harness.STEP, max_turns=10**9)

    def asked() -> object:
        with inside(step):
            return ask(harness.TEMPLATE, document=harness.DOCUMENT)

    return {
        "ask": asked,
        "OpenAI's SDK, bare": lambda: bare.chat.completions.create(model="gpt-4.1-mini", messages=messages),
        "OpenAI's SDK, inside": lambda: own.chat.completions.create(model="light", messages=messages),
        "pydantic-ai, bare": lambda: loop.run_until_complete(bare_agent.run(harness.DOCUMENT)),
        "pydantic-ai, inside": lambda: loop.run_until_complete(own_agent.run(harness.DOCUMENT)),
    }


def measure(works_: dict[str, Callable[[], Any]]) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds of time and of this process's CPU per call, by kind of call."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in works_}
    for number in range(-WARM, CALLS):
        for name, work in works_.items():
            started, cpu = time.perf_counter(), time.process_time()
            harness.expect(work())
            if number >= 0:
                ended = time.perf_counter()
                found[name].append(((ended - started) * 1000, (time.process_time() - cpu) * 1000))
    return found


def megabytes(name: str) -> float:
    """The size of a distribution on disk, without compiled files."""
    paths = [Path(str(file.locate())) for file in files(name) or () if not str(file).endswith(".pyc")]
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


def imports() -> list[tuple[str, str, str]]:
    """By what is imported: CPU that it adds to an interpreter, and memory."""
    taken: dict[str, list[float]] = {name: [] for name in IMPORTS}
    memory: dict[str, float] = {}
    resident = "; print(next(line for line in open('/proc/self/status') if line.startswith('VmRSS')).split()[1])"
    for _ in range(ROUNDS):
        for name, code in IMPORTS.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run([sys.executable, "-c", code + resident], capture_output=True, text=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            taken[name].append((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000)
            memory[name] = float(done.stdout) / 1024
    least = median(taken["nothing"])
    return [(name, f"{median(all_) - least:.0f}", f"{memory[name]:.0f}") for name, all_ in taken.items()]


def main() -> None:
    harness.quiet_environment()
    with ExitStack() as stack:
        folder = stack.enter_context(harness.workplace())
        url = f"{stack.enter_context(harness.serving('benchmarks.loopback')).url}/v1"
        runtime = stack.enter_context(harness.project(folder, base_url=url))
        get_runtime.use(runtime)
        with use_run(RunContext(harness.admitted(runtime))):
            found = measure(works(runtime, url))
    rows = [
        (name, harness.spread([wall for wall, _ in samples]), harness.spread([cpu for _, cpu in samples]))
        for name, samples in found.items()
    ]
    cpu = {name: median(cpu for _, cpu in samples) for name, samples in found.items()}
    notes = [
        f"{library}: {cpu[f'{library}, inside'] - cpu[f'{library}, bare']:.1f} ms of CPU added per request"
        for library in ("OpenAI's SDK", "pydantic-ai")
    ]
    harness.table(f"guest_overhead: {CALLS} requests of each, by turns, ms", ("", "time", "CPU"), rows, notes)
    harness.table("imports, each in a fresh interpreter", ("", "CPU added, ms", "RSS, MB"), imports())
    harness.table("on disk, without compiled files", ("", "MB"), [(name, f"{megabytes(name):.1f}") for name in SIZES])


if __name__ == "__main__":
    main()
