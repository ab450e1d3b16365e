"""Made-up company names, and the ways in which they are written when somebody does not want them to be found."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

NAMES = ("Globexo", "Initech Systems", "Zorblatt", "Hooliverse", "Umbrellacorp", "Vandelay Industries", "Pied Kiper")
_ALIKE = {"a": "а", "e": "е", "o": "о", "p": "р", "c": "с", "x": "х", "i": "і", "s": "ѕ"}
_LEET = {"o": "0", "l": "1", "e": "3", "a": "4", "s": "5", "t": "7", "b": "8"}


def _swap(name: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(name) - 1)
    return name[:at] + name[at + 1] + name[at] + name[at + 2 :]


def _drop(name: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(name))
    return name[:at] + name[at + 1 :]


def _change(name: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(name))
    return name[:at] + rng.choice("bdfgkmnprtvz") + name[at + 1 :]


def _double(name: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(name))
    return name[:at] + name[at] + name[at:]


def _gap(name: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(name))
    return name[:at] + rng.choice([" ", "-", ".", "_", " - "]) + name[at:]


_WAYS: tuple[Callable[[str, random.Random], str], ...] = (
    lambda name, _: name,
    lambda name, _: name.upper(),
    lambda name, _: name.lower(),
    lambda name, _: name.replace(" ", ""),
    lambda name, _: name + "'s",
    lambda name, _: f"**{name}**,",
    lambda name, rng: rng.choice(["-", ".", " ", "_", "*"]).join(name.replace(" ", "")),
    lambda name, rng: "".join(_ALIKE.get(letter, letter) if rng.random() < 0.6 else letter for letter in name),
    lambda name, rng: (
        name[0] + "".join(_LEET.get(letter, letter) if rng.random() < 0.6 else letter for letter in name[1:])
    ),
    lambda name, _: "".join(chr(ord(letter) + 0xFEE0) if letter.isalnum() else letter for letter in name),
    lambda name, rng: rng.choice(["\u200b", "\u2060", "\u00ad", "\u200d"]).join(name),
    lambda name, _: "".join(letter + "\u0301" if letter in "aeiou" else letter for letter in name),
    _swap,
    _drop,
    _change,
    _double,
    _gap,
)


def mutations(rng: random.Random, count: int) -> Iterator[tuple[str, str]]:
    """``count`` written forms, each with its name; all ways in turn."""
    for number in range(count):
        name = rng.choice(NAMES)
        yield _WAYS[number % len(_WAYS)](name, rng), name
