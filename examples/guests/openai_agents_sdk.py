"""An agent of the OpenAI Agents SDK inside a priced run.

Needs: pip install 'farebox[openai]' openai-agents

Its tracing is switched off: it would send what agents say to OpenAI, past the guards.
"""

import agents

from farebox import Budget, automation, plan
from farebox.integrations.openai import async_client

agents.set_tracing_disabled(True)
llm = async_client(operation="agents_sdk", max_tokens=300)


@agents.function_tool
def plan_of(account: str) -> str:
    """The plan that an account has."""
    return {"a1": "gold"}.get(account, "none")


support = agents.Agent(
    name="support",
    instructions="Answer in one sentence.",
    tools=[plan_of],
    model=agents.OpenAIResponsesModel(model="light", openai_client=llm),
)


@automation(
    price="1 credit",
    budget=Budget(per_run="0.10 USD"),
    plan=plan(llm, calls=2, max_calls=6, input_tokens=300, output_tokens=60),
)
async def agents_sdk_answer(question: str) -> str:
    """Answer a question about an account."""
    return str((await agents.Runner.run(support, question, max_turns=6)).final_output)
