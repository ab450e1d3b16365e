"""A guard of a team's own is one class: this file has one, and shows that it can be declared."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pytest

from farebox.config.guard_settings import GuardsSettings
from farebox.config.guards import DeclaredGuards
from guardrails.base import Direction, GuardDecision, GuardInput, Reason, Verdict, allow, block
from guardrails.pipeline import GuardedResult
from guardrails.registry import build_guard, find_guard
from pricing.errors import Blocked, ConfigError


@dataclass(frozen=True)
class ToneGuard:
    """Blocks shouting."""

    most: int = 10

    name: ClassVar[str] = "tone"
    version: ClassVar[str] = "1"
    direction: ClassVar[Direction] = "input"
    rank: ClassVar[int] = 10

    def check(self, exchange: GuardInput) -> Verdict:
        loud = sum(text.count("!") for text in exchange.texts)
        return block(Reason.POLICY, rule="no shouting") if loud > self.most else allow()


HERE = "tests.guardrails.test_registry"


async def passes(settings: Mapping[str, object], operation: str = "chat", text: str = "!!!") -> GuardedResult:
    guards = DeclaredGuards(GuardsSettings.model_validate(settings), {})
    decisions: list[GuardDecision] = []
    return await guards.of("letters", operation).check(
        GuardInput("input", operation, "letters", "r", ("", text)), lambda decision, _: decisions.append(decision)
    )


async def test_a_team_declares_its_own_guard_with_options():
    with pytest.raises(Blocked, match="no shouting"):
        await passes({"tone": {"use": HERE, "mode": "enforce", "most": 2}})
    assert (await passes({"tone": {"use": HERE, "mode": "enforce", "most": 3}})).texts == ("", "!!!")


async def test_a_declared_guard_begins_in_shadow():
    passed = await passes({"tone": {"use": HERE, "most": 0}})
    [told] = [decision for decision in passed.decisions if decision.guard == "tone"]
    assert (told.mode, told.action) == ("shadow", "block")


async def test_context_secrets_and_personal_data_are_guarded_without_being_asked_for():
    passed = await passes({}, text="ada@example.com")
    assert [(d.guard, d.mode) for d in passed.decisions] == [
        ("context", "enforce"),
        ("secrets", "enforce"),
        ("injection", "shadow"),
        ("pii", "enforce"),
    ]
    assert "ada" not in passed.texts[1]


async def test_the_narrower_place_wins_key_by_key():
    settings = {
        "tone": {"use": HERE, "mode": "enforce", "most": 0},
        "at": {"letters/chat": {"tone": {"most": 9}}, "letters": {"tone": {"most": 1}}, "*/note": {"pii": {"mode": "off"}}},
    }  # fmt: skip
    await passes(settings)
    with pytest.raises(Blocked):
        await passes(settings, operation="reply")
    off = await passes(settings, operation="note", text="ada@example.com")
    assert off.texts[1] == "ada@example.com"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"scoop": {}}, "no guard 'scoop'"),
        ({"tone": {"use": "nowhere.at_all"}}, "no guard 'tone'"),
        ({"tone": {"use": HERE, "mots": 3}}, "no option 'mots'"),
        ({"tone": {"use": HERE, "most": "secret-value"}}, "guards.tone.most"),
        ({"at": {"letters": {"pii": {"leave": ["name"]}}}}, "guards.pii.leave"),
    ],
)
def test_a_wrong_declaration_is_told_when_it_is_read(settings, told):
    with pytest.raises(ConfigError, match=told) as failed:
        DeclaredGuards(GuardsSettings.model_validate(settings), {})
    assert "secret-value" not in str(failed.value)


def test_parts_of_the_house_are_handed_in_by_name():
    class Asks:
        name, version, direction, rank = "asks", "1", "input", 1

        def __init__(self, ask: object, twice: bool = False) -> None:
            self.got = (ask, twice)

        def check(self, exchange: GuardInput) -> Verdict:
            return allow()

    built = build_guard(Asks, {"twice": True}, {"ask": len, "windows": 1}, "guards.asks")  # type: ignore[arg-type]
    assert built.got == (len, True)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="no option 'ask'"):
        build_guard(Asks, {"ask": "x"}, {"ask": len}, "guards.asks")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["context", "injection", "pii", "secrets"])
def test_every_guard_of_the_house_is_found_by_its_name(name):
    assert find_guard(name).name == name
