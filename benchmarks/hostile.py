"""A hunt for texts that make a guard slow: ``python -m benchmarks.hostile --seconds 60``.

Units of a few pieces that guards look for are repeated to 100 KB; the slowest of each guard are bent further. What it
prints last is the worst CPU time of each guard on any text tried, and the unit it is made of. Above half a second is a
fault: it ends with an exit code.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from benchmarks.guard_texts import hostile
from benchmarks.guards import every_guard
from guardrails.content_masking import Scrubber
from guardrails.guards.secrets import find_secrets
from guardrails.pii.guard import PIIGuard, mask
from guardrails.pii.vault import Vault

SIZE, SMALL, MOST_SECONDS = 100_000, 12_500, 0.5
PIECES = (
    "a", "B", "9", "0", "1", " ", "  ", "\n", "\t", ".", ",", ":", "::", ";", "-", "--", "_", "/", "//", "\\", "@", "#", "+", "+1",
    "+44", "(", ")", "[", "]", "<", ">", "{", "}", '"', "'", "`", "=", ":=", "=>", "%", "&", "?", "*", "~", "|", "http://", "www.",
    "a.b", "a@b.c", "[at]", " at ", "dot", "DE", "GB", "DE89", "3704", "4111", "123-45-", "eyJ", "AKIA", "sk-", "ghp_", "token", "key",
    "secret", "password", "passwort is ", "bearer ", "basic ", "authorization: ", "-----BEGIN PRIVATE KEY-----", "-----END ", "passport ",
    "ssn ", "nhs ", "tel ", "ext. ", "EMAIL_1", "[NAME_2", "_0a1b2c3d]", "ignore", "previous instructions", "you are now ", "system prompt",
    "we guarantee", "Globexo", "G l o b", "G\u200bl", "ö", "\u00df", "\u4e2d", "\u0430", "\u200d", "\ufb01", "İ", "fe80::", "1.1.1.1",
    "ab:cd:", "QUJD", "\\n", "\\u0041", "x" * 40, "1" * 16, "xn--",
)  # fmt: skip


def guards() -> dict[str, Callable[[str], object]]:
    vault, empty = Vault(()), PIIGuard()
    for kind in ("EMAIL", "NAME", "PHONE"):
        vault.token(kind, "someone")
    return {
        "pii": mask,
        "secrets": find_secrets,
        "restore": vault.restore,
        "settled": vault.settled,
        "content": lambda text: Scrubber(empty, (), None).scrub(text),
        **every_guard(),
    }


def seconds(work: Callable[[str], object], text: str) -> float:
    started = time.thread_time()
    with suppress(ValueError):  # a guard that refuses a text blocks it
        work(text)
    return time.thread_time() - started


def filled(unit: str, size: int) -> str:
    return (unit * (size // len(unit) + 1))[:size]


def bent(chance: random.Random, unit: list[str]) -> list[str]:
    """Variants of a unit: one piece more, less, changed or moved."""
    changed, at = list(unit), chance.randrange(len(unit))
    match chance.randrange(4):
        case 0 if len(unit) < 8:
            changed.insert(at, chance.choice(PIECES))
        case 1 if len(unit) > 1:
            del changed[at]
        case 2:
            changed[at], changed[-1] = changed[-1], changed[at]
        case _:
            changed[at] = chance.choice(PIECES)
    return changed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance, tried, slow = random.Random(options.seed), 0, 0
    chosen = guards()
    share = options.seconds / len(chosen)
    for name, work in chosen.items():
        pool = [(seconds(work, text[:SMALL]), [text[:SMALL]]) for text in hostile(SMALL).values()]
        ends = time.monotonic() + share * 0.8
        while time.monotonic() < ends:
            base = chance.choice(pool[:8])[1] if pool and chance.random() < 0.7 else [chance.choice(PIECES)]
            unit = bent(chance, base) if len(base[0]) < SMALL else [chance.choice(PIECES) for _ in range(3)]
            pool = sorted([*pool, (seconds(work, filled("".join(unit), SMALL)), unit)], key=lambda one: -one[0])[:24]
            tried += 1
        worst = max(
            ((seconds(work, filled("".join(unit), SIZE)), unit) for _, unit in pool[:6]), key=lambda one: one[0]
        )
        slow += worst[0] > MOST_SECONDS
        print(f"{name:<16}{worst[0]:6.2f} s of CPU at 100 KB   {''.join(worst[1])[:60]!r}", flush=True)
    print(f"{tried} texts tried; aim: <= {MOST_SECONDS} s each")
    return int(slow > 0)


if __name__ == "__main__":
    sys.exit(main())
