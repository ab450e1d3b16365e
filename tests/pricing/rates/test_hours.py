"""Hours of rates: windows by the clocks of a time zone, also on the days on which clocks are set."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farebox.config.settings import RateSettings
from pricing.errors import ConfigError
from pricing.rates import OwnRate, RateCard
from pricing.rates.hours import Hours, changes_of
from pricing.usage import Usage

MONDAY = datetime(2026, 11, 30, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("windows", "zone", "inside", "outside"),
    [
        (("08:00-18:00",), "UTC", ["2026-11-30T08:00", "2026-11-30T17:59"], ["2026-11-30T07:59", "2026-11-30T18:00"]),
        (("22:00-06:00",), "UTC", ["2026-11-30T22:00", "2026-11-30T05:59"], ["2026-11-30T06:00", "2026-11-30T21:59"]),
        (("00:30-08:30",), "Asia/Shanghai", ["2026-11-29T16:30", "2026-11-30T00:29"], ["2026-11-30T00:30"]),
        (
            ("mon 22:00-06:00",),
            "UTC",
            ["2026-11-30T23:00", "2026-12-01T05:00"],
            ["2026-11-30T05:00", "2026-12-01T23:00"],
        ),
        (("sun 22:00-06:00",), "UTC", ["2026-11-30T05:00", "2026-11-29T22:00"], ["2026-11-30T22:00"]),
        (("sat,sun 00:00-24:00",), "UTC", ["2026-11-29T23:59", "2026-11-28T00:00"], ["2026-11-30T00:00"]),
        (("fri-mon 12:00-13:00",), "UTC", ["2026-11-30T12:00", "2026-11-27T12:30"], ["2026-12-01T12:00"]),
        (("08:00-09:00", "20:00-21:00"), "UTC", ["2026-11-30T08:30", "2026-11-30T20:30"], ["2026-11-30T12:00"]),
        (("MON-FRI 18:00 - 24:00",), "UTC", ["2026-11-30T23:59"], ["2026-12-01T00:00", "2026-11-29T20:00"]),
        # Clocks in Madrid were set back on 25 October: 02:30 was shown twice, and counts twice.
        (("02:00-03:00",), "Europe/Madrid", ["2026-10-25T00:30", "2026-10-25T01:30"], ["2026-10-25T02:00"]),
        # They were set forward on 29 March: 02:30 was not shown, and the window began with 03:00.
        (
            ("02:30-06:00",),
            "Europe/Madrid",
            ["2026-03-29T01:00", "2026-03-29T03:59"],
            ["2026-03-29T00:59", "2026-03-29T04:00"],
        ),
    ],
)
def test_windows_are_what_clocks_show(windows: tuple[str, ...], zone: str, inside: list[str], outside: list[str]):
    hours = Hours(windows, zone)
    assert [hours.cover(utc(text)) for text in inside] == [True] * len(inside)
    assert [hours.cover(utc(text)) for text in outside] == [False] * len(outside)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "night",
        "8-18",
        "25:00-26:00",
        "08:00-08:00",
        "24:00-06:00",
        "08:60-09:00",
        "fun 08:00-09:00",
        "08:00",
        "mon 08:00-09:00 UTC",
    ],
)
def test_other_texts_are_refused(text: str):
    with pytest.raises(ConfigError, match="window of hours"):
        Hours((text,))


def test_an_unknown_time_zone_is_refused():
    with pytest.raises(ConfigError, match="not a time zone"):
        Hours(("08:00-09:00",), "Europe/Nowhere")


def test_changes_are_where_windows_begin_and_end():
    hours = Hours(("mon-fri 22:00-06:00",), "Asia/Shanghai")
    assert [f"{moment:%a %H:%M}" for moment in hours.changes(MONDAY, MONDAY + timedelta(days=2))] == [
        "Mon 14:00",
        "Mon 22:00",
        "Tue 14:00",
        "Tue 22:00",
    ]
    assert [*Hours(("00:00-24:00",)).changes(MONDAY, MONDAY + timedelta(days=3))] == []
    both = changes_of([hours, Hours(("06:00-07:00",))], MONDAY, MONDAY + timedelta(hours=20))
    assert [f"{moment:%H:%M}" for moment in both] == ["06:00", "07:00", "14:00"]


def test_a_window_that_begins_in_a_skipped_hour_begins_when_clocks_are_set():
    hours = Hours(("02:30-06:00",), "Europe/Madrid")
    found = [*hours.changes(utc("2026-03-28T12:00"), utc("2026-03-29T12:00"))]
    assert found == [utc("2026-03-29T01:00"), utc("2026-03-29T04:00")]


MINUTES = st.integers(0, 1439)
WINDOWS = st.builds(
    lambda days, begin, end: f"{days} {begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}".strip(),
    st.sampled_from(["", "mon-fri", "sat,sun", "sun-tue", "wed"]),
    MINUTES,
    st.integers(0, 1440),
).filter(lambda text: text[-11:-6] != text[-5:])
ZONES = st.sampled_from(["UTC", "Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai"])
SETTING = ["2026-03-08T06:00", "2026-03-29T00:00", "2026-10-25T00:00", "2026-11-01T05:00", "2026-04-04T14:00"]
BEGIN, END = datetime(2025, 1, 1), datetime(2028, 1, 1)  # noqa: DTZ001 - as hypothesis wants them
STARTS = st.sampled_from([utc(text) for text in SETTING]) | st.datetimes(BEGIN, END, timezones=st.just(UTC))


@settings(max_examples=40)
@given(windows=st.lists(WINDOWS, min_size=1, max_size=3), name=ZONES, start=STARTS)
def test_changes_are_all_there_are(windows: list[str], name: str, start: datetime):
    hours, start = Hours(tuple(windows), name), start.replace(second=0, microsecond=0)
    end = start + timedelta(hours=26)
    found = {*hours.changes(start, end)}
    minutes = [start + timedelta(minutes=more) for more in range(1, 26 * 60 + 1)]
    assert {one for one in minutes if hours.cover(one) != hours.cover(one - timedelta(minutes=1))} == found


@given(windows=st.lists(WINDOWS, min_size=1, max_size=3), name=ZONES, moment=STARTS)
def test_a_moment_is_covered_by_what_clocks_show(windows: list[str], name: str, moment: datetime):
    hours = Hours(tuple(windows), name)
    shown = moment.astimezone(ZoneInfo(name)).replace(tzinfo=None)
    assert hours.cover(moment) == Hours(tuple(windows), "UTC").cover(shown.replace(tzinfo=UTC))


OFF_PEAK = Hours(("00:30-08:30",), "Asia/Shanghai")  # 16:30 to 00:30 in UTC
MILLION = Usage(1_000_000, 0)


def own(price: int, hours: Hours | None = None, **more: Any) -> OwnRate:
    return OwnRate("deepseek", "deepseek-chat", Decimal(price), Decimal(price), hours=hours, **more)


def dollars(card: RateCard, at: str, **more: Any) -> float:
    return card.price("deepseek-chat", "deepseek", MILLION, utc(at), **more) / 1e9


def test_a_rate_with_hours_holds_at_the_moment_of_the_request():
    card = RateCard.load([own(4), own(1, OFF_PEAK)])
    for _ in range(2):  # the second time from what is compiled
        assert dollars(card, "2026-11-30T16:29") == 4
        assert dollars(card, "2026-11-30T16:30") == 1
        assert dollars(card, "2026-12-01T00:29") == 1
        assert dollars(card, "2026-12-01T00:30") == 4
    assert card.worst("deepseek-chat", "deepseek", 1_000_000, 0, utc("2026-11-30T17:00")) == 10**9
    assert card.price("deepseek-chat", "deepseek", MILLION, datetime(2026, 11, 30, 17)) == 10**9  # noqa: DTZ001


def test_at_other_times_the_list_is_paid():
    listed = RateCard.load()
    card = RateCard.load(
        [OwnRate("openai", "gpt-4.1-mini", Decimal("0.1"), Decimal("0.4"), hours=Hours(("00:00-06:00",)))]
    )
    night, day = utc("2026-11-30T03:00"), utc("2026-11-30T12:00")
    assert card.price("gpt-4.1-mini", "openai", MILLION, night) == 10**8
    assert card.price("gpt-4.1-mini", "openai", MILLION, day) == listed.price("gpt-4.1-mini", "openai", MILLION, day)
    batch = {"service_tier": "batch"}  # whose price the list still has
    assert card.price("gpt-4.1-mini", "openai", MILLION, night, **batch) == listed.price(
        "gpt-4.1-mini", "openai", MILLION, night, **batch
    )


def test_a_later_rate_takes_over_from_earlier_ones_with_hours():
    card = RateCard.load([own(4), own(1, OFF_PEAK), own(3, valid_from=date(2026, 12, 1))])
    assert (dollars(card, "2026-11-30T17:00"), dollars(card, "2026-12-01T17:00")) == (1, 3)
    again = RateCard.load(
        [own(4), own(2, OFF_PEAK, valid_from=date(2026, 12, 1)), own(3, valid_from=date(2026, 12, 1))]
    )
    assert [dollars(again, f"2026-12-01T{time}") for time in ("12:00", "17:00")] == [3, 2]


def test_hours_of_several_rates_and_of_a_service_tier():
    noon = Hours(("12:00-13:00",))
    card = RateCard.load(
        [own(4), own(1, OFF_PEAK), own(2, noon), own(1, noon, service_tier="flex"), own(3, service_tier="flex")]
    )
    assert [dollars(card, f"2026-11-30T{time}") for time in ("11:00", "12:30", "17:00")] == [4, 2, 1]
    assert [dollars(card, f"2026-11-30T{time}", service_tier="flex") for time in ("11:00", "12:30")] == [3, 1]
    found = card.hour_changes(
        [("deepseek", "deepseek-chat"), ("openai", "gpt-4.1-mini")], MONDAY, MONDAY + timedelta(days=1)
    )
    assert [f"{moment:%H:%M}" for moment in found] == ["00:30", "12:00", "13:00", "16:30"]
    assert card.has_hours("deepseek-chat", "deepseek")
    assert not card.has_hours("gpt-4.1-mini", "openai")


def test_the_version_tells_hours_apart():
    versions = {RateCard.load([own(1, hours)]).version for hours in (None, OFF_PEAK, Hours(("00:30-08:30",), "UTC"))}
    assert len(versions) == 3


def test_hours_in_settings():
    stated = {"provider": "deepseek", "model": "deepseek-chat", "input_per_mtok": "1", "output_per_mtok": "2"}
    rate = RateSettings.model_validate(stated | {"hours": ["mon-fri 22:00-06:00"], "timezone": "Asia/Shanghai"}).rate()
    assert rate.hours == Hours(("mon-fri 22:00-06:00",), "Asia/Shanghai")
    assert RateSettings.model_validate(stated).rate().hours is None
    with pytest.raises(ConfigError, match="window of hours"):
        RateSettings.model_validate(stated | {"hours": ["at night"]}).rate()
