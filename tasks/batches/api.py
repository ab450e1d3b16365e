"""Batches: many requests handed to a provider at once, answered within a day, at half the price.

A :class:`BatchClient` speaks one provider's batch API for one or many targets. It keeps nothing: the submitter stores
what a :class:`BatchHandle` holds, and asks with it later, from any process.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeAlias

from pricing import record
from tasks.providers.batch_rules import BatchRules
from tasks.providers.failure_kinds import Failure
from tasks.providers.messages import ModelReply, ModelRequest
from tasks.routing.target import Target

BatchState: TypeAlias = Literal["submitted", "running", "ended", "failed", "expired", "cancelled"]
"""``failed``: nothing of it ran; ``expired`` and ``cancelled``: what ran until then has results, and is billed."""
LineOutcome: TypeAlias = Literal["succeeded", "errored", "expired", "cancelled", "missing"]
"""``missing``: the provider says nothing of the line, although its batch has ended."""
FaultKind: TypeAlias = Literal["queue_full", "rejected", "refused", "server", "retention_over"]
BatchCall: TypeAlias = Literal["upload", "create", "list", "status", "results", "cancel"]

FINAL: Final[frozenset[BatchState]] = frozenset({"ended", "failed", "expired", "cancelled"})
"""States after which nothing changes any more."""
_LINE_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_LABEL: Final = re.compile(r"[a-zA-Z0-9_-]{1,63}")
_SENT: Final = frozenset({"write", "read"})
_MAYBE_DONE: Final = frozenset({200, 408, 409, 499})
_SERVER_ERROR: Final = 500


@record(frozen=True, slots=True)
class BatchLine:
    """One request of a batch, made by :meth:`BatchClient.line`.

    Args:
        line_id: 1 to 64 letters, digits, ``_`` and ``-``, unique in its batch; what every provider takes.
        path: below the address of the target, such as ``/chat/completions``.
        body: the request's JSON, as the dialect encodes it for the live endpoint, not streamed.

    Raises:
        ValueError: the id has another form.
    """

    line_id: str
    path: str
    body: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not _LINE_ID.fullmatch(self.line_id):
            raise ValueError(f"{self.line_id[:80]!r} is not a valid line id: use 1 to 64 letters, digits, _ and -")


@record(frozen=True, slots=True)
class BatchHandle:
    """A batch at its provider: everything that is needed to ask for it again.

    Args:
        target: as it is reached, with its key.
        batch_id: the provider's.
        label: under which it was submitted.
        line_ids: of all its lines; :meth:`BatchClient.results` gives each of them exactly once.
    """

    target: Target
    batch_id: str
    label: str = ""
    line_ids: tuple[str, ...] = field(default=(), repr=False)

    @property
    def provider(self) -> str:
        """The provider of the batch."""
        return self.target.provider


@record(frozen=True, slots=True)
class BatchFault:
    """The reason why a batch has no results.

    Args:
        kind: ``queue_full``: the account has too many tokens or requests in batches, wait and submit again;
            ``rejected``: the file of requests is wrong; ``refused``: the account or model may not; ``server``: the
            provider's own fault; ``retention_over``: it is too old, and the provider has deleted it.
        code: the provider's, such as ``token_limit_exceeded``; ``None`` if it gave none.
        line: of the file, counted from 1, where one line is to blame.
    """

    kind: FaultKind
    code: str | None = None
    line: int | None = None

    @property
    def again(self) -> bool:
        """Whether the same lines can be submitted again, later."""
        return self.kind in {"queue_full", "server"}

    @property
    def cause(self) -> str:
        """What is wrong and what helps, for people; contains no part of the requests."""
        code = f" ({self.code})" if self.code else ""
        where = f" at line {self.line}" if self.line is not None else ""
        return f"{_CAUSES[self.kind].format(where=where, code=code)}"


_CAUSES: Final = {
    "queue_full": "The account has reached its limit of enqueued tokens or requests{code}. Submit the batch again when "
    "other batches have ended.",
    "rejected": "The provider rejected the input file{where}{code}. Nothing ran, and nothing is billed.",
    "refused": "The provider did not accept the batch{where}{code}. Check the account, its limits and the model.",
    "server": "The provider failed to run the batch{code}. Submit it again.",
    "retention_over": "The provider has deleted the batch or its results{code}: their retention period is over.",
}


@record(frozen=True, slots=True)
class BatchCounts:
    """Line counts of a batch; ``None`` where the provider does not report them, or not yet."""

    total: int | None = None
    succeeded: int | None = None
    failed: int | None = None
    """Errored, expired or cancelled."""

    @property
    def done(self) -> int | None:
        """The number of lines that have an outcome; ``None`` if unknown."""
        return None if self.succeeded is None or self.failed is None else self.succeeded + self.failed


@record(frozen=True, slots=True)
class BatchStatus:
    """The status of a batch. ``fault`` is the reason if it failed; ``ended_at`` is microseconds since 1970, UTC."""

    state: BatchState
    counts: BatchCounts = BatchCounts()
    fault: BatchFault | None = None
    ended_at: int | None = None
    cancelling: bool = False
    """Whether it is about to be cancelled."""

    @property
    def final(self) -> bool:
        """Whether the status can no longer change, so that results can be collected."""
        return self.state in FINAL


GONE: Final = BatchStatus("failed", fault=BatchFault("retention_over"))
"""Of a batch that its provider does not have any more."""


@record(frozen=True, slots=True)
class LineResult:
    """The result of one line: a reply if it succeeded, else a failure. The service tier of a reply is ``batch``.
    ``failure.maybe_billed`` says whether the provider may charge for the line.
    """

    line_id: str
    outcome: LineOutcome
    reply: ModelReply | None = None
    failure: Failure | None = None
    request_id: str | None = None


@dataclass(slots=True)
class ResultTally:
    """Counts of a provider's results against the submitted lines, updated while they are read."""

    unknown: int = 0
    """Lines with an id that nobody submitted."""
    repeated: int = 0
    """Lines with an id that came before; the first one counts."""
    damaged: int = 0
    """Lines that are not JSON, or not whole."""


class BatchCallFailed(Exception):
    """A call of a batch API failed. The message contains only the name of the call and the class of failure. ``call``
    is the call, ``failure`` its class, ``fault`` the reason where it is about the batch itself.
    """

    def __init__(self, provider: str, call: BatchCall, failure: Failure, fault: BatchFault | None = None) -> None:
        super().__init__(provider, call, failure)
        self.provider = provider
        self.call = call
        self.failure = failure
        self.fault = fault

    @property
    def uncertain(self) -> bool:
        """Whether the batch may exist nevertheless: look for it with :meth:`BatchClient.find` before you create
        another.
        """
        status = self.failure.status
        lost = status is not None and (status in _MAYBE_DONE or status >= _SERVER_ERROR)
        return self.call == "create" and (lost or self.failure.phase in _SENT)

    def __str__(self) -> str:
        why = self.failure
        signs = [f"status {why.status}"] if why.status is not None else []
        signs += [f"code {why.code}"] if why.code else []
        details = f" ({', '.join(signs)})" if signs else ""
        return f"The batch API of {self.provider} failed at {self.call!r}: {why.kind.replace('_', ' ')}{details}"


class BatchNotEnded(Exception):
    """Results were requested while the batch still runs; no line has one yet."""


class BatchUncertain(Exception):
    """It is not known yet whether a batch was created. Check again when those of ``candidates`` have ended."""

    def __init__(self, why: str, candidates: tuple[BatchHandle, ...] = ()) -> None:
        super().__init__(why)
        self.candidates = candidates


class LinesRefused(ValueError):
    """Lines that cannot be in one batch; the message is the reason. Nothing was sent."""


class BatchClient(Protocol):
    """One provider's batch API. Every method must run on the process's one event loop."""

    @property
    def rules(self) -> BatchRules:
        """What a batch may hold, and how long its results are kept."""
        ...

    def line(self, line_id: str, target: Target, request: ModelRequest) -> BatchLine:
        """A request as a line of a batch.

        Raises:
            OptionRefused: the target cannot do what the request asks for.
            LinesRefused: the request cannot stand in a batch.
        """
        ...

    def split(self, target: Target, lines: Sequence[BatchLine], most: int) -> list[tuple[BatchLine, ...]]:
        """The lines as batches: one path and model each, within the provider's limits as far as that is possible.

        There are at most ``most`` in each, unless its provider wants more for a batch at all. A line that is too large
        for any batch is one by itself, and too few lines stay too few; ``submit`` refuses both.
        """
        ...

    async def submit(self, target: Target, lines: Sequence[BatchLine], *, label: str) -> BatchHandle:
        """Submit one batch. Nothing is tried again: a second create call could be a second batch.

        Args:
            target: as it is reached, with its key.
            lines: one of the batches that ``split`` gave.
            label: 1 to 63 letters, digits, ``_`` and ``-``, of this submission alone; ``find`` looks for it.

        Raises:
            LinesRefused: the lines cannot stand in one batch.
            BatchCallFailed: if it is ``uncertain``, the batch may exist nevertheless.
        """
        ...

    async def find(
        self, target: Target, label: str, *, line_ids: Sequence[str] = (), since: int = 0
    ) -> BatchHandle | None:
        """The batch that was submitted under a label; ``None`` if there is none, so that it may be submitted.

        Args:
            target: as it is reached, with its key.
            label: of the submission.
            line_ids: of its lines: what a batch is known by where a provider keeps no label.
            since: microseconds since 1970: when its submission began; earlier batches are not looked at.

        Raises:
            BatchUncertain: it is not known yet.
            BatchCallFailed: the provider could not be asked.
        """
        ...

    async def status(self, handle: BatchHandle) -> BatchStatus:
        """The status of a batch. A batch that its provider no longer knows is ``failed`` with ``retention_over``.

        Raises:
            BatchCallFailed: the provider could not be asked.
        """
        ...

    def results(self, handle: BatchHandle, tally: ResultTally | None = None) -> AsyncIterator[LineResult]:
        """Yield the result of every line exactly once, while they are read: results may be larger than memory. They
        come in the provider's order; lines without a result come last, as ``missing``.

        Lines come in the provider's order; those of which it says nothing come last, as ``missing``.

        Raises:
            BatchNotEnded: the batch is not final.
            BatchCallFailed: the results cannot be had now; those that came stand.
        """
        ...

    async def cancel(self, handle: BatchHandle) -> BatchStatus:
        """Cancel a batch. Lines that have run by then are billed, and have results.

        Raises:
            BatchCallFailed: the provider could not be asked.
        """
        ...


def check_label(label: str) -> None:
    """Check the form of a label.

    Raises:
        ValueError: it is another one.
    """
    if not _LABEL.fullmatch(label):
        raise ValueError(f"{label[:80]!r} is not a valid batch label: use 1 to 63 letters, digits, _ and -")
