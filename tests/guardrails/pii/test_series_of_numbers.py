"""Numbers in a row that have a check digit by chance, such as years, sizes and limits, do not identify a person."""

import pytest

from guardrails.pii.guard import find


@pytest.mark.parametrize(
    "text",
    [
        "2023-2024-2025",
        "timeouts 1000 2000 3000 5000",
        "1024 2048 4096",
        "1250 1500 1750 2000",
        "sizes 1900 1950 2000",
        "3600 7200 14400",
        "12 300 400 500",
    ],
)
def test_series_are_left(text: str):
    assert find(text) == []


@pytest.mark.parametrize("text", ["Aadhaar 2341 2341 2346", "2341 2341 2346", "SSN 536-90-4399", "NHS 943 476 5919"])
def test_identifiers_are_found(text: str):
    assert len(find(text)) == 1
