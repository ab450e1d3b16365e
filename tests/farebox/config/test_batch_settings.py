"""Where Bedrock's batches keep their files, and as whom: the forms that farebox.toml takes."""

from pathlib import Path

import pytest

from farebox.config.keys import Missing
from farebox.config.settings import load_settings
from farebox.config.targets import build_target
from pricing.errors import ConfigError
from pricing.rates import RateCard

TARGET = '[[targets]]\nname = "haiku"\nprovider = "bedrock"\nmodel = "m"\ntier = "light"\nregion = "us-east-1"\n'
CARD = RateCard.load()
ROLE = "arn:aws:iam::123456789012:role/team/farebox"


@pytest.mark.parametrize("place", ["s3://bucket", "s3://my.bucket-1/a/b_c", "s3://bucket/a/", ""])
@pytest.mark.parametrize("role", [ROLE, "arn:aws-us-gov:iam::123456789012:role/x", ""])
def test_both_reach_the_target(tmp_path: Path, place: str, role: str):
    (tmp_path / "farebox.toml").write_text(f'{TARGET}batch_s3 = "{place}"\nbatch_role = "{role}"\n')
    [settings] = load_settings(tmp_path).targets
    target = build_target(settings, CARD, Missing(()))
    assert (target.batch_s3, target.batch_role) == (place, role)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("batch_s3", "bucket"),
        ("batch_s3", "s3://"),
        ("batch_s3", "s3://Bucket"),
        ("batch_s3", "https://bucket.s3.amazonaws.com"),
        ("batch_s3", "s3://bucket/a?b=c"),
        ("batch_s3", "s3://bucket//a"),
        ("batch_role", "farebox"),
        ("batch_role", "arn:aws:iam::1:role/x"),
        ("batch_role", "arn:aws:iam::123456789012:user/x"),
    ],
)
def test_another_form_is_refused_with_its_name(tmp_path: Path, field: str, wrong: str):
    (tmp_path / "farebox.toml").write_text(f'{TARGET}{field} = "{wrong}"\n')
    with pytest.raises(ConfigError, match=field):
        load_settings(tmp_path)
