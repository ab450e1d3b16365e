"""Every option of every command refuses what it cannot mean: one line, a next step, exit code 2, and nothing done."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from farebox.cli.app import load_all
from farebox.runtime import Runtime
from tests.support.business import write_business
from tests.support.command import Call
from tests.support.project import make_project

NUMBER = ("ten", "", "nan", "-1", "1e400", "0x10")
WHOLE = ("ten", "", "nan", "-1", "1e400", "1.5", "99999999999999999999")
MOMENT = ("soon", "", "-3h", "-1d", "30x", "1.5d", "2026-13-01", "2026-02-30", "999999d", "2026-11-01T25:00", "٣d")
PAST = (*MOMENT, "2199-01-01")
"""Of what looks back: what is still to come."""
DAY = ("soon", "", "2026-13-01", "2026-02-30", "30d", "20261")
MONTH = ("soon", "", "2026-13", "202611", "2026-1x")
MONEY = ("ten", "", "nan USD", "-5 USD", "inf USD", "5 EUR", "1e400 USD", "0.0000000001 USD", "USD")
DUE = ("soon", "", "6", "-6h", "25:00", "8d", "30s", "2020-01-01T07:00", "2026-02-30T07:00", "07:00 Europe/Nowhere")

BASES = {
    "batches": ["batches"],
    "batches list": ["batches", "list"],
    "archive": ["archive"],
    "breakers open": ["breakers", "open", "haiku"],
    "budgets history": ["budgets", "history", "automation", "daily-digest"],
    "calibrate": ["calibrate", "summarize"],
    "cases collect": ["cases", "collect", "summarize"],
    "content delete": ["content", "delete"],
    "content show": ["content", "show"],
    "credits grant": ["credits", "grant", "user:u-1", "5"],
    "doctor": ["doctor", "--economics"],
    "guards": ["guards"],
    "guards review": ["guards", "review", "--list"],
    "import": ["import", "csv", "usage.csv", "--automation", "daily-digest"],
    "mcp": ["mcp", "--allow-run"],
    "packaging": ["packaging", "daily-digest"],
    "quote": ["quote", "daily-digest"],
    "quotes audit": ["quotes", "audit"],
    "quotes check": ["quotes", "check", "--baseline", "none.json"],
    "rates review": ["rates", "review"],
    "report": ["report", "all"],
    "run": ["run", "daily-digest"],
    "reconcile": ["reconcile", "openai", "--file", "export.csv"],
    "runs": ["runs"],
    "runs list": ["runs", "list"],
    "runs resume": ["runs", "resume", "last"],
    "schedule": ["schedule"],
    "sync": ["sync", "--watch"],
    "up": ["up"],
    "web": ["web"],
    "demo": ["demo"],
}
"""What stands before the option, by command."""
OPTIONS: dict[tuple[str, str], tuple[str, ...]] = {
    ("archive", "days"): WHOLE,
    ("batches", "limit"): WHOLE,
    ("batches list", "limit"): WHOLE,
    ("breakers open", "minutes"): NUMBER,
    ("budgets history", "limit"): WHOLE,
    ("calibrate", "margin"): (*NUMBER, "1.5"),
    ("calibrate", "confidence"): (*NUMBER, "1", "0.2"),
    ("calibrate", "budget"): MONEY,
    ("cases collect", "days"): WHOLE,
    ("cases collect", "limit"): WHOLE,
    ("content delete", "older_than"): WHOLE,
    ("content show", "limit"): WHOLE,
    ("credits grant", "expires"): ("soon", "", "2026-13-01", "2020-01-01"),
    ("credits grant", "priority"): ("high", "", "nan", "1.5", "99999999999999999999"),
    ("credits grant", "rollover"): WHOLE,
    ("demo", "limit"): WHOLE,
    ("demo", "budget"): MONEY,
    ("doctor", "since"): PAST,
    ("doctor", "margin"): (*NUMBER, "1"),
    ("guards", "days"): WHOLE,
    ("guards review", "limit"): WHOLE,
    ("guards review", "right"): WHOLE,
    ("guards review", "wrong"): WHOLE,
    ("import", "quality"): ("worst", ""),
    ("mcp", "limit"): (*MONEY, "0 USD"),
    ("mcp", "http"): ("soon", "", "-1", "1.5", "65536"),
    ("packaging", "since"): PAST,
    ("packaging", "margin"): (*NUMBER, "1"),
    ("packaging", "per_day"): (*NUMBER, "0"),
    ("packaging", "quality"): ("worst", ""),
    ("quote", "due"): DUE,
    ("quote", "sample"): (*WHOLE, "1", "101"),
    ("quotes audit", "since"): PAST,
    ("quotes check", "most"): NUMBER,
    ("rates review", "since"): PAST,
    ("rates review", "on"): DAY,
    ("rates review", "inflation"): (*NUMBER, "0", "11"),
    ("rates review", "margin"): (*NUMBER, "1"),
    ("rates review", "move"): ("haiku", "=", "haiku=", "=sonnet", "nobody=sonnet", "haiku=nobody"),
    ("report", "since"): PAST,
    ("report", "until"): MOMENT,
    ("report", "by"): ("colour", ""),
    ("run", "budget"): MONEY,
    ("run", "due"): DUE,
    ("reconcile", "since"): DAY,
    ("reconcile", "until"): DAY,
    ("reconcile", "tolerance"): (*NUMBER, "1.5"),
    ("report", "closed"): MONTH,
    ("runs", "limit"): WHOLE,
    ("runs list", "limit"): WHOLE,
    ("runs resume", "budget"): MONEY,
    ("runs resume", "interrupted"): ("maybe", ""),
    ("schedule", "hours"): (*NUMBER, "0", "9000"),
    ("sync", "every"): (*NUMBER, "0"),
    ("up", "port"): (*WHOLE, "0", "65536"),
    ("web", "port"): (*WHOLE, "0", "65536"),
}
"""Bad values of each option that is a number, an amount, a moment or a choice."""
SAID = (
    "amount of money",
    "date or period",
    "is not a valid date",
    "no target",
    "--",
    "credits",
    "scope",
    "soft",
    "budget",
    "due",
)
"""Of these an error tells, where it does not repeat the value."""
FREE = {
    "automation", "best", "card", "cases", "csv", "guard", "html", "json", "key", "name", "operation", "org", "out",
    "outcomes", "parameters", "parquet", "prompt", "run", "save", "scorer", "source", "tag", "target", "user", "what",
    "labels", "baseline", "wallet", "at", "folder", "host", "timezone", "file", "focus", "account", "map_",
}  # fmt: skip
"""Names, texts and files, which each command looks up, and tests of its own check."""
POSITIONAL = {
    ("budgets set", "scope"), ("budgets set", "window"), ("budgets set", "limit"), ("budgets set", "soft"),
    ("budgets history", "scope"), ("credits grant", "amount"), ("rates diff", "before"), ("rates diff", "after"),
    ("routes explain", "quality"), ("close", "month"), ("statement", "month"), ("reconcile", "provider"),
    ("rates show", "model"),
}  # fmt: skip
"""Those that are checked by place, below."""
PLACED = [
    *((["budgets", "set", scope, "x", "day", "5 USD"], scope) for scope in ("planet", "", "run")),
    *((["budgets", "set", "user", "x", window, "5 USD"], window) for window in ("year", "", "hour", "run")),
    *((["budgets", "set", "user", "x", "day", limit], limit) for limit in MONEY),
    *((["budgets", "set", "user", "x", "day", "5 USD", f"--soft={soft}"], soft) for soft in ("x", "-1%", "101%", "nan%", "")),
    *((["budgets", "history", scope, "x"], scope) for scope in ("planet", "")),
    *((["credits", "grant", "user:u-1", amount], amount) for amount in ("0", *WHOLE)),
    *((["rates", "diff", day, "2026-11-01"], day) for day in DAY),
    *((["rates", "diff", "2026-11-01", day], day) for day in DAY),
    *((["close", month], month) for month in MONTH),
    *((["statement", "acme", month], month) for month in MONTH),
    (["reconcile", "nobody", "--file", "export.csv"], "nobody"),
    *((["rates", "show", model], model) for model in ("nobody", "haiku-0")),
    (["routes", "explain", "daily-digest", "--quality=worst"], "worst"),
    (["report", "all", "--since", "2026-02-01", "--until", "2026-01-01"], "--until"),
    (["report", "all", "--since", "7d", "--until", "8d"], "--until"),
]  # fmt: skip


def named(command: str, option: str) -> str:
    """The option as it is typed."""
    other = {("rates review", "on"): "date", ("quotes check", "most"): "max-rise"}
    return other.get((command, option), option.replace("_", "-"))


def cases() -> Iterator[Any]:
    for (command, option), values in OPTIONS.items():
        for value in values:
            words = [*BASES[command], f"--{named(command, option)}={value}"]
            yield pytest.param(words, value or named(command, option), id=f"{command} --{option}={value}")
    for words, value in PLACED:
        yield pytest.param(words, value, id=" ".join(words))


FLOW = """
from farebox import automation, plan, spend

@automation(price="1 credit", plan=plan("search", calls=1, cost="0.01 USD"))
def daily_digest() -> None:
    spend("0.01 USD", operation="search")
"""


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with make_project(tmp_path_factory.mktemp("company"), "http://127.0.0.1:9").runtime_here() as runtime:
        write_business(runtime.ledger.store)
        (runtime.root / "digests.py").write_text(FLOW)
        yield runtime


@pytest.mark.parametrize(("words", "told"), [*cases()])
def test_a_bad_value_is_refused_in_one_line_with_a_next_step(company: Runtime, call: Call, words: list[str], told: str):
    del company
    said = call(*words)
    assert said.code == 2, said
    lines = said.err.strip().splitlines()
    assert [line.split(":")[0].strip() for line in lines] == ["error", "next"], said
    assert any(one in lines[0] for one in (told.split(" ", maxsplit=1)[0], ascii(told), *SAID)), said
    assert said.out == ""


def commands(app: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name in app:
        if not name.startswith("-"):
            found = app[name]
            if found.default_command:
                yield " ".join((*before, name)), found.default_command
            yield from commands(found, (*before, name))


def test_every_option_is_among_them():
    flags = {"bool", "Json", "Open"}
    missing = [
        (command, option)
        for command, function in commands(load_all())
        for option, parameter in inspect.signature(function).parameters.items()
        if str(parameter.annotation) not in flags
        and "negative=''" not in str(parameter.annotation)
        and option not in FREE
        and (command, option) not in {*OPTIONS, *POSITIONAL}
        and str(parameter.annotation) != "Given"
    ]
    assert missing == []
