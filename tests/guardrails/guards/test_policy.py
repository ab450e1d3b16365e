import json
import time

import pytest

from guardrails.base import GuardInput, Reason, Verdict
from guardrails.guards.policy import PolicyGuard
from guardrails.text_matching import bounded


def check(guard: PolicyGuard, *texts: str) -> Verdict:
    return guard.check(GuardInput("output", "reply", "assistant", "r", texts))


def test_forbidden_phrases_and_patterns_are_told_by_their_rule():
    guard = PolicyGuard(
        forbidden={"no promises": ("we guarantee", "100 % safe")}, patterns={"no dates": r"by \d{1,2} may"}
    )
    found = check(guard, "We  guarantee delivery by 12 May.")
    assert (found.action, found.reason, found.facts["rule"]) == ("retry", Reason.POLICY, "no promises, no dates")
    assert [(span.start, span.end) for span in found.spans] == [(0, 13), (23, 32)]
    assert check(guard, "We guaranteed nothing.").action == "allow"
    assert check(PolicyGuard(forbidden=guard.forbidden, on_break="block"), "we guarantee").action == "block"


def test_what_must_be_said_is_missed():
    guard = PolicyGuard(required={"disclaimer": "This is no legal advice."})
    assert check(guard, "Sue them.").facts == {"rule": "disclaimer"}
    assert check(guard, "Sue them. this is no\nlegal advice.").action == "allow"


def test_fields_and_records_that_must_not_surface_are_leaks():
    guard = PolicyGuard(fields=("customers", "id", "name"), records={"id": ("c-1", "c-2")})
    fine = {"customers": [{"id": "c-1", "name": "x"}]}
    assert check(guard, json.dumps(fine)).action == "allow"
    for wrong, kind in (({"customers": [{"id": "c-3"}]}, "record"), ({"customers": [{"salary": 1}]}, "field")):
        found = check(guard, json.dumps(wrong))
        assert (found.action, found.reason, found.facts["kinds"]) == ("block", Reason.LEAK, kind)
    assert check(guard, "plain text").action == "allow"


def test_a_canary_is_a_leak_in_tool_arguments_too():
    guard = PolicyGuard(canaries=("zebra-quartz-19",))
    assert check(guard, "", '{"q": "ZEBRA-quartz-19"}').reason == Reason.LEAK


@pytest.mark.parametrize("pattern", ["a*", "a+", "(a|b)+", "a{3,}", "(a{1,9}){1,9}", "(", "a{1,300}", "(?:x(?=y+))"])
def test_a_pattern_without_bound_is_refused_when_it_is_declared(pattern):
    with pytest.raises(ValueError, match=r"repeat|regular"):
        PolicyGuard(patterns={"rule": pattern})


def test_bounded_patterns_cost_little_on_anything():
    pattern = bounded(r"(?:very )?(?:good|bad) {1,40}x{1,40}y")
    started = time.thread_time()
    list(pattern.finditer("good " * 20_000 + "good" + " " * 40 + "x" * 100_000))
    assert time.thread_time() - started < 0.5


def test_an_answer_nested_without_end_is_read_as_text():
    deep, guard = "[" * 100_000, PolicyGuard(fields=("a",), canaries=("zebra",))
    assert check(guard, deep).action == "allow"
    assert check(guard, deep + "zebra").reason == "leak"


def test_a_guard_without_a_rule_is_refused():
    with pytest.raises(ValueError, match="no rule"):
        PolicyGuard()
