"""What the doctor finds: each fault once, in one line with what to do, and never a key."""

import http.server
import json
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from email.utils import formatdate
from pathlib import Path

import pytest
import sqlalchemy as sa
from prefect.settings import PREFECT_API_URL, temporary_settings

from farebox.cli.app import load_all
from farebox.cli.doctor import finding_lines
from farebox.config.settings import load_settings
from farebox.doctor import checks
from farebox.doctor.checks import CheckContext, CheckFinding, check_rates, examine
from farebox.doctor.reachability import reach, reach_all
from farebox.runtime import Runtime, get_runtime
from pricing.db import schema
from pricing.db.file_lock import acquire_file_lock
from pricing.ledger.ledger import Ledger
from pricing.money import USD
from pricing.rates import PriceLists, RateCard
from pricing.replica import archive
from tests.support.ended_runs import _run
from tests.support.postgres import Postgres
from tests.support.report_books import DAY, Books

KEY = "sk-very-secret-0815"
TARGETS = """
[[targets]]
name = "mini"
provider = "openai"
model = "gpt-6-luna"
tier = "light"
[[targets]]
name = "sonnet"
provider = "anthropic"
model = "claude-sonnet-5-5"
tier = "premium"
"""
OWN = """
[[targets]]
name = "own"
provider = "openai_compatible"
model = "our-model"
base_url = "http://127.0.0.1:{port}/v1"
tier = "light"
[[rates]]
provider = "openai_compatible"
model = "our-model"
input_per_mtok = "0.1"
output_per_mtok = "0.1"
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "farebox.toml").write_text(TARGETS)
    return folder


class _Host(http.server.BaseHTTPRequestHandler):
    ahead = 0.0
    asked: list[tuple[str, str]]

    def do_HEAD(self) -> None:
        self.asked.append((self.path, str(self.headers.get("Authorization"))))
        self.send_response_only(404)
        self.send_header("Date", formatdate(time.time() + self.ahead, usegmt=True))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def host() -> Iterator[tuple[int, type[_Host]]]:
    class Host(_Host):
        asked: list[tuple[str, str]] = []  # noqa: RUF012 - one test's own

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Host)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_address[1], Host
    server.shutdown()
    thread.join()
    server.server_close()


def of(findings: list[CheckFinding], check: str) -> list[CheckFinding]:
    return [finding for finding in findings if finding.check == check]


def one(findings: list[CheckFinding], check: str) -> CheckFinding:
    [finding] = of(findings, check)
    return finding


def failed(findings: list[CheckFinding]) -> list[str]:
    return [finding.check for finding in findings if finding.state == "fail"]


def test_a_newcomers_project_is_well(root: Path):
    findings = examine(root)
    assert failed(findings) == []
    # How old the installed prices are depends on the day the tests run: test_old_prices.
    assert [f.check for f in findings if f.state == "warn" and f.check != "rates"] == []
    assert "sandbox answers" in one(findings, "key of mini").message
    assert "sandbox answers on this machine" in one(findings, "network").message
    assert one(findings, "clock").state == "skipped"
    assert "first run creates it" in one(findings, "ledger").message
    assert not (root / ".farebox" / "ledger.db").exists()  # looking makes nothing


def test_wrong_settings_are_told_and_end_it(root: Path):
    (root / "farebox.toml").write_text('timezone = "Mars/Olympus"')
    findings = examine(root)
    assert [(f.check, f.state) for f in findings if f.check != "prefect"] == [("farebox.toml", "fail")]
    assert "Mars/Olympus" in findings[0].message


def test_a_project_without_targets(root: Path):
    (root / "farebox.toml").write_text("")
    findings = examine(root)
    assert failed(findings) == ["targets"]
    assert one(findings, "everything else").state == "skipped"


def test_a_real_target_beside_a_stand_in_is_looked_at(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    findings = list(checks.check_keys(load_settings(root)))
    assert one(findings, "key of mini").message == "real: environment variable OPENAI_API_KEY"
    sonnet = one(findings, "key of sonnet")
    assert sonnet.state == "warn"
    assert "ANTHROPIC_API_KEY" in sonnet.message
    assert KEY not in repr(findings)


def test_keys_that_cannot_be_had_are_told_once_each(root: Path):
    (root / "farebox.toml").write_text(TARGETS.replace('tier = "light"', 'tier = "light"\nkey_file = "absent"'))
    findings = examine(root)
    assert failed(findings) == ["key of mini"]
    (root / "farebox.toml").write_text("[sandbox]\nstand_in = false\n" + TARGETS)
    assert failed(examine(root)) == ["key of mini", "key of sonnet"]


def test_hosts_are_reached_without_a_key_and_tell_the_time(root: Path, host: tuple[int, type[_Host]]):
    port, handler = host
    (root / "farebox.toml").write_text(OWN.format(port=port))
    findings = examine(root)
    assert one(findings, "network").message == f"127.0.0.1:{port} takes connections"
    assert one(findings, "clock").state == "ok"
    assert handler.asked == [("/", "None")]


@pytest.mark.parametrize("ahead, state, word", [(120, "warn", "slow"), (-120, "warn", "fast"), (900, "fail", "slow")])
def test_a_clock_that_is_off(root: Path, host: tuple[int, type[_Host]], ahead: float, state: str, word: str):
    port, handler = host
    handler.ahead = ahead
    (root / "farebox.toml").write_text(OWN.format(port=port))
    clock = one(examine(root), "clock")
    assert (clock.state, word in clock.message) == (state, True)


def test_a_host_that_is_not_there(root: Path):
    (root / "farebox.toml").write_text(OWN.format(port=1))
    network = one(examine(root), "network")
    assert network.state == "fail"
    assert "127.0.0.1:1 cannot be reached (Connection refused)" in network.message


def test_a_sandbox_of_its_own_that_does_not_run(root: Path):
    (root / "farebox.toml").write_text('[sandbox]\nurl = "http://127.0.0.1:1"\n' + TARGETS)
    assert "network" in failed(examine(root))


def test_reaching(host: tuple[int, type[_Host]]):
    port, handler = host
    plain = reach(f"http://127.0.0.1:{port}")
    assert (plain.fault, plain.status) == (None, 404)
    assert (reach(f"https://127.0.0.1:{port}").fault or "").startswith("no secure connection")
    reach_all([(f"http://127.0.0.1:{port}/a", ""), (f"http://user:{KEY}@127.0.0.1:{port}/b", "")])
    assert handler.asked == [("/", "None")] * 2  # each host once


def test_a_host_that_takes_connections_and_says_nothing():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as mute:
        reached = reach(f"http://127.0.0.1:{mute.getsockname()[1]}", timeout=0.2)
    assert (reached.fault, reached.status, reached.ahead) == (None, None, None)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda text: text.split('[[targets]]\nname = "sonnet"')[0].replace('"light"', '"premium"'), ["failure domain"]),
        (lambda text: text.replace("anthropic", "openai").replace("claude-sonnet-5-5", "gpt-6-sol")
         + 'failure_domain = "elsewhere"\n', ["all targets are of openai"]),
        (lambda text: text.replace("premium", "legacy"), ["no target is premium"]),
    ],
)  # fmt: skip
def test_gaps_of_the_fallback_matrix(root: Path, change, words: list[str]):
    (root / "farebox.toml").write_text(change(TARGETS))
    found = of(examine(root), "fallback")
    assert [f.state for f in found] == ["warn"] * len(words)
    for finding, word in zip(found, words, strict=True):
        assert word in finding.message


def test_a_target_without_a_price_fails(root: Path):
    (root / "farebox.toml").write_text(TARGETS.replace("gpt-6-luna", "gpt-nobody-knows"))
    assert failed(examine(root)) == ["prices"]


@pytest.mark.parametrize("days, state", [(-1, "fail"), (20, "warn"), (200, None)])
def test_a_model_that_is_taken_away(root: Path, days: int, state: str | None):
    ends = datetime.now(UTC).date() + timedelta(days=days)
    (root / "farebox.toml").write_text(
        TARGETS.replace('name = "sonnet"', f'name = "sonnet"\nretires = {ends.isoformat()}')
    )
    found = of(examine(root), "retirement")
    assert [finding.state for finding in found] == ([state] if state else [])
    assert all(ends.isoformat() in finding.message and "--move sonnet=" in finding.next_step for finding in found)


@pytest.mark.parametrize(
    ("provider", "model", "state"),
    [
        ("bedrock", "us.anthropic.claude-3-5-haiku-20241022-v1:0", "fail"),
        ("groq", "llama-3.3-70b-versatile", "fail"),
        ("anthropic", "claude-opus-4-1", "fail"),
        ("openai", "gpt-6-luna", None),
    ],
)
def test_ends_of_models_are_known_without_the_owner(root: Path, provider: str, model: str, state: str | None):
    (root / "farebox.toml").write_text(TARGETS.replace('"openai"', f'"{provider}"').replace("gpt-6-luna", model))
    assert [finding.state for finding in of(examine(root), "retirement")] == ([state] if state else [])


def test_ends_that_only_one_source_tells_never_fail(root: Path):
    (root / "farebox.toml").write_text(TARGETS.replace("claude-sonnet-5-5", "claude-sonnet-4-5"))
    assert one(examine(root), "retirement").state == "warn"


def test_an_id_that_only_price_lists_use(root: Path):
    wrong = "global.anthropic.claude-sonnet-4-6-v1:0"
    (root / "farebox.toml").write_text(TARGETS.replace('"openai"', '"bedrock"').replace("gpt-6-luna", wrong))
    found = one(examine(root), "model")
    assert (found.state, wrong in found.message) == ("fail", True)
    assert 'model = "global.anthropic.claude-sonnet-4-6"' in found.next_step


def test_a_folder_that_cannot_be_written(root: Path):
    (root / ".farebox").write_text("a file, where a folder is wanted")
    findings = examine(root)
    assert "data folder" in failed(findings)


@pytest.mark.parametrize("free, state", [(50_000_000, "fail"), (500_000_000, "warn"), (5_000_000_000, "ok")])
def test_little_room(root: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": free}))
    assert one(examine(root), "data folder").state == state


def test_holds_of_processes_that_went_away(root: Path):
    runtime = Runtime(load_settings(root), root)
    Ledger(runtime.ledger.store, lease_seconds=1, clock=lambda: 1_000_000).admit(_run("r1"), [])
    runtime.close()
    findings = examine(root)
    assert one(findings, "holds").message == "1 held by processes that went away"
    assert one(findings, "ledger").state == "ok"


def test_a_hold_that_cannot_be_settled(root: Path):
    runtime = Runtime(load_settings(root), root)
    ledger = Ledger(runtime.ledger.store, lease_seconds=1, clock=lambda: 1_000_000)
    ledger.admit(_run("r1"), [])
    with ledger.store.write() as connection:
        connection.execute(sa.delete(schema.runs))
    assert runtime.ledger.reap() == 0
    runtime.close()
    finding = one(examine(root), "holds")
    assert (finding.state, "run r1" in finding.message, "NoResultFound" in finding.message) == ("fail", True, True)


def test_a_damaged_ledger(root: Path):
    (root / ".farebox").mkdir()
    (root / ".farebox" / "ledger.db").write_bytes(b"no database at all " * 100)
    findings = examine(root)
    assert "ledger" in failed(findings)
    assert one(findings, "ledger").next_step


def test_a_replica_behind_held_foreign_and_damaged(root: Path):
    runtime = Runtime(load_settings(root), root)
    runtime.replica.sync()
    assert one(examine(root), "replica").state == "ok"
    runtime.ledger.admit(_run("r1"), [])
    assert one(examine(root), "replica").message == "1 rows behind the ledger"
    with acquire_file_lock(runtime.replica.path.with_name("replica.duckdb.lock")):
        assert "held by another process" in one(examine(root), "replica").message
    runtime.close()
    (root / ".farebox" / "ledger.db").unlink()
    Runtime(load_settings(root), root).ledger.admit(_run("r2"), [])
    assert "another ledger" in one(examine(root), "replica").message
    (root / ".farebox" / "replica.duckdb").write_bytes(b"x" * 20_000)
    assert one(examine(root), "replica").state == "warn"


def test_a_replica_of_a_ledger_that_was_restored(root: Path):
    """It has two runs that the ledger never had: "in step" would be wrong however many rows there are."""
    runtime = Runtime(load_settings(root), root)
    runtime.ledger.admit(_run("r1"), [])
    path, copy = root / ".farebox" / "ledger.db", root / "copy.db"
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    for run_id in ("r2", "r3"):
        runtime.ledger.admit(_run(run_id), [])
    runtime.replica.sync()
    runtime.close()
    for file in path.parent.glob("ledger.db*"):
        file.unlink()
    copy.rename(path)
    runtime = Runtime(load_settings(root), root)
    for run_id in ("r4", "r5"):
        runtime.ledger.admit(_run(run_id), [])
    found = one(examine(root), "replica")
    assert (found.state, "a backup was restored" in found.message) == ("warn", True)
    assert "farebox sync" in found.next_step
    assert runtime.replica.sync().rebuilt
    assert one(examine(root), "replica") == CheckFinding("replica", "ok", "in step with the ledger")
    with runtime.ledger.store.write() as ledger:
        ledger.execute(sa.update(schema.runs).where(schema.runs.c.run_id == "r1").values(automation="other"))
    assert one(examine(root), "replica").message == "differs from the ledger: 1 row changed"
    runtime.close()


@pytest.mark.parametrize(
    ("days", "key", "looked", "state", "told"),
    [
        (0, True, None, "ok", False),
        (45, True, None, "ok", False),
        (46, True, None, "warn", True),
        (400, True, 50, "warn", True),
        (400, True, 3, "ok", False),
        (61, False, None, "ok", True),
        (None, True, None, "warn", True),
    ],
)
def test_old_prices(
    root: Path, monkeypatch: pytest.MonkeyPatch, days: int | None, key: bool, looked: int | None, state: str, told: bool
):
    def newest(_card: RateCard, today: date) -> date | None:
        return None if days is None else today - timedelta(days=days)

    monkeypatch.setattr(RateCard, "newest_date", newest)
    if key:
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    settings = load_settings(root)
    if looked is not None:
        PriceLists(settings.home / "prices").note_newest(datetime.now(UTC).date() - timedelta(days=looked))
    runtime = Runtime(settings, root)
    [found] = check_rates(CheckContext(settings, runtime))
    runtime.close()
    assert found.state == state
    assert ("farebox rates update" in found.next_step) == told


def test_prefects_server(host: tuple[int, type[_Host]]):
    port, handler = host
    with temporary_settings({PREFECT_API_URL: f"http://me:{KEY}@127.0.0.1:{port}/api"}):
        [answers] = checks.check_prefect()
    assert (answers.state, KEY in answers.message) == ("ok", False)
    assert handler.asked[-1][0] == "/api/health"
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        [silent] = checks.check_prefect()
    assert silent.state == "fail"


def test_the_command(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    from farebox.cli import doctor as inspecting

    assert inspecting.__name__ in sys.modules
    monkeypatch.chdir(root)
    get_runtime.cache_clear()
    load_all()(["doctor", "--json"], exit_on_error=False, result_action="return_value")
    assert {f["state"] for f in json.loads(capsys.readouterr().out)} <= {"ok", "skipped"}
    (root / "farebox.toml").write_text(TARGETS.replace("gpt-6-luna", "gpt-nobody-knows"))
    with pytest.raises(SystemExit) as ended:
        load_all()(["doctor"], exit_on_error=False, result_action="return_value")
    assert ended.value.code == 1
    out = capsys.readouterr().out
    assert "✗ prices" in out
    assert "→ Give its model" in out
    assert finding_lines([])


def test_the_archive_is_what_the_ledger_says(root: Path, monkeypatch: pytest.MonkeyPatch):
    assert "nothing is archived" in one(examine(root), "archive").message
    for name in ("HISTORY", "RAN"):
        monkeypatch.setattr(archive, name, 0)
    runtime = Runtime(load_settings(root), root)
    books = Books(runtime.ledger.store)
    books.answered(books.run("old"), "old-1", USD)
    books.ledger.settle("old", "completed")
    books.clock += 500 * DAY
    assert runtime.archive.move(books.clock).segments == 1
    runtime.close()
    found = one(examine(root), "archive")
    assert (found.state, found.message.partition(",")[0]) == ("ok", f"1 segment in {runtime.archive.folder}")
    [turns] = runtime.archive.folder.glob("*/turns.parquet")
    whole = turns.read_bytes()
    turns.write_bytes(whole[:-20])
    assert "cannot be read" in one(examine(root), "archive").message
    turns.unlink()
    assert "archive.folder" in one(examine(root), "archive").next_step
    runtime.archive.folder.rename(root / "elsewhere")
    assert one(examine(root), "archive").state == "fail"
    monkeypatch.setenv("FAREBOX_REPLICA__AFTER_RUNS", "false")
    assert one(examine(root), "archive").state == "skipped"


def test_a_clock_that_is_off_the_ledgers_by_much_of_a_lease(
    root: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
):
    assert of(examine(root), "lease clock") == [], "SQLite has no clock of its own"
    monkeypatch.setenv("FAREBOX_LEDGER_URL", postgres.ledger())
    assert one(examine(root), "lease clock").state == "ok"
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 100)
    found = one(examine(root), "lease clock")
    assert (found.state, found.message) == ("warn", "is 100 s slow of the ledger's server, and a lease is 60 s")
