# ruff: noqa: E501 - a pattern is easier to check unbroken
"""The vault of one request: tokens that go to the model, values that stay here, and the way back.

A token reads ``[EMAIL_1_3fa9c0d2]``: kind, number, and a nonce that no other request has. Models bend tokens (they
escape, lower, bold them, drop the brackets or the nonce); :meth:`Vault.restore` forgives all of that as long as it
cannot mean anything else. Text of the user that reads like a token is put into the vault itself, so that it comes back
as it was and never as somebody's data.
"""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NoReturn
from urllib.parse import quote

NEUTRAL = "\ue000vault\ue000"
"""Stands for the nonce where a masked text is compared with others or kept; private-use signs that nobody writes."""
LITERAL = "TEXT"
"""The kind under which the user's own look-alikes are kept."""
KINDS = (
    *("address", "birthdate", "card", "email", "iban", "ip", "known", "mac", "name", "nationalid", "nhs", "passport"),
    *("phone", "plate", "ssn", "url"),
)
"""The kinds of personal data that are found; what is known of persons may be of others."""
_USUAL = frozenset({LITERAL, *map(str.upper, KINDS)})
"""One pattern serves nearly all vaults: to compile one takes longer than to mask a letter."""

_DIGIT = re.compile(r"\d")


def lookalikes(text: str, kinds: frozenset[str]) -> Sequence[tuple[int, int]]:
    """Where ``text`` may read to :meth:`Vault.restore` like a token of one of ``kinds``, whatever stands beside."""
    if not _DIGIT.search(text):  # no token is without
        return ()
    return _remembered(text, kinds) if len(text) <= _LONGEST_KEPT else _lookalikes(text, kinds)


_LONGEST_KEPT = 8_000
"""Characters of a text whose look-alikes are remembered: instructions and conversations come again with every turn."""


def _lookalikes(text: str, kinds: frozenset[str]) -> Sequence[tuple[int, int]]:
    known = frozenset({LITERAL, *(kind.upper() for kind in kinds)})
    found = _found(_pattern(known, before="", after=""), text, known)
    return tuple(match.span() for match in found if match["nonce"] or match["short"] or _needs_no_nonce(match))


_remembered = lru_cache(maxsize=256)(_lookalikes)


class Vault:
    """What the tokens of one request stand for. It is never pickled: personal data stays in the process.

    Args:
        texts: every text that will be masked with it; its nonce occurs in none of them.
    """

    __slots__ = ("_counts", "_made", "_open", "_texts", "_tokens", "_values")

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = tuple(texts)
        self._made = ""
        self._values: dict[tuple[str, int], str] = {}
        self._tokens: dict[tuple[str, str], str] = {}
        self._counts: Counter[str] = Counter()
        self._open: re.Pattern[str] | None = None

    @property
    def _nonce(self) -> str:
        """Made when first asked for: most vaults stay empty."""
        if not self._made:
            lowered = [text.lower() for text in self._texts]
            made = secrets.token_hex(4)
            while any(made in text for text in lowered):
                made = secrets.token_hex(4)
            self._made, self._texts = made, ()
        return self._made

    def token(self, kind: str, value: str) -> str:
        """The token for ``value``, the same whenever it comes again."""
        kind = kind.upper()
        if (kind, value) not in self._tokens:
            self._counts[kind] += 1
            number = self._counts[kind]
            self._tokens[kind, value] = f"[{kind}_{number}_{self._nonce}]"
            self._values[kind, number] = value
            self._open = None
        return self._tokens[kind, value]

    def restore(self, answer: str) -> str:
        """``answer`` with the values in place of their tokens, also of bent ones; anything else stays as it is."""
        if not self._values:
            return answer
        kinds = frozenset(kind for kind, _ in self._values)
        parts: list[str] = []
        done = 0
        for match in _found(_pattern(_USUAL | kinds), answer, kinds):
            parts += (answer[done : match.start()], self._value(match))
            done = match.end()
        return "".join((*parts, answer[done:]))

    def restore_json(self, answer: Any) -> Any:
        """A JSON value with every string in it restored, keys too."""
        if isinstance(answer, str):
            return self.restore(answer)
        if isinstance(answer, dict):
            return {self.restore_json(key): self.restore_json(value) for key, value in answer.items()}
        if isinstance(answer, list | tuple):
            return type(answer)(map(self.restore_json, answer))
        return answer

    def settled(self, text: str) -> str:
        """The text up to where a token may have begun that is not yet whole; for answers that arrive in pieces."""
        if not self._values:
            return text
        if self._open is None:
            self._open = _open_pattern({kind for kind, _ in self._values})
        start = max(0, len(text) - _LONGEST_OPEN)
        begun = self._open.search(text, start)
        return text[: begun.start()] if begun else text

    def own_tokens(self, text: str) -> Iterator[re.Match[str]]:
        """The tokens of this vault in a text, as they were made."""
        return (match for match in _OWN.finditer(text) if match["nonce"] == self._nonce)

    def bare(self, text: str) -> str:
        """A masked text with its tokens as people write them, ``[EMAIL_1]``: they stand for nothing any more."""
        return _OWN.sub(lambda match: f"{match['bare']}]" if match["nonce"] == self._nonce else match[0], text)

    def held(self) -> list[tuple[str, str]]:
        """Kind and value of all that it holds of persons."""
        return [(kind, value) for (kind, _), value in self._values.items() if kind != LITERAL]

    def hide(self, text: str) -> str:
        """The text with every value in it masked again: for what was made of a restored answer."""
        for (kind, number), value in sorted(self._values.items(), key=lambda item: -len(item[1])):
            text = text.replace(value, f"[{kind}_{number}_{self._nonce}]")
        return text

    @property
    def nonce(self) -> str:
        """What its tokens have in common; it says nothing of what they stand for. Empty while it holds nothing."""
        return self._nonce if self._values else ""

    def neutral(self, text: str) -> str:
        """A masked text without what only this request knows: two requests alike but for their values read the same."""
        return neutral_text(text, self._nonce)

    def adopt(self, text: str) -> str:
        """The reverse of :meth:`neutral`, for another request's vault: its tokens then stand for our values."""
        return text.replace(NEUTRAL, self._nonce)

    def _value(self, match: re.Match[str]) -> str:
        value = self._values.get((match["kind"].upper(), int(match["number"])))
        if value is None or not self._is_meant(match):
            return match[0]
        if match["open"] and match["open"][0] == "%":
            once = quote(value, safe="@:/")
            return quote(once, safe="@:/") if match["open"].startswith("%25") else once
        value += match["plural"] or ""
        if match["link"] is not None and match["open"] and match["close"] and self._holds(match["linked"]):
            return f"[{value}]"  # the brackets are those of a link
        escaped_by_model = "\\" in (match["close"] or "")  # Markdown escapes both brackets; one alone is the user's
        return value if escaped_by_model else match["escape"] + value

    def _holds(self, kind: str | None) -> bool:
        """Whether a link, which leads to a value of this kind or elsewhere, leads to something that it holds."""
        return kind is None or any(held == kind.upper() for held, _ in self._values)

    def _is_meant(self, match: re.Match[str]) -> bool:
        if match["nonce"]:
            return match["nonce"].lower() == self._nonce
        if match["short"]:
            return self._nonce.startswith(match["short"].lower())
        return _needs_no_nonce(match)

    def __repr__(self) -> str:
        return f"<Vault of {len(self._values)} values>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A vault holds personal data and does not leave its process.")


def neutral_text(text: str, nonce: str) -> str:
    """A masked text as :meth:`Vault.neutral` gives it, where the vault with that nonce is in another process."""
    return re.sub(nonce, NEUTRAL, text, flags=re.IGNORECASE)


def _needs_no_nonce(match: re.Match[str]) -> bool:
    """Whether it reads as a token all the same: in brackets or in capitals with an underscore, not as "email 1"."""
    bracketed = match["open"] is not None and match["close"] is not None
    return bracketed or (match["kind"].isupper() and "_" in match["gap"])


_APART_BEFORE = r"(?<![a-z0-9]) (?<![a-z0-9]_)"
_OPEN = r"(?: \[ | %(?:25)?5B | &(?:\#91|\#x5b|lsqb|lbrack); | \\u005b | \\x5b )"
_CLOSE = r"(?: \] | %(?:25)?5D | &(?:\#93|\#x5d|rsqb|rbrack); | \\u005d | \\x5d )"
_APART_AFTER = rf"(?! (?! {_CLOSE} ) \\{{0,2}} _? (?! \'?s (?![a-z0-9_]) ) [a-z0-9] )"
_GAP = r"\\_\ \-\#:.\u200b\u2060\ufeff\u2010-\u2014\u2212"
"""What models put between the parts of a token, as members of a class."""
_MARKS = r"[\ *_`\\]{0,4}"


_OWN = re.compile(r"(?P<bare>\[[A-Z]+_\d+)_(?P<nonce>[0-9a-f]{8})\]")
"""A token as it was made, of whichever vault."""


@lru_cache(maxsize=256)
def _pattern(kinds: frozenset[str], before: str = _APART_BEFORE, after: str = _APART_AFTER) -> re.Pattern[str]:
    kind = "|".join(sorted(kinds, key=len, reverse=True))
    return re.compile(
        rf"""(?ix) (?P<escape> (?: \\{{1,2}} (?=\[) )? ) (?P<open> {_OPEN} {_MARKS} )?
        (?(open) | {before} ) (?P<kind>{kind})
        s?? (?P<gap>[{_GAP}]{{0,4}}) (?P<number>\d{{1,6}})
        (?: [{_GAP}]{{1,4}} (?P<nonce>[0-9a-f]{{8}}) | \\{{0,2}} _ (?P<short>[0-9a-f]{{3,7}}) (?![0-9a-f]) )? {after}
        (?P<plural> \'?s (?= {_MARKS} {_CLOSE} ) )? [\u200b\u2060\ufeff]?
        (?P<close> (?: … | \.{{2,3}} )? {_MARKS} {_CLOSE} )?
        (?P<link> (?= \( (?: <?(?:mailto|tel|sms|https?): | www\. | <?\[?(?P<linked>{kind})[\\_\ -]{{0,4}}\d ) ) )?"""
    )


def _found(pattern: re.Pattern[str], text: str, kinds: frozenset[str]) -> Iterator[re.Match[str]]:
    """What a pattern of tokens finds: tried only around what every token has, a word for a kind and a number behind it.
    Looking for that takes a fraction of looking for a token.
    """
    folded = text.casefold().replace("\u0131", "i")  # what Turkish makes of a capital I
    places = sorted(_numbered(folded, kinds))
    if places and len(folded) != len(text):  # a few letters grow
        yield from pattern.finditer(text)
        return
    start = end = 0
    for place in places:
        if place - _BEFORE_KIND > end:
            yield from pattern.finditer(text, start, end)
            start = place - _BEFORE_KIND
        end = place + _BEHIND_KIND
    if places:
        yield from pattern.finditer(text, max(0, start), end)


_BEFORE_KIND, _BEHIND_KIND = 24, 200
"""Characters of a token before its kind, and behind where that begins, that decide whether it is one."""


def _numbered(folded: str, kinds: frozenset[str]) -> Iterator[int]:
    """Where words for a kind stand with a number behind them, in a text in small letters."""
    for word in _words(kinds):
        at = folded.find(word)
        while at >= 0:
            if _NUMBER_BEHIND.match(folded, at + len(word)):
                yield at
            at = folded.find(word, at + 1)


_NUMBER_BEHIND = re.compile(rf"s?[{_GAP}]{{0,4}}\d")


@lru_cache(maxsize=64)
def _words(kinds: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(kind.lower() for kind in (LITERAL, *kinds)))


_LONGEST_OPEN = 120
"""Characters: more than any bent token has."""


def _open_pattern(kinds: set[str]) -> re.Pattern[str]:
    """A token that ends with the text, or may go on beyond it; or one that may turn out to be the text of a link."""
    kind = "|".join(sorted(kinds, key=len, reverse=True))
    return re.compile(
        rf"""(?ix) \\{{0,2}} \[ [^\[\]]{{0,60}} \Z
        | (?: % (?: 2 5{{0,2}} )? | \\ (?: [ux] [05b]{{0,4}} )? | & (?: [l\#] [a-z0-9]{{0,5}} )? ) \Z
        | {_OPEN} [^\s\[\]]{{0,60}} \Z
        | (?: % (?: 5 (?: B [^%\s]{{0,60}} (?: % 5? )? )? )? | & (?: \# (?: 9 (?: 1 (?: ; [^&\s]{{0,60}} )? )? )? )? ) \Z
        | (?: \\{{0,2}} {_OPEN} {_MARKS} )? (?<![a-z]) (?:{kind}) s?
        (?: [{_GAP}]{{0,4}} (?: \d{{1,6}} (?: [{_GAP}]{{1,4}} (?: [0-9a-f]{{1,8}} )? )? )? )?
        (?: \'? s? ) (?: … | \.{{1,3}} )? {_MARKS} (?: [%&] [^\s;]{{0,4}} )? \s* \Z
        | (?: \\{{0,2}} {_OPEN} {_MARKS} ) (?:{kind}) s? [{_GAP}]{{0,4}} \d{{1,6}} [^\[\]\s]{{0,20}} {_CLOSE}
        (?: \( [^\s)]{{0,40}} )? \Z"""
    )
