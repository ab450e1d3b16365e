"""The reference of commands says what the program says."""

from tests.support.command_reference import PAGE, command_reference


def test_it_is_what_the_commands_say():
    written = PAGE.read_text(encoding="utf-8")
    assert written == command_reference(), "write it anew: python -m tests.support.command_reference"
