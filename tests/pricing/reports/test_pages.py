"""Pages: for everybody who looks at them, by day, by night and on a phone; and safe, whatever things are called."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing import reports
from pricing.db.database import Store
from pricing.money import USD
from pricing.rates.rate import Band
from pricing.replica.replica import Replica
from pricing.reports import overview, render_html, run_report
from pricing.reports.charts import linear, logarithmic
from pricing.reports.rate_comparison import TargetRates
from tests.pricing.reports.conftest import eventful
from tests.support.browser import MISSING, Page, browser
from tests.support.business import write_business
from tests.support.report_books import CENT, Books

HOSTILE = '"><script>document.title="owned"</script><img src=http://evil.test/x onerror=alert(1)>{{ 7*7 }}\x1b[2J\u202e'
CSS = (Path(reports.__file__).parent / "templates" / "page.css").read_text("utf-8")
SONNET = TargetRates("sonnet", "claude-sonnet-4-5", Band(3 * USD, 3 * USD // 10, 375 * USD // 100, 6 * USD, 15 * USD))
LEAST = 4.5
"""Contrast of text (WCAG 2.2, 1.4.3); shapes need 3 (1.4.11)."""
MEASURE = """(() => {
  const lightness = c => { const f = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = c.match(/[\\d.]+/g).map(Number); return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (c && !/, 0\\)$/.test(c) && c !== 'transparent') return c; } return 'rgb(255, 255, 255)'; };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || ['title', 'desc', 'STYLE'].includes(e.tagName)) continue;
    const style = getComputedStyle(e), svg = e.tagName === 'text';
    const [a, b] = [lightness(svg ? style.fill : style.color), lightness(behind(svg ? e.closest('figure') : e))];
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.textContent.slice(0, 40)]);
  }
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const folded = [...document.querySelectorAll('.w')].filter(e => {
    const range = document.createRange(); range.selectNodeContents(e); return range.getClientRects().length > 1; });
  return JSON.stringify({folded: folded.length, least: found.sort((x, y) => x[0] - y[0])[0], texts: found.length, wide,
    unnamed: [...document.querySelectorAll('svg[role=img]')].filter(s => !s.querySelector('title')?.textContent).length,
    title: document.title});
})()"""


class Tags(HTMLParser):
    """Which elements and attributes there are."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))


def tags(html: str) -> Tags:
    parser = Tags()
    parser.feed(html)
    return parser


def hostile_run(books: Books) -> str:
    run = books.run("hostile", automation=HOSTILE, rate_version=HOSTILE)
    books.end(books.intent(run, "t1", operation=HOSTILE, target=HOSTILE, model=HOSTILE), 0, "server_error")
    books.end(books.intent(run, "t1", operation=HOSTILE, hop=1, ordinal=1, target=HOSTILE + "2"), CENT)
    books.turn(run, "t1", 2, operation=HOSTILE)
    books.decided(run, "block", HOSTILE, guard=HOSTILE)
    books.ledger.settle(run.run_id, "failed", HOSTILE)
    return run.run_id


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    if MISSING:
        pytest.skip(MISSING)
    with browser() as opened:
        yield opened


def looked_at(page: Page, html: str, folder: Path) -> None:
    """Nothing is asked for but the page; everything can be read and fits, on a phone and by night."""
    path = folder / "page.html"
    path.write_text(html, "utf-8")
    for width, scheme in ((1280, "light"), (390, "light"), (390, "dark")):
        page.open(path, width=width, scheme=scheme)  # type: ignore[arg-type]
        found = json.loads(page.evaluate(MEASURE))
        asked = [url for url in page.requests if not url.startswith("data:")]
        assert asked == [path.absolute().as_uri()]
        assert found["texts"] > 20
        assert found["least"][0] >= LEAST, (scheme, found)
        assert (found["wide"], found["unnamed"], found["folded"]) == (0, 0, 0), (width, found)
        assert found["title"] != "owned"


def test_a_runs_page_can_be_read_by_everybody(light_books: Books, light_replica: Replica, page: Page, tmp_path: Path):
    eventful(light_books)
    light_replica.sync()
    looked_at(page, render_html(run_report(light_replica, "last")), tmp_path)


def test_hostile_names_stay_text(light_books: Books, light_replica: Replica, page: Page, tmp_path: Path):
    hostile_run(light_books)
    light_replica.sync()
    html = render_html(run_report(light_replica, "last"))
    assert_harmless(html)
    looked_at(page, html, tmp_path)


def assert_harmless(html: str) -> None:
    found = tags(html).found
    assert {tag for tag, _ in found} & {"script", "img", "iframe", "object", "a", "form"} == set()
    assert [name for _, attributes in found for name, _ in attributes if name.startswith("on")] == []
    assert "{{ 7*7 }}" in html
    assert "&lt;script&gt;document.title" in html
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_the_overview_can_be_read_by_everybody(light_store: Store, light_replica: Replica, page: Page, tmp_path: Path):
    write_business(light_store, days=20)
    light_replica.sync()
    found = overview(light_replica, premium=SONNET)
    html = render_html(found)
    looked_at(page, html, tmp_path)
    for title in ("Cost per day, by operation", "Cost of a run: daily-digest", "Quoted and actual", "Not spent"):
        assert f"<h3>{title}</h3>" in html
    for title in ("Where turns went on to", "Block rates by reason", "org acme per month"):
        assert f"<h3>{title}</h3>" in html


def test_hostile_names_stay_text_in_the_overview(
    light_books: Books, light_replica: Replica, page: Page, tmp_path: Path
):
    hostile_run(light_books)
    light_replica.sync()
    html = render_html(overview(light_replica))
    assert_harmless(html)
    looked_at(page, html, tmp_path)


def test_what_a_run_sold_for_is_said(light_books: Books, light_replica: Replica):
    for run_id, outcome in (("sold", "completed"), ("spoilt", "failed")):
        run = light_books.run(run_id, price_nano=50 * CENT, price_credits=5)
        light_books.answered(run, f"{run_id}-t", 10 * CENT)
        light_books.ledger.settle(run_id, outcome)  # type: ignore[arg-type]
    light_replica.sync()
    sold, spoilt = (run_report(light_replica, run_id) for run_id in ("sold", "spoilt"))
    assert (sold.sold.charged_nano, sold.sold.gross_margin, sold.sold.markup) == (50 * CENT, 0.8, 4.0)
    page = render_html(sold)
    assert "<b>5 credits ($0.50)</b><span>gross margin 80\u00a0%, markup 400\u00a0%</span>" in page
    assert (spoilt.sold.charged_nano, spoilt.sold.gross_margin) == (0, None)
    assert "<b>5 credits ($0.50)</b><span>nothing is charged</span>" in render_html(spoilt)


def test_colours_can_be_told_from_the_paper():
    by_day, by_night = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    for block in (by_day, by_night):
        colour = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
        for name in ("ink", "soft", "link"):
            assert contrast(colour[name], colour["paper"]) >= LEAST, name
            assert contrast(colour[name], colour["card"]) >= LEAST, name
        assert contrast(colour["warned-ink"], colour["warned"]) >= LEAST
        for name in (*(f"s{n}" for n in range(1, 9)), "good", "warn", "bad", "quiet"):
            assert contrast(colour[name], colour["paper"]) >= 3, name


def contrast(one: str, other: str) -> float:
    def lightness(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear_parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear_parts, strict=True))

    low, high = sorted((lightness(one), lightness(other)))
    return (high + 0.05) / (low + 0.05)


@given(st.floats(0, 1e12), st.floats(1e-3, 1e12))
def test_axes_hold_what_they_show(low: float, span: float):
    for axis in (linear(low, low + span, str), logarithmic(low + 1e-3, low + span + 1e-2, str)):
        assert axis.low <= low + 1e-3 + abs(low) * 1e-6
        assert axis.high >= (low + span) * (1 - 1e-6)
        assert 2 <= len(axis.values) <= 60
        assert axis.share(axis.low) == 0
        assert axis.share(axis.high) == pytest.approx(1)
        assert list(axis.values) == sorted(set(axis.values))
