"""The context of a run: what its steps need to know of it, as one value that can be sent to another process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any, NamedTuple, Self

from pricing import Nano, frozen_record, record
from pricing.ledger import NEWEST, Run
from tasks.personal_values import KnownPairs, personal_values


@frozen_record(frozen=True, slots=True)
class RunOwner:
    """The owner of a run: user, organisation and tags, by the names that the calling product uses for them."""

    user: str | None = None
    org: str | None = None
    tags: tuple[str, ...] = ()

    @classmethod
    def of(cls, run: Run) -> Self:
        """The owner in a row of the ledger."""
        return cls(run.user_id, run.org_id, tuple(json.loads(run.tags)))


ANONYMOUS = RunOwner()


@record(frozen=True, slots=True)
class Pin:
    """One target for all turns of one operation, whatever routing would say. Calibration asks that way.

    Args:
        operation: the step's.
        target: the name of the target that answers; ``None`` to look at the first prompt only, which is raised as
            ``PromptPreview``.
    """

    operation: str
    target: str | None


class JournalPlace(NamedTuple):
    """The journal that a run's answers are in: that of the outermost run that it is a part of, which may be its own.
    ``execution`` is that run's, ``own_execution`` that of the run itself, ``holder``.
    """

    run_id: str
    execution: int
    holder: str
    own_execution: int

    @property
    def is_first(self) -> bool:
        """Whether the journal can have no answers yet."""
        return self.execution <= 1 and self.own_execution <= 1


@frozen_record(frozen=True, slots=True)
class RunContext:
    """A run as its steps find it: ``current_run()`` gives it, ``use_run(context)`` sets it.

    It is a plain value: it can be pickled, and sent to a process or a thread of your own. ``known`` holds personal
    values, so it is never written down; the ledger has everything else in its row of the run.

    Args:
        run_id: the Prefect flow-run id; empty before the run is admitted.
        execution: the number of its execution, an older one may not spend any more; ``None`` where the ledger has
            yet to be asked.
        starter: what its starter said about its owner, which counts before its parameters.
        owner: whose it is, from its starter, its parameters and the run it is a part of.
        quality: ``fast`` or ``best``; empty where the ledger has yet to be asked.
        budget_nano: nano-dollars that its starter allows it, besides the limits of its automation.
        pin: the target of one of its operations, where it is not to be routed.
        known: kind and value of its personal values.
        values_id: the id of the run that masked values are kept for: its own, or the outermost that it is a part of.
        root_execution: the number of the execution of that outermost run; ``None`` where it is its own.
        closed: whether somebody chose that it finishes with what there is: it may spend nothing more.
        due_at: by when it is to be done, in microseconds UTC; ``None`` is as soon as possible.

    Example:
        >>> RunContext("4f1c").knowing({"customer": "Ada Lovelace"}).known
        (('customer', 'Ada Lovelace'),)
    """

    run_id: str = ""
    execution: int | None = NEWEST
    starter: RunOwner = ANONYMOUS
    owner: RunOwner = ANONYMOUS
    quality: str = ""
    budget_nano: Nano | None = None
    pin: Pin | None = None
    known: KnownPairs = field(default=(), repr=False)
    values_id: str = ""
    root_execution: int | None = None
    closed: bool = False
    due_at: int | None = None

    def knowing(self, values: Mapping[str, object]) -> Self:
        """The context with the personal values of ``values`` added to those known."""
        found = personal_values(values) if values else ()
        return replace(self, known=tuple(dict.fromkeys((*self.known, *found)))) if found else self

    def pin_of(self, operation: str) -> Pin | None:
        """The pin of a step, or ``None``; the calls of guards are not pinned."""
        return self.pin if self.pin is not None and self.pin.operation == operation else None

    def journal_place(self, execution: int) -> JournalPlace:
        """Where its answers are kept, in this execution of it."""
        if self.root_execution is None:
            return JournalPlace(self.run_id, execution, self.run_id, execution)
        return JournalPlace(self.values_of, self.root_execution, self.run_id, execution)

    @property
    def values_of(self) -> str:
        """The id of the run under which masked values are kept."""
        return self.values_id or self.run_id

    def to_json(self) -> dict[str, Any]:
        """As plain data, for a process that receives it by other means than pickle."""
        return {
            "run_id": self.run_id,
            "execution": self.execution,
            "starter": [self.starter.user, self.starter.org, list(self.starter.tags)],
            "owner": [self.owner.user, self.owner.org, list(self.owner.tags)],
            "quality": self.quality,
            "budget_nano": self.budget_nano,
            "pin": [self.pin.operation, self.pin.target] if self.pin else None,
            "known": [list(pair) for pair in self.known],
            "values_id": self.values_id,
            "root_execution": self.root_execution,
            "closed": self.closed,
            "due_at": self.due_at,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The reverse of :meth:`to_json`."""
        starter, owner = (
            RunOwner(user, org, tuple(tags)) for user, org, tags in (data[name] for name in ("starter", "owner"))
        )
        return cls(
            run_id=data["run_id"],
            execution=data["execution"],
            starter=starter,
            owner=owner,
            quality=data["quality"],
            budget_nano=data["budget_nano"],
            pin=Pin(*data["pin"]) if data["pin"] else None,
            known=tuple((kind, value) for kind, value in data["known"]),
            values_id=data["values_id"],
            root_execution=data.get("root_execution"),
            closed=data["closed"],
            due_at=data.get("due_at"),
        )
