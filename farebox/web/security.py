"""What stands before every page: the Host header, the token, and the headers that every answer carries.

Without a token the server listens on loopback only, and answers only under the names of loopback and of ``[web] url``:
a site that a browser has open elsewhere cannot read it by having its own name point here (DNS rebinding).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Collection
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from farebox.web.errors import ErrorPages

COOKIE = "farebox_web"
LOGIN = "/login"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_MOST_BYTES = 4_096
"""Of the form with the token."""
_DAYS = 30


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    >>> is_loopback("127.0.0.1"), is_loopback("[::1]"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class SecurityHeaders:
    """Adds the security headers to every response.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        await self._app(scope, receive, with_headers)


class HostCheck:
    """Refuses requests whose Host header is not a name of this server.

    Args:
        app: what answers the others.
        names: the names it has beside those of loopback, in lower case.
        errors: makes the pages of refusals.
    """

    def __init__(self, app: ASGIApp, names: Collection[str], errors: ErrorPages) -> None:
        self._app = app
        self._names = frozenset(names)
        self._errors = errors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "http" and not self._known(Headers(scope=scope).get("host", "")):
            answer = self._errors.answer(
                Request(scope), 421, "This server does not have that name.", "Set [web] url in farebox.toml to it."
            )
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _known(self, header: str) -> bool:
        try:
            name = (urlsplit(f"//{header}").hostname or "").rstrip(".")
        except ValueError:
            return False
        return name in self._names or is_loopback(name)


class TokenCheck:
    """Admits requests with the token: as ``Authorization: Bearer …``, or by the cookie that the form sets. The cookie
    is derived from the token and does not contain it.

    The cookie is derived from the token and does not contain it.

    Args:
        app: what answers those who have it.
        token: the secret.
        prefix: what paths begin with.
        errors: makes the page with the form.
    """

    def __init__(self, app: ASGIApp, token: str, prefix: str, errors: ErrorPages) -> None:
        self._app = app
        self._token = token.encode()
        self._cookie = hmac.new(self._token, b"farebox web", hashlib.sha256).hexdigest()
        self._prefix = prefix
        self._errors = errors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer with the form that asks for the token."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        if request.method == "POST" and scope["path"] == LOGIN:
            answer = await self._login(request)
        elif self._known(request):
            await self._app(scope, receive, send)
            return
        else:
            answer = self._errors.ask_token(request, "")
        await answer(scope, receive, send)

    def _known(self, request: Request) -> bool:
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token):
            return True
        return hmac.compare_digest(request.cookies.get(COOKIE, "").encode(), self._cookie.encode())

    async def _login(self, request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BYTES:
                return self._errors.answer(request, 413, "The form is too large.", "Send the token alone.")
        form = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
        given = form.get("token", [""])[0].strip()
        if not hmac.compare_digest(given.encode(), self._token):
            return self._errors.ask_token(request, "That is not the token.")
        answer = RedirectResponse(f"{self._prefix}{_place(form.get('next', [''])[0])}", 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(
            COOKIE, self._cookie, max_age=_DAYS * 86_400, path=self._prefix or "/", secure=secure, httponly=True,
            samesite="lax",
        )  # fmt: skip
        return answer


def _place(text: str) -> str:
    """A path of this site; the first page for anything else, so that the form redirects nowhere else."""
    sound = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if sound else "/"
