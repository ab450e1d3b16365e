"""Verifiers: a step's own function decides who is asked on, and what it does wrong is reported in one line."""

import pytest

from pricing.errors import PlanError, TurnFailed
from tasks.context import Step
from tasks.turn.verifiers import passes


async def test_it_says_whether_an_answer_passes():
    assert await passes(lambda answer: answer == "4", "4", "sum")
    assert not await passes(lambda answer: answer == "4", "5", "sum")


def raising(answer: str) -> bool:
    raise ValueError(f"private: {answer}")


@pytest.mark.parametrize(("verify", "told"), [(raising, "raised ValueError"), (lambda answer: answer, "returned str")])
async def test_a_broken_one_is_one_line_without_content(verify, told):
    with pytest.raises(TurnFailed, match=told) as failed:
        await passes(verify, "secret", "sum")
    assert "secret" not in str(failed.value)
    assert failed.value.fields["kind"] == "verifier"
    assert failed.value.__cause__ is None


def test_an_async_one_is_refused_where_it_is_declared():
    async def later(answer: str) -> bool:
        return bool(answer)

    with pytest.raises(PlanError, match="'sum' has a verifier that is async"):
        Step("sum", verify=later)  # type: ignore[arg-type]
