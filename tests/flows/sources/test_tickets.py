import os
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.sources import load_rows, load_tickets
from flows.sources.files import MAX_BYTES
from pricing.errors import SourceError

DATA = Path(__file__).parents[3] / "flows" / "data"
HEADER = "id,customer,plan,subject,body,opened,email\n"
ROW = "T-1,Pinewick,team,Hello,Some words,2026-03-01,a@example.com\n"


@pytest.fixture
def table(tmp_path):
    def write(content: str | bytes) -> Path:
        path = Path(tmp_path, "tickets.csv")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def refused(path: str | Path) -> str:
    with pytest.raises(SourceError) as caught:
        load_tickets(path)
    assert "\n" not in str(caught.value)
    assert caught.value.next_step
    return caught.value.message


def test_our_own_tickets_are_sound():
    tickets = load_tickets(DATA / "tickets.csv")
    assert [ticket.id for ticket in tickets] == [f"T-{number}" for number in range(1001, 1013)]
    assert all(ticket.email and ticket.email.endswith("example.com") for ticket in tickets)
    assert all(2 <= ticket.body.count(".") + ticket.body.count("?") + ticket.body.count("!") <= 8 for ticket in tickets)
    accounts = {
        row["customer"]: row
        for row in load_rows(DATA / "accounts.csv", ["customer", "plan", "seats", "status", "last_invoice", "since"])
    }
    assert {ticket.customer: ticket.plan for ticket in tickets} == {name: row["plan"] for name, row in accounts.items()}
    assert load_rows(DATA / "status.csv", ["component", "status", "since", "note"])


def test_a_ticket(table):
    (ticket,) = load_tickets(
        table("\ufeff" + HEADER.upper() + 'T-1, Pinewick ,team,He\x1b[31mllo,"One, ""two""\n\nthree",2026-03-01,\n\n')
    )
    assert ticket.id == "T-1"
    assert ticket.customer == "Pinewick"
    assert ticket.subject == "Hello"
    assert ticket.body == 'One, "two"\n\nthree'
    assert ticket.opened == date(2026, 3, 1)
    assert ticket.email is None


def test_email_may_be_missing_and_more_columns_may_be_there(table):
    (ticket,) = load_tickets(table("mood,opened,body,subject,plan,customer,id\nangry,2026-03-01,b,s,p,c,T-1\n"))
    assert (ticket.id, ticket.email) == ("T-1", None)


def test_a_table_from_a_spreadsheet_in_utf_16(table):
    assert len(load_tickets(table((HEADER + ROW).encode("utf-16")))) == 1


@pytest.mark.parametrize(
    "content, says",
    [
        ("", "holds no rows"),
        (HEADER, "holds no rows"),
        ("id;customer;plan\n", "lacks the columns id, customer, plan, subject, body, opened"),
        (HEADER.replace("body,", "") + ROW, "lacks the column body"),
        (HEADER.replace("email", "id") + ROW, "names a column twice"),
        (HEADER + ROW + "T-2,too,few\n", "Row 2 of"),
        (HEADER + ROW + ROW, "repeats the id"),
        (HEADER + ROW.replace("2026-03-01", "yesterday"), "Row 1 of"),
        (HEADER + ROW.replace("2026-03-01", "yesterday"), "no usable opened"),
        (HEADER + ROW.replace("Some words", " "), "no usable body"),
        (HEADER + ROW.replace("Some words", "x" * 20_001), "no usable body"),
        (HEADER + ROW + ROW.replace("T-1", "T-2").replace("Some words", "x" * 110_000), "Row 2 of"),
        (HEADER + ROW + ROW.replace("T-1", "T-2").replace("Some words", "x" * 140_000), "absurdly long"),
        (HEADER + ROW + 'T-2,"never closed,team\n', "Row 2 of"),
        ((HEADER + ROW + ROW.replace("Some", "Gr\xfc\xdfe")).encode("latin-1"), "is not UTF-8"),
        (HEADER.encode() + b"\x00\x01", "is binary"),
        (b"x" * (MAX_BYTES + 1), "has more than 5 MB"),
    ],
)
def test_what_is_no_table_of_tickets_is_refused(table, content, says):
    assert says in refused(table(content))


def test_a_refusal_names_the_row_and_repeats_nothing_of_it(table):
    with pytest.raises(SourceError) as caught:
        load_tickets(table(HEADER + ROW + "T-2,secret@example.com,team,Hello,Words,never,\n"))
    assert caught.value.fields["row"] == 2
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("path", ["", "no/such.csv", "a\x00b", "\ud800", "~nobody-of-this-name/x", "/dev/zero"])
def test_what_is_no_file_is_refused(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(path)


def test_folders_and_pipes_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe")
    refused(tmp_path)


@given(st.binary(max_size=300))
def test_any_bytes_are_tickets_or_refused(tmp_path_factory, data):
    _survives(tmp_path_factory, data)


@given(st.integers(0, 130), st.binary(max_size=20), st.text(alphabet='T-1,"\n\r 2026', max_size=60))
def test_any_damage_to_a_table_is_survived(tmp_path_factory, at, put, rest):
    data = (HEADER + ROW).encode()
    _survives(tmp_path_factory, data[:at] + put + data[at:] + rest.encode())


def _survives(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.csv"
    path.write_bytes(data)
    try:
        tickets = load_tickets(path)
    except SourceError:
        return
    assert tickets
