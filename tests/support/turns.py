"""Turns without a flow around them: as many at once as a test wants, and what became of each."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from farebox.runtime import Runtime
from pricing.clock import now_us
from pricing.errors import FareboxError
from pricing.ledger.facts import Run
from tasks.ask import Ask
from tasks.context import Step, inside
from tasks.run_context import RunContext

PLENTY = 10**15
"""Nano-dollars: a hold that no test uses up."""


@contextmanager
def admitted(runtime: Runtime) -> Iterator[str]:
    """The id of a run that is held, for as long as the block lasts; then it is settled."""
    run = Run(
        run_id=str(uuid.uuid4()),
        automation="asking",
        quality="fast",
        plan="[]",
        routes="{}",
        rate_version=runtime.rates.version,
        method="prior",
        history=0,
        point_nano=PLENTY,
        p50_nano=PLENTY,
        p95_nano=PLENTY,
        ceiling_nano=PLENTY,
        held_nano=PLENTY,
        stand_in=True,
        started_at=now_us(),
    )
    assert runtime.ledger.admit(run, []) == []
    try:
        yield run.run_id
    finally:
        runtime.ledger.settle(run.run_id, "completed")


async def ask_once(runtime: Runtime, run_id: str, text: str) -> str | FareboxError:
    """What one turn came to: its answer, or the error that a user would see."""
    with inside(Step("say", max_tokens=60), run=RunContext(run_id)):
        try:
            return await Ask(lambda: runtime.engine)._ask("say.j2", str, {"text": text})
        except FareboxError as error:
            return error


def ask(runtime: Runtime, run_id: str, turns: int, *, at_once: int = 1, text: str = "") -> list[str | FareboxError]:
    """What so many turns came to, with so many under way at a time."""

    async def all_of_them() -> list[str | FareboxError]:
        room = asyncio.Semaphore(at_once)

        async def one(number: int) -> str | FareboxError:
            async with room:
                return await ask_once(runtime, run_id, text or f"The ledger stopped for {number} hours on Monday.")

        return await asyncio.gather(*(one(number) for number in range(turns)))

    return runtime.engine.loop.run(all_of_them())


def unanswered(outcomes: list[str | FareboxError]) -> list[str]:
    """Those without an answer."""
    return [f"{type(outcome).__name__}: {outcome}" for outcome in outcomes if not isinstance(outcome, str)]
