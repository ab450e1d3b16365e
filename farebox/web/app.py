"""The application: routes, the form an answer takes, and what becomes of errors."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from farebox.runtime import Runtime
from farebox.web.background_sync import BackgroundSync
from farebox.web.batch_webhook import BatchWebhook, collector, webhook_secrets
from farebox.web.errors import ErrorPages, json_response, wants_json
from farebox.web.pages import (
    approvals,
    automation,
    automations,
    budgets,
    forecast,
    guards,
    overview,
    quotes,
    run,
    runs,
    targets,
    trace,
)
from farebox.web.replica_state import shown_state
from farebox.web.security import HostCheck, SecurityHeaders, TokenCheck
from farebox.web.site import PERIODS, Site
from farebox.web.view import PageRequest, PageRoute, View
from farebox.web.view_cache import ViewCache
from pricing import FareboxError, LedgerBusy, UsageError
from pricing.reports import moment, page_environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

PAGES: tuple[PageRoute, ...] = (
    overview.PAGE,
    automations.PAGE,
    automation.PAGE,
    runs.PAGE,
    run.PAGE,
    trace.PAGE,
    budgets.PAGE,
    approvals.PAGE,
    quotes.PAGE,
    guards.PAGE,
    targets.PAGE,
    forecast.PAGE,
)
_TEMPLATES = Path(__file__).parent / "templates"
_JSON = ".json"
_logger = logging.getLogger(__name__)


def web_app(runtime: Runtime, *, token: str = "", follow: bool = True) -> ASGIApp:
    """The report server of a project, as an ASGI application.

    Args:
        runtime: the project's.
        token: what requests must carry; nothing is asked for without one.
        follow: keep the replica up to date while it serves.

    Raises:
        ConfigError: the secret of the webhook for batches is missing.
    """
    settings = runtime.settings.web
    site = Site(runtime, settings.path_prefix)
    templates = page_environment(_TEMPLATES)
    views = ViewCache(partial(shown_state, runtime.replica))
    sync = BackgroundSync(runtime, settings.sync_seconds, views.refresh) if follow else None
    errors = ErrorPages(site, templates)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        views.start()
        for page, asked in _usual():
            views.want(_key(page.path, asked), partial(made, site, page, asked))
        if sync is not None:
            sync.start()
        yield
        if sync is not None:
            await run_in_threadpool(sync.stop)
        await run_in_threadpool(views.stop)

    answer = _Answers(site, views, errors)
    app = Starlette(
        routes=[
            Route("/healthz", _healthy),
            *(Route(page.path, answer.endpoint(page), methods=["GET", "HEAD"]) for page in PAGES),
        ],
        lifespan=lifespan,
        exception_handlers={HTTPException: errors_of(errors), Exception: errors_of(errors)},
    )
    app.router.redirect_slashes = False
    guarded: ASGIApp = _Paths(app, site.prefix)
    if token:
        guarded = _Paths(TokenCheck(guarded, token, site.prefix, errors), site.prefix)
    else:
        guarded = HostCheck(guarded, settings.hosts, errors)
    if secrets := webhook_secrets(runtime):
        guarded = BatchWebhook(guarded, secrets, site.prefix, collector(runtime))
    return SecurityHeaders(guarded)


def _usual() -> list[tuple[PageRoute, PageRequest]]:
    """The views that are made in advance: expensive pages, and their links to other periods."""
    read_much = [page for page in PAGES if page.kept == "stale" and "{" not in page.path]
    whole = [(page, PageRequest({}, {})) for page in read_much]
    return [*whole, *(one for page in read_much for one in _of_periods(page, {}))]


def _of_periods(page: PageRoute, path: Mapping[str, str]) -> list[tuple[PageRoute, PageRequest]]:
    """A page and a request for each period that it links to."""
    return [(page, PageRequest(path, {"since": word})) for word, _ in PERIODS] if page.has_periods else []


def made(site: Site, page: PageRoute, asked: PageRequest) -> View:
    """Make a view. The replica is opened once for everything that the view reads."""
    with site.replica.read():
        return page.view(site, asked)


def _key(path: str, asked: PageRequest) -> tuple[str, ...]:
    query = sorted((name, value) for name, value in asked.query.items() if name != "format" and value)
    return path, *(f"{name}={value}" for name, value in [*sorted(asked.path.items()), ("?", ""), *query])


class _Answers:
    """Answers requests for pages. Each runs on a thread of its own, since its queries block."""

    def __init__(self, site: Site, views: ViewCache, errors: ErrorPages) -> None:
        self._site = site
        self._views = views
        self._errors = errors
        self._templates = page_environment(_TEMPLATES)

    def endpoint(self, page: PageRoute) -> Endpoint:
        """The endpoint of a page."""

        async def answer(request: Request) -> Response:
            return await run_in_threadpool(self._answer, page, request)

        return answer

    def _answer(self, page: PageRoute, request: Request) -> Response:
        asked = PageRequest(dict(request.path_params), dict(request.query_params))
        try:
            view = self._view(page, asked)
        except UsageError as error:
            status = 404 if asked.path else 400
            return self._errors.answer(request, status, error.message, error.next_step)
        except LedgerBusy as error:
            return self._errors.answer(request, 503, error.message, error.next_step)
        except FareboxError as error:
            return self._errors.answer(request, 500, error.message, error.next_step)
        if wants_json(request):
            return json_response(view.data)
        return HTMLResponse(self._html(view, request))

    def _view(self, page: PageRoute, asked: PageRequest) -> View:
        if page.kept == "never":
            return page.view(self._site, asked)
        make = partial(made, self._site, page, asked)
        view = self._views.view(_key(page.path, asked), make, stale=page.kept == "stale")
        if page.kept == "stale":
            for near, other in (*_of_periods(page, asked.path), *page.near(view)):
                self._views.expect(_key(near.path, other), partial(made, self._site, near, other))
        return view

    def _html(self, view: View, request: Request) -> str:
        query = {name: value for name, value in request.query_params.items() if name != "format"}
        parts = request.scope["path"].strip("/").split("/") if request.scope["path"] != "/" else []
        address = self._site.link(*parts, **query, format="json")
        if (known := view.rendered.get(address)) is not None:
            return known
        html = view.rendered[address] = self._templates.get_template(view.template).render(
            page=self._site.with_links(view.page),
            view=view,
            navigation=self._site.navigation(request.scope["path"]),
            prefix=self._site.prefix,
            path=request.scope["path"],
            as_json=address,
            made_at=moment(view.made_at),
            **view.extra,
        )
        return html


async def _healthy(_: Request) -> Response:
    return PlainTextResponse("ok")


def errors_of(errors: ErrorPages) -> Callable[[Request, Exception], Response]:
    """The handler of errors: an unknown address, a method that changes something, or an unexpected exception."""

    def answer(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            _logger.error("A page could not be made: %s", type(error).__name__, exc_info=error)
            return errors.answer(request, 500, "This page could not be made.", "The cause is in the server's log.")
        if error.status_code == 405:  # noqa: PLR2004 - HTTP's
            return errors.answer(request, 405, "This server is read only.", "Use the command line to change anything.")
        return errors.answer(request, error.status_code, "There is no such page.", "See the overview.")

    return answer


class _Paths:
    """Removes the prefix of a reverse proxy from the path, if it is there, and a ``.json`` suffix."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its shortened path."""
        if scope["type"] == "http":
            path, state = scope["path"], dict(scope.get("state") or {})
            if self._prefix and (path == self._prefix or path.startswith(f"{self._prefix}/")):
                path = path.removeprefix(self._prefix) or "/"
            if path.endswith(_JSON):
                path, state["json"] = path.removesuffix(_JSON) or "/", True
            scope = {**scope, "path": path, "raw_path": path.encode(), "root_path": "", "state": state}
        await self._app(scope, receive, send)
