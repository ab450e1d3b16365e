"""What a user reads when a guard or a limit stops a request: what happened, and what to do next.

One template per reason, ``templates/<reason>.j2``, with two blocks: ``message`` and ``next_step``. They see the facts
of the verdict and the names of the operation and the automation, never content. A team rewords or translates them by a
folder of its own with files of the same names.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from guardrails.base import Fact, Reason
from pricing import ConfigError, OverBudget, record, template_environment

if TYPE_CHECKING:
    from jinja2 import Template

_log = logging.getLogger(__name__)
_BUILT_IN = Path(__file__).parent / "templates"


@record(frozen=True, slots=True)
class BlockExplanation:
    """Two plain sentences or so, each on one line: what happened, and what can be done about it."""

    message: str
    next_step: str


_ALWAYS = ("automation", "operation")
_TEXT_FACTS: Mapping[Reason, tuple[str, ...]] = {
    Reason.PII: ("kinds",),
    Reason.SCOPE: ("topics",),
    Reason.SAFETY: ("kinds", "rule"),
    Reason.POLICY: ("rule", "kinds"),
    Reason.LEAK: ("kinds", "rule"),
    Reason.RATE: ("window", "subject"),
    Reason.BUDGET: ("message", "next_step", "budget", "limit", "short", "resets", "wallet"),
    Reason.UNREADABLE: ("kinds",),
    Reason.GUARD_ERROR: ("error",),
}
_NUMBER_FACTS: Mapping[Reason, tuple[str, ...]] = {
    Reason.PII: ("documents",),
    Reason.BRAND: ("count",),
    Reason.LEAK: ("count", "streamed", "documents"),
    Reason.RATE: ("limit", "retry_after"),
    Reason.BUDGET: ("asked_credits", "available_credits"),
    Reason.CONTEXT_LIMIT: ("tokens", "reserved", "window", "characters", "max_characters"),
}
"""What a template may ask for, by reason."""


def check_templates(overrides: Path, *, guards_of_their_own: bool = False) -> None:
    """Render a team's templates with every available fact, so that errors show before a request needs one.

    Args:
        overrides: the team's folder.
        guards_of_their_own: guards that are not ours may provide other facts, so that an unknown name is allowed.

    Raises:
        ConfigError: there is no such folder; a file in it is named after no reason; or a template cannot be used.
    """
    if not overrides.is_dir():
        raise ConfigError(
            f"The folder of message templates {overrides} is not there.",
            next_step="Make it, or fix messages in [guards] of farebox.toml.",
        )
    for path in sorted(overrides.glob("*.j2")):
        if path.stem not in list(Reason):
            from difflib import get_close_matches

            near = get_close_matches(path.stem, list(Reason), 1)
            meant = (
                f"did you mean {near[0]}.j2?"
                if near
                else f"there are {', '.join(f'{reason}.j2' for reason in Reason)}."
            )
            raise ConfigError(f"The message template {path} is of no reason.", next_step=f"Rename it: {meant}")
        reason = Reason(path.stem)
        facts: dict[str, Fact] = dict.fromkeys((*_ALWAYS, *_TEXT_FACTS.get(reason, ())), "…")
        facts |= dict.fromkeys(_NUMBER_FACTS.get(reason, ()), 1)
        if guards_of_their_own:
            facts = {**dict.fromkeys(_asked_for(path), "…"), **facts}
        explain(reason, facts, overrides)


def _asked_for(path: Path) -> set[str]:
    """The names that a template uses; none of one that does not parse."""
    import jinja2
    from jinja2 import meta

    try:
        return meta.find_undeclared_variables(template_environment(path.parent).parse(path.read_text("utf-8")))
    except (jinja2.TemplateSyntaxError, ValueError):
        return set()


def explain(reason: Reason, facts: Mapping[str, Fact], overrides: Path | None = None) -> BlockExplanation:
    """The explanation for ``reason``, from the team's folder where that has a template for it, else our own.

    Raises:
        ConfigError: a template of the team does not parse, lacks a block, asks for a fact that is not there, or tries
            something the sandbox forbids.
    """
    environment = template_environment([folder for folder in (overrides, _BUILT_IN) if folder], exact=True)
    name = f"{reason}.j2"
    try:
        template = environment.get_template(name)
        return BlockExplanation(_block(template, "message", facts), _block(template, "next_step", facts))
    except Exception as fault:  # a template can fail in any way an expression can
        raise ConfigError(
            f"The message template {name} of {overrides or _BUILT_IN} cannot be used: {fault}.",
            next_step="It needs the blocks message and next_step, which may use the facts of the verdict.",
            template=name,
        ) from fault


def in_words_of_the_team(error: OverBudget, facts: Mapping[str, Fact], overrides: Path | None) -> OverBudget:
    """A refusal of a budget in the team's words; it sees the facts and ours (``message``, ``next_step``)."""
    facts = {**facts, "message": error.message, "next_step": error.next_step}
    try:
        explanation = explain(Reason.BUDGET, facts, overrides)
    except ConfigError as broken:  # it must not hide why the run was refused
        warn_of(broken)
        return error.rebuild(error.message, error.next_step, {**error.fields, "template_error": broken.message})
    return error.rebuild(explanation.message, explanation.next_step, error.fields)


def warn_of(broken: ConfigError) -> None:
    """Say that a template could not be used, and ours stands in for it."""
    _log.warning("%s Farebox's own message is used in its place.", broken.message)


def _block(template: Template, name: str, facts: Mapping[str, Fact]) -> str:
    if name not in template.blocks:
        raise KeyError(f"no block {name}")
    text = "".join(template.blocks[name](template.new_context(dict(facts))))
    return " ".join(text.split())
