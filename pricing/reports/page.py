"""Pages for people: one self-contained HTML file that leads with sentences and figures and shows charts below.

No script, no font and no picture of anybody else's: a page asks the network for nothing, and its Content-Security-
Policy has the browser see to that. Every value is escaped. Light and dark follow the reader's system.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pricing.reports.charts.data import Bars, Chart, ChartTone, Grid, LinkedText
from pricing.reports.format import clean
from pricing.templates import template_environment

if TYPE_CHECKING:  # templates are compiled where a page is made, not where a command line starts
    from jinja2 import Environment
    from markupsafe import Markup

_TEMPLATES = Path(__file__).parent / "templates"
_SEPARATOR = re.compile(r"(?<=[a-z])([-/_@]|[.:](?=[a-z]))(?=\w{2})", re.IGNORECASE)
"""Of ids, whose parts are letters and figures; not that of a date, a number or an escaped character."""

_UNIT = re.compile(r"(?<=\d) (?=[%×]|(?:ms|s|min|h)\b)")


@dataclass(frozen=True, slots=True)
class Figure:
    """A key figure: its name, its text, and a note; ``tone`` judges it."""

    name: str
    value: str
    note: str = ""
    tone: ChartTone | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """One section of a page: sentences, then drawings, then a table."""

    title: str
    sentences: tuple[str, ...] = ()
    drawings: tuple[Chart | Bars, ...] = ()
    grid: Grid | None = None
    folded: bool = False
    """The table is shown on demand."""
    folded_drawings: bool = False
    """So are the drawings."""

    @property
    def hidden(self) -> str:
        """The label of the part that is shown on demand; empty if everything is shown."""
        charts = f"the chart{'s' if len(self.drawings) > 1 else ''}" if self.drawings and self.folded_drawings else ""
        table = f"the table ({len(self.grid.rows):,} rows)" if self.grid and self.folded else ""
        return " and ".join(part for part in (charts, table) if part)

    @property
    def brief(self) -> bool:
        """Whether only sentences are shown at first."""
        return not (self.drawings and not self.folded_drawings) and not (self.grid and not self.folded)


@dataclass(frozen=True, slots=True)
class Page:
    """A page. ``lead`` are the sentences it begins with, ``warning`` what qualifies all of it."""

    title: str
    under: str = ""
    lead: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    sections: tuple[Section, ...] = ()
    warning: str = ""
    foot: str = ""


def render_page(page: Page) -> str:
    """The page as one HTML document."""
    return page_environment().get_template("page.html.j2").render(page=page)


@cache
def page_environment(*folders: Path) -> Environment:
    """The Jinja2 environment of pages: templates of the given folders first, then the shared ones, such as
    ``page.html.j2``.
    """
    from markupsafe import Markup

    environment = template_environment(
        (*folders, _TEMPLATES), "html", escape=lambda value: value if isinstance(value, Markup) else clean(value)
    )
    environment.tests |= {
        "bars": lambda drawing: isinstance(drawing, Bars),
        "linked": lambda cell: isinstance(cell, LinkedText),
    }
    environment.filters |= {"breakable": _breakable, "together": _together}
    return environment


def _together(text: str) -> str:
    """A short text without a line break between a number and its unit."""
    return _UNIT.sub("\u00a0", text)


def _breakable(text: str) -> Markup:
    """A text that may break after the separators of ids, such as a model's."""
    from markupsafe import Markup, escape

    return Markup(_SEPARATOR.sub(r"\1<wbr>", str(escape(clean(text)))))  # noqa: S704 - it was escaped before
