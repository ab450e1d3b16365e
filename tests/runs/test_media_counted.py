"""Images and pages are counted before a call, in quotes as in holds; the sandbox opens them and counts for itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farebox import Document, Image, ask, llm_task, plan
from farebox.declaration import DeclaredPlan
from farebox.runtime import Runtime
from pricing.db import schema
from pricing.errors import PlanError
from pricing.tokens import MediaSize
from tasks.sandbox import Sandbox
from tests.support.books import rows
from tests.support.media_tokens import png
from tests.support.pdf import pdf
from tests.support.project import make_project

WORDS = ["Twelve brass hinges at four euros each, delivered to the yard on Tuesday."] * 30
BILL = Document.from_bytes(pdf(WORDS, WORDS, WORDS))
LARGE, SMALL = Image.from_bytes(png(1600, 1200)), Image.from_bytes(png(300, 200))
DIALECTS = {
    "bedrock": "global.anthropic.claude-sonnet-5-5",
    "anthropic": "claude-sonnet-4-5",
    "openai": "gpt-4.1",
    "gemini": "gemini-2.5-flash",
    "groq": "openai/gpt-oss-120b",
}


@llm_task(operation="read", unmasked_media=True, max_turns=9)
def read(media: object) -> str:
    return ask(prompt="Read this.", media=media)


@pytest.fixture(params=DIALECTS)
def runtime(request: pytest.FixtureRequest, tmp_path: Path, sandbox: Sandbox) -> Iterator[Runtime]:
    provider = request.param
    targets = f'\n[[targets]]\nname = "t"\nprovider = "{provider}"\nmodel = "{DIALECTS[provider]}"\ntier = "light"\n'
    with make_project(tmp_path / "own", sandbox.url, targets=targets).runtime_here() as runtime:
        yield runtime


def test_what_a_provider_counts_is_near_the_estimate_and_below_the_hold(runtime: Runtime):
    [target] = runtime.settings.targets
    asked: list[Any] = [LARGE, SMALL, [LARGE, SMALL]] + ([BILL, [BILL, LARGE]] if target.provider != "groq" else [])
    for media in asked:
        read.fn(media)
    turns = rows(runtime.ledger, schema.attempts)
    assert len(turns) == len(asked)
    for media, turn in zip(asked, turns, strict=True):
        parts = [MediaSize.of(part) for part in (media if isinstance(media, list) else [media])]
        expected = sum(part.expected(target.model) for part in parts)
        most = sum(part.most(target.model) for part in parts)
        counted = (turn["input_tokens"] or 0) + (turn["cache_read_tokens"] or 0)
        assert counted <= most + 60, "the hold covers it"
        assert counted > 0.3 * expected
        if not any(part.pages for part in parts):
            assert expected <= counted <= expected + 60, "an image is its formula, beside a few words"


def test_a_plan_counts_images_and_pages_by_the_model(runtime: Runtime):
    from farebox.runs.planning import token_counter

    [target] = runtime.settings.targets

    def tokens(declared: DeclaredPlan, **parameters: object) -> int:
        count = token_counter(runtime, "a", declared.steps, "fast", None)
        [step] = declared.plan.resolve(parameters, count).steps
        assert step.max_input_tokens >= step.input_tokens
        return int(step.input_tokens)

    alone = tokens(plan(read, input_tokens=100, output_tokens=10))
    assert alone == 100
    size = MediaSize.of(LARGE).expected(target.model)
    assert tokens(plan(read, input_tokens=100, output_tokens=10, images=[LARGE])) == 100 + size
    assert (
        tokens(plan(read, input_tokens=100, output_tokens=10, images=lambda files: files), files=[LARGE]) == 100 + size
    )
    three = MediaSize.of_pages(3).expected(target.model)
    assert tokens(plan(read, input_tokens=100, output_tokens=10, pages=3)) == 100 + three
    assert tokens(plan(read, input_tokens=100, output_tokens=10, images=BILL)) == 100 + three
    assert tokens(plan(read, input_tokens=100, output_tokens=10, images=2)) >= 100 + 2 * size


@pytest.mark.parametrize(
    "given", [{"images": -1}, {"images": "two"}, {"images": [b"x"]}, {"pages": 1.5}, {"pages": True}]
)
def test_a_plan_refuses_what_is_no_number_of_them(given: dict[str, object]):
    with pytest.raises(PlanError, match=r"images|pages"):
        plan(read, input_tokens=1, output_tokens=1, **given)  # type: ignore[arg-type]
