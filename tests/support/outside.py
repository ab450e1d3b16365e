"""A script of a user's: steps called in it with no automation around. Run as a process of its own."""

import asyncio
import sys

from farebox import ask, llm_task


@llm_task(operation="note", max_tokens=120)
def note(text: str) -> str:
    return ask("say.j2", text=text)


@llm_task(operation="note_async", max_tokens=120)
async def note_async(text: str) -> str:
    return await ask.aio("say.j2", text=text)


async def in_a_loop() -> None:
    """As a cell of a notebook: the loop runs already."""
    print("sync", bool(note.fn("The importer stopped.")))
    print("async", all(await asyncio.gather(note_async.fn("One."), note_async.fn("Two."))))


if __name__ == "__main__":
    match sys.argv[1]:
        case "script":
            print("text", bool(note.fn("The importer stopped on Monday.")))
            if "fail" in sys.argv:
                raise LookupError("after the step")
        case "loop":
            asyncio.run(in_a_loop())
