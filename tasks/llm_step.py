"""``@llm_task``: a Prefect task whose turns are routed, guarded, priced and recorded."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from pricing.rates import ServiceTier
from tasks.context import Step, StepContext, completed_at_end, inside
from tasks.exception_texts import masked_exceptions
from tasks.generators import iterate_within, iterate_within_async
from tasks.providers.reasoning import Reasoning
from tasks.routing.complexity import THRESHOLD
from tasks.routing.target import StepTier
from tasks.suspended_tasks import suspended_with_run
from tasks.turn.verifiers import Verify

if TYPE_CHECKING:  # they take longer to load than this package
    from prefect import Task

    from guardrails import Guarded

P = ParamSpec("P")
R = TypeVar("R")


def llm_task(
    *,
    operation: str,
    tier: StepTier = "light",
    max_tokens: int = 1024,
    max_turns: int = 1,
    stored_for: timedelta | None = None,
    threshold: float = THRESHOLD,
    latency: float | None = None,
    guards: Sequence[Guarded] = (),
    verify: Verify | None = None,
    unmasked_media: bool = False,
    reasoning: Reasoning | None = None,
    service_tier: ServiceTier | None = None,
    **options: Any,
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function a Prefect task that may ask models.

    Args:
        operation: the product action its cost is attributed to; also the task's name in Prefect.
        tier: which targets take its turns; ``"auto"`` lets the complexity of each turn decide.
        max_tokens: of each answer. Tokens for a model's reasoning are added on top, and quoted and held.
        max_turns: how many turns one call may take; the ceiling of a quote counts on it.
        stored_for: serve the answer to the same question from Prefect's result storage for so long. Answers are
            content: they are kept there only where this is set.
        threshold: with ``tier="auto"``, the complexity from which on a turn is premium (``tasks.routing.complexity``).
        latency: seconds that 95 of 100 answers may take at the target asked first; 2 for light turns if left out.
        guards: for its turns, besides those that farebox.toml declares.
        verify: a plain function that says whether an answer is right, called with each that has the step's type. Where
            it says no, the next target is asked: the second of a locked cascade, else one of a higher tier. Both are
            paid. Where nobody is left the turn fails.
        unmasked_media: send images and documents also where a guard that masks texts cannot read them.
        reasoning: how much a model is to think before it answers: "none", "low", "medium", "high" or "max". What the
            target in farebox.toml says if left out, else what the model does by itself. A model that does not have the
            setting gets the nearest one.
        service_tier: "flex" for about half the price and minutes of patience, "priority" for more speed at a higher
            price, "standard" for neither, at targets whose provider and model have it; the others are asked as usual.
            What the target in farebox.toml says if left out.
        options: anything that ``prefect.task`` takes (``retries``, ``timeout_seconds``, ``cache_policy``…).
    """
    step = Step(
        operation,
        tier,
        max_tokens,
        max_turns,
        stored_for,
        threshold,
        latency,
        tuple(guards),
        verify,
        unmasked_media=unmasked_media,
        reasoning=reasoning,
        service_tier=service_tier,
    )

    return partial(_task_of, step=step, options={"name": operation} | options)


def _task_of(function: Callable[P, R], *, step: Step, options: Mapping[str, Any]) -> Task[P, R]:
    from tasks.step_task import StepTask

    wrapped = _inside(function, step)
    # No tags of ours: for a task that has any, Prefect asks its server for a concurrency slot before each run.
    task: Task[P, R] = StepTask(wrapped, **options)
    task.task_key = f"{function.__module__}.{function.__qualname__}-{fingerprint(function)}"
    return task


def step_of(task: object) -> Step | None:
    """What an ``@llm_task`` declares, also after ``with_options``, or the model of another library that we answer for;
    ``None`` for anything else.
    """
    found = getattr(getattr(task, "fn", None), "farebox_step", None) or getattr(task, "farebox_step", None)
    return found if isinstance(found, Step) and not inspect.isfunction(task) else None


def _inside(function: Callable[P, R], step: Step) -> Callable[P, R]:
    """The function, run where ``ask`` finds its step. Prefect sees the user's own signature and documentation."""
    signature = inspect.signature(function)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        wrapped = cast("Callable[P, R]", _generator_inside(function, step))
    elif inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*args: P.args, **kwargs: P.kwargs) -> Any:
            arguments = signature.bind(*args, **kwargs).arguments
            with inside(step, arguments) as place, completed_at_end(), masked_exceptions(), suspended_with_run():
                try:
                    returned = await function(*args, **kwargs)
                except Exception:
                    await _off_loop(place, arguments, failed=True)
                    raise
                await _off_loop(place, arguments, returned)
                return returned

        wrapped = cast("Callable[P, R]", run_async)
    else:

        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            arguments = signature.bind(*args, **kwargs).arguments
            with inside(step, arguments) as place, completed_at_end(), masked_exceptions(), suspended_with_run():
                try:
                    returned = function(*args, **kwargs)
                except Exception:
                    place.ended(arguments, failed=True)
                    raise
                place.ended(arguments, returned)
                return returned

        wrapped = run
    adopt_signature(wrapped, function)
    wrapped.farebox_step = step  # type: ignore[attr-defined]
    return wrapped


def _generator_inside(function: Callable[..., Any], step: Step) -> Callable[..., Any]:
    """The wrapper of a generator function: the step lasts from its first value to its last."""
    signature = inspect.signature(function)

    @contextmanager
    def call(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[None]:
        arguments = signature.bind(*args, **kwargs).arguments
        with inside(step, arguments) as place, completed_at_end(), masked_exceptions(), suspended_with_run():
            try:
                yield
            except Exception:
                place.ended(arguments, failed=True)
                raise
            except GeneratorExit:  # its caller has had enough
                place.ended(arguments)
                raise
            place.ended(arguments)

    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def run_async(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            async for value in iterate_within_async(partial(call, args, kwargs), function(*args, **kwargs)):
                yield value

        return run_async

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        return (yield from iterate_within(partial(call, args, kwargs), function(*args, **kwargs)))

    return run


async def _off_loop(place: StepContext, *outcome: Any, failed: bool = False) -> None:
    if place.keep is not None:  # a thread is not asked for nothing
        await asyncio.to_thread(place.ended, *outcome, failed=failed)


def adopt_signature(wrapper: Callable[..., Any], function: Callable[..., Any]) -> None:
    """Give a wrapper the function's signature with evaluated annotations: Prefect uses them for validation and its
    form, and would look names up in the wrapper's module.
    """
    signature = inspect.signature(function, eval_str=True)
    wrapper.__signature__ = signature  # type: ignore[attr-defined]
    hints = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    if signature.return_annotation is not signature.empty:
        hints["return"] = signature.return_annotation
    wrapper.__annotations__ = {name: hint for name, hint in hints.items() if hint is not inspect.Parameter.empty}


def fingerprint(function: Callable[..., Any]) -> str:
    """A short hash of the user's code, for Prefect's cache; the wrapper's own code is the same for every task."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        source = getattr(function, "__qualname__", type(function).__name__)
    return hashlib.sha256(source.encode()).hexdigest()[:8]
