"""Mistakes in a command line: the next step names the help of the command that was meant."""

import pytest
from cyclopts import CycloptsError

from farebox.cli.main import _as_our_error, _load


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("packaging", "packaging"),
        ("credits grant", "credits grant"),
        ("batches show", "batches show"),
        ("runs --limit 0", "runs"),
        ("schedule --no-such-option", "schedule"),
        ("budgets set --scope x", "budgets set"),
        ("batches list one two", "batches list"),
    ],
)
def test_the_next_step_names_the_command(line: str, command: str):
    words = line.split()
    _load(words[0])
    from farebox.cli.app import app

    with pytest.raises(CycloptsError) as error:
        app(words, exit_on_error=False, print_error=False)
    told = _as_our_error(error.value)
    assert told is not None
    assert told.next_step == f"See `farebox {command} --help`."
    assert "\n" not in told.message
