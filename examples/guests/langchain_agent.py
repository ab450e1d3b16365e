"""An agent of LangChain inside a priced run.

Needs: pip install 'farebox[openai]' langchain-openai

Only the client changes: ``ChatOpenAI`` gets HTTP clients whose requests are turns. It needs both, else ``ainvoke`` goes
to OpenAI.
"""

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from farebox import Budget, automation, plan
from farebox.integrations.openai import ADDRESS, async_client, client

llm, llm_async = client(operation="langchain", max_tokens=300), async_client(operation="langchain", max_tokens=300)
model = ChatOpenAI(
    model="light",
    api_key="none",
    base_url=ADDRESS,
    max_retries=0,
    http_client=llm.farebox_http,
    http_async_client=llm_async.farebox_http,
)


@tool
def plan_of(account: str) -> str:
    """The plan that an account has."""
    return {"a1": "gold"}.get(account, "none")


@automation(
    price="1 credit",
    budget=Budget(per_run="0.10 USD"),
    plan=plan(llm, calls=2, max_calls=6, input_tokens=300, output_tokens=60),
)
def langchain_answer(question: str) -> str:
    """Answer a question about an account."""
    bound, messages = model.bind_tools([plan_of]), [HumanMessage(question)]
    for _ in range(6):
        said = bound.invoke(messages)
        messages.append(said)
        if not said.tool_calls:
            return str(said.content)
        messages += [ToolMessage(plan_of.invoke(call["args"]), tool_call_id=call["id"]) for call in said.tool_calls]
    return "No answer."
