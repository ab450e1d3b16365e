"""LLM steps: routing, fallback, providers, and the turns they come together in."""

__all__ = [
    "agents",
    "ask",
    "attempts",
    "engine",
    "journey",
    "llm_task",
    "loop",
    "prompts",
    "providers",
    "routing",
    "sandbox",
    "steps",
    "structured",
    "targets",
    "transport",
    "turns",
    "wire",
]
