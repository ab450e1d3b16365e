"""``farebox sync`` and ``farebox archive`` as people run them."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from farebox.config.settings import load_settings
from farebox.prefect.artifacts import report_of
from pricing.errors import ConfigError
from tests.support.command import _RUN, farebox
from tests.support.ended_runs import _run
from tests.support.project import REPOSITORY, Project, make_project
from tests.support.waiting import PATIENCE


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project", "", more="[archive]\nkeep_days = 90\nfolder = 'cold'\n")


def test_the_archive_is_where_the_settings_say_and_never_too_young(project: Project):
    said = farebox(project.root, "archive", "--json")
    assert (said.code, json.loads(said.out)) == (
        0,
        {"segments": 0, "runs": 0, "rows": 0, "folder": str(project.root / "cold")},
    )
    too_young = farebox(project.root, "archive", "--days", "5")
    assert too_young.code == 2
    assert "Traceback" not in too_young.all
    (project.root / "farebox.toml").write_text("[archive]\nkeep_days = 5\n")
    with pytest.raises(ConfigError, match=r"archive\.keep_days"):
        load_settings(project.root)


def test_a_syncer_follows_the_ledger_until_it_is_interrupted(project: Project):
    runtime = project.runtime()
    watching = subprocess.Popen(
        [sys.executable, "-c", _RUN, "sync", "--watch", "--every", "0.1"],
        cwd=project.root,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1", "COLUMNS": "400"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    for run_id in ("r1", "r2"):
        runtime.ledger.admit(_run(run_id), [])
        assert "1 rows copied" in watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    assert watching.wait(PATIENCE) == 130
    runtime.close()


def test_where_runs_keep_no_replica_their_reports_come_from_the_ledger(
    project: Project, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FAREBOX_REPLICA__AFTER_RUNS", "false")
    runtime = project.runtime()
    runtime.ledger.admit(_run("r-alone"), [])
    assert report_of(runtime, "r-alone").run.run_id == "r-alone"
    assert not runtime.replica.path.exists()
    runtime.close()
