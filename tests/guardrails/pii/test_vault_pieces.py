"""Answers that arrive in pieces: tokens are restored wherever they are split, bent or not."""

import asyncio
import itertools
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.pii.guard import mask_all
from guardrails.pii.vault import Vault
from pricing.errors import Blocked
from tasks.turn.stream import Sink

VALUES = ("ada@example.com", "+44 20 7946 0958", "Ada Lovelace")
TEXT = "To ada@example.com, or call +44 20 7946 0958 today. Yours, Ada Lovelace"
BENDS = (
    lambda token: token,
    lambda token: token.lower(),
    lambda token: token[1:-1],
    lambda token: f"**{token}**",
    lambda token: token.replace("_", "\\_"),
    lambda token: "\\" + token[:-1] + "\\]",
    lambda token: token.replace("_", " "),
    lambda token: f"[ {token[1:-1]} ]",
    lambda token: token.rpartition("_")[0] + "]",
    lambda token: token.rpartition("_")[0].replace("_", "") + "]",
    lambda token: token[:-3] + "]",
    lambda token: f"{token}(mailto:{token[1:-1]})",
    lambda token: token.replace("[", "%5B").replace("]", "%5D"),
    lambda token: token + "s",
)  # fmt: skip


def streamed(vault: Vault, answer: str, cuts: list[int]) -> tuple[list[str], str]:
    pieces: list[str] = []

    async def passing(text: str) -> str:
        return text

    async def run() -> None:
        sink = Sink("chat", passing, pieces.append, lambda: Blocked("Nothing was found."))
        sink.vault = vault
        places = sorted({0, len(answer), *(cut % (len(answer) + 1) for cut in cuts)})
        for start, end in itertools.pairwise(places):
            await sink.push(answer[start:end])
        sink.finish(vault.restore(answer))

    asyncio.run(run())
    return pieces, "".join(pieces)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.integers(0, 10_000), max_size=30), st.lists(st.sampled_from(BENDS), min_size=3, max_size=3))
def test_tokens_split_anywhere_come_back_whole(cuts, bends):
    masked = mask_all((TEXT,), [("name", "Ada Lovelace")])
    answer = masked.texts[0]
    assert not any(value in answer for value in VALUES)
    for token, bend in zip([word.strip(",.") for word in answer.split() if word.startswith("[")], bends, strict=True):
        answer = answer.replace(token, bend(token))
    _, said = streamed(masked.vault, answer, cuts)
    assert said == masked.restore(answer)
    for value in VALUES:
        assert value in said or quote(value, safe="@:/") in said


def test_what_is_no_token_is_not_waited_for_long():
    masked = mask_all(("ada@example.com",))
    answer = "An [array[0]] of words and an email to nobody " * 20
    pieces, said = streamed(masked.vault, answer, list(range(0, 900, 7)))
    assert said == answer
    assert len(pieces) > 60


def test_a_token_of_another_request_stays_a_token():
    mine, other = mask_all(("ada@example.com",)), mask_all(("bob@example.org",))
    assert mine.restore(other.texts[0]) == other.texts[0]


def test_neutral_texts_of_two_requests_read_alike_and_are_adopted():
    mine, other = mask_all(("mail ada@example.com",)), mask_all(("mail bob@example.org",))
    assert mine.vault.neutral(mine.texts[0]) == other.vault.neutral(other.texts[0])
    assert other.restore(other.vault.adopt(mine.vault.neutral(mine.texts[0]))) == "mail bob@example.org"


@pytest.mark.parametrize("text", ["ada@example.com: missing", "items.ada@example.com.price: missing"])
def test_what_is_told_of_a_restored_answer_is_hidden_again(text):
    masked = mask_all(("ada@example.com",))
    assert "ada@" not in masked.vault.hide(text)
    assert masked.restore(masked.vault.hide(text)) == text


@pytest.mark.parametrize("form", [
    "[EMAILS_1_{n}]", "[EMAIL#1]", "[EMAIL: 1_{n}]", "[EMAIL.1.{n}]", "[EMAIL\u22121\u2212{n}]", "[EMAIL\u200b_1_{n}\u200b]",
    "&lsqb;EMAIL_1_{n}&rsqb;", "&#x5b;EMAIL_1_{n}&#x5d;", "\\u005bEMAIL_1_{n}\\u005d", "\\x5bEMAIL_1_{n}\\x5d", "%255BEMAIL_1_{n}%255D",
])  # fmt: skip
def test_more_spellings_of_a_token_come_back_whole_and_in_pieces(form: str) -> None:
    vault = Vault(())
    nonce = vault.token("email", "ada@example.com")[-9:-1]
    answer = f"To {form.format(n=nonce)}: hello"
    assert vault.restore(answer) == "To ada@example.com: hello"
    for cut in range(len(answer)):
        settled = vault.settled(answer[:cut])
        assert vault.restore(settled) + vault.restore(answer[len(settled) :]) == "To ada@example.com: hello"
