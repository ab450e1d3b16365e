"""The path from ``ask()`` to the transport: how many value objects cross it, and which of them say what it is for."""

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from farebox.runtime import Runtime
from tasks.turn.attempts import AttemptContext
from tests.support.echo import TARGET, Echo
from tests.support.project import REPOSITORY, make_project
from tests.support.turns import admitted, ask


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with Echo() as echo, make_project(tmp_path / "project", echo.url, targets=TARGET).runtime_here() as runtime:
        yield runtime


def crossed() -> dict[str, object]:
    """The dataclass values that the functions under way were called with, by type: from here up to ``ask``."""
    found: dict[str, object] = {}
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if Path(code.co_filename).is_relative_to(REPOSITORY / "tasks"):
            names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            values: dict[str, Any] = {name: frame.f_locals.get(name) for name in names}
            for value in values.values():
                if dataclasses.is_dataclass(value):
                    found[type(value).__name__] = value
        frame = frame.f_back
    return found


def test_few_value_objects_cross_and_two_say_what_it_is_for(runtime: Runtime, monkeypatch: pytest.MonkeyPatch):
    seen: dict[str, object] = {}
    send = runtime._transport.send

    async def observed(*args: Any, **kwargs: Any) -> Any:
        seen.update(crossed())
        return await send(*args, **kwargs)

    monkeypatch.setattr(runtime._transport, "send", observed)
    with admitted(runtime) as run_id:
        [answer] = ask(runtime, run_id, 1)
    assert isinstance(answer, str), answer
    assert {"TurnRequest", "AttemptContext", "ModelRequest", "HttpRequest"} <= seen.keys()
    assert len(seen) <= 8, sorted(seen)
    own = {name for name, value in seen.items() if "operation" in {f.name for f in dataclasses.fields(value)}}  # type: ignore[arg-type]
    assert own == {"TurnRequest", "Intent"}, "what is written down has it, all else asks the request"
    slot = seen["AttemptContext"]
    assert isinstance(slot, AttemptContext)
    assert (slot.asked.operation, slot.run_id) == ("say", run_id)
