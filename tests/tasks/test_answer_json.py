"""Which value of a structured answer counts, among all that models write around it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.answer_json import json_of

ANSWER = '{"x": 2, "note": "a } brace, a \\" quote and </think>"}'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("\ufeff", ""),
        ("\ufeff \n", "\n"),
        ("```json\n", "\n```"),
        ("```\n", ""),
        ("Here you are:\n\n```JSON\n", "\n```\nAnything else?"),
        ("", "<|im_end|>"),
        ("", "<|eot_id|>\n"),
        ("", "</s>"),
        ("<think>Is it 1? Then {broken and [1, 2</think>", ""),
        ('<think>{"x": 1}</think>\n', ""),
        ('<thinking>\n{"x": 1}, or {"x": \n</thinking>\n\n', ""),
        ('{"x": 1} is too small, {"x</think>\n', ""),
        ('You asked about {"x": 1}. ', ""),
        ("Use {braces} and [brackets]: ", " [1]"),
        ('[{"x": 1}] is a list, so: ', " (see {above})"),
        ('{"x": 1,} was invalid. ', ""),
        ("{'x': 1} was Python. ", ""),
        ('{"x": 1}\n{"x": 1}\n', ""),
        ("<|channel|>final<|message|>", "<|return|>"),
    ],
)
def test_the_last_complete_object_is_the_answer(before: str, after: str):
    assert json_of(before + ANSWER + after) == ANSWER


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no",
        "42",
        '"x"',
        'You asked about {"x": 1}. The answer is {"x": ',
        'You asked about {"x": 1}. The answer is {',
        'You asked about {"x": 1}. The answer is {"x": {"y": 2}, "z": [',
        '{"outer": {"x": 1}, "more": ',
        '{"outer": [{"x": 1}, {"x": 2',
        '<think>{"x": 1} and so on, for ever',
        '[{"x": 1}',
    ],
)
def test_what_is_cut_off_is_no_answer_whatever_was_quoted(text: str):
    if text.startswith("["):
        assert json_of(text) == '{"x": 1}'  # the list's bracket may be prose: the object is complete
    else:
        assert json_of(text) == text


@pytest.mark.parametrize("text", ['[{"x": 1}, {"x": 2}]', 'First {"x": 1}. Then [{"x": 2}]'])
def test_a_list_of_objects_is_not_mistaken_for_its_last_object(text: str):
    assert json.loads(json_of(text)) == json.loads(text[text.index("[") :])


@given(st.text(alphabet='{}[]"\\:,<>/think1a \n', max_size=80), st.integers(min_value=0, max_value=9))
def test_whatever_comes_before_closed_thoughts_the_answer_is_found(noise: str, number: int):
    answer = json.dumps({"x": number})
    assert json_of(f"<think>{noise}</think>{answer}") == answer


@given(st.text(alphabet='{}[]"\\:,<>/think1a \n', max_size=200))
def test_it_is_always_the_text_or_a_complete_value_of_it(text: str):
    found = json_of(text)
    assert found == text or (found in text and isinstance(json.loads(found), dict | list))


@pytest.mark.parametrize(
    "text",
    ["[" * 50_000, '{"a":' * 50_000, "[" * 1000 + "1," * 300_000, '["' * 100_000, '{"a":[1}' * 50_000, "<think>" * 9_000],
)  # fmt: skip
def test_nested_garbage_is_given_up_on(text: str):
    assert json_of(text) == text
