"""Answers for programs."""

from __future__ import annotations

import json
from typing import Any


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=2, default=str))  # noqa: T201 - the command's answer
