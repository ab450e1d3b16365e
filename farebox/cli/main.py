"""The entry point of the command line, and how it reports errors."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from farebox.cli.app import COMMANDS, VERSION
from farebox.garbage_collection import collect_less
from farebox.hidden_packages import check_hidden

if TYPE_CHECKING:
    from pricing import FareboxError

_QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",  # the default of 20 is too short on a busy machine
}
"""Prefect settings under our command line, unless the user sets them."""
_INTERRUPTED = 130

_RENAMED = {
    ("review",): "farebox rates review",
    ("review-blocks",): "farebox guards review",
    ("guards", "calibrate"): "farebox guards agreement",
}
"""Renamed commands."""


_HELP = ("--help", "-h")


def _check_renamed(given: Sequence[str]) -> None:
    from pricing import UsageError

    for old, now in _RENAMED.items():
        if tuple(given[: len(old)]) == old:
            raise UsageError(f"`farebox {' '.join(old)}` is now `{now}`.")


def _load(command: str) -> None:
    """Load the module that holds the command."""
    from pricing import UsageError

    if command.startswith("-"):
        return
    if command not in COMMANDS:
        near = get_close_matches(command, COMMANDS, 1)
        hint = f"Did you mean `farebox {near[0]}`?" if near else "See `farebox --help`."
        raise UsageError(f"There is no command {command[:40]!r}.", next_step=hint)
    for module in COMMANDS[command].modules:
        import_module(f"farebox.cli.{module}")


def _answered(given: Sequence[str]) -> bool:
    """Handle calls without a command, and those that only ask for the parameters of an automation."""
    if list(given) == ["--version"]:
        print(VERSION)  # noqa: T201 - the command's answer
        return True
    if not given or given[0] in _HELP:
        from farebox.cli.app import print_help

        print_help()
        return True
    if given[0] in {"run", "quote"} and len(given) > 1 and not given[1].startswith("-") and set(_HELP) & set(given):
        from farebox.cli.parameters import print_parameters

        print_parameters(given[1], given[0])
        return True
    return False


def main() -> NoReturn:
    """Run the command line; errors are one line and a next step on standard error, with an exit code."""
    collect_less()
    atexit.register(gc.freeze)  # objects left at process exit need no collection
    check_hidden()
    warnings.filterwarnings("ignore", "Failed to create the Prefect home directory")  # reported once, where it matters
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        _run(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        from farebox.cli.output import complain

        if (reported := _as_our_error(error) or _damage()) is None:
            raise
        complain(reported)
        sys.exit(reported.exit_code)
    sys.exit(0)


def _run(given: Sequence[str]) -> None:
    if _answered(given):
        return
    _check_renamed(given)
    _load(given[0])
    from farebox.cli.app import app
    from farebox.cli.output import warning_of

    with warning_of("pricing.replica.replica"):
        app(given, exit_on_error=False, print_error=False)


def _as_our_error(error: Exception) -> FareboxError | None:
    """The error to report, if it is one of ours or of the command line's."""
    from cyclopts import CycloptsError, UnusedCliTokensError

    from pricing import FareboxError, UsageError

    if isinstance(error, CycloptsError):
        command = " ".join(("farebox", *(error.command_chain or ())))
        arguments = str(error).strip()
        if isinstance(error, UnusedCliTokensError):
            words = ", ".join(repr(word[:40]) for word in error.unused_tokens or ())
            arguments = f"`{command}` takes no argument {words}."
        return UsageError(arguments, next_step=f"See `{command} --help`.")
    return error if isinstance(error, FareboxError) else None


def _damage() -> FareboxError | None:
    """The damaged values of the ledger, if there are any."""
    from farebox.runtime import get_runtime
    from pricing import FareboxError

    try:
        return get_runtime().ledger.store.damage()
    except FareboxError:
        return None
