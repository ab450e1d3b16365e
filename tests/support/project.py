"""A Farebox project of a test's own: settings, prompts and documents in a folder, with a sandbox to answer it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from farebox.config.settings import load_settings
from farebox.runtime import Runtime, get_runtime
from tests.support.waiting import PATIENCE

REPOSITORY = Path(__file__).absolute().parents[2]

TARGETS = """
[[targets]]
name = "haiku"
provider = "bedrock"
model = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
region = "us-east-1"
tier = "light"
read_timeout = {read_timeout}

[[targets]]
name = "sonnet"
provider = "anthropic"
model = "claude-sonnet-4-5"
tier = "premium"
read_timeout = {read_timeout}

[[targets]]
name = "haiku-3-5"
provider = "bedrock"
model = "us.anthropic.claude-3-5-haiku-20241022-v1:0"
region = "us-east-1"
tier = "legacy"
max_output = 8192
read_timeout = {read_timeout}

[[targets]]
name = "gpt-oss"
provider = "groq"
model = "openai/gpt-oss-120b"
tier = "light"
reasoning = "low"
read_timeout = {read_timeout}

[[targets]]
name = "gpt-mini"
provider = "openai"
model = "gpt-4.1-mini"
tier = "last_resort"
read_timeout = {read_timeout}
"""

SUBJECTS = (
    "ledger",
    "invoice page",
    "login",
    "search index",
    "mobile app",
    "nightly export",
    "status page",
    "importer",
)


@dataclass(frozen=True)
class Project:
    """A folder with a farebox.toml; code in it runs there."""

    root: Path

    @property
    def home(self) -> Path:
        return self.root / ".farebox"

    @property
    def documents(self) -> Path:
        return self.root / "documents"

    def runtime(self) -> Runtime:
        """A runtime of its own, not the process's."""
        return Runtime(load_settings(self.root), self.root)

    @contextmanager
    def runtime_here(self) -> Iterator[Runtime]:
        """The process's own runtime, in this folder until the end."""
        before = Path.cwd()
        os.chdir(self.root)
        get_runtime.cache_clear()
        runtime = get_runtime()
        try:
            yield runtime
        finally:
            runtime.close()
            get_runtime.cache_clear()
            os.chdir(before)


def make_project(
    root: Path,
    sandbox_url: str,
    *,
    ledger_url: str = "",
    lease_seconds: float = 60,
    deadline_seconds: float = PATIENCE,
    max_attempts: int = 8,
    retries: int = 1,
    read_timeout: float = PATIENCE,
    targets: str = TARGETS,
    more: str = "",
    documents: int = 3,
) -> Project:
    """Write a project; ``more`` is TOML that comes last."""
    root.mkdir(parents=True, exist_ok=True)
    ledger = f'ledger_url = "{ledger_url}"\n' if ledger_url else ""
    (root / "farebox.toml").write_text(
        f'home = ".farebox"\nprompts = ["prompts", "{REPOSITORY / "flows" / "prompts"}"]\n{ledger}'
        f"[holds]\nlease_seconds = {lease_seconds}\n"
        f"[turns]\ndeadline_seconds = {deadline_seconds}\nmax_attempts = {max_attempts}\nretries = {retries}\n"
        f'[sandbox]\nurl = "{sandbox_url}"\n' + targets.format(read_timeout=read_timeout) + more,
        "utf-8",
    )
    (root / "prompts").mkdir(exist_ok=True)
    (root / "prompts" / "say.j2").write_text("Say something about this:\n{{ text }}\n")
    (root / "prompts" / "judge.j2").write_text(
        "{% block system %}You judge notes.{% endblock %}{% block user %}{{ text }}{% endblock %}"
    )
    write_documents(root / "documents", documents)
    return Project(root)


def write_documents(folder: Path, count: int) -> None:
    """Short texts, each different from the others."""
    folder.mkdir(exist_ok=True)
    for number in range(count):
        subject = SUBJECTS[number % len(SUBJECTS)]
        (folder / f"note-{number:02}.md").write_text(
            f"# The {subject} was changed ({number})\n\n"
            f"On Monday the {subject} stopped for {number + 2} hours, because a disk was full. Nobody lost anything. "
            f"The team added an alarm and will review the {subject} again next week.\n",
            "utf-8",
        )
