"""A chat of LlamaIndex inside a priced run.

Needs: pip install 'farebox[openai]' llama-index-llms-openai-like

``OpenAILike`` takes any name of a model; ``OpenAI`` of the same library knows only OpenAI's own.
"""

from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike

from farebox import Budget, automation, plan
from farebox.integrations.openai import ADDRESS, async_client, client

llm, llm_async = client(operation="llama_index", max_tokens=300), async_client(operation="llama_index", max_tokens=300)
model = OpenAILike(
    model="light",
    api_key="none",
    api_base=ADDRESS,
    max_retries=0,
    is_chat_model=True,
    is_function_calling_model=True,
    context_window=100_000,
    http_client=llm.farebox_http,
    async_http_client=llm_async.farebox_http,
)


@automation(
    price="1 credit",
    budget=Budget(per_run="0.10 USD"),
    plan=plan(llm, calls=1, input_tokens=300, output_tokens=60),
)
def llama_index_answer(question: str) -> str:
    """Answer a question."""
    said = model.chat([ChatMessage(role="system", content="Be terse."), ChatMessage(role="user", content=question)])
    return str(said.message.content)
