"""What a page of the report server is made of, before it becomes HTML or JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from farebox.cli.periods import read_moment
from pricing import UsageError
from pricing.reports import Page

if TYPE_CHECKING:
    from farebox.web.site import Site


class Link(NamedTuple):
    """A link of a page; the ``current`` one leads to the page itself."""

    text: str
    href: str
    current: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a filter form: a text, or one of ``options`` where there are any."""

    name: str
    label: str
    value: str = ""
    options: tuple[tuple[str, str], ...] = ()
    """Value and text of each."""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """One page: as people read it, and as JSON.

    Args:
        page: its title, sentences, figures and sections.
        data: what its JSON has: dicts, lists, texts and numbers; amounts are nano-dollars.
        links: other views of the same subject.
        fields: of its filter form; none without any.
        pager: the links to further pages of its list.
        template: what renders it.
        extra: what else that template takes.
    """

    page: Page
    data: Any
    links: tuple[Link, ...] = ()
    fields: tuple[Field, ...] = ()
    pager: tuple[Link, ...] = ()
    template: str = "site.html.j2"
    extra: Mapping[str, Any] = field(default_factory=dict)
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    rendered: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Its HTML by address, once it was made: a view that is kept is rendered once."""


class PageRequest(NamedTuple):
    """The parameters of a request: the names in its path, and its query."""

    path: Mapping[str, str]
    query: Mapping[str, str]

    def given(self, name: str) -> str | None:
        """A value of the query; ``None`` where it is left out or empty."""
        return self.query.get(name, "").strip() or None

    def moment(self, name: str, site: Site, usual: str | None = None) -> datetime | None:
        """A moment of the query, such as ``2026-11-01`` or ``30d``.

        Raises:
            UsageError: it is not a valid time.
        """
        text = self.given(name) or usual
        return None if text is None else read_moment(text, site.zone)

    def one_of(self, name: str, allowed: tuple[str, ...]) -> str | None:
        """A value of the query that must be one of those allowed; ``None`` where it is left out.

        Raises:
            UsageError: it is not one of those allowed.
        """
        word = self.given(name)
        if word is not None and word not in allowed:
            raise UsageError(f"{word[:40]!r} is not a valid {name}.", next_step=f"Use one of {', '.join(allowed)}.")
        return word


Viewer: TypeAlias = "Callable[[Site, PageRequest], View]"
"""Makes a page.

Raises:
    UsageError: what is asked for does not exist, or the query is wrong.
"""


CachePolicy: TypeAlias = Literal["never", "unchanged", "stale"]
"""Whether a view may be shown again: never, since it reads more than the replica; while the replica is unchanged; or,
because it reads much, while the next one is made (:mod:`farebox.web.view_cache`)."""


def _nothing_near(_: View) -> list[tuple[PageRoute, PageRequest]]:
    return []


@dataclass(frozen=True, slots=True)
class PageRoute:
    """A page: its path, the function that makes it, and whether its views are cached.

    Args:
        path: of its address.
        view: makes it.
        kept: whether its views are shown again.
        has_periods: it links to itself over other periods.
        near: what readers of one of its views are likely to ask for next, made before they do.
    """

    path: str
    view: Viewer
    kept: CachePolicy = "never"
    has_periods: bool = False
    near: Callable[[View], Sequence[tuple[PageRoute, PageRequest]]] = _nothing_near
