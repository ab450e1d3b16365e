"""Who may read the report server, and what each answer carries."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from farebox.config.settings import WebSettings
from farebox.runtime import Runtime
from farebox.web import checked_token, web_app
from farebox.web.security import COOKIE, HEADERS, is_loopback
from pricing import ConfigError
from tests.support.project import make_project
from tests.support.web_company import NOWHERE

TOKEN = "a-token-of-more-than-16-letters"


def served(runtime: Runtime, base_url: str = "http://127.0.0.1:4201", *, token: str = "", **more: Any) -> TestClient:
    return TestClient(web_app(runtime, token=token, follow=False), base_url=base_url, follow_redirects=False, **more)


def with_web(small: Runtime, monkeypatch: pytest.MonkeyPatch, **values: Any) -> Runtime:
    monkeypatch.setattr(small, "settings", small.settings.model_copy(update={"web": WebSettings(**values)}))
    return small


def test_every_answer_carries_the_headers(client: TestClient):
    for path, method in (("/", "GET"), ("/runs", "POST"), ("/nowhere", "GET"), ("/runs.json", "GET")):
        answer = client.request(method, path)
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:4201", "", "a b", "[::1"])
def test_a_foreign_name_is_refused_on_loopback(small: Runtime, host: str):
    answer = served(small).get("/budgets", headers={"host": host})
    assert answer.status_code == 421
    assert "does not have that name" in answer.text


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:4201", "127.0.0.1", "127.1.2.3:1", "[::1]:4201", "localhost."]
)
def test_names_of_loopback_are_its_own(small: Runtime, host: str):
    assert served(small).get("/budgets", headers={"host": host}).status_code == 200


def test_the_public_name_is_its_own(small: Runtime, monkeypatch: pytest.MonkeyPatch):
    runtime = with_web(small, monkeypatch, url="https://Ops.Example.org/farebox")
    client = served(runtime)
    assert client.get("/budgets", headers={"host": "ops.example.org"}).status_code == 200
    assert client.get("/budgets", headers={"host": "other.example.org"}).status_code == 421


def test_links_have_the_prefix_whether_the_proxy_strips_it_or_not(small: Runtime, monkeypatch: pytest.MonkeyPatch):
    for values in ({"prefix": "/farebox"}, {"url": "https://ops.example.org/farebox/"}):
        client = served(with_web(small, monkeypatch, **values))
        for path in ("/budgets", "/farebox/budgets"):
            html = client.get(path).text
            assert 'href="/farebox/runs"' in html
            assert 'href="/runs"' not in html
            assert 'href="/farebox/budgets" aria-current="page"' in html
        assert client.get("/farebox").status_code == 200
        assert client.get("/fareboxes/budgets").status_code == 404


def test_with_a_token_nothing_is_shown_without_it(small: Runtime):
    client = served(small, "http://10.0.0.7:4201", token=TOKEN)
    for path in ("/", "/runs", "/budgets.json", "/healthz", "/nowhere"):
        for headers in (
            {},
            {"authorization": "Bearer wrong"},
            {"authorization": f"Basic {TOKEN}"},
            {"cookie": f"{COOKIE}={TOKEN}"},
        ):
            answer = client.get(path, headers=headers)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "budget" not in answer.text.lower()
    assert client.get("/budgets", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert client.get("/budgets.json", headers={"authorization": f"bearer {TOKEN}"}).json()["budgets"] == []


def test_the_form_gives_a_cookie_that_is_not_the_token(small: Runtime):
    client = served(small, "https://10.0.0.7", token=TOKEN)
    asked = client.get("/runs?owner=acme", headers={"accept": "text/html"})
    assert 'value="/runs?owner=acme"' in asked.text
    assert client.post("/login", data={"token": "wrong", "next": "/runs"}).status_code == 401
    assert COOKIE not in client.cookies
    given = client.post("/login", data={"token": TOKEN, "next": "/runs?owner=acme"})
    assert (given.status_code, given.headers["location"]) == (303, "/runs?owner=acme")
    cookie = given.headers["set-cookie"]
    assert TOKEN not in cookie
    for word in ("HttpOnly", "SameSite=lax", "Secure", "Path=/"):
        assert word in cookie
    assert client.get("/budgets").status_code == 200


@pytest.mark.parametrize("place", ["https://evil.example", "//evil.example", "/\\evil.example", "runs", "", "/a\nb"])
def test_the_form_leads_nowhere_else(small: Runtime, place: str):
    answer = served(small, token=TOKEN).post("/login", data={"token": TOKEN, "next": place})
    assert answer.headers["location"] == "/"


def test_a_large_form_is_refused(small: Runtime):
    assert served(small, token=TOKEN).post("/login", content=b"token=" + b"x" * 100_000).status_code == 413


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "reports.example.org"])  # noqa: S104
def test_other_addresses_need_a_token(small: Runtime, monkeypatch: pytest.MonkeyPatch, host: str):
    assert not is_loopback(host)
    with pytest.raises(ConfigError, match="without a token"):
        checked_token(small, host)
    named = with_web(small, monkeypatch, token_env="FAREBOX_WEB_TOKEN")
    with pytest.raises(ConfigError, match="which is not set"):
        checked_token(named, host)
    monkeypatch.setenv("FAREBOX_WEB_TOKEN", "short")
    with pytest.raises(ConfigError, match="shorter than 16"):
        checked_token(named, host)
    monkeypatch.setenv("FAREBOX_WEB_TOKEN", TOKEN)
    assert checked_token(named, host) == TOKEN


def test_loopback_needs_none(small: Runtime):
    for host in ("127.0.0.1", "localhost", "::1"):
        assert checked_token(small, host) == ""


@pytest.mark.parametrize(
    "more",
    ['[web]\nprefix = "farebox"', '[web]\nprefix = "/a b"', '[web]\ntoken_env = "secret-value"', "[web]\nurls = 1"],
)
def test_wrong_settings_are_told(tmp_path: Path, more: str):
    with pytest.raises(ConfigError, match="web"):
        make_project(tmp_path / "wrong", NOWHERE, more=more).runtime()
