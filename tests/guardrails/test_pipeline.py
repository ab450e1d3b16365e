import asyncio
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from guardrails.base import Direction, GuardDecision, GuardInput, Reason, Span, Verdict, allow, block, redact, retry
from guardrails.pipeline import Guarded, GuardedResult, Pipeline
from pricing.clock import now_us
from pricing.errors import Blocked

PRIVATE = "the patient's name is Ada"


def exchange(*texts: str, direction: Direction = "input") -> GuardInput:
    return GuardInput(direction, "chat", "assistant", "run-1", texts or (PRIVATE,))


@dataclass
class Scripted:
    """A guard with a set verdict, and notes the texts it was shown."""

    answer: Any
    name: str = "scripted"
    direction: Direction = "input"
    rank: int = 10
    version: str = "1"
    seen: list[tuple[str, ...]] = field(default_factory=list)

    def check(self, exchange: GuardInput):
        self.seen.append(exchange.texts)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer(exchange) if callable(self.answer) else self.answer


def upper(exchange: GuardInput) -> Verdict:
    return redact(tuple(text.upper() for text in exchange.texts), Reason.PII, (Span(0, 0, 1, "x"),))


def noting(rows: list[GuardDecision]) -> Callable[[GuardDecision, GuardInput], None]:
    return lambda decision, _: rows.append(decision)


async def run(
    *guards: Guarded | Scripted,
    texts: tuple[str, ...] = (PRIVATE,),
    direction: Direction = "input",
    final: bool = False,
) -> tuple[GuardedResult, list[GuardDecision]]:
    rows: list[GuardDecision] = []
    pipeline = Pipeline([guard if isinstance(guard, Guarded) else Guarded(guard) for guard in guards])
    return await pipeline.check(exchange(*texts, direction=direction), noting(rows), final=final), rows


async def test_allows_and_records_every_guard():
    began = now_us()
    passed, rows = await run(Scripted(allow(), "a"), Scripted(allow(), "b"))
    assert passed.texts == (PRIVATE,)
    assert passed.retry is None
    assert [(row.guard, row.action, row.reason) for row in rows] == [("a", "allow", None), ("b", "allow", None)]
    assert passed.decisions == tuple(rows)
    assert all(row.run_id == "run-1" and row.operation == "chat" for row in rows)
    assert all(began <= row.decided_at <= now_us() for row in rows)


async def test_a_block_stops_the_guards_behind_it_and_says_why():
    behind = Scripted(allow(), "behind", rank=20)
    rows: list[GuardDecision] = []
    with pytest.raises(Blocked) as caught:
        await Pipeline([Guarded(behind), Guarded(Scripted(block(Reason.SCOPE, topics="invoices"), "scope"))]).check(
            exchange(), noting(rows)
        )
    assert behind.seen == []
    assert [(row.guard, row.action) for row in rows] == [("scope", "block")]
    error = caught.value
    assert (error.fields["reason"], error.fields["guard"], error.fields["operation"]) == ("scope", "scope", "chat")
    assert "assistant" in error.message
    assert error.next_step == "Ask about invoices."
    assert pickle.loads(pickle.dumps(error)).fields == error.fields  # noqa: S301


@pytest.mark.parametrize("answer", [RuntimeError(PRIVATE), RecursionError(), None, "allow"])
async def test_a_guard_that_fails_blocks_and_tells_only_the_type(answer):
    rows: list[GuardDecision] = []
    with pytest.raises(Blocked) as caught:
        await Pipeline([Guarded(Scripted(answer))]).check(exchange(), noting(rows))
    assert caught.value.fields["reason"] == "guard_error"
    assert (rows[0].action, rows[0].reason) == ("block", Reason.GUARD_ERROR)
    assert rows[0].error == (type(answer).__name__ if isinstance(answer, Exception) else "TypeError")
    shown = "".join(traceback.format_exception(caught.value)) + repr(rows) + repr(caught.value.fields)
    assert PRIVATE not in shown


async def test_an_async_guard_that_fails_blocks():
    async def broken(_):
        await asyncio.sleep(0)
        raise TimeoutError

    with pytest.raises(Blocked, match="could not be checked for safety"):
        await run(Scripted(broken))


async def test_a_redaction_that_loses_a_text_blocks():
    with pytest.raises(Blocked) as caught:
        await run(Scripted(redact(("one",), Reason.PII, ())), texts=("one", "two"))
    assert caught.value.fields["reason"] == "guard_error"


async def test_cancellation_is_not_a_failure_of_the_guard():
    began = asyncio.Event()

    async def forever(_):
        began.set()
        await asyncio.Event().wait()

    rows: list[GuardDecision] = []
    task = asyncio.create_task(Pipeline([Guarded(Scripted(forever))]).check(exchange(), noting(rows)))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rows == []


@pytest.mark.parametrize(
    ("answer", "action"),
    [(block(Reason.SAFETY), "block"), (upper, "redact"), (retry(Reason.POLICY), "block"), (ValueError(), "block")],
)
async def test_shadow_records_and_changes_nothing(answer, action):
    behind = Scripted(allow(), "behind", rank=20)
    passed, rows = await run(Guarded(Scripted(answer, "shadowed"), "shadow"), behind)
    assert passed.texts == (PRIVATE,)
    assert passed.retry is None
    assert behind.seen == [(PRIVATE,)]
    assert (rows[0].mode, rows[0].action) == ("shadow", action)
    assert rows[0].reason is not None


async def test_each_guard_sees_what_the_one_before_left():
    first = Scripted(lambda e: redact(tuple(t.replace("Ada", "X") for t in e.texts), Reason.PII, ()), "first", rank=1)
    second = Scripted(upper, "second", rank=2)
    passed, _ = await run(second, first)
    assert second.seen == [("the patient's name is X",)]
    assert passed.texts == ("THE PATIENT'S NAME IS X",)


async def test_retry_is_handed_back_once_then_blocks():
    judge = Scripted(retry(Reason.POLICY, rule="no promises"), "judge", direction="output")
    behind = Scripted(allow(), "behind", direction="output", rank=20)
    passed, rows = await run(judge, behind, direction="output")
    assert passed.retry is not None
    assert (passed.retry.guard, passed.retry.reason, passed.retry.facts) == ("judge", "policy", {"rule": "no promises"})
    assert passed.texts == ()
    assert behind.seen == []
    assert rows[0].action == "retry"
    with pytest.raises(Blocked, match="no promises"):
        await run(judge, direction="output", final=True)


async def test_only_the_guards_of_the_direction_run():
    output = Scripted(block(Reason.LEAK), direction="output")
    passed, rows = await run(output)
    assert passed.texts == (PRIVATE,)
    assert rows == []


async def test_a_record_that_fails_lets_nothing_pass():
    def full(_, __):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await Pipeline([Guarded(Scripted(allow()))]).check(exchange(), full)


async def test_two_hundred_at_once_stay_apart():
    async def odd(exchange: GuardInput) -> Verdict:
        await asyncio.sleep(int(exchange.run_id) % 7 / 1000)
        if int(exchange.run_id) % 2:
            return block(Reason.SCOPE)
        return redact((f"{exchange.texts[0]}!",), Reason.PII, (Span(0, 0, int(exchange.run_id), "n"),))

    pipeline = Pipeline([Guarded(Scripted(odd, "odd")), Guarded(Scripted(upper, "upper", rank=20))])
    rows: dict[str, list[GuardDecision]] = {str(number): [] for number in range(200)}

    async def one(number: int):
        mine = replace(exchange(f"text {number}"), run_id=str(number))
        return await pipeline.check(mine, noting(rows[str(number)]))

    results = await asyncio.gather(*map(one, range(200)), return_exceptions=True)
    for number, result in enumerate(results):
        own = rows[str(number)]
        assert {row.run_id for row in own} == {str(number)}
        if number % 2:
            assert isinstance(result, Blocked)
            assert len(own) == 1
        else:
            assert not isinstance(result, BaseException)
            assert result.texts == (f"TEXT {number}!",)
            assert own[0].spans[0].end == number


async def test_a_long_text_is_checked_off_the_event_loop():
    import threading

    threads: list[int] = []

    def note(_: GuardInput) -> Verdict:
        threads.append(threading.get_ident())
        return allow()

    guard = Scripted(note)
    await run(guard, texts=("short",))
    await run(guard, texts=("long " * 10_000,))
    assert threads[0] == threading.get_ident() != threads[1]


async def test_a_broken_template_of_the_team_does_not_hide_the_reason(tmp_path):
    (tmp_path / "scope.j2").write_text("{% block message %}{{ nowhere }}{% endblock %}")
    with pytest.raises(Blocked, match="outside what assistant is for") as caught:
        await Pipeline([Guarded(Scripted(block(Reason.SCOPE)))], overrides=tmp_path).check(exchange(), lambda *_: None)
    assert "scope.j2" in str(caught.value.fields["template_error"])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Verdict("allow", Reason.PII),
        lambda: Verdict("block"),
        lambda: Verdict("redact", Reason.PII),
        lambda: Verdict("block", Reason.PII, texts=("x",)),
        lambda: block(Reason.PII, guard="x"),
        lambda: block(Reason.PII, kinds="x" * 201),
    ],
)
def test_a_verdict_that_contradicts_itself_cannot_be_made(wrong):
    with pytest.raises(ValueError, match=r"reason|texts|Facts|fact"):
        wrong()


def test_texts_do_not_show_in_a_repr():
    assert PRIVATE not in repr(exchange()) + repr(redact((PRIVATE,), Reason.PII, ()))
