"""The report server in a browser: filters and links work, nothing complains, no request leaves, everybody can read it."""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from benchmarks.screenshots import PAGES
from farebox.web import page_server
from tests.support.axe import AXE, serious
from tests.support.browser import MISSING, Page, browser
from tests.support.web_company import TRACED, free_port, make_company

LOOKED_AT = list(PAGES)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if MISSING:
        pytest.skip(MISSING)
    runtime = make_company(tmp_path_factory.mktemp("company"), days=4)
    port = free_port()
    with page_server(runtime, "127.0.0.1", port):
        yield f"http://127.0.0.1:{port}"
    runtime.close()


@pytest.fixture(scope="module")
def page(address: str) -> Iterator[Page]:
    del address
    with browser() as opened:
        yield opened


@pytest.mark.parametrize("name", LOOKED_AT)
def test_a_page_complains_of_nothing_asks_nobody_and_fits_a_phone(page: Page, address: str, name: str):
    page.visit(address + PAGES[name], width=390)
    assert {urlsplit(url).netloc for url in page.requests if not url.startswith("data:")} == {urlsplit(address).netloc}
    assert [one for one in page.complaints if name != "not-found" or "404" not in one] == []
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide == 0
    assert page.evaluate("document.querySelectorAll('h1').length") == 1


def test_filters_and_links_lead_where_they_say(page: Page, address: str):
    page.visit(f"{address}/runs", width=1400)
    page.evaluate("document.querySelector('[name=automation]').value = 'support-triage'")
    page.evaluate("document.querySelector('[name=owner]').value = 'acme'")
    page.follow("document.querySelector('form.filters button').click()")
    assert "automation=support-triage" in page.evaluate("location.search")
    rows = page.evaluate(
        "[...document.querySelectorAll('tbody tr')].map(row => row.children[1].textContent + row.children[4].textContent)"
    )
    assert set(rows) == {"support-triageacme"}
    assert page.evaluate("document.querySelector('[name=owner]').value") == "acme"
    page.follow(f"document.querySelector('a[href$=\"{TRACED}\"]').click()")
    assert page.evaluate("document.querySelector('h1').textContent") == "support-triage completed"
    page.follow("[...document.querySelectorAll('nav.views a')].find(a => a.textContent === 'Trace').click()")
    assert "The nightly export has failed" in page.evaluate("document.querySelector('.trace').textContent")
    assert page.evaluate("document.querySelectorAll('.trace .lane i').length") > 8
    page.follow("[...document.querySelectorAll('nav.site a')].find(a => a.textContent === 'Overview').click()")
    page.follow("[...document.querySelectorAll('nav.views a')].find(a => a.textContent === 'all time').click()")
    assert page.evaluate("document.querySelector('[aria-current=true]').textContent") == "all time"
    page.follow("[...document.querySelectorAll('footer a')].find(a => a.textContent.includes('JSON')).click()")
    assert json.loads(page.evaluate("document.body.textContent"))["real"]["runs"] > 10


def test_every_link_of_every_page_leads_to_a_page(page: Page, address: str):
    import httpx

    found: set[str] = set()
    for name in LOOKED_AT:
        page.visit(address + PAGES[name], width=1400)
        found |= set(page.evaluate("[...document.querySelectorAll('a[href]')].map(a => a.href)"))
    assert {urlsplit(url).netloc for url in found} == {urlsplit(address).netloc}
    kinds = {urlsplit(url).path.split("/")[1] + ("?" if "?" in url else ""): url for url in sorted(found)}
    assert len(kinds) > 9
    with httpx.Client(timeout=600) as client:
        for url in kinds.values():
            assert client.get(url).status_code == (404 if "no-such-run" in url else 200), url


@pytest.mark.parametrize("width, scheme", [(1400, "light"), (1400, "dark"), (390, "light"), (390, "dark")])
def test_axe_finds_nothing_serious(page: Page, address: str, width: int, scheme: str):
    if not AXE.exists():
        pytest.skip("axe-core is not installed: `make axe` does")
    for name in LOOKED_AT:
        page.visit(address + PAGES[name], width=width, scheme=scheme)  # type: ignore[arg-type]
        assert serious(page) == [], name
