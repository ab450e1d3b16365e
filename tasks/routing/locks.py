"""Locks: where the turns of an operation begin because calibration has shown it, as routes.lock.toml says.

What routing needs of a lock is here; what it rests on, and when it is stale, is ``farebox.calibration``'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pricing import record
from tasks.routing.target import Target


@record(frozen=True, slots=True)
class RouteLock:
    """One operation's lock.

    Args:
        key: ``automation/operation``.
        route: names of targets: one; or two of which the second is asked where the first one's answer does not pass the
            step's verifier.
        models: the same targets, as ``provider model`` each.
        stand_in: it rests on answers of the sandbox.
        escalated: of a hundred first answers, how many did not pass the verifier.
        covers: other operations that the step's turns are attributed to: an agent's, in which it chooses tools.
        why: the reason shown with the route: when, and on what evidence.
    """

    key: str
    route: tuple[str, ...]
    models: tuple[str, ...]
    stand_in: bool
    escalated: int = 0
    covers: frozenset[str] = frozenset()
    why: str = ""

    def unfit(self, targets: Sequence[Target]) -> str | None:
        """The reason why the lock cannot be followed with these targets; ``None`` if it can."""
        found = {target.name: target for target in targets}
        for name, model in zip(self.route, self.models, strict=True):
            if (target := found.get(name)) is None:
                return f"{name} does not answer"
            if model != model_of(target):
                return f"{name} was {model} then"
            if self.stand_in and not target.stand_in:
                return "it rests on answers of the sandbox"
        return None


class RouteLocks:
    """The locks of a project, by ``automation/operation``."""

    def __init__(self, locks: Mapping[str, RouteLock] | None = None) -> None:
        self.all = dict(locks or {})
        self._covered = {
            (key.split("/")[0], operation): replace(lock, escalated=0)  # turns with tools have nothing to verify
            for key, lock in self.all.items()
            for operation in lock.covers
        }

    def of(self, automation: str, operation: str) -> RouteLock | None:
        """The lock of an operation: its own, else that of the step that its turns belong to."""
        return self.all.get(f"{automation}/{operation}") or self._covered.get((automation, operation))


def model_of(target: Target) -> str:
    """Provider and model of a target, as locks name them."""
    return f"{target.provider} {target.model}"
