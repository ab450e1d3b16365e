"""From how many tokens on providers cache, as their documentation says of each model."""

import pytest

from tasks.providers import spec_of
from tasks.providers.prompt_caches import rules_among


@pytest.mark.parametrize(
    ("provider", "model", "minimum"),
    [
        ("gemini", "gemini-2.5-pro", 2_048),
        ("gemini", "gemini-2.5-flash", 2_048),
        ("gemini", "gemini-2.5-flash-lite", 2_048),
        ("gemini", "gemini-3.1-pro-preview", 4_096),
        ("gemini", "gemini-3.8-flash", 4_096),
        ("gemini", "gemini-4-argon", 4_096),
        ("gemini", "gemini-2.0-flash", None),
        ("vertex", "gemini-3-flash-preview", 4_096),
        ("azure_openai", "gpt-4o", 1_024),
        ("azure_openai", "gpt-5.6", 1_024),
        ("azure_openai", "gpt-35-turbo", None),
        ("bedrock", "us.amazon.nova-pro-v1:0", 1_024),
        ("deepseek", "deepseek-chat", 1_024),
    ],
)
def test_the_minimum_of_a_model(provider: str, model: str, minimum: int | None):
    rules = rules_among(spec_of(provider).features.cached, model)
    assert (None if rules is None else rules.minimum) == minimum
