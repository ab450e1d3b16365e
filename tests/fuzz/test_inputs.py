"""What an automation is pointed at is hostile: feeds, tickets, folders; and so is what a prompt contains."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.sources import collect, load_tickets
from pricing.errors import PromptError, SourceError
from tasks.prompts import Prompts
from tests.support.hostile import FUZZ, PAYLOADS, texts

FEED = (
    '<?xml version="1.0"?><rss version="2.0"><channel><title>{0}</title><item><title>{1}</title><link>{2}</link>'
    "<description>{3}</description><pubDate>{4}</pubDate></item></channel></rss>"
)
ATOM = (
    '<feed xmlns="http://www.w3.org/2005/Atom"><title>{0}</title><entry><title type="html">{1}</title>'
    '<link href="{2}"/><content type="xhtml">{3}</content><updated>{4}</updated></entry></feed>'
)
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c SYSTEM '
    b'"file:///etc/passwd">]><rss version="2.0"><channel><item><title>&b;&c;</title></item></channel></rss>'
)


def collected(path: Path | str) -> None:
    """Documents, or one line that says why there are none."""
    try:
        found = collect(path)
    except SourceError as error:
        assert error.next_step  # noqa: PT017 - both ways are right
        return
    for document in found.documents:
        assert isinstance(document.text, str)
        assert "\n" not in document.title
        assert "\x1b" not in document.title + document.text + document.origin
        document.text.encode()


@FUZZ
@given(st.sampled_from([FEED, ATOM]), st.lists(texts, min_size=5, max_size=5), st.booleans())
def test_any_feed(tmp_path_factory: pytest.TempPathFactory, shape: str, parts: list[str], escaped: bool):
    from xml.sax.saxutils import escape

    path = tmp_path_factory.mktemp("feed") / "feed.xml"
    path.write_bytes(
        shape.format(*(escape(part) if escaped else part for part in parts)).encode("utf-8", "surrogatepass")
    )
    collected(path)


@FUZZ
@given(st.binary(max_size=400))
def test_any_bytes_where_a_feed_a_table_or_a_text_should_be(tmp_path_factory: pytest.TempPathFactory, data: bytes):
    folder = tmp_path_factory.mktemp("bytes")
    for name in ("feed.xml", "a.md", "t.csv", "x.json", "y.html"):
        (folder / name).write_bytes(data)
        collected(folder / name)
    collected(folder)


def test_entities_of_a_feed_are_not_followed(tmp_path: Path):
    (tmp_path / "feed.xml").write_bytes(BOMB)
    with pytest.raises(SourceError):
        collect(tmp_path / "feed.xml")


@FUZZ
@given(st.lists(st.lists(texts, min_size=6, max_size=6), max_size=3), st.sampled_from([",", ";", "\t"]))
def test_any_tickets(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], comma: str):
    import csv
    import io

    file = io.StringIO()
    writer = csv.writer(file, delimiter=comma, escapechar="\\")
    writer.writerow(["id", "customer", "plan", "subject", "body", "opened"])
    writer.writerows([*row[:5], row[5] if len(row[5]) % 2 else "2026-03-31"] for row in rows)
    path = tmp_path_factory.mktemp("tickets") / "tickets.csv"
    path.write_bytes(file.getvalue().encode("utf-8", "surrogatepass"))
    try:
        tickets = load_tickets(path)
    except SourceError as error:
        assert error.next_step  # noqa: PT017 - both ways are right
        return
    assert not any("\n" in ticket.subject or "\x1b" in ticket.subject + ticket.body for ticket in tickets)


def test_hostile_file_names(tmp_path: Path):
    """Names with escapes, line ends, bytes that are not text, markup, and links that lead out."""
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret.md").write_text("# Secret\n\nthe key is sk-123\n")
    made = 0
    for text in PAYLOADS:
        name = os.fsencode(
            text.encode("utf-8", "surrogatepass").replace(b"/", b"_").replace(b"\x00", b"")[:120] + b".md"
        )
        with open(os.fsencode(folder) + b"/" + name, "wb") as file:  # noqa: PTH123 - a name that is not text
            file.write(b"# A note\n\nThe ledger stopped on Monday because a disk was full.\n")
        made += 1
    (folder / "link.md").symlink_to("../secret.md")
    (folder / "passwd.md").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe.md")
    found = collect(folder, limit=100)
    assert len(found.documents) >= made - 1
    told = [*found.notes, *(document.title + document.origin for document in found.documents)]
    assert not any("sk-123" in document.text or "root:" in document.text for document in found.documents)
    assert not any(character in text for text in told for character in "\x1b\n\r\x07\u202e")
    for document in found.documents:
        (document.title + document.origin).encode()


@FUZZ
@given(texts, texts)
def test_template_syntax_in_a_value_is_text(tmp_path_factory: pytest.TempPathFactory, first: str, second: str):
    folder = tmp_path_factory.mktemp("prompts")
    (folder / "p.j2").write_text(
        "{% block system %}Be brief.{% endblock %}{% block user %}<{{ a }}|{{ b }}>{% endblock %}"
    )
    prompt = Prompts([folder]).render("p.j2", {"a": first, "b": second})
    assert prompt.user_text == f"<{first}|{second}>"
    assert prompt.system.text == "Be brief."


class Leaky:
    """A value that a template could climb from."""

    def __init__(self) -> None:
        self.name = "ana"


@pytest.mark.parametrize(
    "expression",
    [
        "{{ a.__class__.__mro__ }}",
        "{{ a.__init__.__globals__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ lipsum.__globals__ }}",
        "{% include '../../../etc/passwd' %}",
        "{% for x in range(10 ** 9) %}{% endfor %}",
        "{{ b.append(1) }}",
        "{{ ('%' ~ 'c') * 1 if false else namespace.__init__.__globals__ }}",
    ],
)
def test_a_template_that_climbs_is_one_clear_line(tmp_path: Path, expression: str):
    (tmp_path / "p.j2").write_text(expression)
    values: dict[str, Any] = {"a": Leaky(), "b": [1]}
    with pytest.raises(PromptError) as caught:
        Prompts([tmp_path]).render("p.j2", values)
    assert caught.value.next_step


@FUZZ
@given(st.one_of(texts, st.sampled_from(["../../etc/passwd", "/etc/passwd", "..\\x", ".", "", "a/../../b", "\x00"])))
def test_a_prompts_name_never_leaves_its_folders(tmp_path_factory: pytest.TempPathFactory, name: str):
    with pytest.raises(PromptError):
        Prompts([tmp_path_factory.mktemp("prompts")]).render(name, {})
