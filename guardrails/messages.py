"""What a user reads when a guard or a limit stops a request: what happened, and what to do next.

One template per reason, ``templates/<reason>.j2``, with two blocks: ``message`` and ``next_step``. They see the facts
of the verdict and the names of the operation and the automation, never content. A team rewords or translates them by a
folder of its own with files of the same names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from guardrails.base import Fact, Reason
from pricing import ConfigError, OverBudget, template_environment

if TYPE_CHECKING:
    from jinja2 import Template

_BUILT_IN = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Two plain sentences or so, each on one line: what happened, and what can be done about it."""

    message: str
    next_step: str


def explain(reason: Reason, facts: Mapping[str, Fact], overrides: Path | None = None) -> Explanation:
    """The explanation for ``reason``, from the team's folder where that has a template for it, else our own.

    Raises:
        ConfigError: a template of the team does not parse, lacks a block, asks for a fact that is not there, or tries
            something the sandbox forbids.
    """
    environment = template_environment([folder for folder in (overrides, _BUILT_IN) if folder], exact=True)
    name = f"{reason}.j2"
    try:
        template = environment.get_template(name)
        return Explanation(_block(template, "message", facts), _block(template, "next_step", facts))
    except Exception as fault:  # a template can fail in any way an expression can
        raise ConfigError(
            f"The message template {name} of {overrides or _BUILT_IN} cannot be used: {fault}.",
            next_step="It needs the blocks message and next_step, which may use the facts of the verdict.",
            template=name,
        ) from fault


def in_words_of_the_team(error: OverBudget, facts: Mapping[str, Fact], overrides: Path | None) -> OverBudget:
    """A refusal of a budget in the team's words: their template sees the facts, and ours as ``told`` and ``do``."""
    facts = {**facts, "message": error.message, "next_step": error.next_step}
    try:
        explanation = explain(Reason.BUDGET, facts, overrides)
    except ConfigError as broken:  # it must not hide why the run was refused
        return error.rebuild(error.message, error.next_step, {**error.fields, "template_error": broken.message})
    return error.rebuild(explanation.message, explanation.next_step, error.fields)


def _block(template: Template, name: str, facts: Mapping[str, Fact]) -> str:
    if name not in template.blocks:
        raise KeyError(f"no block {name}")
    text = "".join(template.blocks[name](template.new_context(dict(facts))))
    return " ".join(text.split())
