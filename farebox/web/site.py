"""The site that pages belong to: the project it reports on, its addresses, and links between pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from farebox.runtime import Runtime
from farebox.web.replica_state import ReplicaState, state_of
from farebox.web.view import Link
from pricing.replica import Replica
from pricing.reports import Page, automations
from pricing.reports.charts import Grid, LinkedText

_NAVIGATION = (
    ("Overview", "/"),
    ("Runs", "/runs"),
    ("Automations", "/automations"),
    ("Budgets", "/budgets"),
    ("Approvals", "/approvals"),
    ("Quotes", "/quotes"),
    ("Guards", "/guards"),
    ("Targets", "/targets"),
    ("Forecast", "/forecast"),
)
_LINKED = {"automation": "/automations/", "run": "/runs/"}
"""Columns of tables whose cells are names of pages."""
PERIODS = (("7d", "7 days"), ("30d", "30 days"), ("90d", "90 days"), ("ever", "all time"))
PERIOD = "30d"


class Site:
    """The site of one project: its addresses and links.

    Args:
        runtime: the project's; its ledger and replica are only read.
        prefix: what its paths begin with behind a reverse proxy: ``/farebox``, or nothing.
    """

    def __init__(self, runtime: Runtime, prefix: str = "") -> None:
        self.runtime = runtime
        self.prefix = prefix
        self._automations: tuple[ReplicaState, list[str]] | None = None

    @property
    def replica(self) -> Replica:
        """The replica that pages read."""
        return self.runtime.replica

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of days."""
        return self.runtime.settings.zone

    def automations(self) -> list[str]:
        """The names of the automations that have run, for forms; read again when the replica has changed."""
        state = state_of(self.replica.path)
        if self._automations is None or self._automations[0] != state:
            self._automations = state, sorted(automations(self.replica))
        return self._automations[1]

    def link(self, *parts: str, **query: str | None) -> str:
        """The address of a page: its path, each part quoted, and what of the query is given.

        Example:
            ``site.link("runs", run_id)`` is ``/farebox/runs/…`` where the prefix is ``/farebox``.
        """
        path = "/".join(("", *(quote(part, safe="") for part in parts)))
        given = {name: value for name, value in query.items() if value}
        return self.prefix + path + (f"?{urlencode(given)}" if given else "")

    def navigation(self, path: str) -> tuple[Link, ...]:
        """The links to all pages; the one that a path belongs to is the current one."""
        first = "/" + path.strip("/").partition("/")[0]
        return tuple(Link(text, f"{self.prefix}{to}", to == first) for text, to in _NAVIGATION)

    def periods(self, since: str, *parts: str) -> tuple[Link, ...]:
        """The links to the usual periods of a page."""
        return tuple(
            Link(text, self.link(*parts, since=None if word == PERIOD else word), word == since)
            for word, text in PERIODS
        )

    def with_links(self, page: Page) -> Page:
        """The page with links in place of the names of its automations and runs."""
        sections = (
            section if section.grid is None else replace(section, grid=self._linked(section.grid))
            for section in page.sections
        )
        return replace(page, sections=tuple(sections))

    def _linked(self, grid: Grid) -> Grid:
        places = {place: _LINKED[head] for place, head in enumerate(grid.heads) if head in _LINKED}
        if not places:
            return grid
        return replace(grid, rows=tuple(self._row(row, places) for row in grid.rows))

    def _row(self, row: Sequence[str], places: Mapping[int, str]) -> tuple[str, ...]:
        return tuple(
            cell
            if place not in places or isinstance(cell, LinkedText) or not cell
            else LinkedText(cell, f"{self.prefix}{places[place]}{quote(cell, safe='')}")
            for place, cell in enumerate(row)
        )
