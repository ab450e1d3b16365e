"""What a journal finds an answer by: it must not change with a version, or runs under way pay for it again."""

from dataclasses import replace

from tasks.providers.messages import Message, ModelRequest, Tool
from tasks.turn.answers import answer_key

TOOL = Tool("look_up", "Look an order up.", {"type": "object", "properties": {"order": {"type": "integer"}}})
REQUEST = ModelRequest((Message.of("user", "Where is order 7?"),), 200)


def test_keys_are_those_of_version_0_5_0():
    assert answer_key("reply@1", REQUEST, None) == "7165662903b3272c7837cddaa4c6036992202480"
    assert answer_key("reply@1", replace(REQUEST, tools=(TOOL,)), None) == "bd7cc049bddccaf1ef7fdcbca76e60edafce55c4"


def test_who_describes_a_tool_does_not_matter_but_what_it_says_does():
    others = (replace(TOOL, foreign=True), replace(TOOL, description="Another."), replace(TOOL, strict=True))
    own, foreign, *different = (answer_key("v1", replace(REQUEST, tools=(tool,)), None) for tool in (TOOL, *others))
    assert own == foreign
    assert len({own, *different}) == 3
