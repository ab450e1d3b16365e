import pytest

from guardrails.base import GuardInput, Reason
from guardrails.guards.context_limit import ContextGuard
from guardrails.messages import explain
from pricing.errors import ConfigError

FACTS: dict[Reason, dict[str, str | int | float]] = {
    Reason.PII: {"kinds": "email, card"},
    Reason.SCOPE: {"automation": "Tax helper", "topics": "taxes"},
    Reason.SAFETY: {"kinds": "violence"},
    Reason.POLICY: {"rule": "no promises"},
    Reason.BRAND: {"count": 2},
    Reason.LEAK: {"kinds": "aws_key"},
    Reason.RATE: {"limit": 10, "window": "minute", "subject": "user", "retry_after": 12},
    Reason.BUDGET: {"message": "Daily-chat is short by $0.02.", "next_step": "Wait until tomorrow."},
    Reason.CONTEXT_LIMIT: {"tokens": 250_000, "reserved": 1_000, "window": 200_000},
    Reason.UNREADABLE: {"kinds": "image"},
    Reason.GUARD_ERROR: {"automation": "Tax helper"},
}


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_says_what_happened_and_what_to_do(reason):
    for facts in (FACTS[reason], {}) if reason not in {Reason.CONTEXT_LIMIT, Reason.BUDGET} else (FACTS[reason],):
        told = explain(reason, facts)
        for text in (told.message, told.next_step):
            assert text.endswith(".")
            assert text[0].isupper()
            assert "  " not in text
            assert "\n" not in text
            assert "{" not in text


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.BRAND])
def test_the_facts_are_told(reason):
    told = explain(reason, FACTS[reason])
    values = [f"{value:,}" if isinstance(value, int) else str(value) for value in FACTS[reason].values()]
    assert all(value in f"{told.message} {told.next_step}" for value in values)


def test_the_context_limit_speaks_of_the_conversation_or_of_the_size():
    too_long = explain(Reason.CONTEXT_LIMIT, FACTS[Reason.CONTEXT_LIMIT])
    assert too_long.message.startswith("This conversation is longer than any available model can read")
    assert too_long.next_step.startswith("Start a new conversation")
    too_large = explain(Reason.CONTEXT_LIMIT, {"characters": 9_000_000, "max_characters": 6_000_000})
    assert "9,000,000 characters" in too_large.message
    assert too_large.next_step.startswith("Split it")


def test_a_team_translates_by_a_folder(tmp_path):
    (tmp_path / "scope.j2").write_text(
        "{% block message %}Das gehört nicht zu {{ automation }}.{% endblock %}"
        "{% block next_step %}Fragen Sie zu {{ topics }}.{% endblock %}",
        encoding="utf-8",
    )
    told = explain(Reason.SCOPE, FACTS[Reason.SCOPE], tmp_path)
    assert (told.message, told.next_step) == ("Das gehört nicht zu Tax helper.", "Fragen Sie zu taxes.")
    assert explain(Reason.PII, {}, tmp_path) == explain(Reason.PII, {})


@pytest.mark.parametrize(
    "template",
    [
        "{% block message %}{{ missing }}{% endblock %}{% block next_step %}{% endblock %}",
        "{% block message %}only this{% endblock %}",
        "{% block message %",
        "{% block message %}{{ ''.__class__.__mro__ }}{% endblock %}{% block next_step %}{% endblock %}",
        "{% block message %}{{ 1 // 0 }}{% endblock %}{% block next_step %}{% endblock %}",
    ],
)
def test_a_template_that_cannot_be_used_is_named(tmp_path, template):
    (tmp_path / "pii.j2").write_text(template)
    with pytest.raises(ConfigError, match=r"pii\.j2"):
        explain(Reason.PII, {}, tmp_path)


def test_facts_are_never_read_as_a_template():
    assert "{{ 6 * 7 }}" in explain(Reason.POLICY, {"rule": "{{ 6 * 7 }}"}).message


def judged(*texts: str, tokens=0, window=0, reserved=0):
    return ContextGuard(max_characters=100).check(
        GuardInput("input", "chat", "a", "r", texts, tokens=tokens, window=window, reserved=reserved)
    )


def test_what_fits_the_largest_window_passes():
    assert judged("x", tokens=900, reserved=100, window=1_000).action == "allow"
    assert judged("x", tokens=10**9).action == "allow", "an unknown window limits nothing"
    assert judged("x" * 50, "y" * 50).action == "allow"


def test_what_does_not_fit_is_blocked_with_its_figures():
    verdict = judged("x", tokens=901, reserved=100, window=1_000)
    assert (verdict.action, verdict.reason) == ("block", Reason.CONTEXT_LIMIT)
    assert verdict.facts == {"tokens": 901, "reserved": 100, "window": 1_000}
    assert judged("x" * 50, "y" * 51).facts == {"characters": 101, "max_characters": 100}
