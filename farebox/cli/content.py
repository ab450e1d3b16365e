"""``farebox content``: stored prompts and answers: reading and deleting them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from cyclopts import App, Parameter, validators
from rich.table import Table
from rich.text import Text

from farebox.cli.app import app
from farebox.cli.numbers import WHOLE
from farebox.cli.output import print_json, terminal
from farebox.runtime import get_runtime
from pricing import EVERY_END, Captured, UsageError
from pricing.reports import clean, clean_lines, moment, plural

Json = Annotated[bool, Parameter(name="--json", negative="")]
Days = Annotated[int, WHOLE, Parameter(validator=validators.Number(gte=0, lte=3_650))]
Most = Annotated[int, WHOLE, Parameter(validator=validators.Number(gte=1, lte=10_000))]

_out = terminal()
content = App(name="content", help="The stored prompts and answers ([content] in farebox.toml; none by default).")
app.command(content)


@content.default
def kept(*, json: Json = False) -> None:
    """Show what is stored, where and for how long.

    Args:
        json: print JSON.
    """
    runtime = get_runtime()
    settings, captures = runtime.settings.content, runtime.captures
    captures.tidy()
    lines = captures.kept()
    if json:
        rows = [{name: getattr(line, name) for name in line.__slots__} for line in lines]
        print_json({"keep": settings.keep, "days": settings.days, "place": captures.place, "kept": rows})
        return
    if settings.keep:
        _out.print(
            f"Prompts and answers are kept for {plural(settings.days, 'day')}, personal data and keys masked: "
            f"{', '.join(settings.keep)}. They are in {captures.place}.",
            markup=False,
        )
    else:
        _out.print(
            'Prompts and answers are not stored; to store them, set [content] keep = ["AUTOMATION"] in farebox.toml.',
            markup=False,
        )
    if lines:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for heading in ("automation", "operation", "turns", "calls", "oldest", "newest"):
            table.add_column(heading, justify="right" if heading in {"turns", "calls"} else "left")
        for line in lines:
            times = (moment(line.oldest), moment(line.newest))
            names = (Text(clean(line.automation)), Text(clean(line.operation)))
            table.add_row(*names, str(line.turns), str(line.calls), *times)
        _out.print(table)
        _out.print("Delete with `farebox content delete`.", style="dim")


@content.command
def show(
    run: str | None = None,
    /,
    *,
    automation: str | None = None,
    operation: str | None = None,
    limit: Most = 10,
    json: Json = False,
) -> None:
    """Show stored prompts and answers, newest first; personal data and keys are masked.

    Args:
        run: only this run's.
        automation: only this one's.
        operation: only this one's.
        limit: how many turns at most.
        json: print JSON.
    """
    captures = get_runtime().captures
    found = captures.captured(operation, None, limit, automation=automation, run_id=run, outcomes=EVERY_END)
    if json:
        print_json([{name: getattr(turn, name) for name in turn.__slots__} for turn in found])
    elif not found:
        _out.print("Nothing is stored for that selection. See `farebox content`.")
    for turn in () if json else found:
        _out.print(captured_lines(turn))


@content.command
def delete(
    run: str | None = None,
    /,
    *,
    automation: str | None = None,
    operation: str | None = None,
    older_than: Days | None = None,
    everything: Annotated[bool, Parameter(name="--all", negative="")] = False,
) -> None:
    """Delete stored content: of a run, an automation or an operation, older than some days, or all of it.

    Args:
        run: only this run's.
        automation: only this one's.
        operation: only this one's.
        older_than: only what is older than this many days.
        everything: all of it.
    """
    narrowed: dict[str, Any] = {"run_id": run, "automation": automation, "operation": operation}
    before = None if older_than is None else datetime.now(UTC) - timedelta(days=older_than)
    if everything == any(value is not None for value in (*narrowed.values(), before)):
        raise UsageError(
            "Nothing was selected to delete, or --all was combined with a selection.",
            next_step="Name a run, --automation, --operation or --older-than DAYS; or --all, and nothing else.",
        )
    gone = get_runtime().captures.delete(**narrowed, before=before)
    _out.print(f"{plural(gone.turns, 'turn')} and {plural(gone.calls, 'call')} deleted.")


def captured_lines(turn: Captured) -> Text:
    """A stored turn as lines for people."""
    heading = f"{turn.automation} · {turn.operation} · {turn.outcome} · {moment(turn.at)} · run {turn.run_id}"
    lines = Text.assemble((clean(heading), "bold"), f"\n{clean(turn.prompt)} {turn.prompt_version}")
    said = [("system", turn.system)] if turn.system else []
    said += [(message["role"], message["text"]) for message in turn.messages]
    said += [("answer", turn.answer)] if turn.answer else []
    said += [(f"calls {call['name']}", call["arguments"]) for call in turn.tool_calls]
    for who, text in said:
        lines.append(f"\n{clean(who)}: ", "dim")
        lines.append(clean_lines(text))
    return lines.append("\n")
