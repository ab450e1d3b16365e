"""routes.lock.toml: written as it is read, one lock a table, and obeyed by the project that it lies in."""

import datetime as dt
from pathlib import Path

import pytest

from farebox.calibration.lockfile import (
    LOCK_FILE,
    read_lock_file,
    read_locks,
    render_lock_file,
    write_lock,
)
from pricing.errors import ConfigError
from tests.support.command import farebox
from tests.support.lockfile import locked
from tests.support.project import REPOSITORY, make_project


def test_what_is_written_is_read_again_and_others_stay_as_they_are(tmp_path: Path):
    path = tmp_path / LOCK_FILE
    assert read_lock_file(path) == {}
    write_lock(path, "b/two", locked())
    before = path.read_text("utf-8")
    write_lock(path, "a/one", locked(sandbox=False))
    after = path.read_text("utf-8")
    assert list(read_lock_file(path)) == ["a/one", "b/two"]
    assert after.endswith(before.split('[routes."b/two"]')[1]), "lines that did not change are the same"
    assert render_lock_file(read_lock_file(path)) == after
    assert 'cost = "0.0001005 USD"' in after
    assert "difference_low = -0.0123" in after


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[routes", "is not valid TOML"),
        ('[routes."a/b"]\nroute = []\n', "is wrong at routes.a/b.route"),
    ],
)
def test_a_file_that_nobody_wrote_is_one_clear_line(tmp_path: Path, text: str, told: str):
    (tmp_path / LOCK_FILE).write_text(text)
    with pytest.raises(ConfigError, match=told):
        read_lock_file(tmp_path / LOCK_FILE)


def test_a_lock_on_what_it_has_no_figures_of_is_refused(tmp_path: Path):
    text = render_lock_file({"a/b": locked()}).replace('route = ["gpt-oss"]', 'route = ["haiku"]', 1)
    (tmp_path / LOCK_FILE).write_text(text)
    with pytest.raises(ConfigError, match="no figures of"):
        read_locks(tmp_path / LOCK_FILE)


def test_an_expired_lock_says_so(tmp_path: Path):
    write_lock(tmp_path / LOCK_FILE, "a/b", locked(dt.date(2026, 1, 1)))
    assert "expired on 2026-01-01" in read_locks(tmp_path / LOCK_FILE)["a/b"].why


def test_routes_explain_tells_of_the_lock(tmp_path: Path):
    project = make_project(tmp_path / "project", "http://127.0.0.1:9")
    (project.root / "flows").symlink_to(REPOSITORY / "flows")
    write_lock(project.root / LOCK_FILE, "daily-digest/classify", locked())
    told = farebox(project.root, "routes", "explain", "classify", "--json").out
    assert "locked, light: within 0.03 of sonnet at 95%, on 240 cases of 2026-11-26" in told
