"""Automations: one file each."""

__all__ = [
    "daily_digest",
    "support_triage",
]
