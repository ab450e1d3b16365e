"""Answers with labels, made up: right and wrong ones about invented products, half of each."""

from __future__ import annotations

import random
from typing import TypedDict

PRODUCTS = ("Larkspur", "Tamarind", "Quillon", "Bramble", "Ostrava", "Meridian", "Fennel", "Zephyr")
MAKERS = ("Holloway", "Petrov", "Nakamura", "Adeyemi", "Lindqvist", "Moreau")
WORDS = {7: "seven", 14: "fourteen", 21: "twenty-one", 30: "thirty"}


class Labelled(TypedDict):
    """A line of a file of labels."""

    label: str
    facts: str
    answer: str


def labelled(each: int, seed: int) -> list[Labelled]:
    """So many right answers and as many wrong ones.

    One in twelve is hard for who compares words: wrong by a negation or by swapped figures, right by a sum or by what
    is common knowledge.
    """
    chance = random.Random(seed)
    return [line for number in range(each) for line in (_right(chance, number), _wrong(chance, number))]


def _case(chance: random.Random) -> tuple[str, str, int, int, int]:
    days = chance.choice(list(WORDS))
    price, seats = chance.randint(11, 480), chance.randint(2, 60)
    return chance.choice(PRODUCTS), chance.choice(MAKERS), days, price, seats


def _facts(product: str, maker: str, days: int, price: int, seats: int) -> str:
    return (
        f"{product} is made by {maker}. It costs {price} dollars a month for {seats} seats. Refunds are possible within "
        f"{days} days. Support answers by mail."
    )


def _right(chance: random.Random, number: int) -> Labelled:
    product, maker, days, price, seats = case = _case(chance)
    answers = [
        f"You pay {price} dollars each month for {product}, and {seats} people can use it.",
        f"If you do not like {product}, you have {WORDS[days]} days to get your money back.",
        f"The maker of {product} is {maker}. Please write a mail when you need help.",
        f"A refund is possible within {days} days of buying {product}.",
    ]
    hard = f"For {product} that makes {price * 12} dollars a year."
    answer = hard if number % 12 == 5 else chance.choice(answers)
    return {"label": "pass", "facts": _facts(*case), "answer": answer}


def _wrong(chance: random.Random, number: int) -> Labelled:
    product, maker, days, price, seats = case = _case(chance)
    other = chance.choice([name for name in MAKERS if name != maker])
    answers = [
        f"You pay {price + chance.randint(1, 9)} dollars each month for {product}.",
        f"A refund is possible within {days + 31} days of buying {product}.",
        f"The maker of {product} is {other}, who also answers your mails.",
        f"With {product} come {seats + 90} seats and a phone line in Lisbon.",
    ]
    hard = [f"Refunds of {product} are not possible.", f"{product} costs {seats} dollars for {price} seats."]
    answer = chance.choice(hard) if number % 12 == 7 else chance.choice(answers)
    return {"label": "fail", "facts": _facts(*case), "answer": answer}
