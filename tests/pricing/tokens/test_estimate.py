import json
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.tokens.estimate import Factor, count_tokens, estimate_tokens
from tests.support.effort import assert_cheap, assert_grows_with_length


def upper_tokens(text: str) -> int:
    return count_tokens(text).most()


PROSE = (
    "The automation reads the morning's tickets, groups those that describe the same fault, and writes one short "
    "summary for each group. Nobody has to open the queue before breakfast any more, and the summaries link back to "
    "every ticket that they rest on, so that a doubtful sentence can be checked within seconds. "
) * 2
CODE = '''
def settle(run: Run, ledger: Ledger) -> Settlement:
    """Charge what was really spent and give the rest of the hold back."""
    with ledger.begin() as transaction:
        spent = sum(attempt.cost for attempt in transaction.attempts(run.id) if attempt.billed)
        transaction.release(run.hold_id, run.held - spent)
        return Settlement(run_id=run.id, spent=spent, released=run.held - spent)
'''
RECORDS = json.dumps([{"id": i, "name": f"item {i}", "price": 12.5 + i, "tags": ["new", "sale"]} for i in range(12)])
CHINESE = "每一次运行之前，系统都会先给出报价，说明这次运行预计要花多少钱，以及为什么可能会被拒绝。" * 3
JAPANESE = "実行の前に見積もりを出し、予算に収まるかどうかを確かめてから、はじめてモデルに質問を送ります。" * 3
RUSSIAN = "Перед каждым запуском система называет цену и проверяет, хватает ли бюджета на худший случай. " * 3
NUMBERS = "\n".join(f"2026-11-{day:02} | {day * 7919 % 10_000} | {day * 0.137:.3f}" for day in range(1, 29))


# counted with o200k_base, the tokenizer of GPT-4o, GPT-5 and GPT-OSS
@pytest.mark.parametrize(
    ("text", "counted", "tolerance"),
    [
        (PROSE, 121, 0.12),
        (CODE, 95, 0.20),
        (RECORDS, 385, 0.15),
        (CHINESE, 84, 0.35),
        (JAPANESE, 117, 0.25),
        (RUSSIAN, 61, 0.40),
        (NUMBERS, 444, 0.10),
    ],
    ids=["prose", "code", "json", "chinese", "japanese", "russian", "numbers"],
)
def test_estimates_are_near_the_count(text, counted, tolerance):
    assert estimate_tokens(text) == pytest.approx(counted, rel=tolerance)
    assert counted <= upper_tokens(text) <= len(text.encode())


def test_characters_over_four_would_be_far_off():
    assert estimate_tokens(CHINESE) > 2 * len(CHINESE) / 4
    assert estimate_tokens(NUMBERS) > 1.5 * len(NUMBERS) / 4


@given(st.text(), st.text())
def test_adding_text_never_lowers_the_estimate(a, b):
    assert estimate_tokens(a + b) >= estimate_tokens(a)
    assert upper_tokens(a + b) >= upper_tokens(a)


@given(st.text(st.characters(codec=None), max_size=300))
def test_the_upper_bound_is_at_most_one_token_per_byte_whatever_the_text(text):
    assert 0 <= upper_tokens(text) <= len(text.encode("utf-8", "surrogatepass"))


@given(st.text(min_size=20, max_size=400), st.floats(0.5, 2), st.integers(1, 50), st.integers(0, 100))
def test_a_learned_factor_scales_the_estimate_and_stays_under_the_worst_case(text, value, calls, framing):
    counted, factor = count_tokens(text, framing=framing), Factor(value, highest=value, calls=calls)
    assert counted.estimate == estimate_tokens(text) + framing
    assert counted.expected(factor) == pytest.approx(counted.estimate * value, abs=1)
    assert counted.expected(factor) <= counted.most(factor)


def test_a_worst_case_is_tighter_once_bills_have_told_how_fine_a_tokenizer_cuts():
    counted = count_tokens(PROSE)
    assert counted.most(Factor(1.0, 1.0, calls=3)) < counted.most(Factor(1.0, 1.0, calls=2)) == counted.most()
    assert counted.most(Factor(1.4, 1.5, calls=3)) > 1.8 * counted.estimate  # and covers one that cuts finer


def test_nothing_is_no_tokens():
    assert estimate_tokens("") == upper_tokens("") == 0
    assert estimate_tokens("a") == 1


def test_encoded_data_is_allowed_for_in_full():
    digest = random.Random(1).randbytes(600).hex()
    assert upper_tokens(digest) >= 0.9 * len(digest)


PIECES = st.sampled_from(["word", "a", "B7", "42", " ", "\n", "\x1f", "\t", "Привет", "+/", "Zm9v" * 6, "Q" * 23, "."])


@given(st.lists(PIECES).map("".join))
def test_words_and_encoded_data_are_counted_as_by_splitting_and_by_the_pattern(text):
    apart, joined = count_tokens(" ".join(text.split())), count_tokens(text)
    assert joined.weight - text.count("\n") * 0.73 == pytest.approx(apart.weight)
    assert joined.encoded == pytest.approx(0.6 * sum(map(len, re.findall(r"[A-Za-z0-9+/]{24,}", text))))


def test_ten_kilobytes_cost_little_and_work_grows_with_length():
    ten_kilobytes = (PROSE + CODE + RECORDS)[:10_000].ljust(10_000, "x")
    assert_cheap(estimate_tokens, {"ten kilobytes": ten_kilobytes}, most=1)
    assert_grows_with_length(estimate_tokens, ten_kilobytes * 50, parts=50)
