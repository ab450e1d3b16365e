"""Titles that the sandbox writes are titles: whole words of the text, no commit's type, no ellipsis."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.sandbox.answers.digest import TextDigest, as_title
from tasks.sandbox.answers.prose import write

TITLES = {
    "# Prompt caches\n\nProviders keep the beginning of a prompt.": "Prompt caches",
    "docs(performance): figures of a quiet machine\n\nNothing else ran while they were measured.": "Figures of a quiet machine",
    "feat!: drop the old command names\n\n3 files changed, +10 -2 lines:": "Drop the old command names",
    "The importer stopped for two hours. A disk was full.": "The importer stopped for two hours",
    "fix: one\n\nfix(cli): two\n\nfix(web): three": "One",
    "test: do not look for garbage among the tests themselves": "Do not look for garbage among the tests themselves",
}


def headline(text: str, most: int = 120) -> str:
    digest = TextDigest(text)
    return write("headline", {"maxLength": most}, digest, text, sentences=3, characters=240, used=[])


@pytest.mark.parametrize(("text", "title"), TITLES.items())
def test_the_title_of_a_document_is_its_heading_or_its_first_statement(text: str, title: str):
    assert headline(text) == title


@given(st.lists(st.text("abcdefgh", min_size=1, max_size=30), min_size=1, max_size=40), st.integers(12, 120))
def test_a_long_title_ends_with_a_whole_word(words: list[str], length: int):
    title = as_title(" ".join(words), length)
    assert len(title) <= length
    assert "…" not in title
    shown = title.split()
    assert [one.lower() for one in shown[:-1]] == words[: len(shown) - 1]
    assert len(words[0]) > length // 2 or [one.lower() for one in shown] == words[: len(shown)]


@given(st.text(st.characters(exclude_characters="…"), max_size=400), st.integers(8, 120))
def test_no_title_has_an_ellipsis(text: str, most: int):
    assert "…" not in headline(text, most)


def test_a_summary_names_no_type_of_a_commit():
    text = "- [fix, normal] fix(cli): show the result. perf(web): load less."
    assert TextDigest(text).summary(2, 200) == "Show the result. perf(web): load less."
