"""``farebox reconcile``: a provider's bill compared with the ledger."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter, validators

from farebox.cli.app import app
from farebox.cli.output import print_json, terminal
from farebox.cli.tables import grid_table
from farebox.runtime import get_runtime
from pricing import UsageError, format_money

if TYPE_CHECKING:
    from pricing.reconciliation import Reconciliation

Json = Annotated[bool, Parameter(name="--json", negative="")]
Share = Annotated[float, Parameter(validator=validators.Number(gte=0, lte=1))]

_out = terminal()
_SHOWN = 30


@app.command
def reconcile(
    provider: Literal["openai", "anthropic", "aws", "groq", "openrouter"],
    /,
    *,
    file: tuple[Path, ...] = (),
    since: str | None = None,
    until: str | None = None,
    account: tuple[str, ...] = (),
    tolerance: Share = 0.005,
    accept: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> None:
    """Compare a provider's bill with the ledger by day, account, model and service tier, and explain differences.

    Args:
        provider: the provider that sent the bill.
        file: its export; may be repeated. Without one it is fetched with an admin key (openai, anthropic, openrouter).
        since: the first day, in UTC, such as 2026-11-01; by default the export's first.
        until: the last day; by default the export's last.
        account: ID=NAME, the name in farebox.toml of a project, workspace or account of the export; may be repeated.
        tolerance: the share by which a group may differ without being listed; a cent is always tolerated.
        accept: record the bill, and correct estimates to the billed amounts.
        json: print JSON.
    """
    from farebox.billing_exports import fetched_export
    from pricing.reconciliation import accept as accept_reconciliation
    from pricing.reconciliation import reconcile as compare
    from pricing.reports import plural

    runtime = get_runtime()
    runtime.replica.sync()
    first, last, names = _day(since, "--since"), _day(until, "--until"), _accounts(account)
    with fetched_export(provider, file, first, last) as files:
        found = compare(
            runtime.replica, runtime.rates, provider, files, accounts=names, since=first, until=last,
            tolerance=tolerance,
        )  # fmt: skip
    written = None
    if accept:
        written = accept_reconciliation(runtime.ledger.store, found)
        runtime.replica.sync()
    if json:
        print_json({"reconciliation": found.to_json(), "accepted": written and written.to_json()})
        return
    _print_result(found)
    if written is not None:
        _out.print(
            f"Accepted: {plural(written.attempts, 'attempt')} corrected, by {format_money(written.adjusted_nano)}.",
            markup=False,
        )


def _print_result(found: Reconciliation) -> None:
    from pricing.reconciliation import cause_grid, difference_grid, reconciliation_sentences

    for sentence in reconciliation_sentences(found):
        _out.print(sentence, markup=False)
    if found.causes:
        _out.print(grid_table("Reasons", cause_grid(found), texts=("meaning",)))
    if found.beyond:
        _out.print(
            grid_table(
                f"Differences beyond the tolerance (the largest {_SHOWN})",
                difference_grid(found, _SHOWN),
                texts=("reasons",),
            )
        )


def _day(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{option} {text[:40]!a} is not a valid date.", next_step="Write it like 2026-11-01."
        ) from None


def _accounts(pairs: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        account, equals, name = pair.partition("=")
        if not (account and equals and name):
            raise UsageError(
                f"--account {pair[:60]!a} is not ID=NAME.",
                next_step="Write the export's id, then = and the account's name in farebox.toml: proj_abc=default.",
            )
        found[account] = name
    return found
