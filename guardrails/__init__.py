"""Guards in both directions, their verdicts, messages and telemetry."""

__all__ = [
    "building",
    "context",
    "injection",
    "messages",
    "pii",
    "pii_known",
    "pii_patterns",
    "pii_phones",
    "pipeline",
    "rate",
    "secrets",
    "vault",
    "verdicts",
]
