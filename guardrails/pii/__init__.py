"""Personal data: finding it, masking it and restoring it."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from guardrails.pii.guard import find, mask, mask_all
    from guardrails.pii.vault import Vault, neutral_text

__all__ = ["Vault", "find", "mask", "mask_all", "neutral_text"]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "Vault": "guardrails.pii.vault",
            "find": "guardrails.pii.guard",
            "mask": "guardrails.pii.guard",
            "mask_all": "guardrails.pii.guard",
            "neutral_text": "guardrails.pii.vault",
        },
    )
