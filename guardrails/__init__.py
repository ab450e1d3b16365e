"""Guards in both directions, their verdicts, messages and telemetry."""

__all__ = [
    "context",
    "messages",
    "pii",
    "pii_patterns",
    "pii_phones",
    "pipeline",
    "secrets",
    "vault",
    "verdicts",
]
