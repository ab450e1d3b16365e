"""Values that a template spells: the text is what it was, and the value is kept beside it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pricing.content import ImagePart, Spelled, TextPart
from pricing.errors import PromptError
from pricing.values import leaves, with_leaves
from tasks.prompts import Prompt, Prompts
from tests.support.media_tokens import png

TEXT = 'O"Brien\n\tß & é'
RECORD = {"who": TEXT, "list": [TEXT, 7]}


@dataclass
class Person:
    name: str


def render(folder: Path, source: str, **values: Any) -> Prompt:
    (folder / "a.j2").write_text(source)
    return Prompts([folder]).render("a.j2", {"record": RECORD, "text": TEXT, "person": Person(TEXT)} | values)


@pytest.mark.parametrize("source", [
    "{{ record }}", "{{ record | tojson }}", "{{ record | tojson | upper }}", "{{ record | tojson(indent=2) | indent }}",
    "{{ text | urlencode }}", "{{ text | e }}", "{{ text | forceescape }}", "{{ text | e | urlencode }}",
    "{{ record | pprint }}", "{{ record | xmlattr }}", "{{ record | string }}", "{{ record | urlencode }}",
    "{{ [record, record] | join(', ') }}", "{{ [record] | map('tojson') | join('+') }}", "{{ record.items() }}",
    "{{ 'a' ~ record ~ 'b' }}", "{{ '%s!' % record }}", "{{ '%s!' | format(record) }}", "{{ '{}'.format(record) }}",
    "{{ (record | tojson) + 'z' }}", "{{ (record | tojson)[:200] }}", "{{ (record | tojson).upper() }}",
    "{% set x %}{{ record }}{% endset %}{{ x }}", "{% macro m(v) %}<{{ v }}>{% endmacro %}{{ m(record) }}",
    "{{ person }}", "{{ 'x' ~ person }}", "{{ ', '.join([record | tojson, 'a']) }}", "{{ record | dictsort }}",
    "{% filter upper %}{{ record | tojson }}{% endfilter %}", "{{ record | tojson | safe }}",
    "{{ record | tojson | replace('who', 'wer') }}", "{% for r in [record] %}{{ r }}{% endfor %}",
    "{{ text | tojson }}", "{{ record | tojson | truncate(300) }}", "{{ record | tojson | wordwrap(20) }}",
])  # fmt: skip
def test_the_value_is_kept_and_its_text_can_be_made_anew(tmp_path: Path, source: str):
    [part] = render(tmp_path, source).user
    assert isinstance(part, TextPart)
    texts = [leaf.text for leaf in leaves(part)]
    assert TEXT in texts
    masked = with_leaves(part, iter([text.replace(TEXT, "[NAME_1_0a1b2c3d]") for text in texts]))
    assert "NAME_1_0A1B2C3D" in masked.text.upper()
    assert "BRIEN" not in masked.text.upper()


@pytest.mark.parametrize(("source", "text"), [
    ("{{ record.who }} and {{ text }}", f"{TEXT} and {TEXT}"), ("{{ 3 + 4 }}{{ 'a' + 'b' }}", "7ab"),
    ("{{ record | length }}", "2"), ("{{ record | tojson | length > 3 }}", "True"), ("{{ [1, 2] | tojson }}", "[1, 2]"),
    ("{{ record is mapping }}", "True"), ("{{ '%s-%d' | format('a', 3) }}", "a-3"), ("{{ 'q'.upper() }}", "Q"),
    ("{{ record.list | last }}", "7"), ("{{ None }}", "None"),
])  # fmt: skip
def test_everything_else_is_rendered_as_ever(tmp_path: Path, source: str, text: str):
    [part] = render(tmp_path, source).user
    assert isinstance(part, TextPart)
    assert part.text == text.strip()


def test_spelled_text_is_what_jinja_makes_of_it(tmp_path: Path):
    [part] = render(tmp_path, "{{ record }}|{{ record | tojson }}|{{ text | urlencode }}").user
    assert isinstance(part, TextPart)
    shown, as_json, encoded = part.text.split("|")
    assert shown == str(RECORD)
    assert (
        as_json
        == '{"list": ["O\\"Brien\\n\\t\\u00df \\u0026 \\u00e9", 7], "who": "O\\"Brien\\n\\t\\u00df \\u0026 \\u00e9"}'
    )
    assert encoded == "O%22Brien%0A%09%C3%9F%20%26%20%C3%A9"


@pytest.mark.parametrize("source", ["{{ data }}", "{{ [data] }}", "{{ 'x' ~ data }}", "{{ {'a': data} | string }}"])
def test_bytes_are_an_error_and_not_their_repr(tmp_path: Path, source: str):
    with pytest.raises(PromptError, match="bytes"):
        render(tmp_path, source, data=b"zebra")


def test_a_template_that_cuts_through_a_value_is_refused(tmp_path: Path):
    with pytest.raises(PromptError, match="cuts through"):
        render(tmp_path, "{{ ('a' ~ record) | truncate(9, True, '', 0) }}")


def test_media_stand_where_the_template_puts_them(tmp_path: Path):
    image = ImagePart("image/png", png(2, 2))
    first, shown, last = render(tmp_path, "Look: {{ image }} What is it?", image=image).user
    assert isinstance(first, TextPart)
    assert isinstance(last, TextPart)
    assert (first.text, shown, last.text) == ("Look: ", image, " What is it?")
    with pytest.raises(PromptError, match="system block"):
        render(tmp_path, "{% block system %}{{ image }}{% endblock %}{% block user %}x{% endblock %}", image=image)


def test_a_text_of_the_world_cannot_stand_for_a_value(tmp_path: Path):
    [part] = render(tmp_path, "{{ text }}{{ record }}", text="\ue0100.0\ue011 [0]").user
    assert isinstance(part, TextPart)
    assert not any(isinstance(piece, Spelled) for piece in part.pieces[:1])
