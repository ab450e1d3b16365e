"""Masking measured on a folder of labelled sets, with Presidio beside it where it is installed.

``python -m benchmarks.labelled_sets FOLDER [MOST]`` reads every ``*.jsonl`` and ``*.json`` in it: objects with a text
(``text``, ``source_text``, ``full_text``, ``unmasked_text``) and labels (``spans``, ``entities``, ``privacy_mask``,
``labels``), each with ``start``, ``end`` and ``label`` (or ``entity_type``, ``entity``, ``type``). Labels are compared by
the kinds that are claimed; the names of the others are printed.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.guards import covered
from guardrails.pii.guard import find

CLAIMED = (
    ("email", r"E-?MAIL"),
    ("phone", r"PHONE|TEL(?!L)|FAX|MOBILE"),
    ("card", r"CREDIT.?CARD|CARD.?NUM|^CREDITCARD$"),
    ("iban", r"IBAN"),
    ("ssn", r"SSN|SOCIAL"),
    ("ip", r"^IP|IPV[46]|IP.?ADDRESS"),
    ("mac", r"^MAC"),
    ("url", r"^URL|DOMAIN"),
    ("passport", r"PASSPORT"),
    ("nationalid", r"ID.?CARD|NATIONAL.?ID|TAX|DRIVER|NHS|NRP_ID|^ID_?NUM"),
)
Finder = Callable[[str], list[tuple[int, int]]]


def examples(folder: Path) -> Iterator[tuple[str, str, list[tuple[int, int, str]]]]:
    """Name of the set, text, and its labels of claimed kinds."""
    for path in sorted(folder.rglob("*.json*")):
        content = path.read_text(encoding="utf-8")
        rows = (
            json.loads(content) if path.suffix == ".json" else map(json.loads, filter(str.strip, content.splitlines()))
        )
        for row in rows if not isinstance(rows, dict) else ():
            text = next((row[key] for key in ("source_text", "text", "full_text", "unmasked_text") if row.get(key)), "")
            labels: Any = next(
                (row[key] for key in ("privacy_mask", "spans", "entities", "labels") if row.get(key)), []
            )
            labels = json.loads(labels.replace("'", '"')) if isinstance(labels, str) else labels
            yield path.stem, text, [label for item in labels if (label := _label(item))]


def _label(item: dict[str, Any]) -> tuple[int, int, str] | None:
    name = str(next((item[key] for key in ("label", "entity_type", "entity", "type") if key in item), ""))
    start, end = (item.get(key, item.get(f"{key}_position")) for key in ("start", "end"))
    kind = next((kind for kind, pattern in CLAIMED if re.search(pattern, name, re.IGNORECASE)), "")
    return (start, end, kind) if kind and start is not None and end is not None else None


def presidio() -> Finder | None:
    """Its own recognisers without a language model; None where it is not installed."""
    try:
        from presidio_analyzer import AnalyzerEngine
    except ImportError:
        return None
    analyzer = AnalyzerEngine()
    return lambda text: [(found.start, found.end) for found in analyzer.analyze(text, "en")]


def measure(folder: Path, most: int, finder: Finder) -> None:
    total, hit = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    false, size, seconds = Counter[str](), Counter[str](), 0.0
    read = Counter[str]()
    for name, text, labels in examples(folder):
        if read[name] >= most:
            continue
        read[name] += 1
        started = time.thread_time()
        found = finder(text)
        seconds += time.thread_time() - started
        size[name] += len(text)
        for start, end, kind in labels:
            total[name, kind] += 1
            hit[name, kind] += covered(start, end, found)
        if not labels:
            false[name] += len(found)
    for name in sorted(read):
        kinds = {kind: f"{hit[name, kind]}/{count}" for (of, kind), count in sorted(total.items()) if of == name}
        labelled = sum(count for (of, _), count in total.items() if of == name)
        masked = sum(count for (of, _), count in hit.items() if of == name)
        share = f"{masked / labelled:.3f}" if labelled else "no labels"
        print(f"{name:<30} masked {share}  found in texts without labels {false[name]}  {kinds}")
    print(f"{1e6 * seconds / max(1, sum(size.values())):.2f} ms per KB")


def main() -> None:
    folder, most = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5_000
    print("Farebox")
    measure(folder, most, lambda text: [(entity.start, entity.end) for entity in find(text)])
    other = presidio()
    if other is None:
        print("Presidio is not installed: not measured.")
    else:
        print("Presidio")
        measure(folder, most, other)


if __name__ == "__main__":
    main()
