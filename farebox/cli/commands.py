"""``farebox run``, ``demo`` and ``quote``."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter, validators

from farebox.cli.app import app
from farebox.cli.numbers import WHOLE
from farebox.cli.output import print_json, terminal
from pricing import UsageError, parse_money

Json = Annotated[bool, Parameter(name="--json", negative="")]
Limit = Annotated[int, WHOLE, Parameter(validator=validators.Number(gte=1, lte=1_000_000))]
Given = Annotated[str, Parameter(show=False)]

_out = terminal()


@app.command
def run(
    name: str,
    /,
    *,
    budget: str | None = None,
    due: str | None = None,
    user: str | None = None,
    org: str | None = None,
    tag: tuple[str, ...] = (),
    json: Json = False,
    **parameters: Given,
) -> None:
    """Run an automation now, here.

    Exit codes: 0 completed, 3 over budget, 4 blocked by a guard, 5 no target available, 2 usage, 1 anything else.

    Args:
        name: which automation, like daily-digest.
        budget: a limit for this run, besides the automation's own: "0.10 USD".
        due: when it must be done, so that it can use a cheaper service tier or a batch: 6h, 07:00 or
            2026-11-30T07:00.
        user: the user it is for, whose budgets and credits it uses.
        org: the organisation it is for.
        tag: a name that budgets can go by; may be repeated.
        json: print one JSON document instead of following the run.
        parameters: the automation's own, like --source PATH.
    """
    from farebox.cli.run import run_here
    from farebox.runs.context import RunOwner

    limit = None if budget is None else parse_money(budget)
    run_here(name, parameters, limit, whose=RunOwner(user, org, tag), due=due, as_json=json)


@app.command
def demo(*, source: str = ".", limit: Limit = 6, budget: str | None = None) -> None:
    """Run a short daily digest on this repository's history and documents; needs no key and no server.

    Args:
        source: any folder of texts, git repository, or RSS/Atom feed (file or address) instead.
        limit: how many items at most.
        budget: a limit for this run.
    """
    from farebox.cli.run import introduce, run_here, what_next

    most = None if budget is None else parse_money(budget)
    introduce(_out)
    run_here("daily-digest", {"source": source, "limit": str(limit)}, most, as_json=False)
    what_next(_out)


@app.command
def quote(
    name: str,
    /,
    *,
    due: str | None = None,
    user: str | None = None,
    org: str | None = None,
    tag: tuple[str, ...] = (),
    sample: Annotated[int | None, WHOLE, Parameter(validator=validators.Number(gte=2, lte=100))] = None,
    yes: Annotated[bool, Parameter(name="--yes", negative="")] = False,
    json: Json = False,
    **parameters: Given,
) -> None:
    """Show what a run would cost, without running it: fast and best side by side, now and by its due time.

    Args:
        name: which automation.
        due: when it would have to be done: 6h, 07:00 or 2026-11-30T07:00.
        user: the user it would be for, whose budgets it would use.
        org: the organisation it would be for.
        tag: a name that budgets can go by; may be repeated.
        sample: run this many items for real first, and quote the whole run from them.
        yes: run the sample without asking.
        json: print JSON.
        parameters: the automation's own.
    """
    from farebox.runs.context import RunOwner

    if sample is not None and due is not None:
        raise UsageError("--due cannot be used with --sample: a sample runs at once.", next_step="Remove one of them.")
    if sample is not None:
        from farebox.cli.quote_sample import sample_quote

        sample_quote(name, parameters, sample, whose=RunOwner(user, org, tag), yes=yes, json=json)
        return
    from farebox.cli.quote import compare
    from farebox.discovery import find_flow, read_parameters, with_due
    from farebox.runtime import get_runtime

    flow, whose = find_flow(name), RunOwner(user, org, tag)
    runtime = get_runtime()
    runtime.check()
    compared = compare(runtime, flow, read_parameters(flow, with_due(flow, parameters, due), whose), whose, due)
    if json:
        print_json(compared.to_json())
    else:
        _out.print(compared.lines())
