"""Own rates that are written wrongly: each is one line that says what is wrong, before anything is priced."""

from pathlib import Path

import pytest

from farebox.config.settings import load_settings
from pricing.errors import ConfigError
from pricing.rates import RateCard

RATE = """
[[rates]]
provider = "openai"
model = "gpt-5"
input_per_mtok = "1"
output_per_mtok = "4"
"""


def card(folder: Path, *rates: str) -> RateCard:
    """The rate card of a project with these own rates, each given by what is added to a plain one."""
    (folder / "farebox.toml").write_text("".join(f"{RATE}{more}\n" for more in rates))
    return RateCard.load([rate.rate() for rate in load_settings(folder).rates])


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('service_tier = "flexx"', "write 'flex'"),
        ('service_tier = "batches"', "write 'batch'"),
        ('service_tier = "standart"', "write 'standard'"),
        ('service_tier = "on_demand"', "write 'standard'"),
        ('service_tier = "fast"', "write 'priority'"),
        ('service_tier = "auto"', "leaves the service tier to the provider"),
        ('service_tier = "Flex"', "small letters"),
        ('service_tier = ""', "small letters"),
        ("multiple = 0.5", "multiple: unknown setting"),
        ("multiple = -1", "multiple: unknown setting"),
        ('source = "a contract"', "source: unknown setting"),
        ("cache_read_per_mtok = -1", "cache_read_per_mtok"),
        ("cache_write_per_mtok = inf", "cache_write_per_mtok"),
        ('above = [{input_per_mtok = "2", output_per_mtok = "8"}]', "above.0.tokens"),
        ('above = [{tokens = 0, input_per_mtok = "2", output_per_mtok = "8"}]', "above.0.tokens"),
        ("above = [{tokens = 200000}]", "above.0.input_per_mtok"),
        ('timezone = "Asia/Shanghai"', "timezone is that of hours"),
        ('hours = ["22:00-06:00"]\ntimezone = "Asia/Pekin"', "not a time zone"),
        ('hours = ["22:00"]', "not a window of hours"),
    ],
)
def test_a_wrong_rate_is_refused(tmp_path: Path, more: str, says: str):
    with pytest.raises(ConfigError) as refused:
        card(tmp_path, more)
    assert says in refused.value.message
    assert "\n" not in refused.value.message


@pytest.mark.parametrize(
    "rates",
    [
        ("", ""),
        ('service_tier = "flex"', 'service_tier = "flex"'),
        ("valid_from = 2026-01-01", "valid_from = 2026-01-01"),
        ('hours = ["22:00-06:00"]', 'hours = ["05:00-07:00"]'),
        ('hours = ["mon-fri 18:00-24:00"]', 'hours = ["thu 23:00-01:00"]'),
        # Nine in Shanghai is two in Berlin in winter, and three in summer.
        (
            'hours = ["09:00-10:00"]\ntimezone = "Asia/Shanghai"',
            'hours = ["03:00-04:00"]\ntimezone = "Europe/Berlin"',
        ),
    ],
)
def test_two_rates_that_hold_at_once_are_refused(tmp_path: Path, rates: tuple[str, str]):
    with pytest.raises(ConfigError, match="Two own rates hold for 'gpt-5' on openai"):
        card(tmp_path, *rates)


@pytest.mark.parametrize(
    "rates",
    [
        ("", 'service_tier = "flex"', 'service_tier = "scale"', 'service_tier = "ultrafast"'),
        ("", "valid_from = 2026-01-01"),
        ("", 'hours = ["22:00-06:00"]', 'hours = ["06:00-07:00"]'),
        ('hours = ["mon-fri 18:00-24:00"]', 'hours = ["sat,sun 18:00-24:00"]'),
        ('hours = ["22:00-06:00"]', 'hours = ["22:00-06:00"]\nvalid_from = 2027-01-01'),
    ],
)
def test_rates_of_different_tiers_dates_and_hours_stand_beside_each_other(tmp_path: Path, rates: tuple[str, ...]):
    assert card(tmp_path, *rates).service_tiers("gpt-5", "openai")
