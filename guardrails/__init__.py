"""Guards in both directions, their verdicts, messages and telemetry."""

from typing import TYPE_CHECKING

from pricing.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from guardrails.agreement import ENOUGH, Labelled, as_lines, measure_agreement, pairs_of, read_labels
    from guardrails.base import (
        BothWays,
        Direction,
        Fact,
        Guard,
        GuardDecision,
        GuardInput,
        OfferedTool,
        Origin,
        Reason,
        Source,
        readable,
    )
    from guardrails.content_masking import Finder, Scrubber, excerpt
    from guardrails.exception_masking import MaskedError, masked_exception
    from guardrails.messages import check_templates, in_words_of_the_team
    from guardrails.model_calls import ModelJudgement
    from guardrails.pipeline import Guarded, Guards, Pipeline
    from guardrails.registry import build_guard, find_guard

__all__ = [
    "ENOUGH",
    "BothWays",
    "Direction",
    "Fact",
    "Finder",
    "Guard",
    "GuardDecision",
    "GuardInput",
    "Guarded",
    "Guards",
    "Labelled",
    "MaskedError",
    "ModelJudgement",
    "OfferedTool",
    "Origin",
    "Pipeline",
    "Reason",
    "Scrubber",
    "Source",
    "as_lines",
    "build_guard",
    "check_templates",
    "excerpt",
    "find_guard",
    "in_words_of_the_team",
    "masked_exception",
    "measure_agreement",
    "pairs_of",
    "read_labels",
    "readable",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(
        __name__,
        {
            "in_words_of_the_team": "guardrails.messages",
            "BothWays": "guardrails.base",
            "Direction": "guardrails.base",
            "ENOUGH": "guardrails.agreement",
            "Fact": "guardrails.base",
            "Finder": "guardrails.content_masking",
            "Guard": "guardrails.base",
            "GuardDecision": "guardrails.base",
            "GuardInput": "guardrails.base",
            "OfferedTool": "guardrails.base",
            "Guarded": "guardrails.pipeline",
            "Guards": "guardrails.pipeline",
            "Labelled": "guardrails.agreement",
            "MaskedError": "guardrails.exception_masking",
            "ModelJudgement": "guardrails.model_calls",
            "Origin": "guardrails.base",
            "Pipeline": "guardrails.pipeline",
            "Reason": "guardrails.base",
            "Scrubber": "guardrails.content_masking",
            "excerpt": "guardrails.content_masking",
            "Source": "guardrails.base",
            "as_lines": "guardrails.agreement",
            "build_guard": "guardrails.registry",
            "check_templates": "guardrails.messages",
            "find_guard": "guardrails.registry",
            "masked_exception": "guardrails.exception_masking",
            "measure_agreement": "guardrails.agreement",
            "pairs_of": "guardrails.agreement",
            "read_labels": "guardrails.agreement",
            "readable": "guardrails.base",
        },
    )
