"""Outcomes handed over: each counted once, whatever goes wrong on the way, in the shape that each service takes."""

import json
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import sqlalchemy as sa

from farebox.metering import send_usage
from farebox.runtime import Runtime
from pricing.clock import to_us
from pricing.db import schema
from pricing.db.database import Store
from pricing.ledger import UsageOutbox
from tests.support.business import write_business
from tests.support.command import Call
from tests.support.project import make_project

KEY = "sk-metering-0123456789"
_PATHS = {"stripe": "/v1/billing/meter_events", "openmeter": "/api/v1/events", "lago": "/api/v1/events"}


class Service:
    """Counts events by id. ``script`` says what it does with the next ones: a status, or ``lost`` (taken, and no
    reply).
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.events: dict[str, Any] = {}
        self.seen = 0
        self.script: list[int | str] = []
        self.headers: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                assert self.path == _PATHS[outer.kind]
                outer.seen += 1
                step = outer.script.pop(0) if outer.script else 200
                key, event = outer.read(body)
                known = key in outer.events
                if step in {200, "lost"}:
                    outer.events.setdefault(key, event)
                if step == "lost":
                    self.connection.close()
                    return
                if known and outer.kind == "lago":
                    answer = {
                        "status": 422,
                        "code": "validation_errors",
                        "error_details": {"transaction_id": ["value_already_exist"]},
                    }
                    self.answer(422, answer)
                elif step == 200:
                    self.answer(204 if outer.kind == "openmeter" else 200, {})
                else:
                    self.answer(int(step), {"error": {"code": "bad_thing", "message": f"secret {KEY}"}})

            def answer(self, status: int, body: Any) -> None:
                said = b"" if status == 204 else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def read(self, body: str) -> tuple[str, Any]:
        """The event and its id, checked against what the service documents."""
        if self.kind == "stripe":
            form = {name: values[0] for name, values in parse_qs(body, strict_parsing=True).items()}
            assert form.keys() == {
                "event_name",
                "payload[stripe_customer_id]",
                "payload[value]",
                "identifier",
                "timestamp",
            }
            assert form["payload[stripe_customer_id]"].startswith("cus_")
            assert len(form["identifier"]) <= 100
            assert len(form["event_name"]) <= 100
            assert form["timestamp"].isdigit()
            return form["identifier"], form
        event = json.loads(body)
        if self.kind == "openmeter":  # CloudEvents 1.0: the required attributes, and RFC 3339
            assert event["specversion"] == "1.0"
            assert all(event[name] for name in ("id", "source", "type", "subject"))
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
            assert all(re.fullmatch(r"[a-z0-9]+", name) for name in event)
            return event["id"], event
        assert event.keys() == {"event"}
        assert event["event"].keys() == {
            "transaction_id",
            "external_subscription_id",
            "code",
            "timestamp",
            "properties",
        }
        return event["event"]["transaction_id"], event["event"]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(params=["stripe", "openmeter", "lago"])
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    made = Service(request.param)
    yield made
    made.close()


@pytest.fixture
def runtime(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    more = (
        f'[metering]\nenabled = true\nsink = "{service.kind}"\nurl = "{service.url}"\nsince = 2026-10-27\n'
        'key_env = "METER_KEY"\nvalue = "credits"\n[metering.customers]\nacme = "cus_acme"\ndelphi = "cus_delphi"\n'
    )
    monkeypatch.setenv("METER_KEY", KEY)
    project = make_project(tmp_path / "project", "http://127.0.0.1:9", more=more)
    with project.runtime_here() as here:
        write_business(here.ledger.store, days=2)  # 26 and 27 October
        with here.ledger.store.write() as connection:
            connection.execute(schema.settlements.update().values(charged_credits=3))
        yield here


def expected(runtime: Runtime, service: Service) -> set[str]:
    settled, runs = schema.settlements.c, schema.runs.c
    query = (
        sa.select(settled.run_id, settled.ordinal, runs.org_id)
        .join_from(schema.settlements, schema.runs, runs.run_id == settled.run_id)
        .where(settled.outcome == "completed", settled.ended_at >= to_us(datetime(2026, 10, 27, tzinfo=UTC)))
    )
    with runtime.ledger.store.read() as connection:
        rows = connection.execute(query).all()
    return {
        f"{row.run_id}:{row.ordinal}" for row in rows if service.kind == "openmeter" or row.org_id in {"acme", "delphi"}
    }


def due_now(runtime: Runtime) -> None:
    with runtime.ledger.store.write() as connection:
        connection.execute(schema.usage_events.update().values(next_at=0))


def test_each_outcome_is_counted_once_whatever_goes_wrong(runtime: Runtime, service: Service, call: Call) -> None:
    service.script = [200, "lost", 503, 200, 429, 400, "lost"]
    first = send_usage(runtime)
    wanted = expected(runtime, service)
    assert first.collected == len(wanted) > 10
    assert first.failed == 5
    assert first.delivered == len(wanted) - 5
    due_now(runtime)
    second = send_usage(runtime)
    assert (second.collected, second.delivered, second.failed) == (0, 5, 0)
    assert service.events.keys() == wanted
    assert service.seen == len(wanted) + 5
    due_now(runtime)
    assert send_usage(runtime).delivered == 0
    assert service.seen == len(wanted) + 5
    told = json.loads(call("metering", "status", "--json").out)
    assert (told["delivered"], told["waiting"]) == (len(wanted), 0)
    assert bool(told["without_customer"]) == (service.kind != "openmeter")


def test_an_event_says_who_what_and_how_much(runtime: Runtime, service: Service) -> None:
    send_usage(runtime)
    event = next(iter(service.events.values()))
    values = {
        "stripe": lambda: event["payload[value]"], "openmeter": lambda: event["data"]["value"],
        "lago": lambda: event["properties"]["value"],
    }  # fmt: skip
    assert values[service.kind]() == "3"
    names = {"stripe": "event_name", "openmeter": "type", "lago": "code"}
    assert event[names[service.kind]] == "farebox_outcome"
    assert all(sent["authorization"] == f"Bearer {KEY}" for sent in service.headers)


def test_sending_stops_where_nothing_is_taken_and_nothing_is_lost(
    runtime: Runtime, service: Service, call: Call
) -> None:
    service.script = [500] * 5
    said = call("metering", "send")
    assert said.code == 0
    assert "0 events confirmed, 5 to retry" in said.out
    told = call("metering", "status").out
    assert "last fault: HTTP 500 bad_thing" in told
    assert KEY not in told
    due_now(runtime)
    service.script = [401]
    refused = call("metering", "send")
    assert refused.code == 2
    assert "refused the key (HTTP 401)" in refused.err
    assert KEY not in refused.err
    due_now(runtime)
    send_usage(runtime)
    assert service.events.keys() == expected(runtime, service)


def test_it_is_off_by_default(tmp_path: Path, call: Call) -> None:
    project = make_project(tmp_path / "project", "http://127.0.0.1:9")
    with project.runtime_here():
        said = call("metering", "send")
    assert said.code == 2
    assert "Metering is switched off" in said.err


def test_what_two_claim_at_once_is_sent_once(store: Store) -> None:
    write_business(store, days=1)
    outbox = UsageOutbox(store, {}, "outcomes", 0, by_name=True)
    added = outbox.collect()
    assert added > 10
    assert outbox.collect() == 0
    first, second = outbox.claim(5, 10), outbox.claim(500, 10)
    assert len(first) == 5
    assert len(second) == added - 5
    assert not {one.event_id for one in first} & {one.event_id for one in second}
    assert {one.value for one in first} == {"1"}
    outbox.delivered([one.event_id for one in first], 11)
    outbox.failed(second[0], "HTTP 500", 11)
    outbox.release(second[1:])
    assert len(outbox.claim(500, 12)) == added - 6
    state = outbox.state()
    assert (state.delivered, state.waiting, state.failing, state.last_fault) == (5, added - 5, 1, "HTTP 500")
