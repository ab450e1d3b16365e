"""The pages of what went wrong: one line and a next step, as HTML or as JSON."""

from __future__ import annotations

import orjson
from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from farebox.web.site import Site
from pricing.reports import Page

_TITLES = {400: "Not a valid request", 401: "Token required", 404: "Not found", 405: "Read only", 503: "Busy"}


class ErrorPages:
    """Renders error responses.

    Args:
        site: whose.
        templates: what renders pages.
    """

    def __init__(self, site: Site, templates: Environment) -> None:
        self._site = site
        self._templates = templates

    def answer(self, request: Request, status: int, message: str, next_step: str = "") -> Response:
        """A response with one line and a next step."""
        if wants_json(request):
            return json_response({"error": message, "next": next_step}, status)
        page = Page(_TITLES.get(status, "Error"), lead=tuple(line for line in (message, next_step) if line))
        navigation = self._site.navigation(request.scope["path"]) if status != 401 else ()  # noqa: PLR2004 - HTTP's
        html = self._templates.get_template("site.html.j2").render(
            page=page, navigation=navigation, prefix=self._site.prefix, view=None
        )
        return HTMLResponse(html, status)

    def ask_token(self, request: Request, fault: str) -> Response:
        """The page with the form that asks for the token."""
        message = fault or "This server asks for a token."
        if wants_json(request):
            next_step = "Send it as `Authorization: Bearer TOKEN`."
            answer = json_response({"error": message, "next": next_step}, 401)
        else:
            place = request.scope["path"] + (f"?{request.url.query}" if request.url.query else "")
            html = self._templates.get_template("login.html.j2").render(
                page=Page("Token required", lead=(message,)),
                navigation=(),
                prefix=self._site.prefix,
                view=None,
                place=place if request.method == "GET" else "/",
            )
            answer = HTMLResponse(html, 401)
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer


def wants_json(request: Request) -> bool:
    """Whether a request asks for JSON: by ``.json``, ``format=json`` or its ``Accept`` header."""
    if request.query_params.get("format") == "json" or request.scope.get("state", {}).get("json"):
        return True
    accepted = request.headers.get("accept", "")
    return "application/json" in accepted and "text/html" not in accepted


def json_response(value: object, status: int = 200) -> Response:
    """A JSON response: dates in ISO 8601, amounts as integers of nano-dollars."""
    return Response(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS), status, media_type="application/json")
