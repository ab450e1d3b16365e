"""The decision records: numbered without gaps, each in the same form, each in the index with its title and status."""

import re

from tests.support.project import REPOSITORY

FOLDER = REPOSITORY / "docs" / "decisions"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))
INDEX = {
    number: (title, name, status)
    for number, title, name, status in re.findall(
        r"^\| (\d{4}) \| \[(.+?)\]\((.+?)\) \| (.+?) \|$", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE
    )
}


def test_they_are_numbered_without_gaps():
    assert [int(record.name[:4]) for record in RECORDS] == list(range(1, len(RECORDS) + 1))
    assert sorted(INDEX) == [record.name[:4] for record in RECORDS]


def test_each_has_its_parts_in_order_and_its_line_in_the_index():
    for record in RECORDS:
        text, number = record.read_text("utf-8"), record.name[:4]
        [heading] = re.findall(r"^# (\d+)\. (.+)$", text, re.MULTILINE)
        assert (int(heading[0]), heading[1], record.name) == (int(number), *INDEX[number][:2]), record.name
        parts = re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE)
        assert parts in (
            ["Status", "Context", "Decision", "Consequences"],
            ["Status", "Context", "Options", "Decision", "Consequences"],
        ), record.name


def test_a_record_that_is_superseded_names_one_that_says_so_too():
    for record in RECORDS:
        [status] = re.findall(r"^\*\*Status\.\*\* (.+)$", record.read_text("utf-8"), re.MULTILINE)
        superseded = re.search(r"superseded .*\]\((\d{4})-", status)
        assert bool(superseded) is ("superseded" in INDEX[record.name[:4]][2]), record.name
        if superseded:
            [by] = FOLDER.glob(f"{superseded[1]}-*.md")
            assert re.search(rf"supersedes .*\]\({record.name}\)", by.read_text("utf-8")), by.name
