"""A notebook's kernel in small: cells with awaits at their top level, one after another on a loop that keeps running.

IPython compiles a cell the same way (``ast.PyCF_ALLOW_TOP_LEVEL_AWAIT``, "autoawait") and runs it on its kernel's loop.
The kernel itself is not installed for the tests: with its sockets and its protocol it would be the largest of their
dependencies, and nothing of Farebox meets either. Run as a process of its own.
"""

import ast
import asyncio
import inspect
import types

CELLS = (
    """
from farebox import Agent, Conversation, ask, llm_task

@llm_task(operation="note", max_tokens=60)
def note(text: str) -> str:
    return ask(prompt="Note: {{ text }}", text=text)

@llm_task(operation="note_async", max_tokens=60)
async def note_async(text: str) -> str:
    return await ask.aio(prompt="Note: {{ text }}", text=text)

@llm_task(operation="parts", max_tokens=60, max_turns=3)
def parts(text: str):
    for number in range(2):
        yield ask(prompt="Note: {{ text }}", text=f"{text} {number}")

def plan_of(account: str) -> str:
    '''The plan of an account.'''
    return "gold"

agent = Agent(prompt="say.j2", tools=[plan_of])

@llm_task(operation="decide", max_turns=6)
def decide(text: str) -> str:
    return agent.run(text=text)
""",
    "said = [note.fn('one')]",
    "said.append(await note_async.fn('two'))",
    "import asyncio\nsaid += await asyncio.gather(note_async.fn('three'), note_async.fn('four'))",
    "said += list(parts.fn('five'))",
    "chat = Conversation(system='Be brief.', tools=[plan_of])\nsaid.append(chat.say('Hello').text)",
    "said.append((await chat.say.aio('And now?')).text)",
    "said.append(decide.fn('Which plan has a1?'))",
    "note.fn(1 / 0)",
    "print('said', len(said), all(said), len(chat.history))",
)


async def run_cells() -> None:
    """Run them all; an error ends its cell only, as in a notebook."""
    names = {"__name__": "__main__"}
    for number, cell in enumerate(CELLS):
        code = compile(cell, f"<cell {number}>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        try:
            running = types.FunctionType(code, names)()
            if inspect.iscoroutine(running):
                await running
        except ZeroDivisionError:
            print("cell", number, "failed")


if __name__ == "__main__":
    asyncio.run(run_cells())
