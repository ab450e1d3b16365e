"""Keys, prompts, answers and personal data: planted everywhere, found nowhere that we or Prefect keep."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.support.command import Said, farebox
from tests.support.leaks import found_in
from tests.support.prefect_runs import own_server
from tests.support.project import REPOSITORY, Project, make_project

KEY = "sk-proj-canaryKEYcanary0123456789abcdefXYZ"
IN_DOCUMENT = "zanzibar-heliotrope-document-canary"
PERSON = "Wilhelmina.Quackenbush@canary-mail.example"
PHONE = "+44 20 7946 0958"
IN_ANSWER = "marzipan-obelisk-answer-canary"
IN_ERROR = "quixotic-lagoon-error-canary"
CANARIES = (KEY, IN_DOCUMENT, PERSON, PHONE, IN_ANSWER, IN_ERROR)

TARGET = """
[[targets]]
name = "recorder"
provider = "openai"
model = "gpt-4.1-mini"
tier = "light"
base_url = "{url}/v1"
key_env = "CANARY_API_KEY"
read_timeout = 5
"""


class Recorder(BaseHTTPRequestHandler):
    """An OpenAI-shaped server that remembers what it got, and repeats it in its answers and its errors."""

    seen: ClassVar[list[tuple[str, str]]]
    broken: ClassVar[bool]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        type(self).seen.append((self.headers.get("authorization", ""), body))
        if type(self).broken:
            self._send(400, {"error": {"message": f"{IN_ERROR}: cannot read {IN_DOCUMENT} {PERSON}", "type": "x"}})
            return
        asked = json.loads(body).get("response_format", {}).get("json_schema", {}).get("schema", {})
        filled = {name: self._value(field, asked) for name, field in asked.get("properties", {}).items()}
        text = json.dumps(filled) if filled else f"{IN_ANSWER}, says {PERSON}"
        message = {"role": "assistant", "content": text}
        usage = {"prompt_tokens": 50, "completion_tokens": 20, "total_tokens": 70}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        self._send(200, {"id": "c1", "model": "gpt-4.1-mini", "choices": choices, "usage": usage})

    def _value(self, field: dict[str, Any], whole: dict[str, Any]) -> Any:
        if "enum" in field:
            return field["enum"][0]
        return f"{IN_ANSWER} {PERSON} {PHONE}"

    def _send(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@pytest.fixture
def recorder() -> Iterator[tuple[str, type[Recorder]]]:
    class Own(Recorder):
        seen: ClassVar[list[tuple[str, str]]] = []
        broken = False

    server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", Own
    server.shutdown()
    thread.join()
    server.server_close()


def run(project: Project, home: Path, server: str, *more: str) -> Said:
    return farebox(
        project.root,
        "run",
        "daily-digest",
        "--source",
        "documents",
        *more,
        CANARY_API_KEY=KEY,
        PREFECT_HOME=str(home),
        PREFECT_API_URL=server,
        PREFECT_LOGGING_LEVEL="DEBUG",
        PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="DEBUG",
    )


def planted(folder: Path, url: str, more: str = "") -> Project:
    """A project whose only document holds a person and a phrase."""
    project = make_project(folder, "", targets=TARGET.replace("{url}", url), documents=1, more=more)
    (project.root / "flows").symlink_to(REPOSITORY / "flows")
    note = project.documents / "note-00.md"
    note.write_text(f"# A note on {IN_DOCUMENT}\n\nWrite to {PERSON} or call {PHONE} about it, said {IN_DOCUMENT}.\n")
    return project


def test_nothing_that_was_planted_is_found(tmp_path: Path, recorder: tuple[str, type[Recorder]]):
    url, server = recorder
    project = planted(tmp_path / "project", url)
    keeping = planted(tmp_path / "keeping", url, '[content]\nkeep = ["daily-digest"]\n')
    prefect = tmp_path / "prefect"
    with own_server(prefect, PREFECT_LOGGING_LEVEL="DEBUG") as address:
        done = run(project, prefect, address, "--json")
        kept = run(keeping, prefect, address, "--json")
        server.broken = True
        failed = run(project, prefect, address)

    assert done.code == kept.code == 0, (done, kept)
    assert any(IN_DOCUMENT in body for _, body in server.seen), "the prompt was sent"
    assert any(PERSON in body for _, body in server.seen), "on loopback nothing is masked before it is sent"
    assert {authorization for authorization, _ in server.seen} == {f"Bearer {KEY}"}
    assert IN_ANSWER in done.out, "the answer is the user's"
    assert [canary for canary in CANARIES if canary in done.err + kept.err] == []
    assert KEY not in done.out + kept.out

    assert failed.code == 1, failed
    assert "error: " in failed.err
    assert [canary for canary in CANARIES if canary in failed.all] == []

    reported = farebox(project.root, "report", "last", CANARY_API_KEY=KEY)
    listed = farebox(project.root, "runs", "--json", CANARY_API_KEY=KEY)
    assert reported.code == listed.code == 0
    assert [canary for canary in CANARIES if canary in reported.all + listed.all] == []

    files = {path.name for path in project.home.rglob("*")}
    assert {"ledger.db", "replica.duckdb", "reports"} <= files
    assert any(path.suffix == ".db" for path in prefect.rglob("*")), "Prefect's database is looked into"
    told = {path for _, path in found_in(tmp_path, ["recorder", "daily-digest"], project.documents)}
    assert any(path.endswith(("ledger.db", "ledger.db-wal")) for path in told), "the search finds things"
    assert any(path.endswith("replica.duckdb") for path in told)
    assert any(path.startswith("prefect/prefect.db") for path in told)
    assert found_in(tmp_path, CANARIES, project.documents, keeping.root) == []

    found = found_in(tmp_path, CANARIES, project.documents, keeping.documents)
    assert {canary for canary, _ in found} == {IN_DOCUMENT, IN_ANSWER}, "content that is kept is masked"
    assert {path for _, path in found} <= {"keeping/.farebox/content.db", "keeping/.farebox/content.db-wal"}
    assert any("[EMAIL_1_" in path.read_text("latin-1") for path in keeping.home.glob("content.db*"))
