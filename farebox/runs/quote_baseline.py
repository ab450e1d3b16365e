"""Quotes of all automations against a file of those that were agreed: a check for CI.

The file has, by automation and quality, the quote, the parameters it is for, the plan and the prompts behind it. A
changed prompt is counted: what its fixed text has gained or lost since is added to each call's input. Past runs are
reweighted to the plan of now: their costs over their own points, at the new point. Where the ledger knows fewer runs
than the file's quote was based on (in CI it knows none), the file's own ratio of p95 to point takes their place.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

from farebox.automations import automation_of
from farebox.discovery import automation_names, find_flow, with_defaults
from farebox.project import find_root
from farebox.runs.admission import Priced, price_run
from farebox.runtime import Runtime
from pricing import FareboxError, Nano, PlanError, PromptError, UsageError
from pricing.ledger import CALIBRATION
from pricing.tokens import estimate_tokens
from tasks import step_of
from tasks.turn import version_with

if TYPE_CHECKING:
    from prefect import Flow

_FORMAT = 1
_QUALITIES = ("fast", "best")


@dataclass(frozen=True, slots=True)
class PromptTokens:
    """A prompt of an operation: the tokens of its fixed text, and its version."""

    operation: str
    prompt: str
    version: str
    tokens: int


@dataclass(frozen=True, slots=True)
class AgreedQuote:
    """A quote as the file has it; amounts in nano-dollars, ``history`` the past runs behind it."""

    automation: str
    quality: str
    parameters: dict[str, Any]
    point_nano: Nano
    p50_nano: Nano
    p95_nano: Nano
    history: int
    rate_version: str
    plan: list[dict[str, Any]]
    prompts: list[PromptTokens] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str]:
        """Its automation and quality."""
        return self.automation, self.quality


@dataclass(frozen=True, slots=True)
class QuoteChange:
    """One quote against the file: ``before_nano`` and ``after_nano`` are p95s, ``None`` where there is none on that
    side. ``reasons`` says what has changed; ``rises`` whether by more than is allowed.
    """

    automation: str
    quality: str
    before_nano: Nano | None
    after_nano: Nano | None
    reasons: tuple[str, ...]
    rises: bool

    @property
    def share(self) -> float | None:
        """By how much the p95 rises: 0.1 is 10 %."""
        if not self.before_nano or self.after_nano is None:
            return None
        return self.after_nano / self.before_nano - 1

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "share": self.share}


def read_baseline(path: Path) -> dict[tuple[str, str], AgreedQuote]:
    """The agreed quotes by automation and quality.

    Raises:
        UsageError: there is no such file, or ``--write`` did not write it.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
        if data["format"] != _FORMAT:
            raise ValueError(data["format"])
        found = [
            AgreedQuote(**{**one, "prompts": [PromptTokens(**prompt) for prompt in one["prompts"]]})
            for one in data["quotes"]
        ]
    except FileNotFoundError:
        raise UsageError(
            f"There is no file {path}.", next_step=f"Write it: `farebox quotes check --baseline {path} --write`."
        ) from None
    except (OSError, ValueError, TypeError, KeyError):
        raise UsageError(
            f"{path} is not a baseline of quotes.",
            next_step=f"Delete it, then write it with --baseline {path} --write.",
        ) from None
    return {one.key: one for one in found}


def write_baseline(path: Path, quotes: Mapping[tuple[str, str], AgreedQuote]) -> None:
    """Write them, in an order that makes small differences.

    Raises:
        UsageError: the file cannot be written.
    """
    data = {"format": _FORMAT, "quotes": [asdict(quotes[key]) for key in sorted(quotes)]}
    try:
        path.write_text(json.dumps(data, indent=2, ensure_ascii=False, sort_keys=True) + "\n", "utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}).", next_step="Name another file.") from None


def quotes_now(
    runtime: Runtime, agreed: Mapping[tuple[str, str], AgreedQuote]
) -> tuple[dict[tuple[str, str], AgreedQuote], dict[str, str]]:
    """The quotes of all automations as they are now, and by automation why one has none.

    Parameters are those of the file, else defaults. An automation without defaults needs them in the file.
    """
    found: dict[tuple[str, str], AgreedQuote] = {}
    missing: dict[str, str] = {}
    for name in automation_names(find_root()):
        if name == CALIBRATION:
            continue
        flow = find_flow(name)
        choices = _QUALITIES if "quality" in flow.parameters.properties else ("fast",)
        prompts = list(_prompts(runtime, flow))
        for quality in choices:
            before = agreed.get((name, quality)) or next(
                (one for one in agreed.values() if one.automation == name), None
            )
            parameters = {} if before is None else before.parameters
            if lacking := sorted(set(flow.parameters.required or ()) - parameters.keys()):
                missing[name] = f"it needs a value for {', '.join(lacking)}"
                continue
            try:
                found[name, quality] = _quote(
                    runtime, flow, quality, parameters, (prompts, agreed.get((name, quality)))
                )
            except (PlanError, UsageError) as error:
                missing[name] = error.message
    return found, missing


def compare_quotes(
    agreed: Mapping[tuple[str, str], AgreedQuote], now: Mapping[tuple[str, str], AgreedQuote], most: float
) -> list[QuoteChange]:
    """Every quote of either side; one rises if its p95 is above the agreed one by more than ``most`` (0.1 is 10 %)."""
    found = []
    for key in sorted(agreed.keys() | now.keys()):
        before, after = agreed.get(key), now.get(key)
        rises = before is not None and after is not None and after.p95_nano > before.p95_nano * (1 + most)
        reasons = tuple(_reasons(before, after)) if before and after else ()
        sides = (None if before is None else before.p95_nano), (None if after is None else after.p95_nano)
        found.append(QuoteChange(*key, *sides, reasons, rises))
    return found


def _quote(
    runtime: Runtime,
    flow: Flow[..., Any],
    quality: str,
    parameters: dict[str, Any],
    known: tuple[list[PromptTokens], AgreedQuote | None],
) -> AgreedQuote:
    prompts, before = known
    given = with_defaults(flow, parameters) | ({"quality": quality} if "quality" in flow.parameters.properties else {})
    more = _more_input(prompts, before)
    automation = automation_of(flow)
    priced = price_run(runtime, automation, given, more_input=more)
    declared = automation.plan.plan.resolve(given)
    p50, p95 = _reweighted(priced, before)
    return AgreedQuote(
        automation=automation.name,
        quality=quality,
        parameters=parameters,
        point_nano=priced.quote.point,
        p50_nano=p50,
        p95_nano=p95,
        history=max(priced.quote.n, before.history if before else 0),
        rate_version=priced.quote.rate_version,
        plan=declared.to_json(),
        prompts=prompts,
    )


def _reweighted(priced: Priced, before: AgreedQuote | None) -> tuple[Nano, Nano]:
    """The p50 and p95: from the ledger's runs, or at the file's ratios where these rest on more runs."""
    quote = priced.quote
    if before is None or quote.n >= before.history or not before.point_nano:
        return quote.p50, quote.p95
    p50, p95 = (-(-amount * quote.point // before.point_nano) for amount in (before.p50_nano, before.p95_nano))
    return min(p50, quote.ceiling), min(p95, quote.ceiling)


def _more_input(prompts: list[PromptTokens], before: AgreedQuote | None) -> dict[str, int]:
    """By operation, the tokens that its prompts' fixed text has gained since: of several prompts, the largest gain."""
    if before is None:
        return {}
    then = {(one.operation, one.prompt): one.tokens for one in before.prompts}
    gains: dict[str, list[int]] = {}
    for one in prompts:
        if (one.operation, one.prompt) in then:
            gains.setdefault(one.operation, []).append(one.tokens - then[one.operation, one.prompt])
    return {operation: max(found) for operation, found in gains.items()}


def _reasons(before: AgreedQuote, after: AgreedQuote) -> Iterator[str]:
    then = {(one.operation, one.prompt): one for one in before.prompts}
    for one in after.prompts:
        was = then.get((one.operation, one.prompt))
        if was is None:
            yield f"{one.operation} has a new prompt {one.prompt}"
        elif was.version != one.version:
            yield f"{one.prompt} has changed: {one.tokens - was.tokens:+,} tokens per call of {one.operation}"
    if before.plan != after.plan:
        plans = [{step["operation"]: step for step in side.plan} for side in (before, after)]
        changed = sorted(name for name in plans[0].keys() | plans[1].keys() if plans[0].get(name) != plans[1].get(name))
        yield f"the plan has changed: {', '.join(changed)}"
    if before.rate_version != after.rate_version:
        yield f"other rates: {after.rate_version}"
    if after.history > before.history:
        yield f"{after.history - before.history} more past runs"


def _prompts(runtime: Runtime, flow: Flow[..., Any]) -> Iterator[PromptTokens]:
    """The prompts that the steps of an automation name in their code."""
    names = set(runtime.engine.prompt_names())
    steps = automation_of(flow).plan.steps
    for value in list(vars(importlib.import_module(flow.fn.__module__)).values()):
        step = step_of(value)
        if step is None or step.operation not in steps:
            continue
        for name in sorted(names & set(_texts(inspect.unwrap(value.fn).__code__))):
            try:
                tokens = estimate_tokens(runtime.engine.fixed_prompt_text(name))
                version = version_with(runtime.engine.prompt_version(name), step.reasoning)
                yield PromptTokens(step.operation, name, version, tokens)
            except PromptError:  # it is read when the step asks, which says what is wrong with it
                continue


def _texts(code: CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _texts(constant)


def check_error(changes: list[QuoteChange], most: float, path: Path) -> FareboxError | None:
    """The failure of a check, if there is one."""
    risen = [one for one in changes if one.rises]
    if not risen:
        return None
    worst = max(risen, key=lambda one: one.share or 0)
    return FareboxError(
        f"{len(risen)} of {len(changes)} quotes rise by more than {most:.0%}; most {worst.automation} {worst.quality}: "
        f"{worst.share:+.0%}.",
        next_step=f"Reduce the cost, or accept it: `farebox quotes check --baseline {path} --write`.",
    )
