"""A ledger that is damaged, or none: each command says so in one line and what to do, and nobody sees a traceback."""

import os
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from farebox.runtime import get_runtime
from pricing.db import schema
from pricing.db.database import Store
from pricing.db.ledger_file import check_values
from pricing.errors import LedgerUnusable
from pricing.ledger.limits import Limit
from pricing.money import USD
from tests.support.command import Call
from tests.support.ledger import DONE, RULES, a_run, an_intent
from tests.support.project import Project, make_project

CORRUPT, OTHERS, NO_FILE = "is corrupt", "is not a ledger", "cannot be opened"


def changed(*statements: str) -> Callable[[Path, bytes], None]:
    """The whole ledger, after these statements of SQL."""

    def make(path: Path, whole: bytes) -> None:
        path.write_bytes(whole)
        run(path, *statements)

    return make


def of_others(*statements: str) -> Callable[[Path, bytes], None]:
    return lambda path, _: run(path, *statements)


def written(change: Callable[[bytes], bytes]) -> Callable[[Path, bytes], None]:
    """A file of bytes made of the whole ledger's."""

    def make(path: Path, whole: bytes) -> None:
        path.write_bytes(change(whole))

    return make


def run(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def noise(size: int) -> bytes:
    return random.Random(14).randbytes(size)


def flipped(whole: bytes, seed: int) -> bytes:
    chance, spoiled = random.Random(seed), bytearray(whole)
    for _ in range(400):
        spoiled[chance.randrange(100, len(spoiled))] = chance.randrange(256)
    return bytes(spoiled)


def empty_beside_its_log(path: Path, _: bytes) -> None:
    path.write_bytes(b"")
    path.with_name(path.name + "-wal").write_bytes(noise(5_000))


FILES: dict[str, tuple[Callable[[Path, bytes], None], str]] = {
    "noise": (written(lambda _: noise(9_000)), CORRUPT),
    "text": (written(lambda _: b"hello world\n" * 500), CORRUPT),
    "cut in half": (written(lambda whole: whole[: len(whole) // 2]), CORRUPT),
    "cut in its header": (written(lambda whole: whole[:50]), CORRUPT),
    "header and noise": (written(lambda whole: whole[:100] + noise(len(whole) - 100)), CORRUPT),
    "page and noise": (written(lambda whole: whole[:4_096] + noise(len(whole) - 4_096)), CORRUPT),
    "schema that is no text": (written(lambda whole: whole.replace(b"CREATE TABLE", b"CR\xffATE TABLE")), CORRUPT),
    "table whose name is no text": (written(lambda whole: whole.replace(b"CREATE TABLE runs", b"CREATE TABLE \xff\xfe\xfd\xfc")), CORRUPT),
    **{f"bytes flipped, {seed}": (written(lambda whole, seed=seed: flipped(whole, seed)), CORRUPT) for seed in (6, 7, 8)},  # type: ignore[misc]
    "empty beside its log": (empty_beside_its_log, CORRUPT),
    "without a version": (changed("DROP TABLE alembic_version"), CORRUPT),
    "version of bytes": (changed("UPDATE alembic_version SET version_num = x'ff00'"), CORRUPT),
    "without a table": (changed("DROP TABLE settlements"), CORRUPT),
    "without its identity": (changed("DELETE FROM meta"), CORRUPT),
    "a folder": (lambda path, _: path.mkdir(), NO_FILE),
    "a pipe": (lambda path, _: os.mkfifo(path), NO_FILE),
    "another program's": (of_others("CREATE TABLE t (a)", "INSERT INTO t VALUES (1)"), OTHERS),
    "another program's, in UTF-16": (of_others("PRAGMA encoding = 'UTF-16'", "CREATE TABLE t (a)"), OTHERS),
    "another program's with migrations": (of_others("CREATE TABLE alembic_version (version_num)", "INSERT INTO alembic_version VALUES ('1a2b')", "CREATE TABLE flow_run (id)"), OTHERS),
    "another program's with our version": (of_others("CREATE TABLE alembic_version (version_num)", f"INSERT INTO alembic_version VALUES ('{schema.VERSION}')", "CREATE TABLE t (id)"), OTHERS),
}  # fmt: skip
VALUES = {
    "no text in a name": ("UPDATE runs SET automation = CAST(x'ff80fe' AS TEXT)", "runs.automation"),
    "no text in a key": ("UPDATE budgets SET key = CAST(x'ff80fe' AS TEXT)", "budgets.key"),
    "bytes in a name": ("UPDATE runs SET automation = x'ff80fe'", "runs.automation"),
    "words in a time": ("UPDATE budgets SET starts_at = 'soon'", "budgets.starts_at"),
    "words in another time": ("UPDATE attempts SET started_at = 'soon'", "attempts.started_at"),
    "no text in a time": ("UPDATE runs SET started_at = CAST(x'ff' AS TEXT)", "runs.started_at"),
    "a fraction in money": ("UPDATE attempts SET cost_nano = 1e30", "attempts.cost_nano"),
    "no JSON in a plan": ("UPDATE runs SET plan = '{'", "runs.plan"),
}
WITHOUT_CONSTRAINTS = ("DROP TRIGGER money_attempts_insert", "DROP TRIGGER money_attempts_update")
"""What damages a file asks no trigger."""
COMMANDS = (
    ("budgets",),
    ("budgets", "history", "org", "acme"),
    ("budgets", "set", "org", "acme", "day", "5 USD"),
    ("credits", "balance"),
    ("credits", "grant", "org:acme", "1"),
    ("runs",),
    ("report", "last"),
    ("sync",),
    ("sync", "--rebuild"),
    ("archive",),
    ("breakers",),
    ("guards",),
    ("quotes", "audit"),
    ("rates", "review"),
    ("doctor", "--economics"),
)
_APART = 4


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A ledger in one file, with something in it."""
    project = make_project(tmp_path_factory.mktemp("whole"), "http://127.0.0.1:9", documents=0)
    with project.runtime_here() as runtime:
        for _ in range(30):
            one = a_run()
            assert runtime.ledger.admit(one, RULES) == []
            intent = an_intent(one)
            runtime.ledger.begin(intent).result()
            runtime.ledger.end(intent, DONE).result()
            runtime.ledger.settle(one.run_id, "completed")
        runtime.wallets.grant("org:acme", 5)
        runtime.limits.set(Limit("org", "acme", "day", USD))
    copy = project.root / "copy.db"
    run(project.home / "ledger.db", "PRAGMA wal_checkpoint(TRUNCATE)")
    connection = sqlite3.connect(project.home / "ledger.db")
    connection.execute("VACUUM INTO ?", (str(copy),))
    connection.close()
    return copy.read_bytes()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = make_project(tmp_path / "project", "http://127.0.0.1:9", documents=0)
    monkeypatch.chdir(made.root)
    made.home.mkdir(exist_ok=True)
    return made


def told(project: Project, call: Call, *command: str) -> tuple[int, str, str]:
    """The exit code, the line that says what is wrong, and all that was said."""
    get_runtime.cache_clear()
    try:
        said = call(*command)
    finally:
        get_runtime().close()
        get_runtime.cache_clear()
    assert "Traceback" not in said.all
    lines = said.err.splitlines()
    if said.code and (lines or command[0] != "doctor"):
        assert len(lines) == 2, said.all
        assert lines[0].startswith("error: ")
        assert lines[1].startswith("  next: ")
        assert str(project.root) in lines[0] or "The ledger is corrupt" in lines[0]
    return said.code, lines[0] if lines else "", said.all


@pytest.mark.parametrize(("number", "make", "cause"), [(n, *f) for n, f in enumerate(FILES.values())], ids=FILES)
def test_each_command_says_what_the_file_is(
    project: Project, call: Call, whole: bytes, number: int, make: Callable[[Path, bytes], None], cause: str
):
    """Each file by some of the commands, each command with several files."""
    make(project.home / "ledger.db", whole)
    for command in COMMANDS[number % _APART :: _APART]:
        code, line, _ = told(project, call, *command)
        assert code == 1, command
        assert cause in line, command
    code, _, said = told(project, call, "doctor")
    assert code == 1
    assert cause in " ".join(said.split())


@pytest.mark.parametrize(("statement", "column"), VALUES.values(), ids=VALUES)
def test_a_damaged_value_is_found_and_never_shown(
    project: Project, call: Call, whole: bytes, statement: str, column: str
):
    path = project.home / "ledger.db"
    changed(*WITHOUT_CONSTRAINTS, statement)(path, whole)
    for command in COMMANDS[:: _APART - 2]:
        if command == ("rates", "review"):  # the models of this ledger have no price
            continue
        code, line, said = told(project, call, *command)
        assert (code, line[:6]) in {(0, ""), (1, "error:")} or command[0] == "doctor", said
        assert not line or CORRUPT in line, command
        assert "soon" not in said
    code, _, said = told(project, call, "doctor")
    assert code == 1
    assert f"a value in {column} is damaged" in " ".join(said.split())


def test_a_whole_ledger_and_an_empty_file_are_fine(project: Project, call: Call, whole: bytes, tmp_path: Path):
    path = project.home / "ledger.db"
    path.write_bytes(whole)
    store = Store(f"sqlite:///{path}")
    with store.read() as connection:
        check_values(connection, store.place)
    store.close()
    for command in (("budgets",), ("report", "last"), ("sync",)):
        assert told(project, call, *command)[0] == 0
    empty = tmp_path / "empty.db"
    empty.touch()  # as a process leaves it that was killed while it made one
    store = Store(f"sqlite:///{empty}")
    with store.read() as connection:
        check_values(connection, store.place)
    store.close()


def test_another_programs_database_stays_as_it_is(tmp_path: Path):
    path = tmp_path / "books.db"
    run(path, "CREATE TABLE books (title)", "INSERT INTO books VALUES ('Emma')")
    store = Store(f"sqlite:///{path}")
    with pytest.raises(LedgerUnusable, match="another program"), store.read():
        pass
    store.close()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("books",)]
    assert connection.execute("SELECT title FROM books").fetchall() == [("Emma",)]
    connection.close()
