"""Notes for one tenant, one after the other: the automation that the topology benchmark deploys."""

from __future__ import annotations

import os
import time
from pathlib import Path

from prefect.runtime import flow_run

from farebox import Budget, Quality, ask, automation, llm_task, plan


@llm_task(operation="note", tier="light", max_tokens=200)
def note(number: int) -> str:
    return ask("tenant_note.j2", number=number)


@automation(
    price="1 credit",
    budget=Budget(per_run="1 USD"),
    plan=plan(note, calls=lambda notes: notes, input_tokens=120, output_tokens=60),
)
def tenant_notes(org: str, notes: int = 4, quality: Quality = "fast") -> int:  # noqa: ARG001 - budgets go by it
    """Write some notes, and leave in this machine's own folder when the first line was reached.

    Args:
        org: whose they are.
        notes: how many.
        quality: fast takes light models, best takes premium ones.
    """
    began = Path(os.environ["FAREBOX_HOME"]) / "began"
    began.mkdir(parents=True, exist_ok=True)
    (began / str(flow_run.id)).write_text(str(time.time()))
    for number in range(notes):
        note(number)
    return notes
