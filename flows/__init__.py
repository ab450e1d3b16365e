"""Automations: one file each."""

__all__ = [
    "daily_digest",
    "price_review",
    "support_triage",
]
