import hashlib
import random
import zlib
from dataclasses import replace
from re import _parser  # type: ignore[attr-defined]

import pytest

from benchmarks import secret_formats
from benchmarks.guard_texts import (
    ALNUM,
    HEX,
    SECRETS,
    SENTENCES,
    URLSAFE,
    clean_code,
    clean_logs,
    clean_prose,
    hostile,
    pick,
)
from benchmarks.guards import secrets_recall
from benchmarks.secret_formats import positives
from guardrails.base import GuardInput, Reason
from guardrails.guards import secrets
from guardrails.guards.secret_rules import RULES, SHORTEST, rules_for
from guardrails.guards.secrets import MASK, SecretsGuard, find_secrets
from tests.support.effort import assert_cheap


def answer(*texts: str) -> GuardInput:
    return GuardInput("output", "chat", "assistant", "run", texts)


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
    assert min(_parser.parse(rule.pattern.pattern).getwidth()[0] for rule in RULES) == SHORTEST


def test_every_rule_is_tried_on_the_words_in_which_it_finds_something():
    for _, text, _ in positives(seed=3, each=1):
        for word in text.split():
            assert {rule for rule in RULES if rule.pattern.search(word)} <= set(rules_for(word))


FRAMES = (
    '{name}Token = "{key}"', "{name}_token={key}", '{{"{name}_token": "{key}"}}', r'\{{\"{name}_token\": \"{key}\"\}}', "<{name}Token>\n  {key}\n</{name}Token>",
    "{name}_token: |\n  {key}", 'var {name}Token string = "{key}"', '${name}Token .= "{key}"', 'setProperty("{name}_TOKEN", "{key}")', '"{name}Token" => "{key}"',
    '{name}_TOKEN ?= "{key}"', "https://api.example.com?{name}Token={key}&x=1", "{name}_client_secret={key}", "X-Api-Key: {key}", "-H 'Authorization: Token {key}'",
    "export {name}_KEY={key}", '{name}.auth: "{key}"', "[{name}]\nsecret={key}",
)  # fmt: skip


@pytest.mark.parametrize("frame", FRAMES)
def test_keys_without_a_prefix_are_found_by_their_name(frame):
    rng = random.Random(5)
    for alphabet, length in ((HEX, 32), (HEX, 40), (ALNUM, 24), (ALNUM, 40), (URLSAFE, 43)):
        key = pick(rng, alphabet, length)
        assert hidden(frame.format(name="acme", key=key), key), (frame, key)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("curl -u ada:Tr0ub4dor https://db.example", "Tr0ub4dor"),
        ("curl -sX POST --user 'ada:mV7tulip~93k' https://x.example", "mV7tulip~93k"),
        ('curl --user=":rb5QwX41oe!n" https://x.example', "rb5QwX41oe!n"),
        ("curl -k https://x.example \\\n  -u ada:GfHwUbmzNoTa", "GfHwUbmzNoTa"),
        ("Authorization: Basic YWRhOnRyMHViNGRvcg==", "YWRhOnRyMHViNGRvcg=="),
        ("authorization: bearer 4f0c81aa92be77d3e5", "4f0c81aa92be77d3e5"),
        ("X-Octo-ApiKey: 3a16750d-d363-41a4-8ebd-035408f7730e", "3a16750d-d363-41a4-8ebd-035408f7730e"),
        ("Server=db;User Id=sa;Password=Str0ng!pw;Encrypt=yes", "Str0ng!pw"),
        ("mongodb+srv://app:9xKq2LmTz7@cluster.example/x", "9xKq2LmTz7"),
        ("<password>hunter2!x</password>", "hunter2!x"),
        ("Passwort: Sommer2026!", "Sommer2026!"),
        ("apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ndata:\n  pw: bXlwYXNzd29yZDE=\n", "bXlwYXNzd29yZDE="),
        ("apiVersion: v1\ndata:\n  .cfg: |\n    eyJhdXRocyI6eyJ4Ijp7fX19\nkind: Secret", "eyJhdXRocyI6eyJ4Ijp7fX19"),
    ],
)
def test_commands_headers_and_files(text, secret):
    assert hidden(text, secret)


@pytest.mark.parametrize(
    "text",
    [
        "curl -u user:password https://x.example",
        'curl --user "$USER:$PASS" https://x.example',
        'curl -u "${{ env.ID }}:${{ env.PASS }}" https://x.example',
        "curl --user name:[PASSWORD] https://x.example",
        "curl -u ada https://x.example",
        "Authorization: Bearer $TOKEN",
        "Authorization: Bearer <your token here>",
        "Authorization: Token **********",
        "Authorization: Basic ...",
        'primary_key = "a8f5f167f44f4964e6c998dee827110c"',
        'cache_key: "user:4711:profile:v2:3fa9c0d2"',
        "sha256_key_hash: 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "keyword = 'a8f5f167f44f4964e6c998dee827110c'",
        'token_url = "https://login.example/abc123def456/oauth2"',
        "ghp_000000000000000000000000000000000000",
        "eyJub3RhdG9rZW4iOjF9.eyJub3RhdG9rZW4iOjF9.c2lnbmF0dXJlMTIz",
        "kind: ConfigMap\ndata:\n  ca: bXlwYXNzd29yZDE=",
        "kind: ExternalSecret\nspec:\n  data:\n    - secretKey: my-api-key-name",
        "golang.org/x/oauth2 v0.15.0 h1:s8pnnxNVzjWyrvYdFUQq5llS1PX2zhPXmccZv99h7uQ=",
    ],
)
def test_what_else_only_looks_like_a_secret_stays(text):
    assert find_secrets(text) == []


def test_a_checksum_proves_a_key_that_looks_made_up():
    body = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaab"
    alphabet, number, check = (
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        zlib.crc32(body.encode()),
        "",
    )
    while number:
        number, digit = divmod(number, 62)
        check = alphabet[digit] + check
    assert find_secrets(f"ghp_{body}{check.rjust(6, '0')}")
    assert not find_secrets(f"ghp_{body}aaaaaa")


def test_prompts_that_leave_the_network_are_looked_at_too():
    guard = SecretsGuard().for_prompts()
    assert guard is not None
    key = SECRETS["github"](random.Random(1))
    prompt = GuardInput("input", "chat", "assistant", "run", ("", f"why does {key} fail?"))
    verdict = guard.check(prompt)
    assert (guard.direction, verdict.action, verdict.texts) == ("input", "redact", ("", f"why does {MASK} fail?"))
    assert guard.check(replace(prompt, external=False)).action == "allow"
    assert SecretsGuard(prompts=False).for_prompts() is None


def test_formats_of_issuers_are_found_and_what_looks_like_one_is_not():
    """Some 270 kinds, each generated; ``python -m benchmarks.secret_formats`` prints them."""
    found, false, missed, hit = secret_formats.shares(seed=11, each=2)
    assert found >= 0.96, missed
    assert false <= 0.01, hit


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("machine api.example.net login me password Zk29fjQ0sLm4", "Zk29fjQ0sLm4"),
        ("sshpass -p 'uT8#kk20Lq' ssh me@host", "uT8#kk20Lq"),
        ("mysql -u root -pLk2090aQwz db", "Lk2090aQwz"),
        ('user.setPassword("Tr0ubadour!42")', "Tr0ubadour!42"),
        ("LINKEDIN_CLIENT_SECRET=a8KdU2mQz7LpW3xV", "a8KdU2mQz7LpW3xV"),
    ],
)
def test_passwords_of_commands_and_calls_are_found(text, secret):
    assert hidden(text, secret)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("creds = q7Lm29XcVt04Rp81Hs63Wd", "q7Lm29XcVt04Rp81Hs63Wd"),
        ("cred: 'q7Lm29XcVt04Rp81Hs63Wd'", "q7Lm29XcVt04Rp81Hs63Wd"),
        ("netlifyToken,q7lm29xcvt04rp81hs63wdk2,", "q7lm29xcvt04rp81hs63wdk2"),
        ('shop_token = "4kd8=93kd7s_82jd=x9sk3=fk2"', "4kd8=93kd7s_82jd=x9sk3=fk2"),
        ('dropbox_access_token: "k3j9d8s7h2f6g1a"', "k3j9d8s7h2f6g1a"),
        ("facebook 1204567890123456|qW8-mZ3rT0vLk5_XyB2nHs7JdQe", "1204567890123456|qW8-mZ3rT0vLk5_XyB2nHs7JdQe"),
        ("token: s.4hGq81LmZ0cVx7Tb5RkW2pDn", "s.4hGq81LmZ0cVx7Tb5RkW2pDn"),
        ("export BUNDLE_GEMS__EXAMPLECORP__IO=badc0ffe:deadc0de", "badc0ffe:deadc0de"),
        ('BUNDLE_PACKAGES__SHOP__DEV: "robot:wq82-kd"', "robot:wq82-kd"),
    ],
)
def test_less_usual_places_of_keys(text, secret):
    assert hidden(text, secret)


@pytest.mark.parametrize(
    "text",
    [
        "s.MaximumConnectionTimeout",
        "key_up_event=kd83Jdk20dkf93kdKDf0",
        "<UserSecretsId>1c9b8d0e-6a44-4c19-9f0a-2f8a7d2f0c11</UserSecretsId>",
        'keyring_path="kd83Jdk20dkf93kdKDf0"',
        "| 1204567890123456|monthly-report-of-the-warehouse |",
        "BUNDLE_JOBS=4 BUNDLE_PATH=vendor/bundle",
        "the token, 1c9b8d0e-6a44-4c19-9f0a-2f8a7d2f0c11, is the number of the order",
        "linkedin_api_version = '2024-05-01b7'",
    ],
)
def test_names_and_numbers_beside_words_of_keys(text):
    assert find_secrets(text) == []


def test_keys_that_documentation_publishes_are_nobody_s_secret(monkeypatch):
    key = "q7Lm29XcVt04Rp81Hs63Wd"
    assert find_secrets(f"api_key: '{key}'")
    monkeypatch.setattr(secrets, "_PUBLISHED", frozenset({hashlib.sha256(key.encode()).hexdigest()[:12]}))
    secrets._remembered.cache_clear()
    assert find_secrets(f"api_key: '{key}'") == []
    secrets._remembered.cache_clear()
