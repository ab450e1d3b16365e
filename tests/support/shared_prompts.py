"""Many turns with one long system text, at one target each: what they cost by the sandbox's journal and the ledger."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from farebox.runtime import Runtime
from pricing.money import Nano
from tasks.ask import Ask
from tasks.context import Step, inside
from tasks.run_context import RunContext
from tasks.sandbox import Latency, Sandbox, read_journal
from tests.support.books import assert_ledger_equals_journal
from tests.support.project import make_project
from tests.support.turns import admitted

DIALECTS = {
    "OpenAI": ("openai", "gpt-6-luna"),
    "Anthropic": ("anthropic", "claude-haiku-5-5"),
    "Bedrock": ("bedrock", "global.anthropic.claude-haiku-5-5"),
}
"""By dialect a provider and one of its models that caches."""
RULES = "Rule {number}: read the invoice to its end, and state the amount that is due, with its currency.\n"
RULE_COUNT = 250
"""About 5,000 tokens of static prompt."""


@dataclass(frozen=True)
class FanOut:
    """What so many turns came to: amounts in nano-dollars, tokens by the journal."""

    turns: int
    journal_nano: Nano
    ledger_nano: Nano
    read: int
    written: int
    writers: int
    """Requests that wrote to the cache."""


@contextmanager
def prompting(
    folder: Path, dialect: str, *, wait: float, latency: Latency | None = None, rules: int = RULE_COUNT
) -> Iterator[tuple[Runtime, Path]]:
    """A project whose turns go to one dialect of a sandbox, and the sandbox's journal."""
    provider, model = DIALECTS[dialect]
    where = (
        f'\n[[targets]]\nname = "one"\nprovider = "{provider}"\nmodel = "{model}"\ntier = "light"\n'
        'region = "us-east-1"\n'
    )
    folder.mkdir(parents=True, exist_ok=True)
    journal = folder / "journal.jsonl"
    with Sandbox(journal, latency=latency or Latency(0.2, 0)) as sandbox:
        project = make_project(folder / "project", sandbox.url, targets=where, documents=0)
        settings = project.root / "farebox.toml"
        settings.write_text(settings.read_text().replace("[turns]\n", f"[turns]\ncache_wait_seconds = {wait}\n"))
        write_prompt(project.root, rules)
        with project.runtime_here() as runtime:
            yield runtime, journal


def write_prompt(root: Path, rules: int, *, changing: str = "") -> None:
    """The prompt ``read.j2``: so many rules as its system text, perhaps with a value that changes among them."""
    text = "".join(RULES.format(number=number) for number in range(rules))
    (root / "prompts" / "read.j2").write_text(
        f"{{% block system %}}{changing}{text}{{% endblock %}}{{% block user %}}{{{{ text }}}}{{% endblock %}}"
    )


async def read_once(runtime: Runtime, run_id: str, text: str, **values: object) -> str:
    """One turn of the step ``read``."""
    with inside(Step("read", max_tokens=40), run=RunContext(run_id)):
        return await Ask(lambda: runtime.engine)._ask("read.j2", str, {"text": text, **values})


def read_all(runtime: Runtime, run_id: str, texts: Sequence[str]) -> None:
    """One turn for each text, all sent together."""

    async def all_of_them() -> None:
        await asyncio.gather(*(read_once(runtime, run_id, text) for text in texts))

    runtime.engine.loop.run(all_of_them())


def fan_out(folder: Path, dialect: str, turns: int, *, wait: float, latency: Latency | None = None) -> FanOut:
    """So many turns, sent together; the ledger is held to the journal, request by request."""
    with prompting(folder, dialect, wait=wait, latency=latency) as (runtime, journal):
        with admitted(runtime) as run_id:
            read_all(runtime, run_id, [f"Invoice number {number} over {number} EUR." for number in range(turns)])
        attempts = assert_ledger_equals_journal(runtime, journal)
        entries = read_journal(journal)
        provider, model = DIALECTS[dialect]
        written = [entry.cache_write_tokens or 0 for entry in entries]
        return FanOut(
            turns=len(entries),
            journal_nano=sum(runtime.rates.price(model, provider, entry.usage) for entry in entries),
            ledger_nano=sum(attempt["cost_nano"] for attempt in attempts),
            read=sum(entry.cache_read_tokens or 0 for entry in entries),
            written=sum(written),
            writers=sum(tokens > 0 for tokens in written),
        )
