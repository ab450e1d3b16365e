"""The recipes of docs/architecture.md, "to add X, write Y": each is followed in a copy of the sources, the result is
used in a process of its own, and the files it took are as many as the recipe says.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pricing.db.schema import VERSION
from tests.support.catalog import ACME
from tests.support.project import make_project
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
PACKAGES = ("pricing", "guardrails", "tasks", "farebox", "tests/support")
TARGETS = '\n[[targets]]\nname = "mini"\nprovider = "openai"\nmodel = "gpt-4.1-mini"\ntier = "light"\n'


class Copy:
    """A copy of the packages, a project beside them, and the files that were written or changed in either."""

    def __init__(self, folder: Path) -> None:
        self.sources, self.changed = folder / "sources", set[str]()
        for package in PACKAGES:
            shutil.copytree(ROOT / package, self.sources / package, ignore=shutil.ignore_patterns("__pycache__"))
        self.project = make_project(folder / "project", "", targets=TARGETS, documents=1).root

    def write(self, path: str, text: str, *, to: Path | None = None) -> None:
        """Write a new file of the sources, or of the project."""
        file = (to or self.sources) / path
        assert not file.exists(), path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        self.changed.add(path)

    def insert(self, path: str, before: str, text: str) -> None:
        """Add to a file that is there: right before a text that occurs in it once."""
        file = self.sources / path
        was = file.read_text("utf-8")
        assert was.count(before) == 1, (path, before, was.count(before))
        file.write_text(was.replace(before, text + before), "utf-8")
        self.changed.add(path)

    def replace(self, path: str, old: str, new: str) -> None:
        """Change a line."""
        file = self.sources / path
        was = file.read_text("utf-8")
        assert was.count(old) == 1, (path, old)
        file.write_text(was.replace(old, new), "utf-8")
        self.changed.add(path)

    def run(self, code: str) -> str:
        """What a program prints that uses the copy, in the project's folder."""
        left_out = ("FAREBOX_", "PYTHON")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        environment |= {"PYTHONPATH": str(self.sources), "PYTHONSAFEPATH": "1", "COLUMNS": "160"}
        checked = f"import pricing; assert pricing.__file__.startswith({str(self.sources)!r}), pricing.__file__\n{code}"
        done = subprocess.run(
            [sys.executable, "-c", checked],
            cwd=self.project,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def files_of(recipe: str) -> int:
    """How many files a recipe says it takes."""
    [section] = re.findall(
        r"## To add X, write Y\n(.*?)\n## ", (ROOT / "docs" / "architecture.md").read_text(), re.DOTALL
    )
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    counts = {row[0]: row[-1] for row in rows[2:]}
    assert len(counts) == 7
    return int(counts[recipe])


def test_a_provider(copy: Copy):
    copy.write("tasks/providers/catalog/acme.py", ACME.format(name="acme", url="https://api.acme.example/v1"))
    settings = copy.project / "farebox.toml"
    settings.write_text(
        settings.read_text().replace('"openai"', '"acme"').replace("gpt-4.1-mini", "openai/gpt-oss-120b")
    )
    said = copy.run("""
from pricing import Usage
from farebox.runtime import get_runtime
from tasks.providers import classify
runtime = get_runtime()
[target] = runtime.targets
print(target.base_url, target.failure_domain, runtime.rates.price(target.model, target.provider, Usage(1_000_000, 0)))
print(classify("acme", 400, {}, b'{"error": {"code": "out_of_coins"}}').kind)
""")
    assert said.split() == ["https://api.acme.example/v1", "acme", "150000000", "quota_exhausted"]
    assert len(copy.changed) == files_of("a provider")


SHOUT = '''"""The guard of loud prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from guardrails.base import Direction, GuardInput, Reason, Verdict, allow, block


@dataclass(frozen=True, slots=True)
class ShoutGuard:
    """Blocks a prompt in capitals."""

    at_least: int = 10

    name: ClassVar[str] = "shout"
    version: ClassVar[str] = "1"
    direction: ClassVar[Direction] = "input"
    rank: ClassVar[int] = 15

    def inspects(self, exchange: GuardInput) -> bool:
        """Always."""
        return True

    def check(self, exchange: GuardInput) -> Verdict:
        """Block or allow."""
        loud = sum(text.isupper() and len(text) >= self.at_least for text in exchange.texts)
        return block(Reason.POLICY, loud=loud) if loud else allow()
'''


def test_a_guard(copy: Copy):
    copy.write("guardrails/guards/shout.py", SHOUT)
    with (copy.project / "farebox.toml").open("a") as file:
        file.write('\n[guards.shout]\nmode = "enforce"\nat_least = 20\n')
    (copy.project / "prompts" / "say.j2").write_text("{{ text }}")
    said = copy.run("""
from farebox.runtime import get_runtime
from tests.support.turns import admitted, ask
runtime = get_runtime()
with admitted(runtime) as run_id:
    for text in ("STOP", "GIVE ME THE WHOLE LEDGER NOW", "The ledger stopped on Monday."):
        [outcome] = ask(runtime, run_id, 1, text=text)
        print(type(outcome).__name__)
runtime.close()
""")
    assert said.split() == ["str", "Blocked", "str"]
    assert len(copy.changed) == files_of("a guard")


def test_a_budget_window(copy: Copy):
    copy.insert(
        "pricing/ledger/windows.py",
        '}\n"""Shortest first',
        '    "fortnight": CalendarWindow(\n'
        "        lambda day: day - timedelta(days=(day.toordinal() - 1) % 14), lambda first: first + timedelta(days=14)\n"
        "    ),\n",
    )
    copy.insert("farebox/declaration.py", "    limits: Mapping[Window, Nano]", "    per_fortnight: str | None = None\n")
    with (copy.project / "farebox.toml").open("a") as file:
        file.write('\n[[budgets]]\nscope = "org"\nkey = "acme"\nwindow = "fortnight"\nlimit = "9 USD"\n')
    said = copy.run("""
from farebox import Budget
from farebox.cli.budgets import list_budgets, set_budget
from farebox.runtime import get_runtime
from pricing.clock import now_us
from pricing.ledger import applicable
from dataclasses import replace
from tests.support.ledger import a_run
runtime = get_runtime()
set_budget("user", "ada", "fortnight", "5 USD")
limits = [*(one.stated() for one in runtime.settings.budgets), *runtime.limits.all()]
rules = applicable(limits, {"org": ["acme"], "user": ["ada"]}) + Budget(per_fortnight="2 USD").rules("digest", "run-1")
assert runtime.ledger.admit(replace(a_run(0), started_at=now_us()), rules) == []
for state in runtime.ledger.budgets():
    print(state.name, (state.resets_at - state.starts_at).days, sep=" | ")
list_budgets()
runtime.close()
""")
    lines = said.splitlines()
    assert lines[0] == "Set: user ada per fortnight $5.00, soft 80%."
    assert set(lines[1:4]) == {f"{whose} per fortnight | 14" for whose in ("acme", "ada", "digest")}
    assert "ada per fortnight" in "\n".join(lines[4:])
    assert len(copy.changed) == files_of("a budget window")


def test_a_report_section(copy: Copy):
    copy.write(
        "pricing/reports/sql/run_accounts.sql",
        "SELECT account, count(*) AS attempts FROM attempts WHERE run_id = $run_id GROUP BY ALL ORDER BY account\n",
    )
    data, report = "pricing/reports/run/data.py", "pricing/reports/run/report.py"
    copy.insert(
        data,
        '@dataclass(frozen=True, slots=True)\nclass RunReport(Plain):\n    """Everything',
        "@dataclass(frozen=True, slots=True)\nclass AccountLine(Plain):\n"
        '    """Attempts of one account."""\n\n    account: str\n    attempts: int\n\n\n',
    )
    copy.insert(data, "    unknown: Unknown\n    tools: tuple", "    accounts: tuple[AccountLine, ...]\n")
    copy.insert(report, "    AdjustmentLine,\n    ApprovalLine", "    AccountLine,\n")
    copy.insert(report, "    settlements = tuple(", "    accounts = source.rows('run_accounts', run_id=found)\n")
    copy.insert(report, "        unknown=Unknown(", "        accounts=tuple(AccountLine(**row) for row in accounts),\n")
    copy.insert(
        "pricing/reports/run/terminal.py",
        "    if report.adjustments:",
        '    yield table("Accounts", ["account", "tries"], [[a.account, count(a.attempts)] for a in report.accounts])\n',
    )
    copy.insert(
        "pricing/reports/run/page.py",
        "    if report.adjustments:",
        "    rows = tuple((one.account, count(one.attempts)) for one in report.accounts)\n"
        '    yield Section("Accounts", grid=Grid(("account", "attempts"), rows, 1))\n',
    )
    copy.insert(
        "pricing/reports/run/templates/run.md.j2",
        "{% if report.adjustments %}",
        "\n## Accounts\n\n| Account | Attempts |\n|---|--:|\n{% for one in report.accounts %}\n"
        "| {{ one.account }} | {{ one.attempts | count }} |\n{% endfor %}\n",
    )
    said = copy.run("""
from farebox.runtime import get_runtime
from pricing.reports import render_html, render_markdown, render_terminal, run_report
from tests.support.turns import admitted, ask
runtime = get_runtime()
with admitted(runtime) as run_id:
    ask(runtime, run_id, 2)
runtime.replica.sync()
report = run_report(runtime.replica, run_id)
print(report.to_json()["accounts"])
from rich.console import Console
Console(width=120).print(render_terminal(report))
print(render_markdown(report))
print(render_html(report))
runtime.close()
""")
    assert "[{'account': 'default', 'attempts': 2}]" in said
    assert "| default | 2 |" in said
    assert said.count("Accounts") >= 3
    assert len(copy.changed) == files_of("a report section")


HELLO = '''"""``farebox hello``: a greeting."""

from __future__ import annotations

from farebox.cli.app import app
from farebox.cli.output import terminal


@app.command
def hello(name: str, /) -> None:
    """Greet somebody."""
    terminal().print(f"Hello {name}")
'''


def test_a_command(copy: Copy):
    copy.write("farebox/cli/hello.py", HELLO)
    line = '    "hello": Command("Greet somebody.", ("hello",)),\n'
    copy.insert("farebox/cli/app.py", '    "init": Command(', line)
    call = "import sys\nfrom farebox.cli import main\nsys.argv = ['farebox', {!r}, {!r}]\nmain()\n"
    assert copy.run(call.format("hello", "Ada")) == "Hello Ada\n"
    assert "Greet somebody." in copy.run(call.format("hello", "--help"))
    assert len(copy.changed) == files_of("a command")


GREET = '''"""Says hello."""

from __future__ import annotations

from farebox import Budget, Quality, ask, automation, llm_task, plan


@llm_task(operation="greet", tier="light", max_tokens=100)
def greet(name: str) -> str:
    return ask("greet.j2", name=name)


@automation(price="1 credit", budget=Budget(per_run="0.50 USD"), plan=plan(greet, input_tokens=100, output_tokens=50))
def hello(name: str = "Ada", quality: Quality = "fast") -> str:
    """Say hello."""
    return greet(name)
'''


def test_an_automation(copy: Copy):
    copy.write("flows/hello.py", GREET, to=copy.project)
    copy.write("flows/prompts/greet.j2", "Say hello to {{ name }}.\n", to=copy.project)
    settings = copy.project / "farebox.toml"
    settings.write_text(settings.read_text().replace('prompts = ["prompts", ', 'prompts = ["flows/prompts", '))
    said = copy.run("import sys\nfrom farebox.cli import main\nsys.argv = ['farebox', 'quote', 'hello']\nmain()\n")
    assert "fast" in said
    assert "best" in said
    ran = copy.run("""
import sys
sys.path.insert(0, ".")
from farebox.discovery import find_flow
from farebox.runtime import get_runtime
from tests.support.runs import riding
flow = find_flow("hello")
with riding(get_runtime(), flow, {}):
    from flows.hello import greet
    print(len(greet.fn("Ada")) > 0)
get_runtime().close()
""")
    assert ran == "True\n"
    assert len(copy.changed) == files_of("an automation")


def test_a_ledger_column(copy: Copy):
    use = """
from farebox.runtime import get_runtime
from dataclasses import replace
from tests.support.ledger import a_run
runtime = get_runtime()
assert runtime.ledger.admit(replace(a_run(), {values}), []) == []
runtime.replica.sync()
with runtime.replica.read() as duck:
    print(duck.execute("SELECT {shown} FROM runs ORDER BY run_id").fetchall())
runtime.close()
"""
    assert copy.run(use.format(values='run_id="run-1"', shown="run_id")) == "[('run-1',)]\n"
    number, after = VERSION, f"{int(VERSION) + 1:04}"
    versions = "pricing/db/migrations/versions"
    copy.replace("pricing/db/schema.py", f'VERSION = "{number}"', f'VERSION = "{after}"')
    copy.insert(
        "pricing/db/schema.py", ')\n"""One row per run that asked to start', '    text("reference", optional=True),\n'
    )
    copy.replace(
        "pricing/ledger/facts.py",
        "    price_nano: Nano | None = None\n",
        "    price_nano: Nano | None = None\n    reference: str | None = None\n",
    )
    copy.write(
        f"{versions}/m{after}_reference.py",
        '"""The customer\'s reference of a run."""\n\nfrom pricing.db.migrations.sql import apply\n\n'
        f'revision = "{after}"\ndown_revision = "{number}"\n\n\ndef upgrade() -> None:\n    apply(revision)\n',
    )
    for dialect in ("sqlite", "postgresql"):
        copy.write(f"{versions}/{after}.{dialect}.sql", "ALTER TABLE runs ADD COLUMN reference TEXT;\n")
    said = copy.run(use.format(values='run_id="run-2", reference="PO 7"', shown="run_id, reference"))
    assert said == "[('run-1', None), ('run-2', 'PO 7')]\n"
    assert len(copy.changed) == files_of("a ledger column")
