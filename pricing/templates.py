"""Templates: the one place that makes Jinja2 environments, all of them sandboxed and strict about what is undefined."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

Output: TypeAlias = Literal["text", "html"]
"""What templates make: text, such as a prompt, Markdown or code; or HTML, in which every value is escaped."""


def template_environment(
    folders: Path | Sequence[Path],
    output: Output = "text",
    *,
    exact: bool = False,
    escape: Callable[[Any], Any] | None = None,
    filters: Mapping[str, Callable[..., Any]] | None = None,
    kind: type[ImmutableSandboxedEnvironment] | None = None,
) -> ImmutableSandboxedEnvironment:
    """An environment for the templates of some folders.

    Args:
        folders: where templates are; the first that has a name wins.
        output: what they make.
        exact: keep line breaks and blanks around statements as they are written.
        escape: what is done to every value that a template puts out.
        filters: more filters, by their names.
        kind: a class of environment instead of Jinja2's sandbox, derived from it.

    Example:
        >>> template_environment(Path("templates")).from_string("{{ 1 + 1 }}").render()
        '2'
    """
    from jinja2 import FileSystemLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = (kind or ImmutableSandboxedEnvironment)(
        loader=FileSystemLoader(folders),
        undefined=StrictUndefined,
        autoescape=output == "html",
        finalize=escape,
        trim_blocks=not exact,
        lstrip_blocks=not exact,
        keep_trailing_newline=output == "text",
    )
    environment.filters |= dict(filters or {})
    return environment
