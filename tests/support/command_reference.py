"""The reference of commands, ``docs/commands.md``: generated from what each command says of itself.

``python -m tests.support.command_reference`` writes it.
"""

import re
from pathlib import Path

from tests.support.project import REPOSITORY

PAGE = REPOSITORY / "docs" / "commands.md"
_INTRODUCTION = """# Commands

Every command of `farebox`, generated from the program itself (`python -m tests.support.command_reference` writes this
page again). `farebox COMMAND --help` prints the same; `farebox run NAME --help` lists the parameters of an automation.
Amounts are written like `"0.50 USD"`, days like `2026-11-30`, and `--json` prints exact figures for programs.

Exit codes of `run`: 0 completed, 3 over budget, 4 blocked by a guard, 5 no target available, 2 usage, 1 anything else.

"""
_STARTED_AS = re.compile(r"^(farebox .*?) -m [\w.]+", re.MULTILINE)
"""A usage line that names the module which the interpreter was started with."""


def command_reference() -> str:
    """The page, in Markdown."""
    from farebox.cli.app import COMMANDS, load_all

    told = _STARTED_AS.sub(r"\1", load_all().generate_docs(max_heading_level=3))
    sections = re.split(r"^(?=## farebox )", told, flags=re.MULTILINE)[1:]
    by_name = {name: section for section in sections if (name := section.split()[2]) in COMMANDS}
    contents = "".join(f"- [`{name}`](#farebox-{name}): {command.help}\n" for name, command in COMMANDS.items())
    body = "".join(by_name[name].rstrip() + "\n\n" for name in COMMANDS)
    return _INTRODUCTION + contents + "\n" + body.rstrip() + "\n"


if __name__ == "__main__":
    Path(PAGE).write_text(command_reference(), encoding="utf-8")
