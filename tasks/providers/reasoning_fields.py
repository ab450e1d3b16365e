"""A request's setting for reasoning on the wire: its fields by dialect, its tokens, and the fields it excludes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

from pricing import ProviderStatePart
from tasks.providers.conversations import own_state
from tasks.providers.messages import JSONObject, Message, ModelRequest
from tasks.providers.options import OptionRefused
from tasks.providers.reasoning import Parameter, Reasoning, ReasoningRules, rules_of
from tasks.routing.target import Target

_CONTINUE: Final = "Continue."
_LEAST_BUDGET: Final = 1_024
"""Tokens: Claude refuses a budget below."""
_LEAST_GEMINI_BUDGET: Final = 512
"""Tokens: the least that every Gemini 2.5 takes that is not switched off."""


def rules_for(target: Target) -> ReasoningRules:
    """The rules of a target's model."""
    return rules_of(target.provider, target.model)


def asked_level(target: Target, setting: Reasoning | None) -> Reasoning | None:
    """The requested level: the step's, else the target's, else None."""
    return setting or target.reasoning


def level_of(target: Target, request: ModelRequest) -> Reasoning:
    """The level at which the model will reason about a request."""
    rules = rules_for(target)
    if "reasoning" in request.without:
        return rules.default
    if rules.form == "budget" and _lacks_state(target, request):
        return "none"
    if rules.unthinking_tools and request.tools:
        return "none"
    return rules.level(asked_level(target, request.reasoning))


def reasoning_allowance(target: Target, setting: Reasoning | None, *, tools: bool = False) -> int:
    """Tokens reserved at a target for reasoning in addition to an answer: at most half of its window."""
    return _allowance(target.provider, target.model, target.window, asked_level(target, setting), tools)


def usual_thinking_tokens(target: Target, setting: Reasoning | None, *, tools: bool = False) -> int:
    """Reasoning tokens of a typical question at a target."""
    usual = rules_for(target).usual(asked_level(target, setting), tools=tools)
    return min(usual, reasoning_allowance(target, setting, tools=tools))


def output_limit(target: Target, request: ModelRequest) -> int:
    """The most tokens that a reply may have: the answer's ``max_tokens``, and tokens for thoughts on top."""
    asked, tools = request.reasoning or target.reasoning, bool(request.tools)
    allowance = _allowance(target.provider, target.model, target.window, asked, tools) * request.room_factor
    return _answer_limit(target.provider, target.model, target.max_output, request.max_tokens, allowance)


def answer_limit(target: Target, max_tokens: int, allowance: int) -> int:
    """The limit of a reply with these tokens for answer and reasoning; at most what the model can write."""
    return _answer_limit(target.provider, target.model, target.max_output, max_tokens, allowance)


@lru_cache(maxsize=1_024)
def _answer_limit(provider: str, model: str, max_output: int, max_tokens: int, allowance: int) -> int:
    rules = rules_of(provider, model)
    most = max(max_output, rules.most_output or max_output + allowance)
    return max(rules.least_output, min(min(max_tokens, max_output) + allowance, most))


@lru_cache(maxsize=1_024)
def _allowance(provider: str, model: str, window: int, asked: Reasoning | None, tools: bool) -> int:  # noqa: FBT001
    return min(rules_of(provider, model).allowance(asked, tools=tools), window // 2)


def takes(target: Target, request: ModelRequest, parameter: Parameter) -> bool:
    """Whether a parameter may be sent with a request."""
    rules = rules_for(target)
    if parameter in request.without or parameter in rules.forbids:
        return False
    if parameter == "temperature" and not target.sends_temperature:
        return False
    return parameter not in rules.forbids_thinking or level_of(target, request) == "none"


def choice_refusal(target: Target, request: ModelRequest) -> str | None:
    """The reason why a target's model cannot be made to call a tool as requested; None if it can."""
    if request.options.derived or _can_be_forced(target, request):
        return None
    while_thinking = "forced_tool" in rules_for(target).forbids_thinking
    return f"takes no tool_choice that forces a call{' while it reasons' if while_thinking else ''}"


def with_choice(target: Target, offered: Collection[str], request: ModelRequest) -> ModelRequest:
    """The request as a target takes it: a choice that was derived becomes ``auto`` where its model takes none, or where
    ``tool_choice`` is not among the options that its provider has ``offered``.
    """
    given = request.options
    if not given.derived or ("tool_choice" in offered and _can_be_forced(target, request)):
        return request
    return replace(request, options=replace(given, tool_choice="auto"))


def _can_be_forced(target: Target, request: ModelRequest) -> bool:
    return request.options.tool_choice in {"auto", "none"} or takes(target, request, "forced_tool")


def require_choice(target: Target, request: ModelRequest) -> None:
    """Check that a target's model takes a request's ``tool_choice``.

    Raises:
        OptionRefused: it does not.
    """
    if (why := choice_refusal(target, request)) is not None:
        raise OptionRefused(why)


def sampling_fields(target: Target, request: ModelRequest) -> dict[str, float]:
    """Temperature and ``top_p``, if they are set and the model takes them."""
    asked: dict[Parameter, float | None] = {"temperature": request.temperature, "top_p": request.options.top_p}
    return {name: value for name, value in asked.items() if value is not None and takes(target, request, name)}


def askable(target: Target, request: ModelRequest) -> Sequence[Message]:
    """The messages; a model that refuses to go on with its own words receives a request to continue."""
    messages = request.messages
    spoken = [message for message in messages if message.text.strip() or message.role == "tool" or message.tool_calls]
    if not spoken or spoken[-1].role != "assistant" or takes(target, request, "prefill"):
        return messages
    return [*messages, Message.of("user", _CONTINUE)]


def chat_fields(target: Target, request: ModelRequest) -> JSONObject:
    """The fields of a chat completion."""
    rules, setting = rules_for(target), asked_level(target, request.reasoning)
    if "reasoning" in request.without:
        return {}
    asked: Reasoning | None = setting or rules.unset
    if request.tools and (rules.unthinking_tools or "chat" in request.without):
        asked = "none"  # the server has no other API for tools with reasoning, and says so
    word = rules.word(asked) if asked else ""
    match rules.form:
        case "effort" if word:
            return {"reasoning_effort": word}
        case "effort_object" if word:
            return {"reasoning": {"effort": word}}
        case "thinking_switch":
            return {"reasoning_effort": word} if word else {"thinking": {"type": "disabled"}}
        case "template" if asked:
            return {"chat_template_kwargs": {"enable_thinking": bool(word)}}
    return {}


def claude_fields(target: Target, request: ModelRequest) -> JSONObject:
    """``thinking`` and ``effort`` of Claude; ``effort`` goes into ``output_config``."""
    rules, setting = rules_for(target), asked_level(target, request.reasoning)
    asked = setting or rules.unset
    if "reasoning" in request.without or asked is None or rules.form not in {"adaptive", "budget"}:
        return {}
    level = level_of(target, request)
    if level == "none":
        return {"thinking": {"type": rules.off}} if rules.off and rules.default != "none" else {}
    if rules.form == "budget":
        limit = output_limit(target, request)
        answer = min(request.max_tokens, target.max_output)
        budget = min(max(_LEAST_BUDGET, limit - answer), limit - 1)
        return {"thinking": {"type": "enabled", "budget_tokens": budget}} if budget >= _LEAST_BUDGET else {}
    return {"thinking": {"type": "adaptive"}, "effort": rules.word(asked)}


def converse_fields(target: Target, request: ModelRequest) -> JSONObject:
    """``additionalModelRequestFields`` of Converse."""
    rules = rules_for(target)
    if rules.form in {"adaptive", "budget"}:
        fields = claude_fields(target, request)
        effort = fields.pop("effort", None)
        return fields | ({"output_config": {"effort": effort}} if effort else {})
    asked = asked_level(target, request.reasoning) or rules.unset
    if "reasoning" in request.without or asked is None or rules.form == "unsupported":
        return {}
    word = rules.word(asked)
    match rules.form:
        case "bedrock_config":
            return {"reasoning_config": word}
        case "nova_config" if word:
            return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": word}}
    return chat_fields(target, request)


def gemini_fields(target: Target, request: ModelRequest) -> JSONObject:
    """``thinkingConfig`` of Gemini's native API: a level, or a budget that leaves the answer its tokens."""
    rules, setting = rules_for(target), asked_level(target, request.reasoning)
    asked = setting or rules.unset
    word = rules.word(asked) if asked else ""
    if "reasoning" in request.without or not word:
        return {}
    match rules.form:
        case "gemini_level":
            return {"thinkingLevel": word, "includeThoughts": False}
        case "gemini_budget":
            budget, spare = int(word), output_limit(target, request) - min(request.max_tokens, target.max_output)
            fitting = min(budget, max(_LEAST_GEMINI_BUDGET, spare))
            return {"thinkingBudget": fitting, "includeThoughts": False}
    return {}


def by_responses(target: Target, request: ModelRequest) -> bool:
    """Whether a model of OpenAI is called by ``/v1/responses``."""
    rules = rules_for(target)
    if rules.responses == "always" or "chat" in request.without:
        return True
    if rules.responses == "never":
        return False
    if rules.word(asked_level(target, request.reasoning)) == "max":  # which only that API has
        return True
    return bool(request.tools) and (rules.responses == "tools" or level_of(target, request) != "none")


def _lacks_state(target: Target, request: ModelRequest) -> bool:
    """Whether a tool turn is under way whose thoughts another model had: a budget of thinking is refused then."""
    calls = [message for message in _tool_turn(request) if message.tool_calls]
    return any(
        not any(isinstance(part, ProviderStatePart) and own_state(part, target) for part in message.parts)
        for message in calls
    )


def _tool_turn(request: ModelRequest) -> list[Message]:
    """The messages since the user last spoke, if they end with results of tools."""
    messages = list(request.messages)
    if not messages or messages[-1].role != "tool":
        return []
    spoken = max((place for place, message in enumerate(messages) if message.role == "user"), default=-1)
    return messages[spoken + 1 :]
