"""Lines of batches: made from requests, put into batches that a provider takes, and matched with their results."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from tasks.batches.api import BatchLine, BatchState, BatchStatus, LineOutcome, LineResult, LinesRefused, ResultTally
from tasks.providers.base import Adapter, ReplyError
from tasks.providers.batch_rules import BatchRules
from tasks.providers.failure_kinds import failure
from tasks.providers.json_fields import obj, parse, text
from tasks.providers.messages import ModelReply, ModelRequest
from tasks.providers.registry import adapter_for
from tasks.routing.target import Target


def encoded_line(line_id: str, target: Target, request: ModelRequest) -> BatchLine:
    """A request as the target's dialect encodes it for its live endpoint, without the service tier that it names: the
    batch is one.
    """
    wire = adapter_for(target.provider).encode(target, replace(request, service_tier=None))
    return BatchLine(line_id, wire.url[len(target.base_url.rstrip("/")) :], wire.body)


def split(
    rules: BatchRules, lines: Sequence[BatchLine], size: Callable[[BatchLine], int], most: int, *, frame: int = 0
) -> list[tuple[BatchLine, ...]]:
    """The lines as batches: by path and model, in their order, each within the limits.

    A line that is larger than a whole batch may be is a batch by itself, which ``check`` refuses. Where a provider
    wants at least so many lines, the last batch has them from the one before it, or is one with it.

    Args:
        rules: the provider's.
        lines: in any number.
        size: bytes that a line takes in a batch.
        most: lines in one batch, as far as the provider's limits allow it.
        frame: bytes that a batch has around its lines.
    """
    most = min(rules.lines, max(rules.least, most))
    found: list[tuple[BatchLine, ...]] = []
    for group in _alike(lines):
        held: list[BatchLine] = []
        taken, first = 0, len(found)
        for line in group:
            needed = size(line)
            if held and (len(held) == most or frame + taken + needed > rules.whole):
                found.append(tuple(held))
                held, taken = [], 0
            held.append(line)
            taken += needed
        if len(found) > first and len(held) < rules.least:
            held = _enough(rules, found, held, lambda some: frame + sum(map(size, some)) <= rules.whole)
        found.append(tuple(held))
    return found


def _enough(
    rules: BatchRules,
    found: list[tuple[BatchLine, ...]],
    held: list[BatchLine],
    fit: Callable[[Sequence[BatchLine]], bool],
) -> list[BatchLine]:
    """The last lines with as many of the batch before them as a batch needs, or with all, if these ``fit`` into one;
    that batch is changed.
    """
    before, lacking = found[-1], rules.least - len(held)
    if len(before) - lacking >= rules.least and fit(more := [*before[-lacking:], *held]):
        found[-1] = before[:-lacking]
        return more
    if len(before) + len(held) <= rules.lines and fit(whole := [*before, *held]):
        found.pop()
        return whole
    return held


def check(rules: BatchRules, lines: Sequence[BatchLine], size: int) -> None:
    """Check that lines may stand in one batch of so many bytes.

    Raises:
        LinesRefused: they may not.
    """
    if not rules.least <= len(lines) <= rules.lines:
        raise LinesRefused(f"a batch takes {rules.least:,} to {rules.lines:,} lines, not {len(lines):,}")
    if len({line.line_id for line in lines}) != len(lines):
        raise LinesRefused("line ids must be unique within a batch")
    if lines[0].path not in rules.paths:
        raise LinesRefused(f"requests to {lines[0].path} cannot be batched; only {', '.join(rules.paths)}")
    if len(_alike(lines)) > 1:
        raise LinesRefused("all lines of a batch must have the same path and model; use split() first")
    if size > rules.whole:
        raise LinesRefused(f"the batch has {size:,} bytes; at most {rules.whole:,} are accepted")


def _alike(lines: Sequence[BatchLine]) -> list[list[BatchLine]]:
    groups: dict[tuple[str, str], list[BatchLine]] = {}
    for line in lines:
        model = text(obj(parse(line.body)).get("model"))
        groups.setdefault((line.path, model), []).append(line)
    return list(groups.values())


def batch_reply(reply: ModelReply) -> ModelReply:
    """The reply as that of a batch: what serves it is a tier of its own, whether the provider repeats it or not."""
    return replace(reply, service_tier="batch")


def decoded(
    target: Target,
    line_id: str,
    status: int,
    body: bytes,
    *,
    request_id: str | None = None,
    adapter: Adapter | None = None,
) -> LineResult:
    """A line that has run, read by the target's own dialect, or by another one that the batch was written in."""
    headers = {"x-request-id": request_id} if request_id else {}
    try:
        reply = (adapter or adapter_for(target.provider)).decode(target, status, headers, body)
    except ValueError:  # larger than an answer can be
        why = failure("server_error", status=status, code="reply_too_large", maybe_billed=True, request_id=request_id)
        return LineResult(line_id, "errored", failure=why, request_id=request_id)
    except ReplyError as error:
        why = error.failure
        if why.kind == "not_found":
            # Batches answer 404 for models that the live endpoint serves (openai-python#3071): ask there before the
            # target is given up.
            why = replace(why, retry_same_target=True)
        return LineResult(line_id, "errored", failure=why, request_id=why.request_id or request_id)
    return LineResult(line_id, "succeeded", reply=batch_reply(reply), request_id=reply.request_id or request_id)


def not_run(line_id: str, outcome: LineOutcome, code: str, *, maybe_billed: bool = False) -> LineResult:
    """The result of a line that the batch did not process."""
    return LineResult(line_id, outcome, failure=failure("timeout", code=code, maybe_billed=maybe_billed))


class Matched:
    """The submitted lines of a batch that have a result so far; each line counts once."""

    def __init__(self, line_ids: Iterable[str], tally: ResultTally | None) -> None:
        self._open = dict.fromkeys(line_ids)
        self._all = frozenset(self._open)
        self.tally = tally or ResultTally()

    def take(self, result: LineResult | None) -> Iterator[LineResult]:
        """Yield the result if it is the first of a submitted line; ``None`` is a damaged line."""
        if result is None:
            self.tally.damaged += 1
        elif result.line_id in self._open:
            del self._open[result.line_id]
            yield result
        elif result.line_id in self._all:
            self.tally.repeated += 1
        else:
            self.tally.unknown += 1

    def fill(self, result: LineResult | None) -> Iterator[LineResult]:
        """Yield the result if its line has none yet. It is for a second reading, so nothing is counted."""
        if result is not None and result.line_id in self._open:
            del self._open[result.line_id]
            yield result

    @property
    def missing(self) -> list[str]:
        """The lines without a result, in the order of submission."""
        return list(self._open)


async def read_rows(
    rows: Callable[[], AsyncGenerator[LineResult | None, None]], matched: Matched
) -> AsyncGenerator[LineResult, None]:
    """The first result of each line in one file. A file with damaged lines is read once more, for what it may have lost
    on the way.
    """
    damaged = matched.tally.damaged
    for take in (matched.take, matched.fill):
        async with aclosing(rows()) as read:
            async for row in read:
                for result in take(row):
                    yield result
        if matched.tally.damaged == damaged or not matched.missing:
            return


def known_state(states: Mapping[str, BatchState], word: object) -> BatchState | None:
    """The state that a provider's word means; an unknown word is a running batch. ``None`` without a word."""
    return states.get(text(word), "running") if text(word) else None


def left(matched: Matched, status: BatchStatus, *, gone: bool, succeeded: int) -> Iterator[LineResult]:
    """Lines of which the results say nothing, as ``missing``.

    They may be billed where the results are gone or damaged, or fewer than the ``succeeded`` that the provider counts.
    """
    reported = status.counts.succeeded
    billed = gone or bool(matched.tally.damaged) or (reported is not None and reported > succeeded)
    code = "batch_retention_over" if gone else f"batch_{status.state}"
    for line_id in matched.missing:
        yield LineResult(line_id, "missing", failure=failure("server_error", code=code, maybe_billed=billed))
