"""Text that is not ours, made harmless in Markdown: Prefect's UI renders states, descriptions and artifacts as such."""

from __future__ import annotations

import re

from pricing.reports.format import clean

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_SPECIAL = re.compile(
    r"[\\`*|\[\]~#&<>@]"  # escapes, code, emphasis, cells, links and images, headings, entities, HTML, addresses
    r"|(?<![^\W_])_|_(?![^\W_])"  # emphasis; none within a word
    r"|(?<=/)/"  # the second slash of https://, which a parser would make a link of
    r"|(?<=\w)\.(?=[^\W\d_])|(?<=(?i:www))\."  # the dot of example.com and of www.1.com; not that of gpt-4.1
)
_INDENT = re.compile(r"^\s{2,}")
_BLOCK = re.compile(r"^\s?[-+=](?=[-+=\s]|$)|^\s?[0-9]{1,9}[.)](?=\s|$)")
"""What begins a list, a rule or the line under a heading, where it is the first of a line."""
_COMMAND = re.compile(r"(?<!`)`(?:farebox|prefect|python) [^`\r\n]+`(?!`)")


def escape_markdown(value: object) -> str:
    r"""The value as text that Markdown shows as it is: in a paragraph, a cell of a table, a list or within emphasis.

    It makes no link, no image, no HTML, no code and no block of its own, and stays on one line. Every value that comes
    from a project, a provider, a user or a file goes through here, in every text that Prefect shows.

    >>> escape_markdown("![x](https://example.com/a.png)")
    '!\\[x\\](https:/\\/example\\.com/a\\.png)'
    """
    text = _INDENT.sub(" ", clean("" if value is None else value))
    text = _SPECIAL.sub(lambda found: _ENTITIES.get(found[0], "\\" + found[0]), text)
    return _BLOCK.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", text)


def escape_advice(text: str) -> str:
    r"""The same of a sentence that is ours and names commands as code, which it keeps.

    >>> escape_advice("Raise it with `farebox budgets set`, *acme*.")
    'Raise it with `farebox budgets set`, \\*acme\\*.'
    """
    parts, at = [], 0
    for found in _COMMAND.finditer(cleaned := clean(text)):
        parts += [escape_markdown(cleaned[at : found.start()]), found[0]]
        at = found.end()
    return "".join((*parts, escape_markdown(cleaned[at:])))
