import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.sources import Collection, collect, count_documents
from flows.sources import git as git_room
from pricing.errors import SourceError

EVIL = 'evil \x1b]0;owned\x07\x1b[31m\n\n1\t2\tfake.txt\n"quoted" \u202etxt.exe\n\n0123456789012345678901234567890123456789\n\nSigned-off-by: Ada <ada@example.com>'
EVIL_NAME = 'new\nline "quoted" \x1b[31m\t7\t7\tname.md'


def commit(git, repo: Path, name: str, message: str, *, text: str = "words\n", day: int = 1, hour: int = 12) -> None:
    path = repo / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + message)
    git("add", "-A")
    git("commit", "-q", "--cleanup=verbatim", "-m", message, day=day, hour=hour)


def kinds(collection: Collection) -> list[str]:
    return [document.kind for document in collection.documents]


def test_commits_come_first_then_documents(git, repo):
    commit(git, repo, "README.md", "Say hello", day=1)
    commit(git, repo, "docs/plan.md", "Plan the week\n\nIn some detail.", day=2)
    commit(git, repo, "code.py", "Write code", day=3)
    got = collect(repo)
    assert [document.title for document in got.documents] == [
        "Write code",
        "Plan the week",
        "Say hello",
        "README.md",
        "plan.md",
    ]
    assert kinds(got) == ["commit"] * 3 + ["document"] * 2
    plan = got.documents[1]
    assert plan.text == "Plan the week\n\nIn some detail.\n\n1 file changed, +4 -0 lines:\n- docs/plan.md (+4 -0)"
    assert plan.when == datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert plan.origin.startswith("commit ")
    assert got.documents[4].when == plan.when  # a file's time is its last commit's, not the checkout's
    assert got.notes == ()
    assert got == collect(repo)
    assert count_documents(repo) == 5


def test_hostile_messages_and_names_break_nothing(git, repo):
    commit(git, repo, EVIL_NAME, EVIL)
    commit(git, repo, "-n.md", "second", day=2)
    got = collect(repo)
    assert kinds(got) == ["commit", "commit", "document", "document"]
    evil = got.documents[1]
    assert evil.title == "evil"
    assert "1 file changed" in evil.text
    assert "fake.txt (" not in evil.text
    assert 'new line "quoted" 7 7 name.md (+9 -0)' in evil.text
    assert "ada@example.com" not in evil.text
    for document in got.documents:
        assert "\x1b" not in repr(document)
        assert "\u202e" not in document.text
        assert document.title.isprintable()
        assert document.origin.isprintable()


def test_merges_are_left_out(git, repo):
    commit(git, repo, "a.md", "first")
    git("checkout", "-q", "-b", "side")
    commit(git, repo, "b.md", "on the side", day=2)
    git("checkout", "-q", "main")
    commit(git, repo, "c.md", "on main", day=3)
    git("merge", "-q", "--no-ff", "-m", "merge it", "side", day=4)
    titles = [document.title for document in collect(repo).documents if document.kind == "commit"]
    assert titles == ["on main", "on the side", "first"]


def test_documents_keep_a_third_of_the_places(git, repo):
    for number in range(12):
        commit(git, repo, f"{number:02}.md", f"commit {number}", day=2 * number + 1)
    got = collect(repo, limit=6)
    assert kinds(got) == ["commit"] * 4 + ["document"] * 2
    assert got.documents[0].title == "commit 11"
    assert got.documents[4].origin == "11.md"
    assert got.notes == ("Cut to the newest 4 commits.", "Cut to 2 documents: 10 more files not taken.")
    assert kinds(collect(repo, limit=1)) == ["commit"]
    assert kinds(collect(repo, limit=40)) == ["commit"] * 12 + ["document"] * 12


def test_a_busy_day_shares_documents(git, repo):
    for number in range(20):
        commit(git, repo, "code.py", f"step {number}", text="x\n" * number, day=5, hour=number)
    commit(git, repo, "code.py", "the next day", day=6)
    got = collect(repo, limit=6)
    assert len(got.documents) <= 6
    assert got.documents[0].title == "the next day"
    assert got.documents[1].title.startswith("4 commits: step 19; step 18")
    assert got.documents[1].text.count("1 file changed") == 4
    assert sum(document.text.count("file changed") for document in got.documents) == 21


def test_a_folder_of_a_repository_stands_for_itself(git, repo):
    commit(git, repo, "sub/a.md", "below")
    commit(git, repo, "b.md", "above", day=2)
    got = collect(repo / "sub")
    assert [document.title for document in got.documents] == ["below", "a.md"]
    assert "a.md (+2 -0)" in got.documents[0].text


def test_ignored_files_are_left_out_but_new_ones_are_not(git, repo):
    commit(git, repo, ".gitignore", "ignore", text="ignored/\n")
    for name in ("ignored/a.md", "new.md"):
        (repo / name).parent.mkdir(exist_ok=True)
        (repo / name).write_text("words")
    assert [document.origin for document in collect(repo).documents[1:]] == ["new.md"]
    got = collect(repo / "ignored")  # asked for by name
    assert [document.origin for document in got.documents] == ["a.md"]
    assert got.notes == ("The git repository there has no commits to show: using its documents instead.",)


def test_without_commits_the_documents_are_used(git, repo):
    (repo / "a.md").write_text("words")
    got = collect(repo)
    assert kinds(got) == ["document"]
    assert got.notes == ("The git repository there has no commits to show: using its documents instead.",)
    (repo / "a.md").unlink()
    with pytest.raises(SourceError, match="nothing to read"):
        collect(repo)


def test_a_shallow_copy_says_so(git, repo, tmp_path):
    commit(git, repo, "a.md", "first")
    commit(git, repo, "b.md", "second", day=2)
    git("clone", "-q", "--depth=1", repo.as_uri(), str(tmp_path / "copy"))
    got = collect(tmp_path / "copy")
    assert [document.title for document in got.documents] == ["second", "a.md", "b.md"]
    assert got.notes == ("The git repository is a shallow copy: its older commits are not there.",)


def test_a_bare_repository_gives_commits_only(git, repo, tmp_path):
    commit(git, repo, "a.md", "first")
    git("clone", "-q", "--bare", str(repo), str(tmp_path / "bare"))
    assert kinds(collect(tmp_path / "bare")) == ["commit"]
    git("init", "-q", "--bare", str(tmp_path / "empty"))
    with pytest.raises(SourceError, match="nothing to read"):
        collect(tmp_path / "empty")


def test_without_git_the_documents_are_used(git, repo, monkeypatch):
    commit(git, repo, "a.md", "first")
    monkeypatch.setenv("PATH", "/nowhere")
    got = collect(repo)
    assert kinds(got) == ["document"]
    assert got.notes == ("git is not installed here: using its documents instead.",)


@pytest.mark.parametrize(
    "script, reason",
    [("exec /bin/sleep 20", "git did not answer within 0 s"), ("exit 0", "git gave no sensible answer")],
)
def test_a_git_that_does_not_work_is_given_up(git, repo, tmp_path, monkeypatch, script, reason):
    commit(git, repo, "a.md", "first")
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(git_room, "TIMEOUT", 0.4)
    assert collect(repo).notes == (f"{reason}: using its documents instead.",)


def test_a_broken_repository_is_told(git, repo):
    commit(git, repo, "a.md", "first")
    (repo / ".git" / "HEAD").write_text("ref: refs/heads/main")
    (repo / ".git" / "refs" / "heads" / "main").write_text("f" * 40)
    got = collect(repo)
    assert kinds(got) == ["document"]
    assert len(got.notes) == 1
    assert "using its documents instead" in got.notes[0]


def test_somebody_elses_repository_is_told(git, repo):
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    commit(git, repo, "a.md", "first")
    for path in (repo, repo / ".git"):
        os.chown(path, 12345, 12345)
    got = collect(repo)
    assert kinds(got) == ["document"]
    assert "belongs to another user" in got.notes[0]


def test_the_callers_git_variables_do_not_matter(git, repo, tmp_path, monkeypatch):
    commit(git, repo, "a.md", "first")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_WORK_TREE", "/")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    assert collect(repo).documents[0].title == "first"


def test_the_repositorys_settings_run_nothing(git, repo, tmp_path):
    commit(git, repo, "a.md", "first")
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    (repo / ".gitattributes").write_text("*.md diff=trap filter=trap\n")
    for key in (
        "core.fsmonitor",
        "core.pager",
        "diff.external",
        "diff.trap.textconv",
        "diff.trap.command",
        "filter.trap.clean",
        "gpg.program",
    ):
        git("config", key, str(trap))
    git("config", "log.showSignature", "true")
    git("config", "core.hooksPath", str(tmp_path))
    assert collect(repo).documents[0].title == "first"
    assert not (tmp_path / "sprung").exists()


def test_the_repository_is_left_as_it_was(git, repo):
    commit(git, repo, "a.md", "first")
    before = {path: path.stat().st_mtime_ns for path in repo.rglob("*")}
    collect(repo)
    assert {path: path.stat().st_mtime_ns for path in repo.rglob("*")} == before


def test_messages_alone_do_when_counting_fails(git, repo, monkeypatch):
    commit(git, repo, "a.md", "first")
    monkeypatch.setattr(git_room, "_changes", _too_slow)
    got = collect(repo)
    assert got.documents[0].text == "first"
    assert got.notes == ("git could not count the changed lines: commits are shown by their messages only.",)


def _too_slow(*_: object) -> None:
    raise git_room.NoGit("too slow")


def test_messages_that_are_not_utf8_are_read(git, repo):
    (repo / "a.md").write_text("words")
    git("add", "-A")
    who = {
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.com",
    }
    subprocess.run(["git", "commit", "-q", "-F", "-"], input=b"gr\xfcn", cwd=repo, env=os.environ | who, check=True)
    title = collect(repo).documents[0].title
    assert title.startswith("gr")
    title.encode()
