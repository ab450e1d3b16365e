from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.sources import collect, count_documents
from flows.sources.feed import looks_like_feed, parse_feed, public_address
from flows.sources.files import MAX_BYTES
from pricing.errors import NoRun, SourceError

RSS2 = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:media="http://search.yahoo.com/mrss/"><channel>
<title>The feed itself</title><description>Not an entry</description>
<item><title>Older &amp;amp; wiser</title><link>https://ada:pw@example.com/1?id=1</link><media:description>no</media:description>
<description>&lt;p&gt;Fish &amp;amp; chips&lt;/p&gt;&lt;script&gt;evil()&lt;/script&gt;</description><pubDate>Mon, 02 Mar 2026 10:00:00 +0100</pubDate></item>
<item><title>Newer</title><description>short</description><content:encoded><![CDATA[<p>The whole</p><p>story</p>]]></content:encoded>
<pubDate>Tue, 03 Mar 2026 10:00:00 GMT</pubDate></item>
<item><title>Undated</title><link>javascript:alert(1)</link></item>
<item/>
</channel></rss>"""

RSS1 = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="x"><title>C</title></channel>
<item rdf:about="https://example.com/a"><title>First</title><description>One</description><dc:date>2026-03-01T08:00:00Z</dc:date></item>
<item rdf:about="https://example.com/b"><title>Second</title><description>Two</description><dc:date>2026-03-02</dc:date></item>
</rdf:RDF>"""

ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>Feed</title><updated>2026-03-09T00:00:00Z</updated>
<entry><title type="text">vector&lt;int&gt;</title><link rel="self" href="https://example.com/self"/><link href="https://example.com/1"/>
<published>2026-03-01T10:00:00+02:00</published><updated>2026-03-05T00:00:00Z</updated>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>One <b>bold</b></p><script>evil()</script><p>Two</p></div></content></entry>
<entry><title type="html">&lt;b&gt;Loud&lt;/b&gt;</title><updated>2026-03-04T00:00:00.5Z</updated><summary>Short</summary>
<content src="https://example.com/elsewhere"/></entry></feed>"""

BOMB = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><rss><channel><item><title>&b;</title></item></channel></rss>"""


def entries(text: str | bytes, limit: int = 12):
    return parse_feed(text if isinstance(text, bytes) else text.encode(), name="it", limit=limit).entries


def refused(text: str | bytes) -> str:
    with pytest.raises(SourceError) as caught:
        entries(text)
    assert "\n" not in str(caught.value)
    assert caught.value.next_step
    return str(caught.value)


def test_rss_2():
    newer, older, undated = entries(RSS2)
    assert (newer.title, newer.text) == ("Newer", "The whole\n\nstory")
    assert newer.when == datetime(2026, 3, 3, 10, tzinfo=UTC)
    assert newer.kind == "entry"
    assert (older.title, older.text) == ("Older & wiser", "Fish & chips")
    assert older.when == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert older.origin == "https://example.com/1?id=1"
    assert (undated.title, undated.text, undated.when, undated.origin) == ("Undated", "Undated", None, "it")


def test_rss_1():
    second, first = entries(RSS1)
    assert (second.title, second.text, second.origin) == ("Second", "Two", "https://example.com/b")
    assert first.when == datetime(2026, 3, 1, 8, tzinfo=UTC)


def test_atom():
    loud, typed = entries(ATOM)
    assert (loud.title, loud.text) == ("Loud", "Short")
    assert (typed.title, typed.text) == ("vector<int>", "One bold\n\nTwo")
    assert typed.origin == "https://example.com/1"
    assert typed.when == datetime(2026, 3, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_other_encodings(encoding):
    assert entries(RSS1.encode(encoding))[0].title == "Second"
    assert looks_like_feed(RSS2.encode(encoding))


def test_the_newest_are_kept_and_the_rest_is_told(tmp_path):
    path = tmp_path / "news.rss"
    path.write_text(RSS2)
    got = collect(path, limit=1)
    assert [document.title for document in got.documents] == ["Newer"]
    assert got.notes == ("Cut to the newest 1 entry of 4.",)
    assert collect(path).notes == ("Skipped 1 entry without title and text.",)
    assert count_documents(path) == 3


def test_a_feed_is_known_by_its_start_whatever_its_name(tmp_path):
    path = tmp_path / "download"
    path.write_text("\n" + ATOM)
    assert [document.kind for document in collect(path).documents] == ["entry", "entry"]


@pytest.mark.parametrize(
    "text, says",
    [
        ("", "not well-formed XML"),
        ("plain words", "not well-formed XML"),
        ("<rss><channel>", "not well-formed XML (line 1)"),
        ("<!DOCTYPE html><html><body>Hi<br></body></html>", "is a web page, not a feed"),
        ("<svg xmlns='http://www.w3.org/2000/svg'/>", "is XML, but no feed: its root is <svg>"),
        ("<rss><channel><title>Quiet</title></channel></rss>", "holds no entries"),
        ("<rss><channel><item/></channel></rss>", "holds no entries"),
        ("<?xml version='1.0' encoding='klingon'?><rss/>", "not well-formed XML"),
        (BOMB, "defines XML entities"),
        ("<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><rss>&x;</rss>", "defines XML entities"),
    ],
)
def test_what_is_no_feed_is_refused(text, says):
    assert says in refused(text)


def test_a_refusal_does_not_repeat_the_feed():
    assert "hunter2" not in refused("<!DOCTYPE r [<!ENTITY x 'hunter2'>]><rss>&x;</rss>")


def test_deep_xml_is_survived():
    deep = "<b>" * 50_000 + "deep" + "</b>" * 50_000
    assert (
        entries(f"<rss><channel><item><title>t</title><description>{deep}</description></item></channel></rss>")[0].text
        == "deep"
    )


def test_an_address_goes_through_the_given_client():
    asked = []

    def fetch(address: str) -> bytes:
        asked.append(address)
        return RSS1.encode()

    address = "https://ada:pw@example.com/feed?token=secret"
    got = collect(address, fetch=fetch)
    assert asked == [address]
    assert got.origin == "https://example.com/feed"
    assert len(got.documents) == 2
    assert collect(Path("HTTPS://example.com/feed"), fetch=fetch).origin == "https://example.com/feed"
    assert asked[1] == "https://example.com/feed"
    assert count_documents(address) == 12  # at most: nothing is fetched for a quote
    assert len(asked) == 2


def test_fetching_that_fails_is_one_line():
    def fetch(address: str) -> bytes:
        raise ConnectionError(f"cannot reach {address}\nat all")

    with pytest.raises(SourceError) as caught:
        collect("https://example.com/feed?token=secret", fetch=fetch)
    assert caught.value.message == "https://example.com/feed could not be fetched (ConnectionError)."
    assert "secret" not in str(caught.value)


def test_our_own_errors_pass():
    def fetch(address: str) -> bytes:
        raise NoRun("no run")

    with pytest.raises(NoRun):
        collect("https://example.com/feed", fetch=fetch)


def test_without_a_client_an_address_is_refused():
    with pytest.raises(SourceError, match="Save the feed"):
        collect("https://example.com/feed")


def test_a_huge_feed_is_refused():
    with pytest.raises(SourceError, match="at most 5 MB"):
        collect("https://example.com/feed", fetch=lambda _: b"x" * (MAX_BYTES + 1))


@pytest.mark.parametrize(
    "address, shown",
    [
        ("https://u:p@example.com:8443/a?b=c#d", "https://example.com:8443/a?b=c"),
        ("javascript:alert(1)", ""),
        ("https://[broken", ""),
        ("https://example.com/\x1b[31m", "https://example.com/"),
        ("", ""),
    ],
)
def test_addresses_are_made_fit_to_show(address, shown):
    assert public_address(address) == shown


def _survives(data: bytes) -> None:
    try:
        found = entries(data, limit=3)
    except SourceError:
        return
    assert 1 <= len(found) <= 3
    assert all(entry.text and entry.title for entry in found)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_feed_or_refused(data):
    _survives(data)


@given(st.sampled_from([RSS2, RSS1, ATOM, BOMB]), st.integers(0, 2000), st.integers(0, 30), st.binary(max_size=20))
def test_any_damage_to_a_feed_is_survived(feed, at, gone, put):
    data = feed.encode()
    _survives(data[:at] + put + data[at + gone :])


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="<&"), max_size=40),
    st.sampled_from(
        ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "Mon, 99 Foo 99999", "1 Jan 1 00:00 +9999"]
    ),
)
def test_any_date_is_read_or_left_out(text, extreme):
    for date in (text, extreme):
        (found,) = entries(f"<rss><channel><item><title>t</title><pubDate>{date}</pubDate></item></channel></rss>")
        assert found.when is None or found.when.tzinfo is UTC
