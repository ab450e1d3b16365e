"""What each model family does about reasoning, as data: which settings it takes, what it does when nothing is set, how
it is switched off, and which other parameters it refuses.

One setting serves all of them, ``none`` to ``max``. A model that does not have a setting gets the nearest one: a model
that cannot stop reasoning reasons as little as it can. Sources: the providers' documentation, the types of
their SDKs, and the profiles of pydantic-ai 2.68, all as of 2026-11-28; nothing was tried against a live provider.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args

from pricing import frozen_record

Reasoning: TypeAlias = Literal["none", "low", "medium", "high", "max"]
"""How much a model is to reason before it answers."""
LEVELS: Final[tuple[Reasoning, ...]] = get_args(Reasoning)
Form: TypeAlias = Literal[
    "effort",
    "effort_object",
    "adaptive",
    "budget",
    "thinking_switch",
    "template",
    "bedrock_config",
    "nova_config",
    "gemini_level",
    "gemini_budget",
    "fixed",
    "unsupported",
]
"""How a setting is written: ``reasoning_effort``; ``reasoning: {effort}``; Claude's adaptive thinking with an effort,
or a budget of tokens; ``reasoning_effort`` with ``thinking: {type: disabled}`` for off; a chat template's switch;
Bedrock's ``reasoning_config``; Nova's ``reasoningConfig``; Gemini's ``thinkingLevel``, or its ``thinkingBudget``, whose
words are tokens; not at all, of a model that always thinks; not at all, of one that never does."""
Parameter: TypeAlias = Literal["temperature", "top_p", "forced_tool", "prefill"]
Responses: TypeAlias = Literal["never", "tools and reasoning", "tools", "always"]
"""When a model of OpenAI's is asked by ``/v1/responses``: chat completions refuse the rest."""

ALLOWANCES: Final[Mapping[Reasoning, int]] = MappingProxyType(
    {"none": 0, "low": 2_048, "medium": 8_192, "high": 16_384, "max": 32_768}
)
"""Tokens of thinking that are allowed on top of an answer's ``max_tokens``. A request that needs more is cut off and
asked once more with twice as many."""
_USUAL: Final = 8
"""The share of the reasoning tokens that a usual question takes: an eighth. Past runs correct a quote that is off."""
_SAMPLING: Final[frozenset[Parameter]] = frozenset({"temperature", "top_p"})


@frozen_record(frozen=True, slots=True, kw_only=True)
class ReasoningRules:
    """One model family.

    Args:
        form: how a setting is written.
        efforts: the provider's word by setting, of the settings that it has.
        default: what the model does when nothing is sent.
        unset: what is asked for when neither step nor target says anything; ``default``, if left out.
        least: the word for the least reasoning of a model that cannot be switched off.
        off: how ``none`` is written: a word of the form's own.
        forbids: parameters that it always refuses.
        forbids_thinking: parameters that it refuses while it reasons.
        most_output: the most tokens that it writes, thoughts included; None where that is not known.
        least_output: below so many tokens of output a request is refused.
        responses: when it is asked by the Responses API.
        bound: whether its thoughts are tied to the exact text before them.
        unthinking_tools: whether it has to be switched off for a request with tools.
    """

    form: Form
    efforts: Mapping[Reasoning, str] = field(default_factory=dict)
    default: Reasoning = "none"
    unset: Reasoning | None = None
    least: str = ""
    off: str = ""
    forbids: frozenset[Parameter] = frozenset()
    forbids_thinking: frozenset[Parameter] = frozenset()
    most_output: int | None = None
    least_output: int = 1
    responses: Responses = "never"
    bound: bool = False
    unthinking_tools: bool = False

    def level(self, asked: Reasoning | None) -> Reasoning:
        """The setting that is used: what is asked for, or what of the model's own is nearest to it.

        Example:
            >>> rules_of("groq", "openai/gpt-oss-120b").level("none")
            'low'
        """
        wanted = asked or self.unset or self.default
        if wanted in self.efforts:
            return wanted
        if self.form == "unsupported":
            return "none"
        place = LEVELS.index(wanted)
        levels = [level for level in LEVELS if level in self.efforts and level != "none"]
        if not levels:
            return "none"
        return min(levels, key=lambda level: (abs(LEVELS.index(level) - place), -LEVELS.index(level)))

    def word(self, asked: Reasoning | None) -> str:
        """The provider's word for a setting."""
        if asked == "none" and "none" not in self.efforts and self.least:
            return self.least
        return self.efforts.get(self.level(asked), "")

    def allowance(self, asked: Reasoning | None, *, tools: bool = False) -> int:
        """Tokens reserved for reasoning in addition to the answer. A model that reasons between tool calls gets some at
        every setting.
        """
        level = "none" if tools and self.unthinking_tools else self.level(asked)
        if level == "none" and tools and self.off == "between_tools":
            level = "low"
        return ALLOWANCES[level]

    def usual(self, asked: Reasoning | None, *, tools: bool = False) -> int:
        """Reasoning tokens of a typical question."""
        return self.allowance(asked, tools=tools) // _USUAL


def _same(*levels: Reasoning, **others: str) -> dict[Reasoning, str]:
    named: dict[Reasoning, str] = {level: level for level in levels}
    return named | {level: others[level] for level in LEVELS if level in others}


_NO_RULES: Final = ReasoningRules(form="effort", efforts=_same("none", "low", "medium", "high", max="high"))
"""Of a model that nothing is known of: a setting is sent as it is where there is one, and left out once refused."""
_UNABLE: Final = ReasoningRules(form="unsupported", efforts={"none": ""})

_CLAUDE: Final = ReasoningRules(
    form="adaptive",
    efforts=_same("low", "medium", "high", "max"),
    default="high",
    forbids=_SAMPLING | {"prefill"},
    most_output=128_000,
)
_CLAUDE_OFF: Final = replace(_CLAUDE, efforts=_same("low", "medium", "high", "max", none=""), off="disabled")
_CLAUDE_OPT_IN: Final = replace(_CLAUDE_OFF, default="none")
_CLAUDE_BUDGET: Final = ReasoningRules(
    form="budget",
    efforts=_same("low", "medium", "high", "max", none=""),
    forbids_thinking=frozenset({"temperature", "top_p", "forced_tool", "prefill"}),
    most_output=64_000,
)
_CLAUDE_OLD: Final = replace(_UNABLE, most_output=None)
_UNFORCED: Final[frozenset[Parameter]] = frozenset({"temperature", "top_p", "forced_tool", "prefill"})
_CLAUDES: Final[Sequence[tuple[str, ReasoningRules]]] = (
    (r"claude-opus-5-5", replace(_CLAUDE, default="medium", forbids=_UNFORCED, bound=True)),
    (r"claude-(?:fable|mythos)-5-\d", replace(_CLAUDE, forbids=_UNFORCED, bound=True)),
    (r"claude-sonnet-5-5", replace(_CLAUDE_OFF, off="between_tools", forbids=_UNFORCED, bound=True)),
    (r"claude-haiku-5-5", replace(_CLAUDE_OFF, default="medium", bound=True)),
    (r"claude-(?:fable|mythos)-5", _CLAUDE),
    (r"claude-(?:opus|sonnet)-5", _CLAUDE_OFF),
    (r"claude-opus-4-[78]", _CLAUDE_OPT_IN),
    (
        r"claude-(?:opus|sonnet)-4-6",
        replace(_CLAUDE_OPT_IN, forbids=frozenset({"prefill"}), forbids_thinking=_SAMPLING),
    ),
    (r"claude-(?:opus|sonnet|haiku)-4-5", _CLAUDE_BUDGET),
    (r"claude-opus-4(?:-[01])?(?:[-@]20|$|-v|:)", replace(_CLAUDE_BUDGET, most_output=32_000)),
    (r"claude-sonnet-4(?:-0)?(?:[-@]20|$|-v|:)|claude-3-7", _CLAUDE_BUDGET),
    (r"claude-(?:2|3|v2|instant)", _CLAUDE_OLD),
    (r"claude", _CLAUDE_OFF),
)

_OPENAI: Final = ReasoningRules(
    form="effort",
    efforts=_same("low", "medium", "high", max="max"),
    default="medium",
    forbids_thinking=_SAMPLING,
    most_output=128_000,
)
_OPENAI_OFF: Final = replace(
    _OPENAI, efforts=_same("none", "low", "medium", "high", "max"), off="none", responses="tools and reasoning"
)
_TO_XHIGH: Final = _same("low", "medium", "high", max="xhigh")
_GPT_5: Final = replace(_OPENAI, efforts=_same("low", "medium", "high"), least="minimal")
_O_SERIES: Final = replace(_OPENAI, efforts=_same("low", "medium", "high"), most_output=100_000)
_PRO: Final = replace(_OPENAI, efforts=_same("medium", "high", max="xhigh"), responses="always")
_OPENAIS: Final[Sequence[tuple[str, ReasoningRules]]] = (
    (r"gpt-6-astra|gpt-6\.1-sol", replace(_OPENAI, responses="tools")),
    (r"gpt-(?:6|6\.1|5\.6)(?![\d.])", _OPENAI_OFF),
    (r"gpt-5[\d.]*-chat", replace(_OPENAI, efforts=_same("medium"))),
    (r"gpt-5-pro", replace(_OPENAI, efforts=_same("high"), default="high", responses="always")),
    (r"gpt-5\.[245]-pro", _PRO),
    (r"codex", replace(_OPENAI, efforts=_TO_XHIGH, responses="always")),
    (r"deep-research", replace(_O_SERIES, efforts=_same("medium"), responses="always")),
    (r"gpt-5\.5", replace(_OPENAI_OFF, efforts=_TO_XHIGH | _same("none"))),
    (r"gpt-5\.[234]", replace(_OPENAI_OFF, efforts=_TO_XHIGH | _same("none"), default="none")),
    (
        r"gpt-5\.1",
        replace(_OPENAI_OFF, efforts=_same("none", "low", "medium", "high"), default="none", responses="never"),
    ),
    (r"gpt-5(?![\d.])", _GPT_5),
    (r"^o[13]-pro", replace(_O_SERIES, responses="always")),
    (r"^o\d", _O_SERIES),
    (r"^gpt-[34]|^gpt-4o|^chatgpt|^ft:", _UNABLE),
)

_GPT_OSS: Final = ReasoningRules(
    form="effort", efforts=_same("low", "medium", "high"), default="medium", most_output=65_536
)
_OPEN: Final[Sequence[tuple[str, ReasoningRules]]] = ((r"gpt-oss(?!-safeguard)", _GPT_OSS),)
_BEDROCK_GPT: Final = replace(_OPENAI, form="effort_object", forbids=_SAMPLING, responses="never", least_output=16)
_HIGH_ONLY: Final = ReasoningRules(form="effort", efforts=_same("high", none=""))
_BEDROCK: Final[Sequence[tuple[str, ReasoningRules]]] = (
    *((pattern, rules) for pattern, rules in _CLAUDES),
    *_OPEN,
    (r"openai\.gpt-(?:6-astra|6\.1-sol)", _BEDROCK_GPT),
    (
        r"openai\.gpt-(?:6|6\.1|5\.6)(?![\d.])",
        replace(_BEDROCK_GPT, efforts=_same("none", "low", "medium", "high", "max")),
    ),
    (r"openai\.gpt-5", replace(_BEDROCK_GPT, efforts=_TO_XHIGH | _same("none"))),
    (r"qwen3", ReasoningRules(form="bedrock_config", efforts=_same("none", "low", "medium", "high"))),
    (r"deepseek|glm-(?:4\.7|5)(?!\.3)", _HIGH_ONLY),
    (r"glm-5\.3", replace(_HIGH_ONLY, efforts=_same("low", "medium", "high", "max"), default="medium")),
    (
        r"grok-4\.[67]",
        replace(_BEDROCK_GPT, efforts=_TO_XHIGH, forbids=_SAMPLING, most_output=None),
    ),
    (r"nova-2", ReasoningRules(form="nova_config", efforts=_same("low", "medium", "high", none=""))),
    (r"", _UNABLE),
)
_AZURE_OFF: Final = replace(_OPENAI_OFF, efforts=_TO_XHIGH | _same("none"), responses="never", unthinking_tools=True)
_AZURE: Final[Sequence[tuple[str, ReasoningRules]]] = (
    (r"gpt-6-astra|gpt-6\.1-sol", replace(_OPENAI, efforts=_TO_XHIGH)),
    (r"gpt-(?:6|6\.1|5\.6)(?![\d.])", _AZURE_OFF),
    *((pattern, replace(rules, responses="never")) for pattern, rules in _OPENAIS),
    *_OPEN,
)
"""Of deployments that are named after their model. Chat Completions alone are spoken there, which have no ``max``."""
_GEMINI_LEVEL: Final = ReasoningRules(
    form="gemini_level", efforts=_same("low", "medium", "high"), default="medium", most_output=65_535
)
_GEMINI_BUDGET: Final = ReasoningRules(
    form="gemini_budget",
    efforts=_same(none="0", low="2048", medium="8192", high="16384", max="24576"),
    default="medium",
    most_output=65_535,
)
_GEMINIS: Final[Sequence[tuple[str, ReasoningRules]]] = (
    (r"gemini-2\.5-flash-image|gemini-2\.5-computer|gemini.*-(?:tts|live|embedding)", _UNABLE),
    (
        r"gemini-2\.5-pro",
        replace(_GEMINI_BUDGET, efforts=_same(low="2048", medium="8192", high="16384", max="32768"), least="128"),
    ),
    (r"gemini-2\.5-flash-lite", replace(_GEMINI_BUDGET, default="none")),
    (r"gemini-2\.5", _GEMINI_BUDGET),
    (r"gemini-[12](?![\d])", _UNABLE),
    (r"gemini-3(?:\.[0-6])?-flash-lite", replace(_GEMINI_LEVEL, least="minimal", default="low")),
    (r"gemini-.*flash-lite", replace(_GEMINI_LEVEL, default="low")),
    (r"gemini-3-pro(?!-image)", replace(_GEMINI_LEVEL, efforts=_same("low", "high"), default="high")),
    (r"gemini-3-flash", replace(_GEMINI_LEVEL, least="minimal", default="high")),
    (r"gemini-3(?:\.[0-6])?-flash", replace(_GEMINI_LEVEL, least="minimal")),
    (r"gemini-(?:3[\d.]*-)?pro", replace(_GEMINI_LEVEL, default="high")),
    (r"gemini-", _GEMINI_LEVEL),
    (r"", _UNABLE),
)
_ON_OR_OFF: Final = ReasoningRules(form="effort", efforts=_same("none", "high"))
_ALWAYS: Final = ReasoningRules(form="fixed", efforts=_same(high=""), default="high")
_BY_PROVIDER: Final[Mapping[str, Sequence[tuple[str, ReasoningRules]]]] = {
    "anthropic": _CLAUDES,
    "bedrock": _BEDROCK,
    "openai": (*_OPENAIS, *_OPEN),
    "groq": (
        *_OPEN,
        (r"qwen3", ReasoningRules(form="effort", efforts=_same("none", "low", "medium", "high"), default="medium")),
        (r"", _UNABLE),
    ),
    "deepseek": (
        (
            r"",
            ReasoningRules(
                form="thinking_switch",
                efforts=_same("low", "high", "max", none=""),
                default="high",
                unset="none",
                off="disabled",
                forbids_thinking=_SAMPLING,
            ),
        ),
    ),
    "gemini": _GEMINIS,
    "vertex": _GEMINIS,
    "azure_openai": _AZURE,
    "mistral": (
        (r"magistral", _ALWAYS),
        (
            r"ministral|codestral|devstral|pixtral|voxtral|open-|mistral-(?:tiny|saba|(?:small|medium|large)-2[345])",
            _UNABLE,
        ),
        (r"", _ON_OR_OFF),
    ),
    "cohere": (
        (r"reasoning", replace(_ON_OR_OFF, default="high")),
        (r"command-(?:r|light|nightly|a-(?:0|vision|translate))|c4ai|aya", _UNABLE),
        (r"", _ON_OR_OFF),
    ),
    "cerebras": (
        *_OPEN,
        (r"glm", ReasoningRules(form="effort", efforts=_same("none", high=""), default="high")),
        (r"qwen-?3.*instruct|qwen-?3-coder|llama", _UNABLE),
        (r"qwen-?3", _ALWAYS),
    ),
    "fireworks": (
        *_OPEN,
        (r"glm-5p3", ReasoningRules(form="effort", efforts=_same("none", "low", "high", "max"), default="high")),
        (r"glm-5", ReasoningRules(form="effort", efforts=_same("none", "high", "max"), default="high")),
        (
            r"kimi-k2(?!.*instruct)",
            ReasoningRules(form="effort", efforts=_same("low", "medium", "high"), default="high"),
        ),
        (r"deepseek-v4", ReasoningRules(form="effort", efforts=_TO_XHIGH | _same("none"), default="high")),
    ),
    "xai": (
        (r"grok-4\.3", ReasoningRules(form="effort", efforts=_same("none", "low", "medium", "high"), default="low")),
        (r"grok-4\.7", ReasoningRules(form="effort", efforts=_TO_XHIGH, default="medium")),
        (r"grok-4\.[56]", ReasoningRules(form="effort", efforts=_same("low", "medium", "high"), default="medium")),
    ),
    "openrouter": ((r"", replace(_NO_RULES, form="effort_object", off="none")),),
    "vllm": (*_OPEN, (r"(?i)qwen3", ReasoningRules(form="template", efforts=_same("high", none=""), default="high"))),
    "sglang": (*_OPEN, (r"(?i)qwen3", ReasoningRules(form="template", efforts=_same("high", none=""), default="high"))),
}


_MODEL_IN_NAME: Final = re.compile(r"(?<![a-z0-9])(?:gpt-?\d|o\d(?![a-z0-9])).*")
_POINTLESS: Final = re.compile(r"gpt-?([4-9])-?(\d)(?!\d)")
"""``gpt-5-1``, ``gpt-41``: versions in the names of deployments, which many write without a point."""


@lru_cache(maxsize=512)
def rules_of(provider: str, model: str) -> ReasoningRules:
    """The rules of a model's family at a provider; of a model that is not known, rules that send a setting as it is.

    Example:
        >>> rules_of("bedrock", "global.anthropic.claude-sonnet-5-5").off
        'between_tools'
    """
    name = _deployed(model) if provider == "azure_openai" else model
    for pattern, rules in _BY_PROVIDER.get(provider, _OPEN):
        if re.search(pattern, name):
            return _at_bedrock(rules) if provider == "bedrock" else rules
    return _NO_RULES


def _deployed(deployment: str) -> str:
    """The model that a deployment is named after, as far as its name tells one: ``o4-mini`` of ``prod-o4-mini``."""
    name = _MODEL_IN_NAME.search(deployment.lower())
    return _POINTLESS.sub(r"gpt-\1.\2", name[0] if name else deployment)


def _at_bedrock(rules: ReasoningRules) -> ReasoningRules:
    return replace(rules, responses="never")
