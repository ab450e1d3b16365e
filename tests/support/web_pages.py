"""Asking the report server for pages, as a browser and as a program do."""

import re
from html import unescape
from typing import Any

from starlette.testclient import TestClient


def said(client: TestClient, path: str, status: int = 200) -> Any:
    answer = client.get(path, headers={"accept": "application/json"})
    assert answer.status_code == status, answer.text
    return answer.json()


def page(client: TestClient, path: str, status: int = 200) -> str:
    answer = client.get(path, headers={"accept": "text/html"})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    return answer.text


def texts(html: str) -> str:
    """What a reader sees, in one line."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<style>.*?</style>|<wbr>", "", html, flags=re.DOTALL)))
