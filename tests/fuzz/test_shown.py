"""Hostile names are shown as text: they steer no terminal, make no markup and no second line, on any page."""

import io
import logging
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given

from farebox.cli import budgets
from farebox.cli import credits as credit_ledger
from farebox.cli.output import Terminal, complain
from farebox.runtime import Runtime
from pricing.db import schema
from pricing.errors import FareboxError
from pricing.ledger.budgets import BudgetRule
from pricing.ledger.facts import Turn
from pricing.ledger.ledger import Ledger
from pricing.reports import render_html, render_markdown, render_terminal, run_report, runs
from pricing.reports.format import clean
from tests.support.books import rows
from tests.support.hostile import FUZZ, PAYLOADS, texts
from tests.support.ledger import DONE, a_run, an_intent
from tests.support.project import make_project

STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""What a terminal obeys, or what reorders or hides text."""


class Tags(HTMLParser):
    """Which elements a page has, and which of them do something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name.startswith("on") or "javascript:" in (value or "").lower():
                self.handlers.append(f"{tag} {name}={value}")


def printed(renderable: object) -> str:
    file = io.StringIO()
    Terminal(
        file=file, force_terminal=True, color_system=None, width=200, markup=False, emoji=False, highlight=False
    ).print(renderable)
    return file.getvalue()


@FUZZ
@given(texts)
def test_an_error_is_two_lines_whatever_is_in_it(text: str):
    file = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr", file)
        complain(FareboxError(f"There is no {text}.", next_step=f"Use {text}."))
    assert not STEERS.search(file.getvalue())
    assert len(file.getvalue().splitlines()) == 2


@FUZZ
@given(texts)
def test_whatever_a_terminal_prints_steers_nothing(text: str):
    assert not STEERS.search(printed(text))
    assert not STEERS.search(clean(text))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory):
    """A ledger in which every name that comes from outside is hostile, as an older version or another program left it."""
    project = make_project(tmp_path_factory.mktemp("hostile"), "http://127.0.0.1:9", documents=0)
    with project.runtime_here() as runtime:
        names = [text.replace("\x00", "").encode("utf-8", "replace").decode() for text in ("harmless", *PAYLOADS)]
        for name in names:
            run = a_run()
            values = {field: getattr(run, field) for field in run.__dataclass_fields__}
            run = type(run)(**(values | {"automation": name, "user_id": name, "org_id": name}))
            rules = [BudgetRule("org", name, "day", 10**12), BudgetRule("user", name, "day", 10**12)]
            assert runtime.ledger.admit(run, rules) == []
            intent = an_intent(run)
            changed = {field: getattr(intent, field) for field in intent.__dataclass_fields__}
            changed |= dict.fromkeys(("operation", "reason", "target", "provider", "account", "model"), name)
            intent = type(intent)(**changed)
            runtime.ledger.begin(intent).result()
            runtime.ledger.end(intent, DONE).result()
            turn = Turn(intent.turn_id, run.run_id, name, name, name, "[]", "failed", name, name, 1, False, 1, 1)
            runtime.ledger.record_turn(turn).result()
            runtime.ledger.settle(run.run_id, "failed", name)
        runtime.replica.sync()
        yield runtime


def test_nothing_of_it_reached_the_queries(hostile: Runtime):
    known = rows(hostile.ledger, schema.runs)
    assert len(known) == len(PAYLOADS) + 1
    assert {row["org_id"] for row in known} == {row["key"] for row in rows(hostile.ledger, schema.budgets)}


def test_reports_of_hostile_names(hostile: Runtime):
    plain: set[str] = set()
    for row in rows(hostile.ledger, schema.runs):
        report = run_report(hostile.replica, row["run_id"])
        assert not STEERS.search(printed(render_terminal(report)))
        markdown = render_markdown(report)
        assert not STEERS.search(markdown.replace("\n", ""))
        assert not re.search(r"(?<!\\)<(script|img)|(?<!\\)\]\((javascript|http)", markdown)
        page, tags = render_html(report), Tags()
        tags.feed(page)
        assert tags.handlers == []
        tags.tags.discard("wbr")  # where a name may be broken
        plain = plain or tags.tags
        assert tags.tags == plain
        assert not STEERS.search(page.replace("\n", ""))
    assert not STEERS.search(printed(render_terminal(runs(hostile.replica, limit=50))))


def test_commands_of_hostile_names(hostile: Runtime, monkeypatch: pytest.MonkeyPatch):
    file = io.StringIO()
    shown = Terminal(
        file=file, force_terminal=True, color_system=None, width=300, markup=False, emoji=False, highlight=False
    )
    monkeypatch.setattr(budgets, "_out", shown)
    monkeypatch.setattr(credit_ledger, "_out", shown)
    budgets.list_budgets()
    for name in PAYLOADS[:-2]:
        budgets.history("org", name)
    assert not STEERS.search(file.getvalue())
    assert "\x1b" not in file.getvalue()
    assert "{{ 7 * 7 }}" in file.getvalue(), "a template's syntax is text"


def test_a_log_line_is_one_line(caplog: pytest.LogCaptureFixture, tmp_path: Path):
    """What is logged of a name goes through the same sieve."""
    from farebox.prefect.events import emit_soft_threshold
    from pricing.db.database import Store

    ledger = Ledger(Store(f"sqlite:///{tmp_path / 'ledger.db'}"))
    name = PAYLOADS[2] + PAYLOADS[0]
    ledger.admit(a_run(), [BudgetRule("org", name, "day", 10**12, soft=1)])
    with caplog.at_level(logging.WARNING):
        for state in ledger.budgets():
            emit_soft_threshold(state)
    assert caplog.messages
    assert not any(STEERS.search(message) or "\n" in message for message in caplog.messages)
    ledger.close()
