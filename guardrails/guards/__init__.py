"""One module per guard."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from guardrails.guards.judge import JudgeGuard

__all__ = ["JudgeGuard"]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, {"JudgeGuard": "guardrails.guards.judge"})
