"""The examples of docs/guardrails.md."""

import re

from tests.support.project import REPOSITORY

PAGE = (REPOSITORY / "docs" / "guardrails.md").read_text("utf-8")


def block(language: str, beginning: str) -> str:
    [found] = re.findall(rf"```{language}\n({re.escape(beginning)}.*?)```", PAGE, re.DOTALL)
    return str(found)
