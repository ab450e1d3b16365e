"""Automations: one file each."""

__all__ = [
    "audit_answers",
    "daily_digest",
    "price_review",
    "support_triage",
]
