"""What a run shows in Prefect beside its state: how far it came, what it cost, and where its report is."""

from typing import Any

import pytest
from prefect.client.orchestration import get_client

from farebox import Budget, ask, automation, llm_task, plan
from farebox.config.settings import WebSettings
from farebox.prefect.artifacts import _Progress
from farebox.runtime import Runtime

pytestmark = pytest.mark.usefixtures("prefect")


@llm_task(operation="say", tier="light", max_tokens=60)
def say(text: str) -> str:
    return ask("say.j2", text=text)


@llm_task(operation="say", tier="light", max_tokens=60)
async def say_aio(text: str) -> str:
    return await ask.aio("say.j2", text=text)


def number(texts: list[str]) -> int:
    return len(texts)


@automation(
    price="1 credit", budget=Budget(per_day="5 USD"), plan=plan(say, calls=number, input_tokens=60, output_tokens=40)
)
def tell_each(texts: list[str]) -> list[str]:
    return say.map(texts).result()


@automation(
    price="1 credit", budget=Budget(per_day="5 USD"), plan=plan(say, calls=number, input_tokens=60, output_tokens=40)
)
async def tell_two_of(texts: list[str]) -> None:
    for text in texts[:2]:
        await say_aio(text)
    raise ValueError("enough")


def shown(key: str) -> Any:
    """The artifact of that key that came last."""
    with get_client(sync_client=True) as client:
        found = [artifact for artifact in client.read_artifacts() if artifact.key == key]
    return max(found, key=lambda artifact: str(artifact.updated)) if found else None


def test_mapped_steps_show_their_progress_and_the_report_where_it_is(runtime: Runtime, monkeypatch: pytest.MonkeyPatch):
    served = runtime.settings.model_copy(update={"web": WebSettings(url="https://ops.example.org/farebox/")})
    monkeypatch.setattr(runtime, "settings", served)
    state = tell_each(["Ana left.", "Ben came.", "Cleo stayed."], return_state=True)
    progress, link = shown("tell-each-progress"), shown("tell-each-report")
    assert progress.data == 100
    assert progress.description == "Model calls completed / planned: say 3 / 3"
    assert progress.flow_run_id == link.flow_run_id == state.state_details.flow_run_id
    address = link.data[link.data.index("(") + 1 : -1]
    assert address == f"https://ops.example.org/farebox/runs/{progress.flow_run_id}"
    page = runtime.home / "reports" / f"{progress.flow_run_id}.html"
    assert page.read_text("utf-8").lstrip().lower().startswith("<!doctype html>")
    assert not [watcher for watcher in runtime.watchers if isinstance(watcher, _Progress)], "nothing is left behind"


async def test_a_run_that_fails_shows_how_far_it_came(runtime: Runtime):
    state = await tell_two_of(["one", "two", "three", "four"], return_state=True)
    assert state.is_failed()
    progress = shown("tell-two-of-progress")
    assert (progress.data, progress.description) == (50, "Model calls completed / planned: say 2 / 4")


def test_one_turn_alone_has_no_progress_to_show(runtime: Runtime):
    assert tell_each(["The ledger stopped on Monday."])
    with get_client(sync_client=True) as client:
        found = {artifact.key for artifact in client.read_artifacts() if artifact.flow_run_id == last_run()}
    assert found == {"tell-each-cost"}, "a browser follows no link to a file, so there is none without [web] url"


def last_run() -> Any:
    return shown("tell-each-cost").flow_run_id
