"""The trace of a run: its tree, its tools, what is kept of its content, and its pages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from farebox.runtime import Runtime
from farebox.web import web_app
from tests.support.report_books import CENT, SECOND, Books
from tests.support.web_company import TRACED, make_company
from tests.support.web_pages import page, said, texts


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    runtime = make_company(Path(tmp_path_factory.mktemp("traced")) / "company", days=1)
    with TestClient(web_app(runtime, follow=False), base_url="http://localhost") as client:
        yield client
    runtime.close()


def test_prompts_and_answers_stand_beside_attempts_and_guards(traced: TestClient):
    html = texts(page(traced, f"/runs/{TRACED}/trace"))
    for part in (
        "Prompts and answers of 2 turns are shown, with personal data and keys masked.",
        "From: <EMAIL_1>",
        "The export runs again since this morning;",
        "sonnet claude-sonnet-4-5",
        "529 overloaded",
        "overloaded at sonnet, 1,840 in, 900 cached, 412 out",
        "guard pii",
        "input, enforce, pii, EMAIL × 1",
        "output, shadow, brand",
    ):
        assert part in html
    data = said(traced, f"/runs/{TRACED}/trace")
    assert data["content"]["trace-1"]["answer"] == '{"urgency": "high", "topic": "export"}'
    assert [one["guard"] for one in data["guards"]["trace-2"]] == ["injection", "brand"]
    assert data["calls"][0]["inputs"]["ticket"].startswith("From: <EMAIL_1>")


def test_bars_lie_within_the_run_and_in_its_order(traced: TestClient):
    import re

    html = page(traced, f"/runs/{TRACED}/trace")
    bars = [tuple(map(float, found)) for found in re.findall(r"left:([\d.]+)%;width:([\d.]+)%", html)]
    assert len(bars) > 9
    assert all(0 <= left <= 100 and left + width <= 100.01 for left, width in bars)


def test_tools_are_in_the_tree_and_long_runs_have_pages(small: Runtime):
    books = Books(small.store)
    run = books.run("run-one")
    for number in range(130):
        books.answered(run, f"t{number:03}", CENT // 1000)
        books.clock += SECOND
    for number, at in enumerate((2, 120)):
        search = books.intent(
            run, f"search-{number}", attempt_id=f"search-{number}", target="brave", provider="brave", model="web_search",
            operation="web_search", kind="tool", started_at=books.clock - (130 - at) * SECOND,
        )  # fmt: skip
        books.end(search, CENT, priced="stated", units=3.0)
    books.ledger.settle("run-one", "completed")
    small.replica.sync()
    with TestClient(web_app(small, follow=False), base_url="http://localhost") as client:
        first = page(client, "/runs/run-one/trace")
        assert texts(first).count("turn summarize") == 100
        assert texts(first).count("tool web_search") == 1
        assert "brave, 3 units" in texts(first)
        assert 'href="/runs/run-one/trace?from=100"' in first
        last = page(client, "/runs/run-one/trace?from=100")
        assert texts(last).count("turn summarize") == 30
        assert texts(last).count("tool web_search") == 1
        assert 'href="/runs/run-one/trace?from=0"' in last
        assert texts(page(client, "/runs/run-one/trace?from=9999")).count("turn summarize") == 0
