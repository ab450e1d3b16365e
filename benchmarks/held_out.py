"""Masking on the held-out sets, and names with a language model: ``python -m benchmarks.held_out [MODEL]``.

MODEL is a spaCy package or folder, such as ``en_core_web_sm``: with it the names in texts of each locale are counted too,
as ``names = "presidio"`` masks them. The figures of the first sight of each set are in the documentation; since then the
sets have been tuned on.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable

from benchmarks.guards import covered
from benchmarks.held_out_personal import harmless, held_out
from benchmarks.second_personal_texts import HARMLESS, second
from guardrails.pii.guard import find
from guardrails.pii.names import names_by_presidio


def shares(texts: Iterable[tuple[str, list[tuple[int, int, str]]]]) -> tuple[Counter[str], Counter[str], float]:
    """Of each kind how many there are and how many are masked to 90 %, and milliseconds per KB."""
    total, hit, size, seconds = Counter[str](), Counter[str](), 0, 0.0
    for text, labels in texts:
        started = time.thread_time()
        found = [(entity.start, entity.end) for entity in find(text)]
        seconds += time.thread_time() - started
        size += len(text)
        for start, end, kind in labels:
            if kind != "name":
                total[kind] += 1
                hit[kind] += covered(start, end, found)
    return total, hit, 1e6 * seconds / size


def report(name: str, texts: Iterable[tuple[str, list[tuple[int, int, str]]]]) -> None:
    total, hit, speed = shares(texts)
    kinds = "  ".join(f"{kind} {hit[kind]}/{total[kind]}" for kind in sorted(total))
    print(f"{name:<28} masked {hit.total() / total.total():.3f} of {total.total()}, {speed:.1f} ms per KB   {kinds}")


def names(model: str) -> None:
    """Share of names masked in the texts of each locale, and what is found in texts that hold none."""
    finder = names_by_presidio(model)
    total, hit, seconds, size = Counter[str](), Counter[str](), 0.0, 0
    for code, text, labels in held_out(800, seed=21):
        started = time.thread_time()
        found = [(entity.start, entity.end) for entity in finder(text)]
        seconds += time.thread_time() - started
        size += len(text)
        for start, end, kind in labels:
            if kind == "name":
                total[code] += 1
                hit[code] += covered(start, end, found)
    print(f"names with {model}: " + "  ".join(f"{code} {hit[code]}/{total[code]}" for code in sorted(total)))
    texts = [*harmless(), *HARMLESS]
    wrong = sum(len(finder(text)) for text in texts)
    print(
        f"{wrong} taken for names in {sum(map(len, texts))} characters without any; {1e6 * seconds / size:.0f} ms per KB"
    )


def main() -> None:
    find("Warm up: +49 30 1234567, a@b.example.")
    report("templates, sixteen locales", ((text, labels) for _, text, labels in held_out(1_200, seed=21)))
    report("written by hand", second())
    texts = [*harmless(), *HARMLESS]
    print(f"false in {sum(map(len, texts))} characters that hold none: {sum(len(find(text)) for text in texts)}")
    if len(sys.argv) > 1:
        names(sys.argv[1])


if __name__ == "__main__":
    main()
