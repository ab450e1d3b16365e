"""Pages in every state a project and a run can be in, in a browser: readable, quiet, and asking nobody."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from farebox.runtime import Runtime
from farebox.web import page_server
from tests.support.axe import AXE, serious
from tests.support.browser import MISSING, Page, browser
from tests.support.project import make_project
from tests.support.report_books import CENT, SECOND, Books
from tests.support.web_company import NOWHERE, free_port

LONG = "quarterly-" + "w" * 90 + "-über-lange-bezeichnung-" + "x" * 60
HEBREW = "סיכום-יומי"
ARABIC = "ملخص يومي \u202e\u202d"
FIXED = (
    *("/", "/?since=ever", "/automations?since=ever", "/runs", "/budgets", "/approvals", "/quotes"),
    *("/guards?since=ever", "/targets", "/forecast"),
)
WRONG = ("/nowhere", "/runs/no-such-run", "/runs?outcome=great", "/?since=soon", "/runs/cancelled/trace?from=x")


def write_states(runtime: Runtime) -> list[str]:
    """Runs in every state; the addresses of their pages."""
    books = Books(runtime.ledger.store)
    run = books.run("running", automation="digest")
    books.answered(run, "running-1", CENT)
    run = books.run("cancelled", automation="digest")
    books.answered(run, "cancelled-1", CENT)
    books.intent(run, "cancelled-2")
    books.ledger.settle("cancelled", "cancelled", "interrupted")
    run = books.run("suspended", automation="digest", held=8 * CENT)
    books.end(books.intent(run, "batched-1", service_tier_asked="batch"), CENT)
    books.ledger.suspend("suspended", books.ledger.execution("suspended"), books.clock + 3600 * SECOND)
    run = books.run("guest", automation="ad-hoc:notebook")
    books.answered(run, "guest-1", CENT)
    books.ledger.settle("guest", "completed")
    run = books.run("names", automation=LONG, org_id=HEBREW, user_id=LONG)
    books.answered(run, "names-1", CENT, operation=LONG, target=LONG, model="anthropic.claude-" + "y" * 120)
    books.decided(run, "block", LONG, guard=LONG, turn_id="names-1", operation=LONG)
    books.ledger.settle("names", "failed", LONG)
    run = books.run("right-to-left", automation=HEBREW, org_id=ARABIC)
    books.answered(run, "right-1", CENT, operation=ARABIC, target=HEBREW)
    books.ledger.settle("right-to-left", "blocked", ARABIC)
    runtime.replica.sync()
    ids = ("running", "cancelled", "suspended", "guest", "names", "right-to-left")
    names = (f"/automations/{quote(name, safe='')}?since=ever" for name in ("digest", LONG, HEBREW))
    return [*names, *chain.from_iterable((f"/runs/{one}", f"/runs/{one}/trace") for one in ids)]


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Every page of a project without runs, of one with a single run, and of one with runs in every state."""
    if MISSING:
        pytest.skip(MISSING)
    with ExitStack() as stack:
        found = []
        for name in ("empty", "one", "states"):
            folder: Path = tmp_path_factory.mktemp(name)
            runtime = make_project(folder, NOWHERE).runtime()
            stack.callback(runtime.close)
            paths: list[str] = []
            if name == "one":
                books = Books(runtime.ledger.store)
                books.answered(books.run("the-run"), "t1", CENT)
                books.ledger.settle("the-run", "completed")
                runtime.replica.sync()
                paths = ["/runs/the-run", "/runs/the-run/trace", "/automations/digest?since=ever"]
            if name == "states":
                paths = [*write_states(runtime), *WRONG]
            port = free_port()
            stack.enter_context(page_server(runtime, "127.0.0.1", port))
            found += [f"http://127.0.0.1:{port}{path}" for path in (*FIXED, *paths)]
        yield found


@pytest.fixture(scope="module")
def page(addresses: list[str]) -> Iterator[Page]:
    del addresses
    with browser() as opened:
        yield opened


def test_every_page_fits_a_phone_and_complains_of_nothing(page: Page, addresses: list[str]):
    for address in addresses:
        page.visit(address, width=390)
        hosts = {urlsplit(url).netloc for url in page.requests if not url.startswith("data:")}
        assert hosts == {urlsplit(address).netloc}, address
        assert [one for one in page.complaints if not any(code in one for code in ("404", "400"))] == [], address
        found = page.evaluate(
            "[document.documentElement.scrollWidth - document.documentElement.clientWidth,"
            " document.querySelectorAll('h1').length, document.body.innerText.includes('{{')]"
        )
        assert found == [0, 1, False], address


@pytest.mark.parametrize("width, scheme", [(1400, "light"), (390, "dark")])
def test_axe_finds_nothing_serious_in_any_state(page: Page, addresses: list[str], width: int, scheme: str):
    if not AXE.exists():
        pytest.skip("axe-core is not installed: `make axe` does")
    for address in addresses:
        page.visit(address, width=width, scheme=scheme)  # type: ignore[arg-type]
        assert serious(page) == [], address
