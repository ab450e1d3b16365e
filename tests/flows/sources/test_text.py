import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.sources.markup import plain_text
from flows.sources.text import MAX_LINE, clean_line, clean_text, counted, cut, decode
from tests.support.effort import assert_grows_with_length


@pytest.mark.parametrize(
    "dirty, clean",
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;a title\x07after", "after"),
        ("\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\", "click"),
        ("\x1b]never ended, kept", "never ended, kept"),
        ("a\x9b31mb", "a31mb"),
        ("user\u202etxt.exe", "usertxt.exe"),
        ("in\u200bvisible\U000e0041", "invisible"),
        ("half \udcff", "half \ufffd"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("a\n \n\n\n\nb", "a\n\nb"),
        ("tab\tstays", "tab\tstays"),
    ],
)
def test_what_is_printed_cannot_steer_a_terminal(dirty, clean):
    assert clean_text(dirty) == clean


def test_a_line_is_one_short_line():
    assert clean_line(" a\n\tb\x00 c ") == "a b c"
    assert len(clean_line("word " * 100)) <= MAX_LINE


@given(st.text())
def test_cleaned_text_is_clean_already(text):
    once = clean_text(text)
    assert clean_text(once) == once
    once.encode()
    assert "\x1b" not in once


def test_a_cut_ends_at_a_paragraph():
    text = "a" * 60 + "\n\n" + "b" * 60
    assert cut(text, 100) == "a" * 60 + "\n…"
    assert cut("short", 100) == "short"
    assert len(cut("x" * 500, 100)) == 100


@given(st.text(max_size=300), st.integers(10, 100))
def test_a_cut_is_never_longer_than_asked(text, limit):
    assert len(cut(text, limit)) <= limit


@pytest.mark.parametrize(
    "data, text",
    [
        (b"plain", "plain"),
        ("\ufeffmarked".encode(), "marked"),
        ("grün".encode("utf-16"), "grün"),
        ("grün".encode("latin-1"), "gr\ufffdn"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", None),
        (bytes(range(128, 256)), None),
        (b"\x01\x02\x03\x04", None),
        (b"", ""),
    ],
)
def test_text_is_told_from_binary(data, text):
    assert decode(data) == text


def test_the_head_of_a_file_may_end_within_a_character():
    assert decode("aé".encode()[:-1], whole=False) == "a"


@pytest.mark.parametrize(
    "markup, text",
    [
        ("Fish &amp; chips", "Fish & chips"),
        ("<p>One</p><p>Two <b>bold</b></p>", "One\n\nTwo bold"),
        ("a<script>if (a<b) alert(1)</script><style>p{}</style>b", "ab"),
        ('<a title="a>b" href=x>link</a>', "link"),
        ("1 < 2 and <", "1 < 2 and <"),
        ("a<!-- <b>hidden</b> -->b", "a b"),
        ("a<!-- never ended", "a"),
        ("a<![unknown[x]]>b", "a b"),
        ("<svg/>seen", "seen"),
    ],
)
def test_html_becomes_words(markup, text):
    assert " ".join(clean_text(plain_text(markup)).split()) == " ".join(text.split())


@pytest.mark.parametrize("piece", ["<a ", "<!--", "<a b='", "</", "<![", "<a b='>'<", "<svg>", "<?", "&#", '<a b=">'])
def test_hostile_html_takes_no_longer_than_its_length(piece):
    assert_grows_with_length(plain_text, piece * 60_000)


@given(st.text(alphabet="<>!-[]/?ab &#;'\"=\n", max_size=200))
def test_any_html_becomes_text(markup):
    assert isinstance(plain_text(markup), str)


def test_numbers_agree_with_their_nouns():
    assert [counted(1, "file"), counted(1200, "file"), counted(2, "entry", "entries")] == [
        "1 file",
        "1,200 files",
        "2 entries",
    ]
