"""The names of all providers, without loading any of them."""

from __future__ import annotations

import pkgutil

from pricing import ConfigError
from tasks.providers import catalog


def provider_names() -> list[str]:
    """The names of all providers, sorted: those of the modules in the catalog.

    Example:
        >>> provider_names()[:3]
        ['anthropic', 'azure_openai', 'bedrock']
    """
    return sorted(module.name for module in pkgutil.iter_modules(catalog.__path__))


def check_provider(provider: str) -> str:
    """The name as it is, if there is such a provider.

    Raises:
        ConfigError: there is no provider of that name.

    Example:
        >>> check_provider("groq")
        'groq'
    """
    names = provider_names()
    if provider not in names:
        from difflib import get_close_matches

        near = get_close_matches(provider, names, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(
            f"{provider[:40]!r} is not a provider.",
            next_step=f"{hint}Use one of {', '.join(names)}; openai_compatible is any server that speaks OpenAI's API.",
        )
    return provider
