"""What a hostile or broken world sends: texts that steer terminals, pages, templates, queries and logs."""

import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

FUZZ = settings.get_profile("fuzz")

PAYLOADS = (
    "\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b]8;;http://evil.example\x07click\x1b]8;;\x07",
    "\x9b2J\x90q\x9c",
    "one\ntwo\r\nERROR forged line\x0b\x0c\x85\u2028three",
    "\u202egpj.exe\u2066\u200b\ufeff",
    "[bold red]rich[/] [link=http://evil.example]x[/link] :boom: [/]",
    "{{ 7 * 7 }}{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}{# gone #}${7*7}#{7*7}",
    "<script>alert(1)</script><img src=x onerror=alert(1)>\"' onmouseover='x",
    "[x](javascript:alert(1)) ![y](http://evil.example/z.png) | cell | `code` **bold** # head\n\n---",
    "'; DROP TABLE runs; --",
    '" OR ""="',
    "%s %n %(name)s {0} {name.__class__}",
    "../../../../etc/passwd\x00.md",
    '=HYPERLINK("http://evil.example")',
    "\ud800",
    "a" * 5000,
)
"""Each is dangerous somewhere."""

texts = st.one_of(st.sampled_from(PAYLOADS), st.text(max_size=200))
json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)


@st.composite
def spoiled(draw: st.DrawFn, whole: Any) -> Any:
    """A sound value in which some things are not what they should be."""
    if draw(st.integers(0, 9)) == 0:
        return draw(json_values)
    if isinstance(whole, dict):
        return {key: draw(spoiled(value)) for key, value in whole.items() if draw(st.integers(0, 19))}
    if isinstance(whole, list):
        return [draw(spoiled(value)) for value in whole] * draw(st.sampled_from([1, 1, 1, 0, 2]))
    return whole


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")
