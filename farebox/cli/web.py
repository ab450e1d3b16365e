"""``farebox web``: the report server."""

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
def web(*, host: str = "127.0.0.1", port: Port = 4201) -> None:
    """Serve the reports as web pages, read only. Ctrl-C ends the server.

    Args:
        host: the address to listen on; any but loopback needs a token ([web] token_env in farebox.toml).
        port: the port.
    """
    from farebox.web import serve

    serve(get_runtime(), host, port, _out.print)
