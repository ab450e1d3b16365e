"""Prompts: Jinja2 templates, sandboxed and strict, each with a version of its own.

A template may have a block ``system`` (static instructions, which providers can cache) and a block ``user`` (what
changes from call to call); a template without blocks is all user. Values are data: a template syntax inside one is
never run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pricing import DocumentPart, ImagePart, PromptError, TextPart, UnreadableValue, leaves, template_environment
from tasks.personal_values import Known, personal_values
from tasks.spellings import BrokenMark, Piece, environment_class, prepare, spelling, text_parts

if TYPE_CHECKING:
    from jinja2 import Environment, Template


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt; ``version`` changes with its template's text, ``known`` is what it was told of persons."""

    name: str
    version: str
    system: TextPart = field(repr=False)
    user: tuple[TextPart | ImagePart | DocumentPart, ...] = field(repr=False)
    known: Known = field(default=(), repr=False)

    @property
    def user_text(self) -> str:
        """The text of the user's message."""
        return "".join(part.text for part in self.user if isinstance(part, TextPart))


class Prompts:
    """The templates in some folders; the first folder that has a name wins."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._versions: dict[str, tuple[Template, str]] = {}

    def render(self, name: str, values: Mapping[str, object]) -> Prompt:
        """The prompt of a template.

        Raises:
            PromptError: there is no such template, or it does not render with these values.
        """
        import jinja2

        try:
            template = self._environment.get_template(name)
            version = self._version(name, template)
            with spelling() as marks:
                system, user = (marks.pieces(text.strip()) for text in _parts(template, values))
            prompt = _prompt(name, version, system, user, values)
        except jinja2.TemplateNotFound:
            places = ", ".join(str(folder) for folder in self._folders)
            raise PromptError(
                f"There is no prompt {name!r} in {places}.",
                next_step=f"Write it, or use one of: {', '.join(self.names())}.",
            ) from None
        except jinja2.TemplateError as error:
            # Jinja2 names variables in its messages, never their values.
            line = getattr(error, "lineno", None)
            where = f" line {line}" if line else ""
            raise PromptError(
                f"The prompt {name!r}{where} does not render: {error.message}.",
                next_step="Give it every value it names, or mend the template.",
            ) from None
        except BrokenMark:
            raise PromptError(
                f"The prompt {name!r} does not render: it cuts through a value that is written as JSON or the like.",
                next_step="Shorten the value itself before it is given to the template.",
            ) from None
        except UnreadableValue as error:
            raise PromptError(
                f"The prompt {name!r} cannot be sent: {error}.",
                next_step="Give the template text: decode bytes, or take out what is not to be sent.",
            ) from None
        except (TypeError, ValueError, AttributeError, ArithmeticError, LookupError) as error:
            raise PromptError(
                f"The prompt {name!r} does not render: {type(error).__name__} in one of its expressions.",
                next_step="Check what it does with its values.",
            ) from None
        return prompt

    def version(self, name: str) -> str:
        """Of a template as it is now.

        Raises:
            PromptError: there is none of that name.
        """
        import jinja2

        try:
            return self._version(name, self._environment.get_template(name))
        except jinja2.TemplateError:
            raise PromptError(f"There is no prompt {name!r}.", next_step="Write it, or mend it.") from None

    def _version(self, name: str, template: Template) -> str:
        """Of the template's text; read again only when Jinja2 has loaded it anew because its file changed."""
        known = self._versions.get(name)
        if known is None or known[0] is not template:
            source, _, _ = self._environment.loader.get_source(self._environment, name)  # type: ignore[union-attr]
            known = self._versions[name] = (template, hashlib.sha256(source.encode()).hexdigest()[:12])
        return known[1]

    def names(self) -> list[str]:
        """Every template's name."""
        return self._environment.list_templates()

    @cached_property
    def _environment(self) -> Environment:
        environment = template_environment(self._folders, kind=environment_class())
        prepare(environment)
        return environment


def _parts(template: Template, values: Mapping[str, object]) -> tuple[str, str]:
    # Shared, or Jinja2 copies its globals one by one, through a chain of maps.
    context = template.new_context({**template.environment.globals, **values}, shared=True)
    parts = {name: "".join(block(context)) for name, block in template.blocks.items() if name in {"system", "user"}}
    if "user" in parts:
        return parts.get("system", ""), parts["user"]
    return "", template.render(values)


def _prompt(name: str, version: str, system: list[Piece], user: list[Piece], values: Mapping[str, object]) -> Prompt:
    """The prompt that pieces make.

    Raises:
        PromptError: a system text holds an image or a document.
        UnreadableValue: a value holds something that no guard can read.
    """
    first = text_parts(system)
    if not isinstance(first[0], TextPart) or len(first) > 1:
        raise PromptError(
            f"The prompt {name!r} has an image or a document in its system block.",
            next_step="Put it into the user block.",
        )
    parts = text_parts(user)
    for part in (*first, *parts):
        if isinstance(part, TextPart) and part.pieces:
            leaves(part)
    return Prompt(name, version, first[0], parts, personal_values(values))
