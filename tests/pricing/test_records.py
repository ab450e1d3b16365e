"""Records behave as frozen dataclasses do, though they are made of less."""

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest

from pricing.records import frozen_record, record


@dataclass(frozen=True, slots=True)
class Plain:
    a: int
    b: str = "x"
    hidden: str = field(default="secret", repr=False)
    apart: int = field(default=0, compare=False)
    notes: dict[str, str] = field(default_factory=dict, hash=False)


@record(frozen=True, slots=True)
class Cheap:
    a: int
    b: str = "x"
    hidden: str = field(default="secret", repr=False)
    apart: int = field(default=0, compare=False)
    notes: dict[str, str] = field(default_factory=dict, hash=False)


@frozen_record(frozen=True, slots=True)
class Frozen:
    a: int
    b: str = "x"
    hidden: str = field(default="secret", repr=False)
    apart: int = field(default=0, compare=False)
    notes: dict[str, str] = field(default_factory=dict, hash=False)


@record(frozen=True, slots=True)
class Single:
    a: object


@record(frozen=True, slots=True)
class Empty:
    pass


@record(frozen=True, slots=True)
class Own:
    a: int

    def __repr__(self) -> str:
        return "own"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own)

    def __hash__(self) -> int:
        return 7


@pytest.mark.parametrize("kind", [Cheap, Frozen])
def test_a_record_compares_hashes_and_shows_itself_as_a_frozen_dataclass(kind: type[Cheap] | type[Frozen]):
    ours, theirs = kind(1), Plain(1)
    assert hash(ours) == hash(theirs)
    assert repr(ours) == repr(theirs).replace("Plain", kind.__name__)
    assert ours == kind(1, apart=5), "what is not compared"
    assert ours != kind(2)
    assert ours != object()
    assert replace(ours, a=2) == kind(2)
    assert [one.name for one in fields(ours)] == ["a", "b", "hidden", "apart", "notes"]
    assert pickle.loads(pickle.dumps(ours)) == copy.deepcopy(ours) == ours  # noqa: S301 - ours
    assert not hasattr(ours, "__dict__")


def test_one_field_or_none_is_compared_too():
    assert (Single((1, 2)), hash(Single(3))) == (Single((1, 2)), hash(Single(3)))
    assert Single(1) != Single(2)
    assert Empty() == Empty()
    assert Empty() != object()
    assert {Single(1), Single(1), Empty(), Empty()} == {Single(1), Empty()}
    assert repr(Empty()).endswith("Empty()")


def test_what_a_class_says_itself_goes_first():
    assert (repr(Own(1)), Own(1) == Own(2), hash(Own(1))) == ("own", True, 7)


def test_a_record_within_itself_can_be_shown():
    inner: list[object] = []
    inner.append(Single(inner))
    assert "..." in repr(inner[0])


def test_what_is_handed_outside_stays_frozen_at_run_time():
    with pytest.raises(FrozenInstanceError):
        Frozen(1).a = 2  # type: ignore[misc]
