"""`farebox reconcile`: from a file, and by an admin key from a scripted server."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pricing.db.database import Store
from tests.support.bills import FIRST, World
from tests.support.command import Call
from tests.support.project import Project, make_project

KEY = "sk-admin-0123456789abcdef"


class Provider:
    """Serves what files hold, two days a page; ``faults`` are statuses to answer with first."""

    def __init__(self) -> None:
        self.pages: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[tuple[str, dict[str, list[str]], dict[str, str]]] = []
        self.faults: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = parse_qs(parts.query)
                outer.asked.append((parts.path, query, {name.lower(): value for name, value in self.headers.items()}))
                if outer.faults:
                    self.send_response(outer.faults.pop(0))
                    self.send_header("Retry-After", "0")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                number = int(query.get("page", ["0"])[0])
                body = json.dumps(outer.pages[parts.path][number]).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def serve(self, path: str, data: list[Any]) -> None:
        cut = [data[at : at + 2] for at in range(0, len(data), 2)]
        self.pages[path] = [
            {"data": part, "has_more": n + 1 < len(cut), "next_page": str(n + 1)} for n, part in enumerate(cut)
        ]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    server = Provider()
    yield server
    server.close()


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = make_project(tmp_path / "project", "http://127.0.0.1:9")
    with made.runtime_here():
        yield made


def written(project: Project, provider: str) -> World:
    world = World(provider, days=6)
    worst = world.cost(0, {"input": 900_000})
    world.record(FIRST, "default", 0, None, outcome="timeout", priced="worst_case", cost_nano=worst, worst_nano=worst)
    project.home.mkdir(exist_ok=True)
    store = Store(f"sqlite:///{project.home / 'ledger.db'}")
    world.write_ledger(store)
    store.close()
    return world


def test_a_file_is_compared_accepted_once_and_told(project: Project, call: Call, tmp_path: Path) -> None:
    world = written(project, "openai")
    files = world.write_export(tmp_path)
    options = [part for path in files for part in ("--file", str(path))]
    accounts = ["--account", "proj_a=default", "--account", "proj_b=second"]
    said = call("reconcile", "openai", *options, *accounts)
    assert said.code == 0, said.err
    assert "worst_case" in said.out
    assert "--accept corrects 1 attempt" in said.out
    told = json.loads(call("reconcile", "openai", *options, *accounts, "--accept", "--json").out)
    assert told["accepted"]["attempts"] == 1
    assert told["accepted"]["adjusted_nano"] == -world.cost(0, {"input": 900_000})
    again = call("reconcile", "openai", *options, *accounts, "--accept")
    assert again.code == 2
    assert "accepted before" in again.err


def test_an_admin_key_reads_pages_and_nothing_else(
    project: Project, call: Call, tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = written(project, "openai")
    costs, usage = world.write_export(tmp_path)
    provider.serve("/v1/organization/costs", json.loads(costs.read_text())["data"])
    provider.serve("/v1/organization/usage/completions", json.loads(usage.read_text())["data"])
    provider.faults = [429, 503]
    monkeypatch.setenv("OPENAI_ADMIN_KEY", KEY)
    monkeypatch.setenv("OPENAI_ADMIN_KEY_BASE_URL", provider.url)
    last = FIRST + timedelta(days=5)
    span = ("--since", str(FIRST), "--until", str(last))
    said = call("reconcile", "openai", *span, "--account", "proj_a=default", "--account", "proj_b=second", "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)["reconciliation"]
    assert found["billed_nano"] == pytest.approx(sum(world.bill.nano.values()), abs=1000)
    assert set(found["causes"]) - {"rounding"} == {"worst_case"}
    assert len(provider.asked) == 2 + 3 + 3  # faults, and three pages of each list
    path, query, headers = provider.asked[0]
    assert (path, query["group_by"]) == ("/v1/organization/costs", ["project_id", "line_item"])
    assert headers["authorization"] == f"Bearer {KEY}"
    assert int(query["end_time"][0]) - int(query["start_time"][0]) == 6 * 86_400
    assert KEY not in said.out + said.err


def test_anthropic_is_asked_with_its_headers(
    project: Project, call: Call, tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = written(project, "anthropic")
    for path, name in zip(world.write_export(tmp_path), ("cost_report", "usage_report/messages"), strict=True):
        buckets = [bucket for page in json.loads(path.read_text()) for bucket in page["data"]]
        provider.serve(f"/v1/organizations/{name}", buckets)
    monkeypatch.setenv("ANTHROPIC_ADMIN_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_ADMIN_KEY_BASE_URL", provider.url)
    said = call("reconcile", "anthropic", "--since", str(FIRST), "--until", str(FIRST + timedelta(days=5)), "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["reconciliation"]["causes"].keys() - {"rounding"} == {"worst_case"}
    assert provider.asked[0][2]["x-api-key"] == KEY
    assert provider.asked[0][2]["anthropic-version"] == "2023-06-01"


@pytest.mark.parametrize(
    ("faults", "words"),
    [([401], "refused the admin key"), ([400], "cannot be read (HTTP 400)"), ([503] * 9, "cannot be read (HTTP 503)")],
)
def test_a_refusal_is_one_line(
    project: Project, call: Call, provider: Provider, monkeypatch: pytest.MonkeyPatch, faults: list[int], words: str
) -> None:
    provider.faults = faults
    monkeypatch.setenv("OPENAI_ADMIN_KEY", KEY)
    monkeypatch.setenv("OPENAI_ADMIN_KEY_BASE_URL", provider.url)
    said = call("reconcile", "openai", "--since", str(FIRST), "--until", str(FIRST))
    assert said.code == 2
    assert words in said.err
    assert KEY not in said.out + said.err
    assert "Traceback" not in said.err


def test_what_cannot_be_done_says_what_to_do(project: Project, call: Call) -> None:
    for arguments, words in (
        (("openai",), "OPENAI_ADMIN_KEY"),
        (("aws",), "--file"),
        (("openai", "--file", "nowhere.json"), "is not a file"),
        (("openai", "--since", "soon"), "is not a valid date"),
        (("openai", "--account", "proj"), "ID=NAME"),
        (("azure",), "azure"),
    ):
        said = call("reconcile", *arguments)
        assert said.code == 2, arguments
        assert words in said.err, (arguments, said.err)
