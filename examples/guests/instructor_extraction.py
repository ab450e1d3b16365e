"""An extraction by instructor inside a priced run.

Needs: pip install 'farebox[openai]' instructor

Each retry of a validation is a turn: ``max_retries`` says how many there may be, and the plan's ``max_calls`` too.
"""

import instructor
from pydantic import BaseModel

from farebox import Budget, automation, plan
from farebox.integrations.openai import client

llm = client(operation="instructor", max_tokens=300)
extractor = instructor.from_openai(llm)


class City(BaseModel):
    """What is known of a city."""

    name: str
    people: int


@automation(
    price="1 credit",
    budget=Budget(per_run="0.10 USD"),
    plan=plan(llm, calls=1, max_calls=3, input_tokens=300, output_tokens=60),
)
def instructor_city(text: str) -> City:
    """The city that a text is about."""
    return extractor.chat.completions.create(
        model="light", response_model=City, max_retries=2, messages=[{"role": "user", "content": text}]
    )
