"""Types that users give to ``returns=``, through every dialect: what is asked, what the sandbox fills, what is read."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, Literal, Optional, Union

import pytest
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from farebox import ask, get_runtime, llm_task
from pricing import PlanError
from tasks.providers import adapter_for
from tasks.routing.target import ProviderName
from tasks.sandbox import Latency, Sandbox
from tasks.structured_output import InvalidAnswer, answer_type
from tests.support.exchanges import request, target
from tests.support.project import make_project


class Kind(Enum):
    BUG = "bug"
    WISH = "wish"


class Rank(IntEnum):
    LOW = 1
    HIGH = 2


class Inner(BaseModel):
    name: str
    due: date | None = None


class Outer(BaseModel):
    inner: Inner
    more: list[Inner]
    kind: Kind
    rank: Rank
    amount: Decimal = Field(ge=0)
    at: datetime
    maybe: Optional[Inner] = None  # noqa: UP045 - as users write it
    either: Union[int, str, Inner] = 0  # noqa: UP007 - likewise


class Mapped(BaseModel):
    by_name: dict[str, Inner]
    by_kind: dict[Kind, list[int]]


@dataclass
class Record:
    count: int
    amounts: list[Decimal]
    inner: Inner | None = None


class Entry(TypedDict, total=False):
    count: int
    text: str


class Tree(BaseModel):
    name: str
    kids: list["Tree"] = []


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    due: date
    kind: Kind
    amount: Decimal


TYPES: list[Any] = [
    Outer, Mapped, Record, Entry, Tree, Strict, Inner | None, list[Inner], list[Strict], dict[str, int], dict[Kind, int],
    dict[str, list[Inner]], Inner | Record, list[Inner | Record], list[dict[str, str]], set[str], tuple[int, ...],
    tuple[int, str], Decimal, date, datetime, time, timedelta, Kind, Rank, Literal["a", "b"], int | str, bool, float,
    int | None, list[date], list[Kind], list[Decimal] | None,
]  # fmt: skip
TEXT = "Ada paid 3.50 EUR on 2024-05-01 at 10:00 for 2 items. Bob reported a bug."
TARGETS = """
[[targets]]
name = "{provider}"
provider = "{provider}"
model = "{model}"
tier = "light"
"""


@pytest.mark.parametrize("returns", TYPES, ids=str)
@pytest.mark.parametrize("provider", ["bedrock", "anthropic", "openai", "groq", "openai_compatible"])
def test_each_dialect_takes_its_schema(provider: ProviderName, returns: Any):
    answer = answer_type(returns)
    assert answer.schema is not None
    assert answer.schema.definition["type"] == "object" or "$ref" in answer.schema.definition
    encoded = adapter_for(provider).encode(target(provider), request(schema=answer.schema))
    assert b"properties" in encoded.body or b"additionalProperties" in encoded.body


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Asks for a value of a type at a target of a dialect, through the whole turn."""
    folder: Path = tmp_path_factory.mktemp("types")
    models = {"openai": "gpt-4.1-mini", "anthropic": "claude-sonnet-4-5", "groq": "llama-3.3-70b-versatile"}
    models |= {"bedrock": "us.anthropic.claude-3-5-haiku-20241022-v1:0"}
    with Sandbox(folder / "journal.jsonl", latency=Latency(0, 0)) as sandbox:
        projects = {
            name: make_project(
                folder / name, sandbox.url, targets=TARGETS.replace("{provider}", name).replace("{model}", model)
            )
            for name, model in models.items()
        }
        yield lambda provider: projects[provider].runtime_here()


@pytest.mark.parametrize("provider", ["openai", "anthropic", "groq", "bedrock"])
def test_the_sandbox_fills_each_type_in_each_dialect(asked: Callable[[str], Any], provider: str):
    from pydantic import TypeAdapter

    with asked(provider):
        for returns in TYPES:

            @llm_task(operation="fill", max_tokens=4000)
            def fill(returns: Any = returns) -> Any:
                return ask("say.j2", text=TEXT, returns=returns)

            value = fill.fn()
            assert TypeAdapter(returns).validate_python(value) == value, returns
        assert get_runtime().targets[0].provider == provider


@pytest.mark.parametrize(("returns", "text", "value"), [
    (list[Strict], '{"value": [{"due": "2024-05-01", "kind": "bug", "amount": "3.10"}]}',
     [Strict(due=date(2024, 5, 1), kind=Kind.BUG, amount=Decimal("3.10"))]),
    (Decimal, '{"value": "12345678901234567.89"}', Decimal("12345678901234567.89")),
    (dict[Kind, int], '{"bug": 2}', {Kind.BUG: 2}),
    (Inner | None, '{"value": null}', None),
    (date, '```json\n{"value": "2024-05-01"}\n```', date(2024, 5, 1)),
    (timedelta, '{"value": "PT90S"}', timedelta(seconds=90)),
    (set[str], '{"value": ["a", "a"]}', {"a"}),
    (Record, '{"count": 1, "amounts": ["0.10"]}', Record(1, [Decimal("0.10")])),
])  # fmt: skip
def test_an_answer_is_read_as_its_type(returns: Any, text: str, value: object):
    assert answer_type(returns).parse(text) == value


def test_faults_name_places_and_no_values():
    with pytest.raises(InvalidAnswer) as found:
        answer_type(list[Inner]).parse('{"value": [{"name": "Ada"}, {"due": "secret"}]}')
    assert found.value.faults == ["value.1.name: missing", "value.1.due: date from datetime parsing"]


@pytest.mark.parametrize("returns", [Callable[[], int], type(lambda: 0)])
def test_a_type_that_no_answer_can_have_is_one_clear_error(returns: Any):
    with pytest.raises(PlanError, match="cannot be of the type"):
        answer_type(returns)
