"""A provider's signed notices that a batch has ended: the only requests that have this server do something.

A notice names a batch and is believed in nothing else: a batch that the ledger knows is asked for at its provider, as
the flow ``collect_batches`` does on its schedule. The signature stands in for the token and the host name, which a
provider cannot have.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from httpx import HTTPError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from farebox.prefect import collect_batch
from farebox.runtime import Runtime
from pricing import ConfigError, FareboxError
from tasks.batches import (
    LARGEST_NOTICE,
    TOLERANCE_SECONDS,
    BatchNotice,
    WebhookRefused,
    signed_webhook,
    verify_webhook,
)

PATH: Final = "/webhooks/batches"
PATIENCE_SECONDS: Final = 3.0
"""How long a notice waits for its collection; providers give up requests that last longer than some seconds."""
RETRY_SECONDS: Final = 60
_MOST_SEEN: Final = 10_000
"""Ids of notices that are remembered; a provider sends one for each batch."""
_logger = logging.getLogger(__name__)


class BatchWebhook:
    """Takes notices; passes all other requests on.

    Args:
        app: what answers the others.
        secrets: with which notices are signed; several while one is replaced by another.
        prefix: that a reverse proxy may leave before paths.
        collect: takes the results of a batch by the provider's id, on a thread of its own; false where that is to be
            done again.
        clock: seconds since 1970; tests pass their own.
        patience: seconds that a notice waits for its collection. One whose collection failed in that time is answered
            with 503, so that its provider sends it again; one that takes longer with 202.
    """

    def __init__(
        self,
        app: ASGIApp,
        secrets: Sequence[str],
        prefix: str,
        collect: Callable[[str], bool],
        *,
        clock: Callable[[], float] = time.time,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._app = app
        self._secrets = tuple(secrets)
        self._paths = frozenset({PATH, f"{prefix}{PATH}"})
        self._collect = collect
        self._clock = clock
        self._patience = patience
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._collections: dict[str, asyncio.Task[bool]] = {}

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
        return Response(status_code=204) if notice is None else await self._taken(notice)

    async def _taken(self, notice: BatchNotice) -> Response:
        """Have the batch of a notice collected, and answer whether that is done, goes on, or is to be tried again."""
        if self._was_collected(notice.notice_id):
            return Response(status_code=204)
        collection = self._collections.get(notice.notice_id)
        if collection is None:
            collection = asyncio.get_running_loop().create_task(self._collected(notice))
            self._collections[notice.notice_id] = collection
        await asyncio.wait([collection], timeout=self._patience)
        if not collection.done() or collection.result():
            return Response(status_code=202)
        return PlainTextResponse(
            "The batch is not collected yet. Send the notice again.\n", 503, {"Retry-After": f"{RETRY_SECONDS}"}
        )

    async def _collected(self, notice: BatchNotice) -> bool:
        """Whether the batch of a notice was collected; only then is the notice remembered."""
        try:
            done = await run_in_threadpool(self._collect, notice.batch_id)
        except Exception as error:  # noqa: BLE001 - its provider has to send the notice again
            _logger.error("A batch that a webhook named cannot be collected: %s", type(error).__name__)  # noqa: TRY400
            done = False
        finally:
            del self._collections[notice.notice_id]
        if done:
            self._seen[notice.notice_id] = self._clock()
        return done

    def _was_collected(self, notice_id: str) -> bool:
        """Whether a notice came before; one that is older than its timestamp may be is refused anyway."""
        now = self._clock()
        while self._seen and (
            len(self._seen) >= _MOST_SEEN or next(iter(self._seen.values())) < now - 2 * TOLERANCE_SECONDS
        ):
            self._seen.popitem(last=False)
        return notice_id in self._seen


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


def collector(runtime: Runtime) -> Callable[[str], bool]:
    """What takes the results of a batch that a notice names; false where its provider is to send the notice again.

    The flow ``collect_batches`` collects it too, on its schedule.
    """

    def collect(batch_id: str) -> bool:
        try:
            done = collect_batch(runtime, batch_id)
        except (FareboxError, HTTPError) as error:
            message = error.message if isinstance(error, FareboxError) else type(error).__name__
            _logger.warning("A batch that a webhook named is not collected now: %s", message)
            return False
        if done is None:
            _logger.info("A webhook named a batch that no run of this project waits for.")
            return all(batch.batch_id is not None for batch in runtime.batches.open())  # else it may be one of these
        return len(done.collected) == len(done.visited)

    return collect
