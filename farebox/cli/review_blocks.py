"""``farebox review-blocks``: the queue in which a person says whether guards were right."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated

from cyclopts import Parameter, validators
from rich.markup import escape
from rich.rule import Rule
from rich.text import Text

from farebox.cli.app import app
from farebox.cli.content import captured_lines, clean_lines
from farebox.cli.output import print_json, terminal
from farebox.runtime import Runtime, get_runtime
from pricing import Captured, mark_key, to_us
from pricing.ledger import Finding, Reviews
from pricing.reports import Reviewable, clean, moment, review_queue

Json = Annotated[bool, Parameter(name="--json", negative="")]
Most = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1_000))]

_out = terminal()
_FINDINGS: dict[str, Finding] = {"r": "right", "w": "wrong"}
_LONGEST = 600
"""Characters of a text that is shown where a guard did not say which place it means."""


@app.command(name="review-blocks")
def review_blocks(
    *,
    guard: str | None = None,
    right: tuple[int, ...] = (),
    wrong: tuple[int, ...] = (),
    limit: Most = 20,
    show_list: Annotated[bool, Parameter(name="--list", negative="")] = False,
    json: Json = False,
) -> None:
    """Mark what guards stopped or changed as right or wrong, one by one.

    The text is shown, masked, where content capture kept it ([content] in farebox.toml); else where and of what kind.

    Args:
        guard: only this one's.
        right: numbers of decisions that were right, without asking.
        wrong: numbers of decisions that were wrong, without asking.
        limit: how many at most.
        show_list: only list the queue.
        json: print the queue as JSON.
    """
    runtime = get_runtime()
    runtime.replica.sync()
    reviews = Reviews(runtime.ledger.store)
    if right or wrong:
        marked: list[tuple[int, Finding]] = [*((one, "right") for one in right), *((one, "wrong") for one in wrong)]
        for decision, finding in marked:
            reviews.mark(decision, finding)
    else:
        _go_through(runtime, review_queue(runtime.replica, guard, limit), reviews, ask=not show_list, json=json)
    runtime.replica.sync()


def _go_through(runtime: Runtime, queue: Sequence[Reviewable], reviews: Reviews, *, ask: bool, json: bool) -> None:
    kept = runtime.captures.of_turns(entry.turn_id for entry in queue if entry.turn_id)
    if json:
        print_json([entry.to_json() | {"text": _pieces(entry, kept)} for entry in queue])
    elif not queue:
        _out.print("Nothing waits for a review.")
    elif ask and sys.stdin.isatty():
        _ask_about(queue, kept, reviews)
    else:
        for entry in queue:
            _out.print(_lines(entry, kept))


def _ask_about(queue: Sequence[Reviewable], kept: Mapping[str, Captured], reviews: Reviews) -> None:
    said = Counter[Finding]()
    for number, entry in enumerate(queue, 1):
        _out.print(Rule(f"{number} of {len(queue)}", style="dim", align="left"))
        _out.print(_lines(entry, kept))
        answer = _answer(kept.get(entry.turn_id or ""))
        if answer == "q":
            break
        if finding := _FINDINGS.get(answer):
            reviews.mark(entry.decision, finding)
            said[finding] += 1
    _out.print(f"{said['right']} right, {said['wrong']} wrong. `farebox guards` shows what that makes per guard.")


def _answer(turn: Captured | None) -> str:
    """One of r, w, s and q; whoever asks for the whole turn is asked again."""
    more = ", [t]he whole turn" if turn else ""
    while True:
        said = _out.input(escape(f"[r]ight, [w]rong, [s]kip{more}, [q]uit? ")).strip().lower()[:1]
        if said == "t" and turn:
            _out.print(captured_lines(turn))
        elif said in {"r", "w", "s", "q"}:
            return said


def _lines(entry: Reviewable, kept: Mapping[str, Captured]) -> Text:
    lines = entry_lines(entry)
    for piece in _pieces(entry, kept):
        for line in clean_lines(piece).splitlines():
            lines.append("\n   ┃ ", "dim")
            _highlighted(lines, line)
    return lines


def _highlighted(lines: Text, line: str) -> None:
    """Add a line; what stands between ⟦ and ⟧ is what was found."""
    before, found, rest = line.partition("⟦")
    lines.append(before)
    if found:
        place, _, after = rest.partition("⟧")
        lines.append(place, "bold reverse")
        _highlighted(lines, after)


def _pieces(entry: Reviewable, kept: Mapping[str, Captured]) -> tuple[str, ...]:
    """What the decision was about, as far as it is kept: the places, else the text that the guard was shown."""
    turn = kept.get(entry.turn_id or "")
    if turn is None:
        return ()
    if marks := turn.marks.get(mark_key(entry.guard, to_us(entry.decided_at))):
        return marks
    asked = [message["text"] for message in turn.messages if message["role"] == "user"]
    text = (turn.answer or "") if entry.direction == "output" else "\n".join(asked[-1:])
    return (text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…",) if text else ()


def entry_lines(entry: Reviewable) -> Text:
    """A decision without its text: what, where, of what kind."""
    found = ", ".join(f"{number} × {kind}" for kind, number in entry.found.items())
    facts = ", ".join(f"{name} {value}" for name, value in (entry.facts or {}).items())
    told = " · ".join(filter(None, (found, facts)))
    return Text(
        clean(
            f"{entry.decision}  {entry.guard} {entry.action} ({entry.reason}, {entry.mode})  {entry.operation}  "
            f"run {entry.run_id[-8:]}  {moment(entry.decided_at)}"
        )
        + (f"\n   {clean(told)}" if told else "")
    )
