"""Values behind the escapes of JSON that stands as text in a prompt or an answer: pasted, fenced, or given by a tool."""

import pytest

from guardrails.base import GuardInput
from guardrails.guards.brand import BrandGuard
from guardrails.guards.policy import PolicyGuard
from guardrails.guards.secrets import SecretsGuard
from guardrails.pii.guard import mask_all
from guardrails.text_matching import readings, unescaped


def _answer(text: str) -> GuardInput:
    return GuardInput("output", "op", "automation", "run", (text,))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"a\nb", "a\nb"),
        (r"\u0061da", "ada"),
        (r"say \"yes\"", 'say "yes"'),
        (r"https:\/\/a.b", "https://a.b"),
        (r"\ud83d\ude00!", "\ufffd\ufffd!"),
        (r"KeyError: 'L\xf6w\''", "KeyError: 'Löw''"),
        (r"x\\u00e9", "x\\é"),
    ],
)
def test_reads_escapes_and_knows_where_they_stood(text: str, shown: str):
    meant = unescaped(text)
    assert meant is not None
    plain, places = meant
    assert plain == shown
    assert len(places) == len(plain) + 1
    assert (places[0], places[-1]) == (0, len(text))
    assert list(places) == sorted(places)


@pytest.mark.parametrize("text", ["", "plain", "a \\ b", r"\d{3}-\w+", r"\u12"])
def test_a_text_without_escapes_has_one_reading(text: str):
    assert unescaped(text) is None
    assert [reading for reading, _ in readings(text)] == [text]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (r'{"a":"x\n4111111111111111"}', r'{"a":"x\n[CARD_1]"}'),
        (r'{"a":"mail\nada@example.org"}', r'{"a":"mail\n[EMAIL_1]"}'),
        (r'{"a":"\u0061da@example.org"}', r'{"a":"[EMAIL_1]"}'),
        (r'{"t":"a\tDE89370400440532013000\n"}', r'{"t":"a\t[IBAN_1]\n"}'),
        (r'{"t":"Dear\nAda Lovelace"}', r'{"t":"Dear\n[NAME_1]"}'),
        (r'{"t":"Frau L\u00f6w"}', r'{"t":"Frau [NAME_1]"}'),
        (r"C:\nadia\report", r"C:\[NAME_1]\report"),
    ],
)
def test_personal_data_is_masked_and_comes_back(text: str, masked: str):
    found = mask_all((text,), (("name", "Ada Lovelace"), ("name", "Löw"), ("name", "Nadia")))
    assert found.vault.bare(found.texts[0]) == masked
    assert found.vault.restore(found.texts[0]) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (r'{"a":"x\nghp_mzWkpAePcEJIukB4geqNfngAFTCloiADN5Rp"}', r'{"a":"x\n[SECRET]"}'),
        (r'{"k":"\u0067hp_mzWkpAePcEJIukB4geqNfngAFTCloiADN5Rp"}', '{"k":"[SECRET]"}'),
        (r'{"a":"use\tAKIAZQ3DR7VNTBQ5XPLM\n"}', r'{"a":"use\t[SECRET]\n"}'),
    ],
)
def test_keys_are_masked(text: str, masked: str):
    verdict = SecretsGuard().check(_answer(text))
    assert verdict.texts == (masked,)


@pytest.mark.parametrize(
    "text", [r"x\nguaranteed returns", r"gu\u0061ranteed\nreturns", r"no\nrisk 12 %", r"CANARY\u002d7781"]
)
def test_rules_hold(text: str):
    guard = PolicyGuard(
        forbidden={"promise": ("guaranteed returns",)},
        patterns={"rate": r"\brisk \d{1,3} %"},
        canaries=("CANARY-7781",),
    )
    assert guard.check(_answer(f'{{"a":"{text}"}}')).action in {"retry", "block"}


@pytest.mark.parametrize("text", [r'{"a":"x\nGlobexor"}', r'{"a":"Gl\u006fbexor"}'])
def test_brands_are_found(text: str):
    assert BrandGuard(names=("Globexor",)).check(_answer(text)).action == "retry"
