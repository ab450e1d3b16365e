import random
from re import _parser  # type: ignore[attr-defined]

import pytest

from benchmarks.guard_texts import (
    SECRETS,
    SENTENCES,
    clean_code,
    clean_logs,
    clean_prose,
    hostile,
)
from benchmarks.guards import secrets_recall
from guardrails.secrets import MASK, RULES, SHORTEST, SecretsGuard, find_secrets
from guardrails.verdicts import Exchange, Reason
from tests.support.effort import assert_cheap


def answer(*texts: str) -> Exchange:
    return Exchange("output", "chat", "assistant", "run", texts)


def hidden(text: str, secret: str) -> bool:
    """Whether at least 90 % of the secret's characters are covered."""
    start = text.index(secret)
    covered = {at for found in find_secrets(text) for at in range(found.start, found.end)}
    return sum(at in covered for at in range(start, start + len(secret))) >= 0.9 * len(secret)


@pytest.mark.parametrize("kind", sorted(SECRETS.keys() - {"url"}))
def test_keys_with_a_prefix_are_found_in_any_sentence(kind):
    rng = random.Random(3)
    for sentence in SENTENCES:
        secret = SECRETS[kind](rng)
        assert hidden(sentence.format(secret), secret), (kind, sentence)


def test_recall_over_all_kinds():
    recall, missed = secrets_recall(1500)
    assert recall >= 0.75
    assert missed.total() - missed["password"] <= 0.02 * 1500, "only made-up passwords stay weak"


@pytest.mark.parametrize("make", [clean_code, clean_prose, clean_logs])
def test_nothing_is_found_where_nothing_is(make):
    text = make(150_000)
    assert [(found.kind, text[found.start - 30 : found.end]) for found in find_secrets(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE",
        'api_key = os.environ["API_KEY"]',
        "token = generate_token(length=32, alphabet=letters)",
        'password = "your-password-here1"',
        "API_KEY=<insert your key here>",
        "export TOKEN=${GITHUB_TOKEN_2024_V1}",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        "token_count: 1234567890123456",
        "the secret: a good night's sleep",
        "password: at least 8 characters, one digit",
        "sk-learn-is-a-library-for-machine-learning",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "postgresql://user:password@localhost/db",
    ],
)
def test_what_only_looks_like_a_secret_stays(text):
    assert find_secrets(text) == []


def test_a_private_key_that_was_cut_off_is_hidden_to_its_end():
    text = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA7bq3Zk\n" * 5
    assert [(found.start, found.kind) for found in find_secrets(text)] == [(0, "private_key")]
    assert find_secrets(text)[0].end >= len(text.rstrip())


def test_redacts_by_default_and_names_only_places():
    key = SECRETS["github"](random.Random(1))
    verdict = SecretsGuard().check(answer("fine", f"use {key} and {key}."))
    assert (verdict.action, verdict.reason) == ("redact", Reason.LEAK)
    assert verdict.texts == ("fine", f"use {MASK} and {MASK}.")
    assert [(span.part, span.kind) for span in verdict.spans] == [(1, "github"), (1, "github")]
    assert key not in repr(verdict)
    again = SecretsGuard().check(answer(*verdict.texts))
    assert again.action == "allow", "what is redacted stays redacted"


def test_blocks_by_setting_and_says_what_kind():
    verdict = SecretsGuard("block").check(answer("AKIA" + "QWERTZUIOP234567"))
    assert (verdict.action, verdict.reason) == ("block", Reason.LEAK)
    assert verdict.facts == {"count": 1, "kinds": "aws_key"}


def test_an_answer_without_secrets_is_allowed():
    assert SecretsGuard().check(answer("Nothing to see.", "")).action == "allow"


def test_hostile_texts_cost_little():
    assert_cheap(find_secrets, hostile(), most=125)


def test_no_pattern_finds_a_key_shorter_than_what_is_looked_for_at_all():
    assert min(_parser.parse(pattern.pattern).getwidth()[0] for _, _, pattern in RULES) == SHORTEST
