"""Automations: one file each."""

__all__ = [
    "audit_answers",
    "calibrate",
    "daily_digest",
    "look_ahead",
    "price_review",
    "support_triage",
]
