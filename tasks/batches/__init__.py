"""Batches of requests at half the price: clients of the providers' batch APIs."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from tasks.batches.api import (
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
    from tasks.batches.registry import batch_client, can_batch

__all__ = [
    "BatchCallFailed",
    "BatchClient",
    "BatchCounts",
    "BatchFault",
    "BatchHandle",
    "BatchLine",
    "BatchNotEnded",
    "BatchState",
    "BatchStatus",
    "BatchUncertain",
    "LineOutcome",
    "LineResult",
    "LinesRefused",
    "ResultTally",
    "batch_client",
    "can_batch",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            **dict.fromkeys(
                (
                    "BatchCallFailed",
                    "BatchClient",
                    "BatchCounts",
                    "BatchFault",
                    "BatchHandle",
                    "BatchLine",
                    "BatchNotEnded",
                    "BatchState",
                    "BatchStatus",
                    "BatchUncertain",
                    "LineOutcome",
                    "LineResult",
                    "LinesRefused",
                    "ResultTally",
                ),
                "tasks.batches.api",
            ),
            "batch_client": "tasks.batches.registry",
            "can_batch": "tasks.batches.registry",
        },
    )
