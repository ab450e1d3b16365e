"""HTML to plain text, for feeds and web pages saved to disk."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

MAX_MARKUP = 60_000
"""Characters of HTML looked at: ten times what a document keeps."""

_SILENT = frozenset({"script", "style", "template", "noscript", "svg", "iframe"})
_BLOCKS = frozenset(
    {
        "address", "article", "aside", "blockquote", "body", "br", "dd", "div", "dl", "dt", "fieldset",
        "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main",
        "nav", "ol", "p", "pre", "section", "table", "td", "th", "title", "tr", "ul",
    }
)  # fmt: skip
_DECLARATION = re.compile(r"<[!?][^<>]*>")
_TAG = re.compile(r"""<(?=[^<>]*>)(/?[A-Za-z][A-Za-z0-9:-]*)(?:(?:[^<>"']|"[^"<]*"|'[^'<]*')*+>|[^<>]*>)""")
_STRAY = re.compile(r"<(?!/?[A-Za-z][A-Za-z0-9:-]*/?>)")
_SPACES = re.compile(r"[ \t\r\n\f]+")


class _Plain(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag in _SILENT:
            self.silent.append(tag)
        else:
            self.parts.append(break_at(tag))

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT and tag in self.silent:
            del self.silent[self.silent.index(tag) :]
        else:
            self.parts.append(break_at(tag))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _SILENT:
            self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.parts.append(_SPACES.sub(" ", data))


def break_at(tag: str) -> str:
    """What a tag stands for between words: a new paragraph, a new line, or nothing."""
    if tag in {"br", "li", "tr"}:
        return "\n"
    return "\n\n" if tag in _BLOCKS else ""


def plain_text(markup: str) -> str:
    """The words of ``markup`` without tags, scripts and styles, one paragraph per block."""
    markup = markup[:MAX_MARKUP]
    if "<" not in markup:
        return unescape(markup).strip()
    parser = _Plain()
    parser.feed(_tamed(markup))
    parser.close()
    lines = (line.strip() for line in "".join(parser.parts).split("\n"))
    return "\n".join(lines).strip()


def _tamed(markup: str) -> str:
    """``markup`` with nothing left of it but text and bare tags, on which html.parser takes linear time.

    It takes half a minute over 60,000 characters of ``<a <a <a``, and fails on declarations it does not know.
    """
    pieces: list[str] = []
    start = 0
    while (opened := markup.find("<!--", start)) >= 0:
        pieces.append(markup[start:opened])
        closed = markup.find("-->", opened)
        start = closed + 3 if closed >= 0 else len(markup)
    pieces.append(markup[start:])
    tags = _TAG.sub(_bare, _DECLARATION.sub(" ", " ".join(pieces)))
    return _STRAY.sub("&lt;", tags)


def _bare(tag: re.Match[str]) -> str:
    return f"<{tag[1]}/>" if tag[0].endswith("/>") else f"<{tag[1]}>"
