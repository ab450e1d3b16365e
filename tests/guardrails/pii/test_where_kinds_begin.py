"""Finders that try a pattern only where something can begin find what the pattern finds when it is tried everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from guardrails.pii import national_ids, patterns, text, vault
from guardrails.pii.text import PlainText
from guardrails.text_matching import translated

_SPANS = (
    *("ada", "ada.b", "example", ".com", ".co.uk", ".ORG", "www.", "://", "http", "HTTPS", "s3", "git", "@", " @", " at ", " ät "),
    *(" arroba ", "/path?q=1", ":8080", " ", "\n", "-", "$", "\\", "é", "中", "fe80::1", "::", ":1", "2001:db8", "12:30:45"),
    *("ab:cd:ef", "-01-23-45-67-89-ab", "0011.2233.4455", "1.1.1.1", "10.0.0.255", "x" * 70, "İ", "ſ", "K"),
)  # fmt: skip


def spans(found: Iterable[re.Match[str]]) -> list[tuple[int, int]]:
    return [match.span() for match in found]


@given(st.lists(st.sampled_from(_SPANS), max_size=10).map("".join))
def test_addresses_of_mail_web_and_network(written: str) -> None:
    for found, pattern in (
        (patterns._at_hosts(written), patterns._AT_HOST),
        (patterns._bare_hosts(written), patterns._BARE),
        (patterns._near(patterns._SCHEME, written, patterns._SLASHES, patterns._LONGEST_SCHEME), patterns._SCHEME),
        (patterns._near(patterns._IPV6, written, patterns._TWO_COLONS, 4), patterns._IPV6),
    ):
        assert spans(found) == spans(pattern.finditer(written))
    if patterns._MAC.search(written):
        assert any(hint.search(written) for hint in patterns._MAC_HINTS)
    if patterns._IPV4.search(written):
        assert patterns._DOTTED.search(written)


_NUMBERS = (
    *("AB123456C", "12345678Z", "12.345.678-Z", "X1234567L", "ABCPE1234F", "131052-308T", "ABCD010203HDFXYZ01", "1 85 05 78 006 084 36"),
    *("11010519491231002X", "12.345.678-5", "1234567T", "S1234567D", "A123456(7)", "A123456789", "529.982.247-25", "756.1234.5678.97"),
    *("760207+1842", "900101-1234567", "RSSMRA85T10A562S", "rss mra 85t10 a562s", "2024", " ", "-", ".", "no ", "é", "ſ", "1 ", "12 "),
)  # fmt: skip


@given(st.lists(st.sampled_from(_NUMBERS), max_size=6).map("".join))
def test_identifiers_with_letters(written: str) -> None:
    plain = PlainText(written)
    for pattern, least, start in (
        (national_ids._LETTERED, 4, national_ids._LETTERED_START),
        (national_ids._CODICE, 2, text.WORD_START),
    ):
        anywhere = spans(plain.numbers_at_words(pattern, least, start=text.WORD_START))
        assert spans(plain.numbers_at_words(pattern, least, start=start)) == anywhere
    if national_ids._CODICE.search(written):
        assert national_ids._IN_CODICE.search(written)
    accounts = "DE89 3704 0044 0532 0130 00 " + written.replace("é", "GB29NWBK60161331926819")
    begun = PlainText(accounts).numbers(patterns._IBAN_BEGINS, 2)
    found = [match.span() for one in begun if (match := patterns._IBAN.match(accounts, one.start()))]
    assert found == spans(patterns._IBAN.finditer(accounts))


_TOKENS = (
    *("[EMAIL_1_3fa9c0d2]", "email 1", "Email_1", "[emaıl_1_3fa9c0d2]", "**NAME_2_3fa9**", "\\[NAME\\_2\\_3fa9c0d2\\]", "%5BEMAIL_1_3fa9c0d2%5D"),
    *("&#91;NAME-2-3fa9c0d2&#93;", "(mailto:", "](EMAIL_1)", "[", "]", "s", "'s", " ", "…", "x" * 40, "ß", "ſ", "phone 3", "PHONE_3_3fa9c0d2", "12"),
)  # fmt: skip


@given(st.lists(st.sampled_from(_TOKENS), max_size=8).map("".join))
def test_tokens_of_a_vault(written: str) -> None:
    kinds = frozenset({"EMAIL", "NAME"})
    pattern = vault._pattern(kinds)
    assert spans(vault._found(pattern, written, kinds)) == spans(pattern.finditer(written))


@given(st.lists(st.sampled_from(_TOKENS), max_size=8).map("".join))
def test_the_pattern_of_all_vaults_restores_what_that_of_one_does(written: str) -> None:
    held = vault.Vault(())
    held._made, held._values = "3fa9c0d2", {("EMAIL", 1): "ada@example.org", ("NAME", 2): "Ada"}
    alone = vault._pattern(frozenset({"EMAIL", "NAME"}))
    assert held.restore(written) == alone.sub(held._value, written)


def test_characters_are_read_alike_whether_a_text_has_few_or_many_others() -> None:
    letters = "".join(map(chr, (*range(0xA0, 0x2100), *range(0xFF00, 0xFF60), 0x661, 0x967)))
    for table in (text._UNIFORM, text._UNACCENTED):
        assert translated(f"a{letters}b", table) == f"a{letters}b".translate(table)
    assert re.fullmatch(r"[0-9]{3}", PlainText("\u0661\uff12\u0969").source)
