"""Masking measured on a folder of labelled sets, with Presidio beside it where it is installed.

``python -m benchmarks.labelled_sets FOLDER [MOST]`` reads, in it and below:

* ``*.jsonl`` and ``*.json``: objects with a text (``source_text``, ``text``, ``full_text``, ``unmasked_text``,
  ``generated_text``) and labels (``privacy_mask``, ``spans``, ``span_labels``, ``entities``, ``pii_spans``, ``labels``),
  as a list or as its JSON or Python text; each label an object with ``start``, ``end`` and ``label`` (or ``entity_type``,
  ``entity``, ``type``), an object with a value alone, or ``[start, end, label]``. A list below ``data`` or ``examples`` is
  read too, and an object with ``tokens`` and tags (``ner_tags``, ``mbert_bio_labels``, ``labels``) in BIO.
* ``*.csv``: the same, one column each.
* ``*.bio``, ``*.iob``, ``*.iob2``, ``*.conll``: a token and its tag per line, an empty line between texts.

Labels are compared by the kinds that are claimed (a label alone is not asked for where the claim does); the names of the
others are printed, so that none is left out unseen. It prints per set the share masked to 90 %, what was found in texts
without any label per 100 KB, and milliseconds per KB. Files that label attacks on a model are left to
``benchmarks.labelled_injections``.
"""

from __future__ import annotations

import ast
import csv
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import labelled_injections
from benchmarks.guards import covered
from guardrails.pii.guard import find

CLAIMED = (
    ("email", r"E-?MAIL"),
    ("phone", r"PHONE(?!.*IMEI)|^TEL(?!L)|FAX|MOBILE"),
    ("card", r"CREDIT_?(?:DEBIT_?)?CARD(?!.*(?:CVV|ISSUER|SECURITY))|(?<!ID)(?<!ID_)CARD_?NUM|^CARD$"),
    ("iban", r"IBAN"),
    ("ssn", r"SSN|SOCIAL"),
    ("ip", r"^IP|IPV[46]|IP_?ADDRESS"),
    ("mac", r"^MAC"),
    ("url", r"^URL|^DOMAIN"),
    ("passport", r"PASSPORT"),
    ("nationalid", r"ID_?CARD|NATIONAL_?ID|TAX_?(?:ID|NUM)|DRIVER|DRIVING|NHS|AADHAAR|^PAN$|NRIC|NIF$|^NIE|FISCAL|^ID_?NUM"),
)  # fmt: skip
_TEXTS = ("source_text", "text", "full_text", "unmasked_text", "generated_text", "document", "sentence")
_LABELS = ("privacy_mask", "spans", "span_labels", "entities", "pii_spans", "labels", "label")
_TOKENS, _TAGS = (
    ("tokens", "mbert_text_tokens", "tokenised_text", "words"),
    (*("ner_tags", "mbert_bio_labels", "bio_labels", "tags", "labels"),),
)
_SUFFIXES = (".json", ".jsonl", ".csv", ".bio", ".iob", ".iob2", ".conll")
_CONTINUES = re.compile(r"\W|##")
Finder = Callable[[str], list[tuple[int, int]]]
Span = tuple[int, int, str]


def examples(folder: Path) -> Iterator[tuple[str, str, list[Span]]]:
    """Name of the set, text, and all its labels with the names they have there."""
    for path in sorted(folder.rglob("*")):
        if path.suffix not in _SUFFIXES or not path.is_file():
            continue
        if path.suffix in {".json", ".jsonl", ".csv"}:
            for row in _rows(path):
                if not labelled_injections.is_labelled(row) and (read := _example(row)):
                    yield (path.stem, *read)
        else:
            for block in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
                lines = [
                    line.split() for line in block.splitlines() if line.strip() and not line.startswith("-DOCSTART-")
                ]
                if lines:
                    yield (path.stem, *_joined([line[0] for line in lines], [line[-1] for line in lines]))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            csv.field_size_limit(10**8)
            yield from csv.DictReader(file)
        return
    content = path.read_text(encoding="utf-8")
    rows: Any
    try:
        rows = json.loads(content)
    except ValueError:
        rows = [json.loads(line) for line in content.splitlines() if line.strip()]
    if isinstance(rows, dict):
        rows = next(
            (rows[key] for key in ("data", "examples", "rows", "train") if isinstance(rows.get(key), list)), [rows]
        )
    for row in rows:
        if isinstance(row, dict):
            yield row.get("row", row) if isinstance(row.get("row"), dict) else row


def _example(row: dict[str, Any]) -> tuple[str, list[Span]] | None:
    """Text and labels of an object, whichever layout it has; None if it is unknown."""
    text = next((str(row[key]) for key in _TEXTS if row.get(key)), "")
    labels = next((found for key in _LABELS if (found := _parsed(row.get(key)))), [])
    tokens = next((found for key in _TOKENS if (found := _parsed(row.get(key)))), [])
    if text and not (labels and all(isinstance(label, str | int) for label in labels)):
        return text, list(_spans(text, labels))
    tags = next((found for key in _TAGS if (found := _parsed(row.get(key)))), [])
    if tokens and len(tokens) == len(tags) and all(isinstance(tag, str) for tag in tags):
        return _joined(tokens, tags)
    return None


def _parsed(value: Any) -> list[Any]:
    """A list, also one that is kept as its JSON or Python text, or as an object of name and value."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            try:
                value = ast.literal_eval(value)
            except (ValueError, SyntaxError):
                return []
    if isinstance(value, dict):
        return [{"label": kind, "value": one} for kind, one in value.items()]
    return list(value) if isinstance(value, list | tuple) else []


def _spans(text: str, labels: list[Any]) -> Iterator[Span]:
    done: Counter[str] = Counter()
    for item in labels:
        if isinstance(item, list | tuple) and len(item) >= 3:
            start, end, name = item[:3] if isinstance(item[0], int) else (*item[1:3], item[0])
            yield int(start), int(end), str(name)
            continue
        if not isinstance(item, dict):
            continue
        name = next(
            (item[key] for key in ("label", "entity_type", "type", "types", "labels", "entity") if key in item), ""
        )
        name = str(name[0] if isinstance(name, list) and name else name)
        start, end = (
            next((item[key] for key in (f"{at}", f"{at}_position", f"{at}_offset") if key in item), None)
            for at in ("start", "end")
        )
        if start is not None and end is not None:
            yield int(start), int(end), name
        elif value := next(
            (str(item[key]) for key in ("value", "entity", "text", "entity_value") if item.get(key)), ""
        ):
            at = text.find(value, done[value])
            if at >= 0:
                done[value] = at + len(value)
                yield at, at + len(value), name


def _joined(tokens: list[str], tags: list[str]) -> tuple[str, list[Span]]:
    """A text of tokens, with blanks where words begin, and the spans of its BIO tags."""
    text, spans = "", list[Span]()
    for token, tag in zip(tokens, tags, strict=True):
        glued = token.startswith("##")
        word = token.removeprefix("##")
        text += word if glued or not text or (len(word) == 1 and word in ".,;:!?)]}'") else f" {word}"
        begin, _, name = tag.partition("-")
        if not name:
            continue
        if (
            begin in "IEL"
            and spans
            and spans[-1][2] == name
            and text[spans[-1][1] : len(text) - len(word)].strip() == ""
        ):
            spans[-1] = (spans[-1][0], len(text), name)
        else:
            spans.append((len(text) - len(word), len(text), name))
    return text, spans


def kind_of(name: str) -> str:
    """The claimed kind that a set's label stands for; empty if it is not claimed."""
    plain = re.sub(r"[ -]", "_", name)
    return next((kind for kind, pattern in CLAIMED if re.search(pattern, plain, re.IGNORECASE)), "")


def presidio() -> Finder | None:
    """Presidio with the model that it is installed with, as it comes; None where it is not installed, or has no model."""
    try:
        import spacy
        from presidio_analyzer import AnalyzerEngine
        from presidio_analyzer.nlp_engine import NlpEngineProvider
    except ImportError:
        return None
    model = next((name for name in sorted(spacy.util.get_installed_models()) if name.startswith("en_")), "")
    if not model:
        print("Presidio has no English language model of spaCy: not measured.")
        return None
    models = [{"lang_code": "en", "model_name": model}]
    engine = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models}).create_engine()
    analyzer = AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])
    return lambda text: [(found.start, found.end) for found in analyzer.analyze(text, "en")]


def measure(folder: Path, most: int, finder: Finder) -> None:
    total, hit = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    false, bare, size, unclaimed, read = Counter[str](), Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    seconds = 0.0
    finder("Warm up: +49 30 1234567, a@b.example.")
    for name, text, labels in examples(folder):
        if read[name] >= most:
            continue
        read[name] += 1
        started = time.thread_time()
        found = finder(text)
        seconds += time.thread_time() - started
        size[name] += len(text)
        for start, end, label in labels:
            if kind := kind_of(label):
                total[name, kind] += 1
                hit[name, kind] += covered(start, end, found)
            else:
                unclaimed[label] += 1
        if not labels:
            false[name] += len(found)
            bare[name] += len(text)
    for name in sorted(read):
        kinds = {kind: f"{hit[name, kind]}/{count}" for (of, kind), count in sorted(total.items()) if of == name}
        labelled = sum(count for (of, _), count in total.items() if of == name)
        masked = sum(count for (of, _), count in hit.items() if of == name)
        share = f"masked {masked / labelled:.3f}" if labelled else "no claimed labels"
        wrong = f"{1e5 * false[name] / bare[name]:.1f}" if bare[name] else "not measured"
        print(f"{name:<30} {read[name]} texts  {share}  false per 100 KB without labels {wrong}  {kinds}")
    print(f"{1e6 * seconds / max(1, sum(size.values())):.2f} ms per KB")
    print(f"labels that are not claimed: {dict(unclaimed.most_common())}")


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
