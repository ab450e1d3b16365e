"""One table of budget windows; a name that is not in it is an error wherever it is read."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from farebox.config.settings import BudgetSettings
from pricing.db.database import Store
from pricing.errors import UsageError
from pricing.ledger.budgets import BudgetRule, open_windows
from pricing.ledger.limits import Limit, StatedLimits
from pricing.ledger.windows import RUN, WINDOWS, per_window, read_window, window_bounds
from pricing.money import USD
from pricing.reports.overview.report import _burn_downs

MADRID = ZoneInfo("Europe/Madrid")
WRONG = ("year", "hour", "Month", "days", "", " day", "run ", "quarter")


@pytest.mark.parametrize("wrong", WRONG)
def test_an_unknown_window_is_an_error_everywhere(wrong: str, tmp_path: Path):
    moment = datetime(2026, 11, 28, 12, tzinfo=UTC)
    rule = BudgetRule("user", "ada", wrong, USD)
    row = {"scope": "user", "key": "ada", "span": wrong, "begins": "2026-11-28", "ended_at": 0, "spent_nano": 0}
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    limits = StatedLimits(store)
    for read in (
        lambda: read_window(wrong),
        lambda: per_window(wrong),
        lambda: window_bounds(wrong, moment, MADRID),
        lambda: rule.name,
        lambda: Limit("user", "ada", wrong, USD),
        lambda: limits.set(Limit("user", "ada", wrong, USD)),
        lambda: _burn_downs([row | {"limit_nano": USD, "soft_nano": None}]),
    ):
        with pytest.raises(UsageError, match=r"is not a budget period\. Use day, week or month"):
            read()
    with store.write() as connection, pytest.raises(UsageError, match="is not a budget period"):
        open_windows(connection, [rule], moment, MADRID)
    with pytest.raises(ValidationError, match="is not a budget period"):
        BudgetSettings(scope="user", key="ada", window=wrong, limit="1 USD")
    store.close()


def test_the_window_of_a_run_has_no_end_and_no_name():
    moment = datetime(2026, 11, 28, 12, 30, tzinfo=MADRID)
    assert window_bounds(RUN, moment, MADRID) == (moment, None)
    assert (per_window(RUN), per_window("week")) == ("", " per week")
    with pytest.raises(UsageError, match="is not a budget period"):
        read_window(RUN)


@pytest.mark.parametrize(("window", "moment", "first", "after"), [
    ("day", "2026-10-25T23:30", "2026-10-25", "2026-10-26"),  # 25 hours
    ("day", "2026-03-29T00:00", "2026-03-29", "2026-03-30"),  # 23 hours
    ("week", "2026-11-29T23:59", "2026-11-23", "2026-11-30"),
    ("week", "2026-11-30T00:00", "2026-11-30", "2026-12-07"),
    ("month", "2024-02-29T12:00", "2024-02-01", "2024-03-01"),
    ("month", "2026-12-31T23:59", "2026-12-01", "2027-01-01"),
])  # fmt: skip
def test_calendar_windows(window: str, moment: str, first: str, after: str):
    start, end = window_bounds(window, datetime.fromisoformat(moment).replace(tzinfo=MADRID), MADRID)
    assert end is not None
    assert (start.isoformat()[:16], end.isoformat()[:16]) == (f"{first}T00:00", f"{after}T00:00")


@given(
    window=st.sampled_from([*WINDOWS]),
    moment=st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)),  # noqa: DTZ001 - the zone follows
    zone=st.sampled_from(["Europe/Madrid", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "UTC"]),
)
def test_windows_follow_each_other_without_gaps(window: str, moment: datetime, zone: str):
    where = ZoneInfo(zone)
    start, end = window_bounds(window, moment.replace(tzinfo=UTC), where)
    assert end is not None
    assert start.astimezone(UTC) <= moment.replace(tzinfo=UTC) < end.astimezone(UTC)
    assert window_bounds(window, end.astimezone(UTC), where)[0] == end
    assert WINDOWS[window].begins(start.date()) == start.date()
    assert end.date() - start.date() <= timedelta(days=31)
    assert isinstance(start.date(), date)
