"""``farebox mcp``: quotes, runs, reports, budgets and forecasts for assistants, over the Model Context Protocol."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter, validators

from farebox.cli.app import app
from farebox.cli.numbers import WHOLE
from farebox.cli.output import terminal
from farebox.runtime import get_runtime
from pricing import ConfigError, UsageError, format_money, parse_money

Port = Annotated[int, WHOLE, Parameter(validator=validators.Number(gte=0, lte=65_535))]

_err = terminal(stderr=True)


@app.command
def mcp(
    *,
    allow_run: Annotated[bool, Parameter(name="--allow-run", negative="")] = False,
    limit: str | None = None,
    http: Port | None = None,
) -> None:
    """Serve quotes, runs, reports, budgets and forecasts to assistants, on standard input and output. Ctrl-C ends it.

    Read only, unless runs are allowed. Needs the extra: pip install 'farebox[mcp]'.

    Args:
        allow_run: let assistants start runs, within --limit.
        limit: the total that runs started by this server may cost: "2 USD".
        http: listen on this port of this machine instead, at /mcp.
    """
    if allow_run != (limit is not None):
        raise UsageError(
            "--allow-run and --limit must be used together.", next_step='Add both, such as --allow-run --limit "2 USD".'
        )
    try:
        from farebox.cli.mcp_server import make_server, serve_http, serve_stdio
    except ImportError:
        raise ConfigError(
            "`farebox mcp` needs the extra mcp, which is not installed.",
            next_step="Install it: pip install 'farebox[mcp]'.",
        ) from None
    amount = None if limit is None else parse_money(limit)
    if amount is not None and amount <= 0:
        raise UsageError(f"--limit {limit} allows no run.", next_step="Set a higher limit, or remove --allow-run.")
    get_runtime().check()
    server = make_server(amount)
    allowed = "read only" if amount is None else f"runs allowed, up to {format_money(amount)} in all"
    if http is None:
        _err.print(f"farebox mcp: on standard input and output, {allowed}", markup=False)
        serve_stdio(server)
    else:
        serve_http(server, http, lambda url: _err.print(f"farebox mcp: {url}, {allowed}", markup=False))
