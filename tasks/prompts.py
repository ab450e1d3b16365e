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

from pricing.errors import PromptError
from tasks.known import Known, personal_values

if TYPE_CHECKING:
    from jinja2 import Environment, Template


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt; ``version`` changes with its template's text, ``known`` is what it was told of persons."""

    name: str
    version: str
    system: str = field(repr=False)
    user: str = field(repr=False)
    known: Known = field(default=(), repr=False)


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
            system, user = _parts(template, values)
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
        except (TypeError, ValueError, AttributeError, ArithmeticError, LookupError) as error:
            raise PromptError(
                f"The prompt {name!r} does not render: {type(error).__name__} in one of its expressions.",
                next_step="Check what it does with its values.",
            ) from None
        return Prompt(name, version, system.strip(), user.strip(), personal_values(values))

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
        from jinja2 import FileSystemLoader, StrictUndefined
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        return ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(self._folders),
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )


def _parts(template: Template, values: Mapping[str, object]) -> tuple[str, str]:
    # Shared, or Jinja2 copies its globals one by one, through a chain of maps.
    context = template.new_context({**template.environment.globals, **values}, shared=True)
    parts = {name: "".join(block(context)) for name, block in template.blocks.items() if name in {"system", "user"}}
    if "user" in parts:
        return parts.get("system", ""), parts["user"]
    return "", template.render(values)
