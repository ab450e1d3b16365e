"""A derived tool_choice: targets whose model takes none are asked with ``auto``."""

from dataclasses import replace
from typing import Any

import pytest

from farebox.integrations.pydantic_ai_requests import _tools
from tasks.providers.messages import ModelRequest
from tasks.providers.options import ALL_OPTIONS, RequestOptions, refusal
from tasks.providers.reasoning_fields import choice_refusal, with_choice
from tests.support.exchanges import WEATHER, request, target

SONNET = target("anthropic", model="claude-sonnet-5-5")
HAIKU = target("anthropic", model="claude-haiku-5-5")


def forced(*, derived: bool) -> ModelRequest:
    return request(tools=[WEATHER], options=RequestOptions(tool_choice="required", derived=derived))


@pytest.mark.parametrize(
    ("where", "offered", "choice"),
    [(SONNET, ALL_OPTIONS, "auto"), (HAIKU, ALL_OPTIONS, "required"), (HAIKU, ALL_OPTIONS - {"tool_choice"}, "auto")],
)
def test_what_is_derived_becomes_auto_where_it_is_not_taken(where: Any, offered: Any, choice: str):
    asked = forced(derived=True)
    assert choice_refusal(where, asked) is None
    assert refusal(offered, asked) is None
    assert with_choice(where, offered, asked).options.tool_choice == choice


def test_what_is_asked_for_is_not_changed():
    asked = forced(derived=False)
    assert choice_refusal(SONNET, asked) is not None
    assert refusal(ALL_OPTIONS - {"tool_choice"}, asked) is not None
    assert with_choice(SONNET, frozenset(), asked) is asked


def test_a_model_that_turns_out_to_take_none_is_asked_without():
    asked = replace(forced(derived=True), without=frozenset({"forced_tool"}))
    assert with_choice(HAIKU, ALL_OPTIONS, asked).options.tool_choice == "auto"


def test_the_choice_for_typed_outputs_is_derived():
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.tools import ToolDefinition

    parameters = ModelRequestParameters(
        output_tools=[ToolDefinition(name="final_result", parameters_json_schema={"type": "object"}, kind="output")],
        output_mode="tool",
        allow_text_output=False,
    )
    tools, choice = _tools({}, parameters)
    assert ([tool.name for tool in tools], choice) == (["final_result"], "required")
