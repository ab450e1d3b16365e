"""``farebox rates update``: newer published prices, shown before they are taken, kept, and taken back."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pricing.errors import ConfigError
from pricing.rates import PriceLists, RateCard, read_list
from pricing.usage import Usage
from tests.support.command import farebox
from tests.support.project import Project, make_project

TODAY = datetime.now(UTC).date()
TARGETS = """
[[targets]]
name = "mini"
provider = "openai"
model = "gpt-4.1-mini"
tier = "light"

[[targets]]
name = "sonnet"
provider = "anthropic"
model = "claude-sonnet-4-5"
tier = "premium"
"""
USED = Usage(1_000, 100)


def model(name: str, read: float, written: float, since: date) -> dict[str, Any]:
    cached = {"cache_read_mtok": 0.3, "cache_write_mtok": 3.75} if name.startswith("claude") else {}
    prices = [
        {"prices": {"input_mtok": 99, "output_mtok": 99}},
        {"constraint": {"type": "start_date", "start_date": f"{since}"}, "prices": {"input_mtok": read, "output_mtok": written, **cached}},
    ]  # fmt: skip
    return {"id": name, "match": {"equals": name}, "prices": prices}


def published(since: date, *, mini: float = 0.2, models: bool = True) -> bytes:
    listed = {
        "openai": [model("gpt-4.1-mini", mini, 0.8, since)] if models else [],
        "anthropic": [model("claude-sonnet-4-5", 3, 15, since)],
        "groq": [model("other", 1, 1, since)],
    }
    providers = [
        {"id": name, "name": name, "api_pattern": f"https://{name}.example", "models": models_}
        for name, models_ in listed.items()
    ]
    return json.dumps(providers).encode()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project", "http://127.0.0.1:9", targets=TARGETS)


def price(project: Project) -> int:
    runtime = project.runtime()
    try:
        return runtime.rates.price("gpt-4.1-mini", "openai", USED)
    finally:
        runtime.close()


def written(project: Project, body: bytes, name: str = "list.json") -> str:
    (project.root / name).write_bytes(body)
    return name


def test_it_is_shown_then_taken_and_can_be_undone(project: Project) -> None:
    before = price(project)
    place = written(project, published(TODAY))
    shown = farebox(project.root, "rates", "update", place)
    assert shown.code == 0
    assert "mini" in shown.out
    assert "-50%" in shown.out
    assert "sonnet" not in shown.out  # its rates are the same
    assert "Not installed" in shown.out
    assert price(project) == before

    assert "Installed" in farebox(project.root, "rates", "update", place, "--yes").out
    assert price(project) == 1_000 * 200 + 100 * 800
    second = written(project, published(TODAY, mini=0.1), "second.json")
    told = json.loads(farebox(project.root, "rates", "update", second, "--yes", "--json").out)
    assert told["taken"]
    assert {(one["target"], one["kind"], one["after_nano_per_mtok"]) for one in told["changes"]} >= {
        ("mini", "input", 100_000_000)
    }
    assert price(project) == 1_000 * 100 + 100 * 800
    assert len(list((project.home / "prices").glob("prices-*.json"))) == 2  # both are kept

    for expected in (1_000 * 200 + 100 * 800, before):
        assert farebox(project.root, "rates", "update", "--undo").code == 0
        assert price(project) == expected
    assert "There is no installed list to undo" in farebox(project.root, "rates", "update", "--undo").all


def test_the_list_in_use_is_noted_as_the_newest(project: Project) -> None:
    lists, place = PriceLists(project.home / "prices"), written(project, published(TODAY))
    farebox(project.root, "rates", "update", place, "--yes")
    assert lists.newest_on() is None
    again = farebox(project.root, "rates", "update", place)
    assert (again.code, "There is no newer list" in again.out) == (0, True), again
    assert lists.newest_on() == TODAY
    assert json.loads(farebox(project.root, "rates", "update", place, "--json").out)["taken"] is False
    assert len(lists.installed()) == 1
    farebox(project.root, "rates", "update", written(project, published(TODAY, mini=0.1), "second.json"), "--yes")
    assert lists.newest_on() is None  # of this one nobody has looked yet


def test_a_person_is_asked(project: Project) -> None:
    place = written(project, published(TODAY))
    before = price(project)
    farebox(project.root, "rates", "update", place, typed="n\n")
    assert price(project) == before
    farebox(project.root, "rates", "update", place, typed="y\n")
    assert price(project) != before


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (published(date(2020, 1, 1)), "older than the prices in use"),
        (published(TODAY, models=False), "no price for gpt-4.1-mini"),
        (b"{}", "not a published price list"),
        (b"[1, 2, 3]", "not a published price list"),
        (b"\xff\xfe", "not a published price list"),
        (b"[" * 100_000, "not a published price list"),
    ],
)
def test_what_is_refused_changes_nothing(project: Project, body: bytes, told: str) -> None:
    before = price(project)
    said = farebox(project.root, "rates", "update", written(project, body), "--yes")
    assert said.code != 0
    assert told in said.all
    assert "Traceback" not in said.all
    assert price(project) == before


@pytest.fixture
def server() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/data.json"
            goes_to = {"/old.json": "/data.json", "/round.json": "/round.json"}.get(self.path)
            self.send_response(302 if goes_to else 200 if found else 404)
            if goes_to:
                self.send_header("Location", goes_to)
            self.end_headers()
            self.wfile.write(published(TODAY) if found else b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{serving.server_address[1]}"
    serving.shutdown()
    serving.server_close()
    thread.join()


def test_a_list_is_taken_from_an_address(project: Project, server: str) -> None:
    assert "Installed" in farebox(project.root, "rates", "update", f"{server}/data.json", "--yes").out
    [taken] = PriceLists(project.home / "prices").installed()
    assert (taken.source, taken.newest) == (f"{server}/data.json", f"{TODAY}")
    missing = farebox(project.root, "rates", "update", f"{server}/none.json", "--yes")
    assert "cannot be downloaded (it answered 404)" in missing.all


def test_an_address_may_lead_to_another_one(project: Project, server: str) -> None:
    assert "Installed" in farebox(project.root, "rates", "update", f"{server}/old.json", "--yes").out
    endless = farebox(project.root, "rates", "update", f"{server}/round.json", "--yes")
    assert "cannot be downloaded (it redirects more than 5 times)" in endless.all
    away = farebox(project.root, "rates", "update", "http://127.0.0.1:1/data.json", "--yes")
    assert (away.code, "cannot be downloaded" in away.all) == (2, True)


def test_a_damaged_list_says_how_to_go_back(project: Project) -> None:
    farebox(project.root, "rates", "update", written(project, published(TODAY)), "--yes")
    [file] = (project.home / "prices").glob("prices-*.json")
    file.write_bytes(b"[]")
    with pytest.raises(ConfigError, match="cannot be read") as told:
        project.runtime().check()
    assert "--undo" in told.value.next_step
    assert farebox(project.root, "rates", "update", "--undo").code == 0


def test_the_installed_list_reads_as_published_ones_do() -> None:
    assert len(read_list(published(TODAY))) == 3
    assert RateCard.load(published=published(TODAY)).newest_date(TODAY) == TODAY
    assert RateCard.load(published=published(TODAY + timedelta(days=9))).newest_date(TODAY) is None  # announced only
    installed = RateCard.load().newest_date(TODAY)
    assert installed is not None
    assert installed <= TODAY
