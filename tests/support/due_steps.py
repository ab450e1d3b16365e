"""Steps of runs with a due time: one whose turns can be parts of a batch, and one whose turns cannot."""

from farebox import ask, llm_task


@llm_task(operation="say")
def say(text: str) -> str:
    return ask("say.j2", text=text)


@llm_task(operation="talk", max_turns=6)
def talk(text: str) -> str:
    return ask("say.j2", text=text)
