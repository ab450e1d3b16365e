"""Where the command line begins, and how it tells of what goes wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from cyclopts import CycloptsError

from farebox.cli import commands as _commands  # noqa: F401 - its functions are the commands
from farebox.cli.app import app
from farebox.cli.output import complain, warning_of
from farebox.runtime import get_runtime
from pricing import FareboxError, LedgerError, UsageError
from pricing.db import check_values

_QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",  # 20 are too few where the machine is busy
}
"""What we ask of Prefect when it runs under our command line and the user has not asked otherwise."""
_INTERRUPTED = 130


_RENAMED = {
    ("review",): "farebox rates review",
    ("review-blocks",): "farebox guards review",
    ("guards", "calibrate"): "farebox guards agreement",
}
"""Commands that have another name now."""


def _check_renamed(given: Sequence[str]) -> None:
    for old, now in _RENAMED.items():
        if tuple(given[: len(old)]) == old:
            raise UsageError(f"`farebox {' '.join(old)}` is now `{now}`.")


def main() -> NoReturn:
    """Run the command line; errors are one line and a next step on standard error, and an exit code."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        _check_renamed(sys.argv[1:])
        with warning_of("pricing.replica.replica"):
            app(exit_on_error=False, print_error=False)
    except FareboxError as error:
        complain(error)
        sys.exit(error.exit_code)
    except CycloptsError as error:
        complain(UsageError(str(error).strip(), next_step="See `farebox --help`."))
        sys.exit(UsageError.exit_code)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception:
        if (damage := _damage()) is None:
            raise
        complain(damage)
        sys.exit(damage.exit_code)
    sys.exit(0)


def _damage() -> FareboxError | None:
    """What is wrong with the ledger's values, if anything is: then a fault that nobody foresaw comes of that."""
    try:
        store = get_runtime().ledger.store
        if store.is_sqlite and Path(store.place).exists():
            with store.read() as connection:
                check_values(connection, store.place)
    except LedgerError as error:
        return error
    except FareboxError:
        return None
    return None
