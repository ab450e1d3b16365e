"""The layouts that public labelled sets come in, as the benchmark reads them."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.labelled_sets import examples, kind_of, measure

TEXT = "Mail ada@example.com or ring +49 30 901820."
SPANS = [(5, 20, "EMAIL"), (29, 42, "PHONE")]
ROWS: dict[str, dict[str, Any]] = {
    "ai4privacy": {
        "source_text": TEXT,
        "target_text": "Mail [EMAIL] or ring [PHONE].",
        "privacy_mask": [{"value": TEXT[start:end], "start": start, "end": end, "label": label} for start, end, label in SPANS],
    },
    "mask as text": {"source_text": TEXT, "privacy_mask": json.dumps([{"start": 5, "end": 20, "label": "EMAIL"}, {"start": 29, "end": 42, "label": "PHONE"}])},
    "span labels": {"unmasked_text": TEXT, "span_labels": json.dumps([list(span) for span in SPANS])},
    "presidio": {
        "full_text": TEXT,
        "spans": [{"entity_type": label, "entity_value": TEXT[start:end], "start_position": start, "end_position": end} for start, end, label in SPANS],
    },
    "gretel": {"generated_text": TEXT, "pii_spans": json.dumps([{"start": start, "end": end, "label": label} for start, end, label in SPANS])},
    "python text": {"text": TEXT, "entities": str([{"entity": TEXT[start:end], "types": [label], "type": label} for start, end, label in SPANS])},
    "doccano": {"text": TEXT, "label": [list(span) for span in SPANS]},
}  # fmt: skip


@pytest.mark.parametrize("layout", ROWS)
def test_reads_objects(tmp_path: Path, layout: str) -> None:
    (tmp_path / "lines.jsonl").write_text(json.dumps(ROWS[layout]) + "\n", encoding="utf-8")
    (tmp_path / "list.json").write_text(json.dumps({"data": [ROWS[layout]]}), encoding="utf-8")
    assert list(examples(tmp_path)) == [("lines", TEXT, SPANS), ("list", TEXT, SPANS)]


def test_reads_columns(tmp_path: Path) -> None:
    with (tmp_path / "set.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["source_text", "privacy_mask"])
        writer.writeheader()
        writer.writerow({key: ROWS["mask as text"][key] for key in ("source_text", "privacy_mask")})
    assert list(examples(tmp_path)) == [("set", TEXT, SPANS)]


def test_reads_tokens_in_bio(tmp_path: Path) -> None:
    lines = "Ring O\n+49 B-PHONE\n30 I-PHONE\n901820 I-PHONE\n. O\n\nHi O\nAda B-NAME\n"
    (tmp_path / "set.bio").write_text(lines, encoding="utf-8")
    row = {"tokens": ["Mail", "ada", "##@example.com"], "ner_tags": ["O", "B-EMAIL", "I-EMAIL"]}
    (tmp_path / "tokens.jsonl").write_text(json.dumps(row), encoding="utf-8")
    assert list(examples(tmp_path)) == [
        ("set", "Ring +49 30 901820.", [(5, 18, "PHONE")]),
        ("set", "Hi Ada", [(3, 6, "NAME")]),
        ("tokens", "Mail ada@example.com", [(5, 20, "EMAIL")]),
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("TELEPHONENUM", "phone"), ("phone_number", "phone"), ("PHONEIMEI", ""), ("CREDITCARDNUMBER", "card"), ("CREDITCARDCVV", "")),
        *(("credit_debit_card", "card"), ("CREDITCARDISSUER", ""), ("SOCIALNUM", "ssn"), ("US_SSN", "ssn"), ("IDCARDNUM", "nationalid")),
        *(("DRIVERLICENSENUM", "nationalid"), ("IP_ADDRESS", "ip"), ("ipv6", "ip"), ("mac_address", "mac"), ("PASSPORTNUM", "passport")),
        *(("GIVENNAME", ""), ("ZIPCODE", ""), ("IBAN_CODE", "iban"), ("DOMAIN_NAME", "url"), ("TELLER", "")),
    ],
)  # fmt: skip
def test_labels_are_compared_by_claimed_kinds(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_prints_shares_and_what_is_not_claimed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"text": TEXT, "spans": [{"start": 5, "end": 20, "label": "EMAIL"}, {"start": 0, "end": 4, "label": "VERB"}]},
        {"text": "Nothing here."},
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    measure(tmp_path, 10, lambda text: [(5, 20)] if "@" in text else [(0, 7)])
    printed = capsys.readouterr().out
    assert "own" in printed
    assert "2 texts  masked 1.000" in printed
    assert f"without labels {1e5 / 13:.1f}" in printed
    assert "{'VERB': 1}" in printed
