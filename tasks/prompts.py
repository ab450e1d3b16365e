"""Prompts: Jinja2 templates, sandboxed and strict, each with a version of its own.

What a template puts out in its block ``system`` is the system's text (static instructions, which providers can cache);
everything else is the user's message. ``extends``, ``include``, ``import``, macros and ``super()`` work as in Jinja2;
text that Jinja2 would drop without a word is an error. Values are data: a template syntax inside one is never run.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pricing import (
    DocumentPart,
    ImagePart,
    PromptError,
    TextPart,
    UnreadableValue,
    frozen_record,
    leaves,
    record,
    template_environment,
)
from tasks.personal_values import KnownPairs, personal_values
from tasks.spellings import BrokenMark, Piece, environment_class, media_in, prepare, spelling, text_parts
from tasks.template_structure import Structure, structure

if TYPE_CHECKING:
    from jinja2 import Environment, Template

INLINE: Final = "inline"
"""The name of every prompt that is written where it is used; its version tells them apart."""


@frozen_record(frozen=True, slots=True)
class InlinePrompt:
    """A prompt written where it is used: templates of the user's message and of the system's text."""

    user: str = field(repr=False)
    system: str = field(default="", repr=False)


_TAGS = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


@record(frozen=True, slots=True)
class Prompt:
    """A rendered prompt; ``known`` holds the personal values in it.

    ``version`` changes with the text of its template and of every template that this one extends, includes or imports.
    """

    name: str
    version: str
    system: TextPart = field(repr=False)
    user: tuple[TextPart | ImagePart | DocumentPart, ...] = field(repr=False)
    known: KnownPairs = field(default=(), repr=False)

    @property
    def user_text(self) -> str:
        """The text of the user's message."""
        return "".join(part.text for part in self.user if isinstance(part, TextPart))


@record(frozen=True, slots=True)
class _Loaded:
    """A template with all that it refers to, as they were when its version was taken."""

    main: Template
    templates: Mapping[str, Template | None]
    dynamic: bool
    version: str


class Prompts:
    """The templates in some folders; the first folder that has a name wins.

    Args:
        folders: the project's.
        ours: one that comes with Farebox, searched last; a message about a missing prompt does not name it.
    """

    def __init__(self, folders: Sequence[Path], ours: Path | None = None) -> None:
        self._own = tuple(folders)
        self._folders = self._own if ours is None else (*self._own, ours)
        self._loaded: dict[str, _Loaded] = {}
        self._inline = lru_cache(maxsize=256)(self._compile)

    def render(self, prompt: str | InlinePrompt, values: Mapping[str, object]) -> Prompt:
        """The prompt of a template: of one in the folders by its name, or of one written where it is used.

        Raises:
            PromptError: there is no such template, it does not render with these values, or it has text that would not
                be sent.
        """
        import jinja2

        name = prompt if isinstance(prompt, str) else INLINE
        called = repr(name) if isinstance(prompt, str) else "that is written inline"
        try:
            return self._render(prompt, name, values)
        except jinja2.TemplateNotFound as error:
            raise self._missing(str(error.name or name), name) from None
        except jinja2.TemplateError as error:
            # Jinja2 names variables in its messages, never their values.
            line, elsewhere = getattr(error, "lineno", None), getattr(error, "name", None)
            where = f" line {line}" if line else ""
            where += f" of {elsewhere!r}" if elsewhere and elsewhere != name else ""
            raise PromptError(
                f"The prompt {called}{where} does not render: {(error.message or '').rstrip('.')}.",
                next_step="Give it every value it names, or fix the template.",
            ) from None
        except BrokenMark:
            raise PromptError(
                f"The prompt {called} does not render: it cuts through a value that is written as JSON or the like.",
                next_step="Shorten the value itself before it is given to the template.",
            ) from None
        except UnreadableValue as error:
            raise PromptError(
                f"The prompt {called} cannot be sent: {error}.",
                next_step="Decode the bytes of a text; give others as Image.from_bytes(…) or Document.from_bytes(…).",
            ) from None
        except RecursionError:
            raise PromptError(
                f"The prompt {called} does not render: its templates include each other without end.",
                next_step="Take one of the includes out.",
            ) from None
        except (TypeError, ValueError, AttributeError, ArithmeticError, LookupError) as error:
            raise PromptError(
                f"The prompt {called} does not render: {type(error).__name__} in one of its expressions.",
                next_step="Check what it does with its values.",
            ) from None

    def version(self, name: str) -> str:
        """Of a template as it is now, and of all that it extends, includes or imports.

        Raises:
            PromptError: there is none of that name.
        """
        import jinja2

        try:
            return self._load(name).version
        except jinja2.TemplateError:
            raise PromptError(f"There is no prompt {name!r}.", next_step="Write it, or fix it.") from None

    def fixed_text(self, name: str) -> str:
        """What a template says whatever its values are: its own text and that of templates it includes, without tags.

        Raises:
            PromptError: there is none of that name.
        """
        return "\n".join(_TAGS.sub(" ", self._source(one)) for one in self._with_included(name, {}))

    def _with_included(self, name: str, found: dict[str, None]) -> dict[str, None]:
        from jinja2.meta import find_referenced_templates

        if name not in found:
            found[name] = None
            for inner in find_referenced_templates(self._environment.parse(self._source(name))):
                if inner is not None:
                    self._with_included(inner, found)
        return found

    def _source(self, name: str) -> str:
        import jinja2

        try:
            source, _, _ = self._environment.loader.get_source(self._environment, name)  # type: ignore[union-attr]
        except jinja2.TemplateError:
            raise PromptError(f"There is no prompt {name!r}.", next_step="Write it, or fix its name.") from None
        return source

    def names(self) -> list[str]:
        """Every template's name."""
        return self._environment.list_templates()

    def _render(self, prompt: str | InlinePrompt, name: str, values: Mapping[str, object]) -> Prompt:
        templates: tuple[Template, ...]
        if isinstance(prompt, str):
            loaded = self._load(prompt)
            version, templates = loaded.version, (loaded.main,)
        else:
            templates, references = self._inline(prompt)
            version = _digest([prompt.system, prompt.user, *(self._load(one).version for one in references)])
        with spelling() as marks:
            system, user = marks.parts(_output(templates[0], values))
            if len(templates) > 1:
                stray, own = marks.parts(_output(templates[1], values))
                if stray != [""] or system != [""]:
                    raise PromptError(
                        "An inline prompt was given a system text twice: system=… and a block named system.",
                        next_step="Keep one of them.",
                    )
                system = own
        user += _unplaced(values, (*system, *user))
        return _prompt(name, version, system, user, values)

    def _compile(self, prompt: InlinePrompt) -> tuple[tuple[Template, ...], tuple[str, ...]]:
        """The templates of an inline prompt, and the names that they refer to."""
        sources = [prompt.user, prompt.system] if prompt.system else [prompt.user]
        found = [structure(self._environment.parse(source)) for source in sources]
        for one in found:
            self._check(INLINE, one)
        names = {name for one in found for name in (self.names() if one.dynamic else one.references)}
        known = tuple(name for name in sorted(names) if name in set(self.names()))
        return tuple(self._environment.from_string(source) for source in sources), known

    def _load(self, name: str) -> _Loaded:
        """A template and its version; read again only when Jinja2 has reloaded a part of it because a file changed."""
        known = self._loaded.get(name)
        if known is not None and not known.dynamic and self._current(known.templates):
            return known
        template = self._environment.get_template(name)
        templates: dict[str, Template | None] = {name: template}
        texts: dict[str, str] = {}
        dynamic, waiting = False, [name]
        while waiting:
            one = waiting.pop()
            if one in texts or (one != name and templates.setdefault(one, self._found(one)) is None):
                continue
            texts[one] = self._source(one)
            found = self._structure(one)
            self._check(one, found)
            dynamic |= found.dynamic
            waiting += self.names() if found.dynamic else found.references
        main = texts.pop(name)
        version = _digest([main, *(part for one in sorted(texts) for part in (one, texts[one]))])
        loaded = self._loaded[name] = _Loaded(template, templates, dynamic, version)
        return loaded

    def _current(self, templates: Mapping[str, Template | None]) -> bool:
        """Whether no file of theirs changed; asking Jinja2 for each template takes several times as long."""
        for name, template in templates.items():
            if self._found(name) is not None if template is None else not template.is_up_to_date:
                return False
        return True

    def _found(self, name: str) -> Template | None:
        import jinja2

        try:
            return self._environment.get_template(name)
        except jinja2.TemplateNotFound:
            return None  # one of a list of alternatives, or left out where it is missing

    def _structure(self, name: str) -> Structure:
        return structure(self._environment.parse(self._source(name), name))

    def _check(self, name: str, of: Structure) -> None:
        """See that nothing of a template that extends another is dropped.

        Raises:
            PromptError: text after ``extends`` is outside every block, or a block is in none of the templates above.
        """
        if of.dropped is not None:
            raise PromptError(
                f"Line {of.dropped} of the prompt {name!r} is outside every block of a template that extends another: "
                "it would not be sent.",
                next_step="Put it into a block of the template that it extends.",
            )
        above, placed = of, set[str]()
        seen = {name}
        while above.parent is not None and above.parent not in seen:
            seen.add(above.parent)
            if self._found(above.parent) is None:
                return  # the rendering names it
            above = self._structure(above.parent)
            placed |= above.blocks
        if not of.extends or above.extends:  # the last one above is known by a rendering only
            return
        for block, line in of.outermost:
            if block not in placed:
                raise PromptError(
                    f"The block {block!r} (line {line} of the prompt {name!r}) is in none of the templates above it: "
                    "it would not be sent.",
                    next_step=f"Add {{% block {block} %}}{{% endblock %}} to {of.parent!r}, or move its text.",
                )

    def _missing(self, missing: str, name: str) -> PromptError:
        places = ", ".join(str(folder) for folder in self._own)
        known = ", ".join(template_environment(self._own).list_templates())
        asked = f", which {name!r} refers to" if missing != name else ""
        return PromptError(
            f"There is no prompt {missing!r}{asked} in {places}.",
            next_step=f"Write it, or use one of: {known}." if known else "Create the file.",
        )

    @cached_property
    def _environment(self) -> Environment:
        environment = template_environment(self._folders, kind=environment_class())
        prepare(environment)
        return environment


def _output(template: Template, values: Mapping[str, object]) -> list[str]:
    # Shared, or Jinja2 copies its globals one by one, through a chain of maps.
    context = template.new_context({**template.environment.globals, **values}, shared=True)
    return list(template.root_render_func(context))


def _unplaced(values: Mapping[str, object], placed: Sequence[Piece]) -> list[ImagePart | DocumentPart]:
    """The images and documents of values, of which the template puts out none: they follow its text."""
    there = {id(piece) for piece in placed}
    found: list[ImagePart | DocumentPart] = []
    for value in values.values():
        parts = media_in(value)
        if not any(id(part) in there for part in parts):
            found += parts
            there |= {id(part) for part in parts}
    return found


def _digest(texts: Sequence[str]) -> str:
    """Of one text, as of that alone; of several, so that no two lists of them are alike."""
    whole = texts[0] if len(texts) == 1 else "".join(f"{len(text)}:{text}" for text in texts)
    return hashlib.sha256(whole.encode()).hexdigest()[:12]


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
