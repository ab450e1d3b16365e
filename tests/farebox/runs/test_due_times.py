"""By when a run is to be done: what can be written, what it means, and which of several counts."""

import inspect
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.runs.due_times import (
    LONGEST,
    SHORTEST,
    due_time,
    next_time,
    run_due_at,
    shown_due,
    signature_with_due,
    without_due,
)
from pricing import UsageError, from_us, to_us
from tasks import RunContext, use_run

MADRID = ZoneInfo("Europe/Madrid")
START = datetime(2026, 11, 29, 1, 0, tzinfo=UTC)  # 02:00 in Madrid


def due(value: object, *, start: datetime = START, zone: ZoneInfo = MADRID) -> str:
    found = due_time(value, start=start, zone=lambda: zone)
    assert found is not None
    return f"{from_us(found):%d %H:%M:%S}"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("6h", "29 07:00:00"),
        ("6 hours", "29 07:00:00"),
        ("90m", "29 02:30:00"),
        ("90 min", "29 02:30:00"),
        ("2h30m", "29 03:30:00"),
        ("1d 12h", "30 13:00:00"),
        ("0.5h", "29 01:30:00"),
        ("60s", "29 01:01:00"),
        ("7d", "06 01:00:00"),
        ("PT6H", "29 07:00:00"),
        ("P1DT30M", "30 01:30:00"),
        (timedelta(hours=6), "29 07:00:00"),
        ("07:00", "29 06:00:00"),
        ("7:00", "29 06:00:00"),
        (" 07:00 ", "29 06:00:00"),
        ("02:00", "30 01:00:00"),  # the start itself: the next one
        ("01:30", "30 00:30:00"),
        ("07:00:30", "29 06:00:30"),
        ("07:00 UTC", "29 07:00:00"),
        ("07:00 America/New_York", "29 12:00:00"),
        ("07:00Z", "29 07:00:00"),
        ("07:00+05:30", "29 01:30:00"),
        (time(7), "29 06:00:00"),
        (time(7, tzinfo=UTC), "29 07:00:00"),
        (time(7, tzinfo=timezone(timedelta(hours=5, minutes=30))), "29 01:30:00"),
        (time(7, tzinfo=ZoneInfo("America/New_York")), "29 12:00:00"),
        ("2026-11-30T07:00", "30 06:00:00"),
        ("2026-11-30 07:00", "30 06:00:00"),
        ("2026-11-30T07:00Z", "30 07:00:00"),
        ("2026-11-30T07:00-05:00", "30 12:00:00"),
        ("2026-11-30T07:00 Asia/Tokyo", "29 22:00:00"),
        (datetime(2026, 11, 30, 7), "30 06:00:00"),  # noqa: DTZ001 - as people pass it
        (datetime(2026, 11, 30, 7, tzinfo=UTC), "30 07:00:00"),
    ],
)
def test_a_due_time_is_read(written: object, expected: str):
    assert due(written) == expected


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_no_due_time_is_as_soon_as_possible(nothing: object):
    assert due_time(nothing, start=START, zone=lambda: MADRID) is None


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("soon", "is not a due time"),
        ("6", "is not a due time"),
        ("-6h", "is not a due time"),
        ("6x", "is not a due time"),
        ("25:00", "is not a due time"),
        ("24:00", "is not a due time"),
        ("07", "is not a due time"),
        ("2026-11-30", "is not a due time"),
        ("2026-02-30T07:00", "is not a due time"),
        ("07:00 Europe/Nowhere", "time zone 'Europe/Nowhere', which there is not"),
        ("P", "is not a due time"),
        ("PT", "is not a due time"),
        (True, "type bool"),
        (6, "type int"),
        ([], "type list"),
        (date(2026, 11, 30), "type date"),
        ("30s", "earliest is 1 minute"),
        (timedelta(0), "earliest is 1 minute"),
        (timedelta(hours=-6), "earliest is 1 minute"),
        ("8d", "latest is 7 days"),
        ("999999d", "latest is 7 days"),
        (timedelta.max, "latest is 7 days"),
        ("2026-11-28T07:00", "ago"),
        ("2026-11-29T02:00", "ago"),
        ("2026-11-29T02:00:30", "in 30 s; the earliest is 1 minute"),
        ("02:00:30", "in 30 s; the earliest is 1 minute"),
        ("2026-12-20T07:00", "the latest is 7 days"),
        ("9999-12-31T23:59-05:00", "no year"),
        ("0001-01-01T00:00+05:00", "no year"),
    ],
)
def test_what_cannot_be_a_due_time_is_refused_in_one_line(written: object, told: str):
    with pytest.raises(UsageError, match=told) as refused:
        due(written)
    assert "\n" not in refused.value.message
    assert refused.value.next_step


@given(st.text(max_size=40) | st.text("0123456789dhmsPTZ:+-. ", max_size=12))
def test_any_text_is_a_time_ahead_or_refused(text: str):
    found = None
    with suppress(UsageError):
        found = due_time(text, start=START, zone=lambda: MADRID)
    assert found is None or to_us(START + SHORTEST) <= found <= to_us(START + LONGEST)


ZONES = st.sampled_from(
    ["UTC", "Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns"]
)
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(clock=st.times(), start=MOMENTS, name=ZONES)
def test_a_time_of_day_is_the_next_at_which_clocks_show_it(clock: time, start: datetime, name: str):
    zone = ZoneInfo(name)
    found = next_time(clock, start, zone)
    assert start < found <= start + timedelta(hours=49)
    shown = found.astimezone(zone)
    if shown.time() != clock:  # skipped when clocks were set forward
        naive = datetime.combine(shown.date(), clock)
        assert naive.replace(tzinfo=zone).utcoffset() != naive.replace(tzinfo=zone, fold=1).utcoffset()
    else:
        earlier = shown.replace(tzinfo=None) - timedelta(days=1)
        assert max(earlier.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)) <= start or (
            earlier.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).time() != clock
        )


@pytest.mark.parametrize(
    ("start", "clock", "expected"),
    [
        ("2026-10-24T22:00+00:00", "02:30", "2026-10-25T00:30+00:00"),  # shown twice: the first
        ("2026-10-25T00:45+00:00", "02:30", "2026-10-25T01:30+00:00"),  # the first is over: the second
        ("2026-10-25T01:45+00:00", "02:30", "2026-10-26T01:30+00:00"),
        ("2026-03-29T00:30+00:00", "02:30", "2026-03-29T01:30+00:00"),  # skipped: as much later, at 03:30
    ],
)
def test_clocks_that_are_set_back_and_forward(start: str, clock: str, expected: str):
    found = next_time(time.fromisoformat(clock), datetime.fromisoformat(start), MADRID)
    assert found == datetime.fromisoformat(expected)


def counted(declared: object = None, **parameters: object) -> str | None:
    found = run_due_at(declared, parameters, start=START, zone=lambda: MADRID)
    return None if found is None else f"{from_us(found):%d %H:%M}"


def test_the_parameter_counts_before_the_declaration_and_the_starter_before_both():
    assert counted() is None
    assert counted("6h") == "29 07:00"
    assert counted("6h", due=None) == counted("6h", due="") == "29 07:00"
    assert counted("6h", due="2h") == "29 03:00"
    with use_run(RunContext(due_at=to_us(START + timedelta(hours=1)))):
        assert counted("6h", due="2h") == "29 02:00"


def test_a_subflow_is_due_with_the_run_that_called_it():
    at_three = to_us(START + timedelta(hours=2))
    with use_run(RunContext("outer", due_at=at_three)):
        assert counted() == counted("6h") == counted(due="6h") == "29 03:00"
        assert counted(due="1h") == "29 02:00"
    with use_run(RunContext("outer")):
        assert counted() is counted("6h") is None
        assert counted(due="1h") == "29 02:00"


def test_the_earliest_and_the_latest_are_allowed():
    assert due(SHORTEST) == "29 01:01:00"
    assert due(LONGEST) == "06 01:00:00"


def test_a_declared_due_time_adds_a_parameter_that_the_function_is_not_given():
    def apart(source: str, /, limit: int = 3, *, deep: bool = False, **more: int) -> tuple[object, ...]:
        return source, limit, deep, more

    def asking(source: str, due: str = "") -> str:
        return source + due

    assert [*signature_with_due(apart, "6h").parameters] == ["source", "limit", "deep", "due", "more"]
    assert without_due(apart, "6h")("a", 2, deep=True, due="1h", x=1) == ("a", 2, True, {"x": 1})
    assert signature_with_due(apart, None) == inspect.signature(apart)
    assert without_due(asking, "6h") is asking


def test_a_due_time_is_shown_with_its_date_unless_it_is_today():
    at = to_us(datetime(2026, 11, 29, 6, tzinfo=UTC))
    assert shown_due(at, MADRID, START) == "07:00"
    assert shown_due(at, MADRID, START - timedelta(days=1)) == "2026-11-29 07:00"
