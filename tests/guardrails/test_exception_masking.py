"""Exceptions are masked wherever their text may be read, and stay what they were caught as."""

import json
import logging
import pickle
import traceback
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from guardrails import MaskedError, Scrubber, masked_exception
from guardrails.pii.guard import PIIGuard
from pricing import UsageError

NAME, MAIL, PHONE, KEY = "Wilhelmina Quackenbush", "wq@canary.example", "+44 20 7946 0958", "ghp_" + "A1b2C3d4E5f6" * 3
PLANTED = ("Wilhelmina", "Quackenbush", MAIL, PHONE)


def mask(text: str) -> str:
    return str(Scrubber(PIIGuard(), [("name", NAME)], None).scrub_json(text))


def written(error: BaseException) -> str:
    """All that logs, states, events and results hold of an exception."""
    record = logging.LogRecord("x", 40, "x", 1, "failed: %r", (error,), (type(error), error, error.__traceback__))
    try:
        kept = pickle.dumps(error).decode("latin-1")
    except Exception as fault:  # noqa: BLE001 - what cannot be pickled is in no result
        kept = type(fault).__name__
    shown = "".join(traceback.format_exception(error))
    return "\n".join((str(error), repr(error), shown, logging.Formatter().format(record), kept))


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:  # noqa: BLE001 - whatever it is
        return masked_exception(caught, mask)


@dataclass
class Person:
    name: str
    mail: str


class UnknownPersonError(LookupError):
    """Tells its text from what it carries."""

    def __init__(self, person: Person) -> None:
        super().__init__(person)
        self.person = person

    def __str__(self) -> str:
        return f"nobody is called {self.person.name} at {self.person.mail}"


class _Opaque:
    def __repr__(self) -> str:
        return f"<customer {NAME}>"


class OpaqueError(RuntimeError):
    def __init__(self, who: _Opaque) -> None:
        self.who = who

    def __str__(self) -> str:
        return f"no order of {self.who!r}"


def decoding() -> Exception:
    try:
        json.loads(f'{{"name": "{NAME}", "mail": {MAIL}}}')
    except json.JSONDecodeError as error:
        return error
    raise AssertionError


def undecodable() -> Exception:
    try:
        f"{NAME} {MAIL}".encode().__add__(b"\xff").decode()
    except UnicodeDecodeError as error:
        return error
    raise AssertionError


class Record(BaseModel):
    age: int


def invalid() -> Exception:
    try:
        Record.model_validate({"age": f"{NAME}, {MAIL}"})
    except ValidationError as error:
        return error
    raise AssertionError


def noted() -> Exception:
    error = ValueError("wrong row")
    error.add_note(f"it was the row of {NAME}, {PHONE}")
    return error


def chained() -> Exception:
    try:
        try:
            raise KeyError(f"{NAME} <{MAIL}>")
        except KeyError as error:
            raise ValueError("the record is wrong") from error
    except ValueError as error:
        return error


def in_context() -> Exception:
    try:
        try:
            raise OSError(2, "No such file", f"/in/{NAME}.txt")
        except OSError:
            raise RuntimeError("cannot go on")  # noqa: B904 - the context is what is tested
    except RuntimeError as error:
        return error


CASES: dict[str, Any] = {
    "text": lambda: ValueError(f"cannot reach {NAME} at {PHONE}"),
    "key": lambda: KeyError(MAIL),
    "several arguments": lambda: ValueError("customer", NAME, {"mail": MAIL, NAME: [PHONE]}),
    "bytes": lambda: ValueError(f"cannot parse {NAME}".encode()),
    "carried": lambda: UnknownPersonError(Person(NAME, MAIL)),
    "opaque": lambda: OpaqueError(_Opaque()),
    "file": lambda: FileNotFoundError(2, "No such file or directory", f"/records/{NAME}/{MAIL}.json"),
    "document": decoding,
    "undecodable": undecodable,
    "validation": invalid,
    "note": noted,
    "cause": chained,
    "context": in_context,
    "group": lambda: ExceptionGroup(f"rows of {NAME}", [ValueError(MAIL), KeyError(PHONE)]),
    "nested group": lambda: ExceptionGroup("rows", [ExceptionGroup("row", [invalid()])]),
    "accents and case": lambda: ValueError("not found: WILHELMINA QUACKENBUSH, or Quackenbush's sister"),
}


@pytest.mark.parametrize("case", CASES)
def test_nothing_that_is_personal_is_written(case):
    error = CASES[case]()
    assert any(one.lower() in written(error).lower() for one in PLANTED), "it is there before"
    told = written(raised(error))
    assert [one for one in PLANTED if one.lower() in told.lower()] == []


@pytest.mark.parametrize("case", CASES)
def test_it_is_caught_as_what_it_is(case):
    error = CASES[case]()
    kind = next(base for base in type(error).__mro__ if base.__module__ != "guardrails.exception_masking")
    assert isinstance(raised(error), kind)


def test_keys_are_masked_too():
    assert KEY not in written(raised(RuntimeError(f"401 for token {KEY}")))


def test_what_holds_nothing_is_the_same_object_with_the_same_text():
    for error in (ValueError("row 7 has 3 cells, not 4"), KeyError("total"), ZeroDivisionError("division by zero")):
        before = (str(error), error.args)
        assert raised(error) is error
        assert (str(error), error.args) == before


def test_our_own_errors_pass_as_they_are():
    error = UsageError("There is no automation 'a'.", next_step="See `farebox models`.")
    assert raised(error) is error
    assert str(error) == "There is no automation 'a'. See `farebox models`."


def test_a_masked_exception_survives_pickling():
    error = raised(OpaqueError(_Opaque()))
    assert isinstance(error, OpaqueError)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert isinstance(again, MaskedError)
    assert "OpaqueError: no order of <customer" in str(again)


def test_a_chain_that_turns_in_circles_ends():
    first, second = ValueError(NAME), ValueError(MAIL)
    first.__context__, second.__context__ = second, first
    raised(first)
    assert NAME not in str(first)
    assert MAIL not in str(second)
