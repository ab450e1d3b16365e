"""The Prefect task of an LLM step: where it is sent to another process, the context of its run goes along.

What a step is called with in the flow's process is noted for the run there: the call may be answered by a worker, or
from a stored result after the run was suspended, and what its arguments tell of persons holds for later turns.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

from prefect import Task
from prefect.context import FlowRunContext
from prefect.task_runners import ThreadPoolTaskRunner

from tasks.context import current_run, use_run
from tasks.generators import iterate_within, iterate_within_async
from tasks.personal_values import personal_values
from tasks.run_context import RunContext
from tasks.run_values import run_values

P = ParamSpec("P")
R = TypeVar("R")


class StepTask(Task[P, R]):
    """A task made by ``@llm_task``."""

    def with_options(self, *args: Any, **options: Any) -> Any:
        """The same step with other task options."""
        made = super().with_options(*args, **options)
        made.__class__ = type(self)
        return made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the step in this process."""
        self._note(args, kwargs)
        return Task.__call__(self._without_timeout(), *args, **kwargs)

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        """Submit the step to the flow's task runner."""
        self._note(args, kwargs)
        return Task.submit(self._sent(), *args, **kwargs)

    def map(self, *args: Any, **kwargs: Any) -> Any:
        """Submit the step to the flow's task runner once for each element of its arguments."""
        self._note(args, kwargs)
        return Task.map(self._sent(), *args, **kwargs)

    def _note(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        run = current_run()
        if run.run_id:
            names = inspect.signature(self.fn).parameters
            values = personal_values({**dict(zip(names, args, strict=False)), **kwargs})
            run_values.note(run.values_of, values)

    def _without_timeout(self) -> Task[Any, Any]:
        """The task without its timeout if the run has a due time, since it may wait for batches. Live requests still
        have the deadline of a turn.
        """
        if self.timeout_seconds is None or current_run().due_at is None:
            return self
        untimed = copy.copy(self)
        untimed.timeout_seconds = None
        return untimed

    def _sent(self) -> Task[Any, Any]:
        """The task for the task runner. Threads find the run by context variables; for other processes the function
        carries it.
        """
        run, flow, untimed = current_run(), FlowRunContext.get(), self._without_timeout()
        if not run.run_id or flow is None or isinstance(flow.task_runner, ThreadPoolTaskRunner):
            return untimed
        known = tuple(dict.fromkeys((*run_values.of(run.values_of), *run.known)))
        sent = copy.copy(untimed)
        sent.fn = _in_run(self.fn, replace(run, known=known))
        return sent


def _in_run(function: Callable[..., Any], run: RunContext) -> Callable[..., Any]:
    """The function, run inside ``run``."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return _generator_in_run(function, run)
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            with use_run(run):
                return await function(*args, **kwargs)

        return call_async

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with use_run(run):
            return function(*args, **kwargs)

    return call


def _generator_in_run(function: Callable[..., Any], run: RunContext) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def iterate_async(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            async for value in iterate_within_async(lambda: use_run(run), function(*args, **kwargs)):
                yield value

        return iterate_async

    @functools.wraps(function)
    def iterate(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        return (yield from iterate_within(lambda: use_run(run), function(*args, **kwargs)))

    return iterate
