"""The changelog: versions newest first, each with its day; the newest is that of the program and the package."""

import re
import tomllib
from datetime import date

from farebox.cli.app import VERSION
from tests.support.project import REPOSITORY

TEXT = (REPOSITORY / "CHANGELOG.md").read_text("utf-8")
RELEASES = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$", TEXT, re.MULTILINE)


def test_the_newest_version_is_that_of_the_program_and_the_package():
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        package = tomllib.load(file)["project"]["version"]
    assert RELEASES[0][0] == VERSION == package


def test_versions_are_in_order_down_to_the_first():
    assert re.findall(r"^## (.+)$", TEXT, re.MULTILINE)[0] == "[Unreleased]"
    numbers = [tuple(int(part) for part in version.split(".")) for version, _ in RELEASES]
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) == len(numbers)
    assert numbers[-1] == (0, 1, 0)
    days = [date.fromisoformat(day) for _, day in RELEASES]
    assert days == sorted(days, reverse=True)


def test_each_version_uses_the_kinds_of_keep_a_changelog_once():
    kinds = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
    for section in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]:
        found = re.findall(r"^### (.+)$", section, re.MULTILINE)
        assert found == [kind for kind in kinds if kind in found], section.splitlines()[0]
