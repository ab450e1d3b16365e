"""Batches of requests at half the price: clients of the providers' batch APIs."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from tasks.batches.api import (
        FINAL,
        BatchCallFailed,
        BatchClient,
        BatchCounts,
        BatchFault,
        BatchHandle,
        BatchLine,
        BatchNotEnded,
        BatchState,
        BatchStatus,
        BatchUncertain,
        LineOutcome,
        LineResult,
        LinesRefused,
        ResultTally,
    )
    from tasks.batches.registry import batch_client, batch_refusal
    from tasks.batches.webhooks import (
        LARGEST_NOTICE,
        TOLERANCE_SECONDS,
        BatchNotice,
        WebhookRefused,
        signed_webhook,
        verify_webhook,
    )

__all__ = [
    "FINAL",
    "LARGEST_NOTICE",
    "TOLERANCE_SECONDS",
    "BatchCallFailed",
    "BatchClient",
    "BatchCounts",
    "BatchFault",
    "BatchHandle",
    "BatchLine",
    "BatchNotEnded",
    "BatchNotice",
    "BatchState",
    "BatchStatus",
    "BatchUncertain",
    "LineOutcome",
    "LineResult",
    "LinesRefused",
    "ResultTally",
    "WebhookRefused",
    "batch_client",
    "batch_refusal",
    "signed_webhook",
    "verify_webhook",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "FINAL": "tasks.batches.api",
            "BatchCallFailed": "tasks.batches.api",
            "BatchClient": "tasks.batches.api",
            "BatchCounts": "tasks.batches.api",
            "BatchFault": "tasks.batches.api",
            "BatchHandle": "tasks.batches.api",
            "BatchLine": "tasks.batches.api",
            "BatchNotEnded": "tasks.batches.api",
            "BatchState": "tasks.batches.api",
            "BatchStatus": "tasks.batches.api",
            "BatchUncertain": "tasks.batches.api",
            "LineOutcome": "tasks.batches.api",
            "LineResult": "tasks.batches.api",
            "LinesRefused": "tasks.batches.api",
            "ResultTally": "tasks.batches.api",
            "batch_client": "tasks.batches.registry",
            "batch_refusal": "tasks.batches.registry",
            "BatchNotice": "tasks.batches.webhooks",
            "LARGEST_NOTICE": "tasks.batches.webhooks",
            "TOLERANCE_SECONDS": "tasks.batches.webhooks",
            "WebhookRefused": "tasks.batches.webhooks",
            "signed_webhook": "tasks.batches.webhooks",
            "verify_webhook": "tasks.batches.webhooks",
        },
    )
