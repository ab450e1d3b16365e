"""What a git repository can tell: its recent commits and which files are its own.

git is run as a program, with fixed arguments, answers separated by NUL bytes (so no message or file name can pass for
something else), none of the caller's ``GIT_`` variables, and nothing in the repository's own configuration that would
run a program or reach the network.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from flows.sources.documents import Document
from flows.sources.folder import moment
from flows.sources.text import MAX_CHARACTERS, clean_line, clean_text, counted, cut

TIMEOUT = 15.0
"""Seconds one git command may take."""

MAX_COMMITS = 500
"""Commits looked back on."""

_WEEK = 7 * 86_400
_DAY = 86_400
_TOGETHER = 8
_FILES_SHOWN = 12
_FILES_SHOWN_TOGETHER = 4
_QUIET = {
    "color.ui": "false",
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.bigFileThreshold": "1m",
    "log.showSignature": "false",
    "log.mailmap": "false",
    "protocol.allow": "never",
}
_NUMSTAT = re.compile(r"(\d+|-)\t(\d+|-)\t(.*)", re.DOTALL)
_TRAILER = re.compile(r"^(?:[A-Z][A-Za-z-]*-by|Change-Id|Cc): .*$\n?", re.MULTILINE)


class NoGit(Exception):
    """There is nothing to be had from git; the message says why, without a full stop."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A folder inside a git work tree, or (``bare``) a repository without one.

    ``inside`` is true for a folder below the top of the work tree: commits and files are then those of that folder.
    """

    folder: str
    bare: bool
    shallow: bool
    inside: bool


@dataclass(frozen=True, slots=True)
class CommitHistory:
    """Commits as documents, newest first; how many commits those hold, and how many older ones were seen."""

    documents: tuple[Document, ...]
    listed: int
    older: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Commit:
    id: str
    when: int
    message: str

    @property
    def subject(self) -> str:
        return clean_line(self.message.partition("\n")[0]) or "(no message)"


@dataclass(frozen=True, slots=True)
class _Change:
    path: str
    added: int
    removed: int


def open_repository(folder: str) -> Repository:
    """The repository at ``folder`` (a real path).

    Raises:
        NoGit: there is none, git is not installed, or git will not open it.
    """
    flags = ["--is-inside-work-tree", "--is-inside-git-dir", "--is-shallow-repository", "--show-prefix"]
    answers = _git(folder, "rev-parse", *flags).split("\n", len(flags) - 1)
    if len(answers) < len(flags):
        raise NoGit("git gave no sensible answer")
    work_tree, git_folder, shallow, prefix = answers
    if "true" not in {work_tree, git_folder}:
        raise NoGit("No git repository there")
    return Repository(folder, bare=work_tree != "true", shallow=shallow == "true", inside=prefix.strip("\n") != "")


def listed_files(repository: Repository) -> dict[str, int | None]:
    """Names of tracked and not ignored files below the folder, each with its last commit's time; none if bare.

    Seconds since 1970; ``None`` where that is beyond :data:`MAX_COMMITS`; -1 for files not yet committed.

    Raises:
        NoGit: git failed.
    """
    if repository.bare:
        return {}
    listed = _git(repository.folder, "ls-files", "-z", "-t", "--cached", "--others", "--exclude-standard").split("\0")
    files: dict[str, int | None] = {}
    for entry in filter(None, listed):
        files[entry[2:]] = -1 if entry.startswith("?") else None
    for name, when in _last_changes(repository):
        if name in files and files[name] is None:
            files[name] = when
    return files


def _last_changes(repository: Repository) -> Iterator[tuple[str, int]]:
    """Files with the time of a commit that changed them, newest first."""
    command = [
        "log",
        "-z",
        f"-n{MAX_COMMITS}",
        "--name-status",
        "--no-renames",
        "--relative",
        "--format=%ct",
        "--",
        ".",
    ]
    try:
        tokens = iter(_git(repository.folder, *command).split("\0"))
    except NoGit:  # no commits yet: every file is a new one
        return
    when = 0
    for token in tokens:
        if token.isascii() and token.isdigit():
            when = int(token)
        elif token.strip("\n"):
            yield next(tokens, ""), when


def history(repository: Repository, *, items: int) -> CommitHistory:
    """Recent commits as at most ``items`` documents, newest first, merges left out.

    One commit is one document while the week up to the newest commit fits; in a busier repository up to
    :data:`_TOGETHER` commits of one day share one.

    Raises:
        NoGit: there are no commits, or git failed.
    """
    commits = sorted(_commits(repository), key=lambda commit: -commit.when)
    if not commits:
        raise NoGit("The git repository there has no commits to show")
    groups = _grouped(commits, items)
    notes = []
    changes: dict[str, list[_Change]] | None = None
    try:
        changes = _changes(repository, [commit for group in groups for commit in group])
    except NoGit:
        notes.append("git could not count the changed lines: commits are shown by their messages only.")
    if repository.shallow:
        notes.append("The git repository is a shallow copy: its older commits are not there.")
    count = sum(len(group) for group in groups)
    return CommitHistory(
        tuple(_document(group, changes) for group in groups), count, len(commits) - count, tuple(notes)
    )


def _grouped(commits: Sequence[_Commit], items: int) -> list[list[_Commit]]:
    week = sum(commit.when > commits[0].when - _WEEK for commit in commits)
    recent = commits[: max(week, items)]
    groups: list[list[_Commit]] = []
    for size in range(1, _TOGETHER + 1):
        days = [list(day) for _, day in groupby(recent, key=lambda commit: commit.when // _DAY)]
        groups = [day[start : start + size] for day in days for start in range(0, len(day), size)]
        if len(groups) <= items:
            break
    return groups[:items]


def _commits(repository: Repository) -> list[_Commit]:
    command = ["log", "-z", "--no-merges", f"-n{MAX_COMMITS}", "--encoding=UTF-8", "--format=%H%x00%ct%x00%B"]
    if repository.inside:
        command += ["--", "."]
    try:
        answer = _git(repository.folder, *command)
    except NoGit:
        if _is_unborn(repository):
            return []
        raise
    tokens = answer.split("\0")
    return [
        _Commit(identity, int(when) if when.isascii() and when.isdigit() else 0, _TRAILER.sub("", clean_text(message)))
        for identity, when, message in zip(tokens[::3], tokens[1::3], tokens[2::3], strict=False)
    ]


def _is_unborn(repository: Repository) -> bool:
    try:
        return not _git(repository.folder, "rev-list", "-n1", "--all").strip()
    except NoGit:
        return False


def _changes(repository: Repository, commits: Sequence[_Commit]) -> dict[str, list[_Change]]:
    """What each commit changed, by its id."""
    command = [
        "diff-tree",
        "--stdin",
        "-z",
        "-r",
        "--root",
        "--numstat",
        "--no-renames",
        "--no-ext-diff",
        "--no-textconv",
    ]
    if repository.inside:
        command.append("--relative")
    answer = _git(repository.folder, *command, given="".join(f"{commit.id}\n" for commit in commits))
    changes: dict[str, list[_Change]] = {commit.id: [] for commit in commits}
    current: list[_Change] = []
    for token in answer.split("\0"):
        if counts := _NUMSTAT.fullmatch(token):
            added, removed = (int(count) if count != "-" else 0 for count in counts.group(1, 2))
            current.append(_Change(counts[3], added, removed))
        elif token in changes:
            current = changes[token]
    return changes


def _document(group: Sequence[_Commit], changes: dict[str, list[_Change]] | None) -> Document:
    newest, oldest = group[0], group[-1]
    if len(group) == 1:
        title, origin, shown = newest.subject, f"commit {newest.id[:10]}", _FILES_SHOWN
    else:
        title = f"{len(group)} commits: " + "; ".join(commit.subject for commit in group)
        origin, shown = f"commits {oldest.id[:10]} to {newest.id[:10]}", _FILES_SHOWN_TOGETHER
    length = MAX_CHARACTERS // len(group) - 80 * (shown + 2)
    text = "\n\n".join(_text(commit, changes, length, shown) for commit in group)
    return Document(title, text, origin, moment(newest.when), "commit")


def _text(commit: _Commit, changes: dict[str, list[_Change]] | None, length: int, shown: int) -> str:
    """A commit as text: ``length`` characters of its message, then what it changed most."""
    message = cut(commit.message, length) or commit.subject
    files = changes.get(commit.id) if changes else None
    if not files:
        return message
    added, removed = sum(file.added for file in files), sum(file.removed for file in files)
    lines = [f"{message}\n", f"{counted(len(files), 'file')} changed, +{added:,} -{removed:,} lines:"]
    largest = sorted(files, key=lambda file: (-(file.added + file.removed), file.path))
    lines += [f"- {clean_line(file.path)} (+{file.added:,} -{file.removed:,})" for file in largest[:shown]]
    if len(files) > shown:
        lines.append(f"- and {len(files) - shown:,} more")
    return "\n".join(lines)


def _git(folder: str, command: str, *arguments: str, given: str | None = None) -> str:
    """What git answers.

    Raises:
        NoGit: it is missing, too slow, or refused.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "LC_ALL": "C",
        "LANGUAGE": "",
    }
    settings = [part for name, value in _QUIET.items() for part in ("-c", f"{name}={value}")]
    try:
        done = subprocess.run(
            ["git", "--no-pager", *settings, "-C", folder, command, *arguments],
            input=(given or "").encode(),
            capture_output=True,
            env=environment,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NoGit(f"git did not answer within {TIMEOUT:.0f} s") from None
    except OSError:
        raise NoGit("git is not installed here") from None
    if done.returncode != 0:
        raise NoGit(_why(done.stderr.decode("utf-8", "replace")))
    return os.fsdecode(done.stdout)


def _why(complaint: str) -> str:
    if "not a git repository" in complaint:
        return "No git repository there"
    if "dubious ownership" in complaint:
        return (
            "git does not trust that folder, which belongs to another user "
            "(git config --global --add safe.directory <folder> would allow it)"
        )
    return "git could not read the repository there"
