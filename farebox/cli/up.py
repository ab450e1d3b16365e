"""``farebox up``: a Prefect server, the deployments, a worker and the report pages in one foreground process."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter, validators

from farebox.cli.app import app
from farebox.cli.numbers import WHOLE
from farebox.cli.output import terminal
from farebox.runtime import get_runtime

Port = Annotated[int, WHOLE, Parameter(validator=validators.Number(gte=1, lte=65_535))]

_out = terminal()


@app.command
def up(*, host: str = "127.0.0.1", port: Port = 4200) -> None:
    """Start a Prefect server with the deployments of prefect.yaml, a worker and the report pages. Ctrl-C stops all.

    Args:
        host: the address to listen on; anyone who can reach it can start runs.
        port: the port of the Prefect UI; the report pages use the next one.
    """
    from farebox.prefect.up import run_all

    run_all(get_runtime(), host, port, _out.print)
