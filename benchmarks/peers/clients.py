"""The same call through each of the peers. Runs in their environments: nothing is imported before it is needed."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

Call = Callable[[], Awaitable[object]]
IN_FLIGHT = 50
MODEL, MAX_TOKENS = "gpt-4.1-mini", 1024
SYSTEM = "Summarize what you are given in two sentences."


def messages(document: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": f"<document>\n{document}\n</document>"}]


def body(document: str) -> dict[str, object]:
    return {"model": MODEL, "messages": messages(document), "max_completion_tokens": MAX_TOKENS}


@asynccontextmanager
async def aiohttp(url: str, document: str) -> AsyncIterator[Call]:
    from aiohttp import ClientSession, TCPConnector

    asked = body(document)
    async with ClientSession(connector=TCPConnector(limit=IN_FLIGHT)) as session:

        async def call() -> object:
            async with session.post(f"{url}/v1/chat/completions", json=asked) as reply:
                return (await reply.json())["choices"][0]["message"]["content"]

        yield call


@asynccontextmanager
async def httpx(url: str, document: str) -> AsyncIterator[Call]:
    from httpx import AsyncClient, Limits

    asked = body(document)
    limits = Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    async with AsyncClient(limits=limits, trust_env=False, timeout=60) as client:

        async def call() -> object:
            reply = await client.post(f"{url}/v1/chat/completions", json=asked)
            return reply.json()["choices"][0]["message"]["content"]

        yield call


@asynccontextmanager
async def litellm(url: str, document: str) -> AsyncIterator[Call]:
    from litellm import Router  # type: ignore[import-not-found]

    reached = {"model": f"openai/{MODEL}", "api_base": f"{url}/v1", "api_key": "benchmark"}
    router = Router(model_list=[{"model_name": "light", "litellm_params": reached}])
    asked = messages(document)

    async def call() -> object:
        reply = await router.acompletion(model="light", messages=asked, max_tokens=MAX_TOKENS)
        return reply.choices[0].message.content

    yield call


@asynccontextmanager
async def tensorzero(url: str, document: str) -> AsyncIterator[Call]:
    from tensorzero import AsyncTensorZeroGateway  # type: ignore[import-not-found]

    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "tensorzero.toml"
        config.write_text(
            f"""[gateway]
observability.enabled = false
[models.light]
routing = ["loopback"]
[models.light.providers.loopback]
type = "openai"
model_name = "{MODEL}"
api_base = "{url}/v1/"
api_key_location = "none"
""",
            "utf-8",
        )
        system, user = messages(document)
        asked = {"system": system["content"], "messages": [user]}
        async with await AsyncTensorZeroGateway.build_embedded(config_file=str(config)) as gateway:

            async def call() -> object:
                reply = await gateway.inference(
                    model_name="light", input=asked, params={"chat_completion": {"max_tokens": MAX_TOKENS}}
                )
                return reply.content[0].text

            yield call


@asynccontextmanager
async def farebox_aio(url: str, document: str) -> AsyncIterator[Call]:
    """Calls by an async caller, from its own loop."""
    from benchmarks import harness
    from tasks.ask import Ask
    from tasks.context import Step, inside
    from tasks.run_context import RunContext

    with ExitStack() as stack:
        runtime = stack.enter_context(
            harness.project(stack.enter_context(harness.workplace()), base_url=f"{url}/v1", pii=True)
        )
        stack.enter_context(inside(Step(harness.STEP, max_turns=10**9), run=RunContext(harness.admitted(runtime))))
        ask = Ask(lambda: runtime.engine)
        yield lambda: ask.aio(harness.TEMPLATE, document=document)


@asynccontextmanager
async def farebox_loop(url: str, document: str) -> AsyncIterator[Call]:
    """On the loop that Farebox keeps for itself, without a hand-over: what a turn itself costs."""
    from benchmarks import harness
    from tasks.ask import Ask
    from tasks.context import Step, inside
    from tasks.run_context import RunContext

    with ExitStack() as stack:
        runtime = stack.enter_context(
            harness.project(stack.enter_context(harness.workplace()), base_url=f"{url}/v1", pii=True)
        )
        run = RunContext(await asyncio.to_thread(harness.admitted, runtime))
        stack.enter_context(inside(Step(harness.STEP, max_turns=10**9), run=run))
        ask = Ask(lambda: runtime.engine)
        yield lambda: ask._ask(harness.TEMPLATE, str, {"document": document})
