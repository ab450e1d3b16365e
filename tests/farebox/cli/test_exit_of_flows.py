"""An automation whose code ends the process: the command says so, as of any other failure."""

import sys

import pytest

from farebox.cli.run import follow_run
from pricing import FareboxError


@pytest.mark.parametrize(("given", "code"), [(3, 3), (0, 0), ("a text with sk-ant-key", 1), (None, 1)])
def test_sys_exit_is_an_error_of_the_run(monkeypatch: pytest.MonkeyPatch, given: int | str | None, code: int):
    monkeypatch.setattr("farebox.prefect.server.ensure_server", lambda: None)
    with pytest.raises(FareboxError) as error:
        follow_run(lambda: sys.exit(given))
    assert error.value.message == f"The automation's own code ended the process with sys.exit, code {code}."
    assert "farebox report" in error.value.next_step
