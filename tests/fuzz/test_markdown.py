"""Nothing that is not ours is markup in Prefect: no link, image, HTML or block comes of a name, on any surface."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any, Self
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from farebox.automations import state_of
from farebox.judging.audit import Audited, audit_page
from farebox.prefect.artifacts import _Progress
from farebox.prefect.forecast import Outlook, Upcoming
from farebox.runs.approval import Suspending, approval_text, rejected
from pricing.analysis.price_review import Retirement, Review, ReviewedRoute, ReviewLine
from pricing.errors import FareboxError, OverBudget, UsageError
from pricing.ledger.approvals import ApprovalDecision, ApprovalRequest
from pricing.ledger.budgets import BudgetState, Refusal
from pricing.money import USD
from pricing.reports.format import clean
from pricing.reports.markdown_text import escape_advice, escape_markdown
from pricing.reports.price_review import review_markdown
from tests.support.hostile import FUZZ, PAYLOADS
from tests.support.ledger import a_run

MARKUP = (
    "![x](https://example.com/a.png)", "[x](javascript:alert(1))", "<img src=https://example.com/a.png>", "<https://example.com>",
    "https://example.com/a?b=c&d", "HTTP://EXAMPLE.COM", "www.example.com", "www.1.com", "ftp://example.com", "//example.com/x", "ana@example.com",
    "mailto:ana@example.com", "`code`", "``co`de``", "```\nfence", "~~~", "**bold**", "_em_", "~~gone~~", "# heading", "> quote",
    "- item", "+ item", "1. item", "12) item", "---", "===", "***", "| a | b |\n|---|---|", "a | b", "[a]: https://example.com",
    "[^1]", "![a][b]", "\\", "\\\\[x](y)", "&lt;b&gt;", "&#60;img src=x&#62;", "line\n\n# two", "    code", "\tcode", "<!-- c -->", "<b", "b>",
    "x\\", "x\\`", "`", "x`y", "[", "](https://example.com)", "!", "*", "<script>alert(1)</script>", "http\\://example.com", "a\u202eb", "![\u3164](//e.x)",
)  # fmt: skip
PIECES = ("![", "](", ")", "[", "]", "<", ">", "`", "*", "_", "|", "\n", "\\", "https://e.example", "www.e.example", "a@e.example", "- ", "1. ", "# ", " ", "é", "&#33;", "x", "//e")  # fmt: skip
names = st.one_of(
    st.sampled_from((*MARKUP, *PAYLOADS)),
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
    st.text(max_size=40),
)
PARSERS = (MarkdownIt("commonmark"), MarkdownIt("js-default", {"html": True, "linkify": False}))
BARE_LINK = re.compile(r"(?i)(?<![\w\\])(?:https?|ftp)://\S|(?<![\w\\])www\.\w|[\w.+-]@\w+\.\w")
"""What GitHub's Markdown, and Prefect's, makes a link of without any brackets."""
ACTS = {"link_open", "image", "html_inline", "html_block"}


def tokens(markdown: str, parser: MarkdownIt) -> Iterator[Token]:
    for token in parser.parse(markdown):
        yield token
        yield from token.children or ()


def shape(markdown: str, parser: MarkdownIt) -> list[str]:
    """What blocks and marks there are, whatever is in them."""
    return [token.type for token in tokens(markdown, parser) if token.type not in {"text", "text_special", "inline"}]


def blocks(markdown: str, parser: MarkdownIt) -> list[str]:
    """The same without emphasis, which is ours and fails around some signs."""
    return [kind for kind in shape(markdown, parser) if not kind.startswith(("em_", "strong_", "softbreak"))]


def outside_code(markdown: str) -> str:
    return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", markdown)


def harmless(markdown: str) -> None:
    for parser in PARSERS:
        assert not ACTS & set(shape(markdown, parser)), markdown
    assert not BARE_LINK.search(outside_code(markdown)), markdown


def shown(markdown: str, parser: MarkdownIt) -> str:
    """The text that a reader sees."""
    return "".join(
        token.content for token in tokens(markdown, parser) if token.type in {"text", "text_special", "code_inline"}
    )


@FUZZ
@given(names)
def test_a_value_is_shown_as_it_is(name: str):
    escaped = escape_markdown(name)
    assert "\n" not in escaped
    for parser in PARSERS:
        harmless(f"Before {escaped} after.")
        assert shown(f"Before {escaped} after.", parser).replace("  ", " ") == f"Before {clean(name)} after.".replace(
            "  ", " "
        ) or (clean(name).startswith("  ") or clean(name).endswith(" "))
        alone = set(shape(escaped, parser))
        assert alone <= {"paragraph_open", "paragraph_close"}, (name, escaped)


@FUZZ
@given(names)
def test_advice_keeps_commands(name: str):
    harmless(escape_advice(f"Raise it with `farebox budgets set`, {name}."))


def question(name: str) -> ApprovalRequest:
    routes = json.dumps({name: [{"target": name, "model": name, "economic": name}]})
    run = dataclasses.replace(a_run(USD), automation=name, quality=name, org_id=name, user_id=name, routes=routes)
    lacking = {f"org:{name}:day:2026-11-28": USD // 2, f"user:{name}:week:2026-11-23": USD // 3}
    return ApprovalRequest(run, USD // 2, lacking, datetime(2026, 11, 28, 12, tzinfo=UTC))


def refused(name: str) -> OverBudget:
    state = BudgetState(
        "org:x", f"{name} per day", "org", name, "day", datetime(2026, 11, 28, tzinfo=UTC), None, USD, 0, 0
    )
    message = f"{name} was not started: {Refusal(state, 2 * USD).explain()}."
    return OverBudget(message, next_step=f"Raise it with `farebox budgets set`, or ask {name}.")


def approval_form(name: str) -> str:
    return approval_text(question(name), refused(name))


def suspended(name: str) -> str:
    seen: list[str] = []

    class Client:
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            """Nothing is open."""

        def set_flow_run_state(self, _: object, state: Any, *, force: bool) -> None:
            assert force
            seen.append(state.message)

    from prefect.client.schemas.objects import FlowRun, State, StateType

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("farebox.runs.approval.get_client", lambda **_: Client())
        flow_run = FlowRun(id=uuid4(), flow_id=uuid4())
        waiting = Suspending(flow_run, None)  # type: ignore[arg-type]
        waiting._rename(State(type=StateType.PAUSED), refused(name))
    return seen[0]


def over_budget_state(name: str) -> str:
    return str(state_of(refused(name)).message)


def failed_state(name: str) -> str:
    return str(state_of(UsageError(f"{name} cannot be read.", next_step=f"See {name}.")).message)


def turned_down_state(name: str) -> str:
    return str(state_of(rejected(question(name), ApprovalDecision("refuse", name, 0))).message)


def progress(name: str) -> str:
    found = _Progress.__new__(_Progress)
    found._waiting, found._expected_at = 0, None
    found._planned, found._made = {name: 2, "say": 1}, {name: 1, "say": 0}  # type: ignore[assignment]
    return found._description()


def price_review(name: str) -> str:
    route = ReviewedRoute.__new__(ReviewedRoute)
    for field, value in (("target", name), ("cost_nano", USD), ("margin", 0.7)):
        object.__setattr__(route, field, value)
    line = ReviewLine(name, name, 1, 1, 1, USD, USD, 2 * USD, USD, 0.5, 0.1, below_target=True, restored_by=route)
    now = datetime(2026, 11, 28, tzinfo=UTC)
    ending = Retirement(name, name, date(2027, 1, 1), 3)
    return review_markdown(Review(now, now, False, name, f"{name} 2", 0.6, (line,), (ending,)), name)


def answer_audit(name: str) -> str:
    one = Audited(turn_id=name, run_id=name, automation=name, operation=name, flagged=False, outcome="fail", rule=name)
    return audit_page([one], 0)[1]


def look_ahead(name: str) -> str:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    [row] = Outlook(
        now, (Upcoming("0", f"{name}/{name}", now, 1, 2, 3, "refused", f"budget {name!r} is short"),), ()
    ).rows()
    return "\n\n".join(row.values())


SURFACES: Sequence[Callable[[str], str]] = (
    approval_form, suspended, over_budget_state, failed_state, turned_down_state, progress, price_review,
    answer_audit, look_ahead,
)  # fmt: skip


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.__name__)
def test_no_surface_of_prefects_makes_markup_of_a_name(surface: Callable[[str], str]):
    @FUZZ
    @given(names.filter(str.strip))
    def each(name: str) -> None:
        made = surface(name)
        harmless(made)
        for parser in PARSERS:
            assert blocks(made, parser) == blocks(surface("name"), parser), made

    each()


def test_a_price_form_says_what_is_wrong_as_text(monkeypatch: pytest.MonkeyPatch):
    from farebox.prefect import form
    from flows.daily_digest import daily_digest

    def fail(*_: object) -> None:
        raise FareboxError("There is no price for ![x](https://example.com/a.png) <b>.")

    monkeypatch.setattr(form, "_descriptions", fail)
    schema = form.priced_form(None, daily_digest, {})  # type: ignore[arg-type]
    described = [
        field["description"] for field in schema.properties.values() if "No price" in field.get("description", "")
    ]
    assert len(described) == 1
    harmless(described[0])
