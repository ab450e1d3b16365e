"""LLM steps: routing, fallback, providers, and the turns they come together in."""

__all__ = [
    "agents",
    "ask",
    "attempts",
    "engine",
    "journey",
    "llm_task",
    "loop",
    "otel_names",
    "prompts",
    "providers",
    "routing",
    "sandbox",
    "steps",
    "streaming",
    "structured",
    "targets",
    "telemetry",
    "transport",
    "turns",
    "wire",
]
