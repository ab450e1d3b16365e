"""Code that called litellm.completion(…), without litellm.

Needs: pip install 'farebox[openai]'

``completion`` stands in its place: same arguments, same reply. Providers, fallbacks, retries and keys are those of
farebox.toml, so that nothing else of litellm is needed.
"""

from typing import Any

from openai.types.chat import ChatCompletion

from farebox import Budget, automation, plan
from farebox.integrations.openai import client

llm = client(
    operation="completion", models={"gpt-4o-mini": "light", "anthropic/claude-sonnet-4": "premium"}, max_tokens=300
)


def completion(model: str, messages: list[dict[str, Any]], **more: Any) -> ChatCompletion:
    """What ``litellm.completion`` does."""
    said: ChatCompletion = llm.chat.completions.create(model=model, messages=messages, **more)  # type: ignore[arg-type]
    return said


@automation(
    price="1 credit",
    budget=Budget(per_run="0.10 USD"),
    plan=plan(llm, calls=1, input_tokens=300, output_tokens=60),
)
def completed(question: str) -> str:
    """Answer a question."""
    reply = completion(model="gpt-4o-mini", messages=[{"role": "user", "content": question}], temperature=0)
    return str(reply.choices[0].message.content)
