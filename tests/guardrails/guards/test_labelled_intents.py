"""The benchmark that reads labelled intents: its layouts, and what it calls in and out of scope."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.held_out_intents import BANK, SHOP, STRANGE
from benchmarks.labelled_intents import Request, Shares, main, requests, scopes, shares

ONE = Request("set", "", "balance", 'what is "my" balance, please')


def written(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("set.csv", 'text,category\n"what is ""my"" balance, please",balance\n'),
        ("set.csv", '\ufeffIntent;Answer_normalised\nbalance;"what is ""my"" balance, please"\nbalance;\n'),
        ("set.tsv", 'intent\tsentence\nbalance\t"what is ""my"" balance, please"\n'),
        ("set.jsonl", json.dumps({"utt": ONE.text, "label": "balance"}) + "\n\n"),
        ("set.json", json.dumps([{"query": f" {ONE.text} ", "intent": "balance", "other": None}])),
        ("set.json", json.dumps({"data": [{"request": ONE.text, "class": "balance"}], "version": 2})),
        ("set.json", json.dumps({"train": [[ONE.text, "balance"]], "val": [[1, 2], ["alone"]]})),
        (
            "set/test.csv",
            f"text,intent\n{json.dumps(ONE.text).replace(chr(92), '')},balance\n".replace('"my"', '""my""'),
        ),
    ],
)
def test_each_layout_gives_the_same_request(tmp_path: Path, name: str, content: str) -> None:
    assert list(requests(written(tmp_path, name, content))) == [ONE]


def test_texts_and_labels_in_files_of_their_own(tmp_path: Path) -> None:
    written(tmp_path, "set/train/seq.in", f"{ONE.text}\nhello\n")
    assert list(requests(tmp_path)) == []  # without labels
    written(tmp_path, "set/train/label", "balance\noos\n")
    assert list(requests(tmp_path)) == [ONE, Request("set", "", "", "hello")]


def test_domains_stand_beside_or_in_a_column(tmp_path: Path) -> None:
    written(
        tmp_path, "a/data_full.json", json.dumps({"train": [["how much", "balance"]], "oos_test": [["why", "oos"]]})
    )
    written(tmp_path, "a/domains.json", json.dumps({"banking": ["balance", "transfer"]}))
    written(tmp_path, "b.csv", "text,intent,scenario\nwake me,alarm_set,alarm\n")
    assert list(requests(tmp_path)) == [
        Request("a/data_full", "banking", "balance", "how much"),
        Request("a/data_full", "", "", "why"),
        Request("b", "alarm", "alarm_set", "wake me"),
    ]


def test_scopes_keep_apart_what_is_learnt_and_judged() -> None:
    read = [
        Request("own", domain, intent, text)
        for domain, intents in (("bank", BANK), ("shop", SHOP))
        for intent, texts in intents.items()
        for text in texts.split("|")
    ]
    read += [Request("own", "", "", text) for text in STRANGE[0].split("|")]
    bank, shop = scopes(read, examples=8)
    assert (bank.name, shop.name) == ("own/bank", "own/shop")
    assert len(bank.learnt) == 8 * 8  # of ten intents, two are left out
    assert (len(bank.own), len(bank.new), len(bank.nowhere)) == (8 * 7, 20, 6)
    kinds = [set(kind) for kind in (bank.learnt, bank.own, bank.new, bank.others, bank.nowhere)]
    assert sum(map(len, kinds)) == len(set[str]().union(*kinds))
    assert set(bank.others) == {text for texts in SHOP.values() for text in texts.split("|")}
    told = shares(bank, embeddings=False)
    assert told["own"].blocked <= 0.1
    assert told["others"].blocked >= 0.25  # a shop has accounts and refunds as well
    assert told["own"].count == 56
    assert str(Shares(0, 0.0, 0.0)) == "-"


def test_what_nothing_can_be_measured_on_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, "set.csv", "text,intent\n" + "\n".join(f"request {number},one" for number in range(9)))
    monkeypatch.setattr("benchmarks.labelled_intents.find_spec", lambda _: None)
    monkeypatch.setattr("sys.argv", ["labelled_intents", str(tmp_path)])
    main()
    assert "9 requests; 0 scopes" in (told := capsys.readouterr().out)
    assert "add a domain column" in told
    written(tmp_path, "other.csv", "text,intent\nwrite a poem,poem\nsing a song,poem\n")
    main()
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("set ") for line in lines)
    assert lines[-1] == "The extra `embeddings` is not installed: not measured by meaning."
