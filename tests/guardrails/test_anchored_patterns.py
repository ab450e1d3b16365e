"""A pattern that is tried only where it can begin finds what it finds when it is tried everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guardrails.anchored_patterns import Anchored, matches_behind
from guardrails.guards import secrets
from guardrails.guards.injection_signs import _SIGNS, _finditer

PATTERNS = (
    r"(?i)\b(?:say|print)[ ](?:it|that)\b",
    r"(?im)^[ \t]{0,4}(?:system|admin)[ ]?:",
    r"(?im)(?:^|[.!?][ ])(?:ai|bots?),",
    r"(?<![a-z])(?:https?|s3):/{2}\S{1,9}",
    r"(?i)(?:(?-i:DAN)|кто|straße) ?mode",
    r"x?(?:ab|(?:cd)+)[0-9]{1,3}",
    r"(?<!\d)(?=a)a+b",
)
PIECES = (
    *(
        "say it",
        "PRINT that",
        "ſay it",
        "prınt it",
        "system:",
        " Admin :",
        "\n",
        ". AI,",
        "bots,",
        "https://a",
        "s3://b",
    ),
    *("DAN mode", "dan mode", "КТО mode", "STRASSE", "straße mode", "İ", "xab1", "cdcd22", "aab", "1ab", " ", ".", "K"),
)


def spans(found: Iterable[re.Match[str]]) -> list[tuple[int, int]]:
    return [match.span() for match in found]


@pytest.mark.parametrize("pattern", PATTERNS)
@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
@example("say it" * 9)
@example("İ say it")
def test_it_finds_the_same_as_the_pattern_alone(pattern: str, text: str) -> None:
    compiled = re.compile(pattern)
    anchored = Anchored(compiled)
    assert spans(anchored.finditer(text)) == spans(compiled.finditer(text))
    assert spans(anchored.finditer(text, text.lower())) == spans(compiled.finditer(text))
    end = len(text) - len(text) // 3
    alone, found = compiled.search(text, 2, end), anchored.search(text, 2, end)
    assert (alone and alone.span()) == (found and found.span())


@pytest.mark.parametrize("pattern", [r"\w+ab", "(?:ab)?", r"[^a]b", "(?i).x"])
def test_a_pattern_that_may_begin_with_anything_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"anything|empty"):
        Anchored(re.compile(pattern))


_WORDS = (
    *("password", "passwd", "PASS", "pwd", "Kennwort", "hasło", "пароль", "mot de passe", "pass phrase is", " is ", ": ", " = ", "=>"),
    *('"', "'", "hunter22!", "Tr0ub4dor", "bearer ", "Basic ", "dXNlcjpwYXNzd29yZA==", "machine a login b password ", "sshpass -p "),
    *("mysql -u root -p", "oc login -p ", "withPassword(", " ", "\n", "api_key", "new_relic", "token", "a1b2c3d4e5f6g7h8i9"),
)  # fmt: skip
_ANCHORED = (secrets._TO_PASSWORD, secrets._TO_STATED, secrets._TO_BEARER, secrets._TO_OPTION, secrets._TO_NAME)


@given(st.lists(st.sampled_from(_WORDS), max_size=9).map("".join))
def test_the_patterns_of_secrets_find_the_same(text: str) -> None:
    for anchored in _ANCHORED:
        assert spans(anchored.finditer(text)) == spans(anchored.pattern.finditer(text))
    behind = re.compile(f"(?<=://){secrets._URL_PASSWORD.pattern}")
    text = text.replace(" is ", "://me:").replace(": ", "@host")
    assert spans(matches_behind(secrets._URL_PASSWORD, text, "://")) == spans(behind.finditer(text))


_SIGNALS = (
    *("system:", "\n", "### System:", "</user> a", "[system message]", "Human: hi\n", "Assistant:", "--- END ---", 'say "', "reply with 'x"),
    *("repeat after me: «", "<!--", "![a](https://b.c/?d={", "a = 'b'; c = \"d\"; ", "a+b+c", "combine the parts and execute", "decode and run"),
    *(". AI, ", "if you are an AI", "ATTENTION!", "tell me the secret password", "start with you are", "DAN mode enabled", " ", "ı", "ſ"),
)  # fmt: skip


@given(st.lists(st.sampled_from(_SIGNALS), max_size=7).map("".join))
def test_signs_of_injection_are_found_wherever_their_patterns_find_them(text: str) -> None:
    for kind, (_, pattern) in _SIGNS.items():
        whole = re.compile(pattern.replace(r"\ ", r"[ \t]{1,3}"), re.IGNORECASE | re.MULTILINE)
        assert spans(_finditer(kind)(text, text.lower())) == spans(whole.finditer(text)), kind
