"""A provider's signed notices that a batch has ended: the only requests that have this server do something.

A notice names a batch and is believed in nothing else: a batch that the ledger knows is asked for at its provider, as
the flow ``collect_batches`` does on its schedule. The signature stands in for the token and the host name, which a
provider cannot have.
"""

from __future__ import annotations

import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from httpx import HTTPError
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from farebox.prefect import collect_batch
from farebox.runtime import Runtime
from pricing import ConfigError, FareboxError
from tasks.batches import LARGEST_NOTICE, TOLERANCE_SECONDS, WebhookRefused, signed_webhook, verify_webhook

PATH: Final = "/webhooks/batches"
_MOST_SEEN: Final = 10_000
"""Ids of notices that are remembered; a provider sends one for each batch."""
_logger = logging.getLogger(__name__)


class BatchWebhook:
    """Takes notices; passes all other requests on.

    Args:
        app: what answers the others.
        secrets: with which notices are signed; several while one is replaced by another.
        prefix: that a reverse proxy may leave before paths.
        collect: takes the results of a batch by the provider's id, on a thread of its own.
        clock: seconds since 1970; tests pass their own.
    """

    def __init__(
        self,
        app: ASGIApp,
        secrets: Sequence[str],
        prefix: str,
        collect: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._app = app
        self._secrets = tuple(secrets)
        self._paths = frozenset({PATH, f"{prefix}{PATH}"})
        self._collect = collect
        self._clock = clock
        self._seen: OrderedDict[str, float] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a notice, or pass the request on."""
        if scope["type"] != "http" or scope["path"] not in self._paths:
            await self._app(scope, receive, send)
            return
        await (await self._answer(Request(scope, receive)))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method != "POST":
            return PlainTextResponse("Notices are sent with POST.\n", 405, {"Allow": "POST"})
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST_NOTICE:
                    return PlainTextResponse("The notice is too large.\n", 413)
            notice = verify_webhook(request.headers, bytes(body), self._secrets, now=self._clock())
        except ClientDisconnect:
            return Response(status_code=400)
        except WebhookRefused as refused:
            _logger.warning("A webhook request was refused: %s.", refused)
            return PlainTextResponse("The request is not signed as a notice of the provider.\n", 401)
        if notice is None or not self._is_new(notice.notice_id):
            return Response(status_code=204)
        return Response(status_code=202, background=BackgroundTask(self._collect, notice.batch_id))

    def _is_new(self, notice_id: str) -> bool:
        """Whether a notice came for the first time; one that is older than its timestamp may be is refused anyway."""
        now = self._clock()
        while self._seen and (
            len(self._seen) >= _MOST_SEEN or next(iter(self._seen.values())) < now - 2 * TOLERANCE_SECONDS
        ):
            self._seen.popitem(last=False)
        if notice_id in self._seen:
            return False
        self._seen[notice_id] = now
        return True


def webhook_secrets(runtime: Runtime) -> tuple[str, ...]:
    """The secrets in the variable that ``[batches] webhook_secret_env`` names; none where it names none.

    Raises:
        ConfigError: the variable is not set, or its value is not a valid secret.
    """
    name = runtime.settings.batches.webhook_secret_env
    if not name:
        return ()
    secrets = tuple(os.environ.get(name, "").replace(",", " ").split())
    fault = "is not set" if not secrets else ""
    for secret in secrets:
        try:
            signed_webhook("", 0, b"", secret)
        except ValueError:
            fault = "holds no webhook secret"
    if fault:
        raise ConfigError(
            f"batches.webhook_secret_env names {name}, which {fault}.",
            next_step=f"Set {name} to the secret that the provider shows for the webhook; it begins with whsec_.",
        )
    return secrets


def collector(runtime: Runtime) -> Callable[[str], None]:
    """What takes the results of a batch that a notice names; where that fails, the flow ``collect_batches`` does it."""

    def collect(batch_id: str) -> None:
        try:
            done = collect_batch(runtime, batch_id)
        except (FareboxError, HTTPError) as error:
            told = error.message if isinstance(error, FareboxError) else type(error).__name__
            _logger.warning("A batch that a webhook named is not collected now: %s", told)
            return
        if done is None:
            _logger.info("A webhook named a batch that no run of this project waits for.")

    return collect
