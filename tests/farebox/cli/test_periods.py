"""Periods as they are typed: hours pass, days are those of the calendar, also where clocks are changed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farebox.cli.periods import read_moment
from pricing.errors import UsageError

BERLIN, HAVANA, SAO_PAULO = map(ZoneInfo, ("Europe/Berlin", "America/Havana", "America/Sao_Paulo"))
LORD_HOWE, CHICAGO, UTC_ZONE = map(ZoneInfo, ("Australia/Lord_Howe", "America/Chicago", "UTC"))
ZONES = (BERLIN, HAVANA, SAO_PAULO, LORD_HOWE, CHICAGO, UTC_ZONE)

moments = st.datetimes(*(datetime.fromisoformat(f"{year}-01-01") for year in (2010, 2037)))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "zone", "now", "expected"),
    [
        # Clocks go forward in Berlin at 01:00 UTC on 29 March 2026, and back at 01:00 UTC on 25 October.
        ("36h", BERLIN, "2026-03-29T12:00", "2026-03-28T00:00"),
        ("24h", BERLIN, "2026-10-25T12:00", "2026-10-24T12:00"),
        ("1h", BERLIN, "2026-10-25T01:30", "2026-10-25T00:30"),
        ("2h", BERLIN, "2026-03-29T02:00", "2026-03-29T00:00"),
        ("1d", BERLIN, "2026-03-29T12:00", "2026-03-28T13:00"),
        ("1d", BERLIN, "2026-10-25T12:00", "2026-10-24T11:00"),
        ("1w", BERLIN, "2026-10-28T12:00", "2026-10-21T11:00"),
        ("30d", BERLIN, "2026-04-10T10:00", "2026-03-11T11:00"),
        # 02:30 of the day before is skipped on 29 March: it counts as if clocks had not been set yet.
        ("1d", BERLIN, "2026-03-30T00:30", "2026-03-29T01:30"),
        ("today", BERLIN, "2026-03-29T12:00", "2026-03-28T23:00"),
        ("today", BERLIN, "2026-10-25T12:00", "2026-10-24T22:00"),
        ("yesterday", BERLIN, "2026-10-26T12:00", "2026-10-24T22:00"),
        ("2026-10-25", BERLIN, "2026-10-28T12:00", "2026-10-24T22:00"),
        ("2026-10-25T02:30", BERLIN, "2026-10-28T12:00", "2026-10-25T00:30"),
        ("2026-10-25T02:30+01:00", BERLIN, "2026-10-28T12:00", "2026-10-25T01:30"),
        # In Havana midnight comes twice on 1 November 2026 (04:00 and 05:00 UTC): the day begins with the first.
        ("today", HAVANA, "2026-11-01T05:30", "2026-11-01T04:00"),
        ("today", HAVANA, "2026-11-01T15:00", "2026-11-01T04:00"),
        ("1h", HAVANA, "2026-11-01T05:30", "2026-11-01T04:30"),
        # In São Paulo midnight was skipped on 4 November 2018: the day began at 01:00.
        ("2018-11-04", SAO_PAULO, "2018-11-05T12:00", "2018-11-04T03:00"),
        ("today", SAO_PAULO, "2018-11-04T12:00", "2018-11-04T03:00"),
        # Lord Howe sets its clocks by half an hour.
        ("24h", LORD_HOWE, "2026-10-04T12:00", "2026-10-03T12:00"),
        ("1d", LORD_HOWE, "2026-10-04T12:00", "2026-10-03T12:30"),
        ("0h", CHICAGO, "2026-11-01T06:30", "2026-11-01T06:30"),
    ],
)  # fmt: skip
def test_what_is_typed_is_the_moment_meant(typed: str, zone: ZoneInfo, now: str, expected: str):
    read = read_moment(typed, zone, now=utc(now).astimezone(zone))
    assert read is not None
    assert read.tzinfo is zone
    assert read.astimezone(UTC) == utc(expected)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 99_999),
    st.sampled_from(ZONES),
    moments,
    st.booleans(),
)
def test_hours_pass_everywhere(hours: int, zone: ZoneInfo, wall: datetime, fold: bool):
    now = wall.replace(tzinfo=zone, fold=int(fold))
    read = read_moment(f"{hours}h", zone, now=now)
    assert read is not None
    assert now.astimezone(UTC) - read.astimezone(UTC) == timedelta(hours=hours)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 3_000), st.sampled_from(ZONES), moments)
def test_days_are_those_of_the_calendar(days: int, zone: ZoneInfo, moment: datetime):
    now = moment.replace(tzinfo=UTC)
    read = read_moment(f"{days}d", zone, now=now)
    assert read is not None
    here = now.astimezone(zone).replace(tzinfo=None)
    there = read.replace(tzinfo=None)
    assert abs((here - timedelta(days=days)) - there) <= timedelta(hours=1), "more only where clocks skip that time"
    weeks = read_moment(f"{days}w", zone, now=now)
    assert weeks == read_moment(f"{days * 7}d", zone, now=now) or days * 7 > 99_999


@pytest.mark.parametrize("zone", ZONES, ids=str)
@pytest.mark.parametrize(
    "typed", ["0001-01-01", "9999-12-31", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00+14:00", "99999w"]
)
def test_the_ends_of_time_are_dates_too(zone: ZoneInfo, typed: str):
    read = read_moment(typed, zone)
    assert read is not None
    assert -(2**62) < read.timestamp() * 1_000_000 < 2**62


@pytest.mark.parametrize(
    "typed", ["", "soon", "2026-13-01", "-3h", "3 h", "1.5h", "٣h", "100000h", "12m", "\u202e12h", "12h\u3164"]
)
def test_what_is_no_period_is_said(typed: str):
    with pytest.raises(UsageError, match="not a valid date or period") as caught:
        read_moment(typed, BERLIN)
    assert caught.value.message.isascii()
    assert caught.value.next_step
