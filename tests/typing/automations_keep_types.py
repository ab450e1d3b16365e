"""What a type checker sees through the decorators; ``test_typing.py`` has mypy look at it, strictly. Never run."""

from typing import Any, assert_type

from prefect.futures import PrefectFuture, PrefectFutureList
from pydantic import BaseModel

from farebox import Agent, Budget, Conversation, Quality, ask, automation, llm_task, plan
from flows.daily_digest import Digest, Summary, classify, daily_digest


class Label(BaseModel):
    name: str


@llm_task(operation="label")
def label(text: str, *, most: int = 3) -> Label:
    return ask("label.j2", text=text, most=most, returns=Label)


@llm_task(operation="title")
async def title(text: str) -> str:
    return await ask.aio("title.j2", text=text)


@automation(price="1 credit", budget=Budget(per_run="1 USD"), plan=plan(label, input_tokens=10, output_tokens=10))
def label_all(texts: list[str], quality: Quality = "fast") -> list[Label]:
    return [label(text) for text in texts]


@automation(price="0.50 USD", plan=plan(title, input_tokens=10, output_tokens=10))
async def entitle(text: str) -> str:
    return await title(text)


def steps_keep_their_types() -> None:
    assert_type(label("x", most=2), Label)
    assert_type(label.submit("x"), PrefectFuture[Label])
    assert_type(label.map(["x", "y"]), PrefectFutureList[Label])
    assert_type(label.map(["x", "y"]).result(), list[Label])
    assert_type(label.with_options(retries=2)("x"), Label)
    assert_type(classify(Summary(headline="a", summary="b")).topic == "fix", bool)
    label(3)  # type: ignore[call-overload]
    label("x", least=2)  # type: ignore[call-overload]
    classify("no summary")  # type: ignore[call-overload]


def automations_keep_their_types() -> None:
    assert_type(daily_digest(".", 3), Digest)
    assert_type(label_all(["x"], quality="best"), list[Label])
    daily_digest(3)  # type: ignore[call-overload]
    label_all("x")  # type: ignore[call-overload]
    label_all(["x"], "cheapest")  # type: ignore[call-overload]


async def asynchronous_ones_too() -> None:
    assert_type(await title("x"), str)
    assert_type(await entitle("x"), str)
    assert_type(await ask.aio("x.j2", returns=Label), Label)
    assert_type(await ask.aio("x.j2"), str)


def answers_have_the_type_asked_for() -> None:
    assert_type(ask("x.j2"), str)
    assert_type(ask("x.j2", text="y"), str)
    assert_type(ask("x.j2", returns=Label), Label)
    assert_type(ask("x.j2", returns=list[str]), list[str])
    assert_type(ask("x.j2", returns=bool), bool)
    agent = Agent(prompt="x.j2", tools=[])
    assert_type(agent.run(text="y"), str)
    assert_type(agent.run(returns=Label), Label)
    assert_type(ask(prompt="Summarize: {{ text }}", text="y"), str)
    assert_type(ask(prompt="x", system="y", returns=list[Label]), list[Label])
    chat = Conversation(system="x", tools=[], history=[])
    assert_type(chat.say("y").text, str)
    assert_type(chat.history, list[dict[str, Any]])
    Conversation("x")  # type: ignore[call-arg]
    ask(3)  # type: ignore[call-overload]
    ask(system="no prompt")  # type: ignore[call-overload]
