"""Names by Presidio: with the real package where it is installed, and a clear word where it is not."""

import importlib.util
import sys
from pathlib import Path

import pytest

from farebox.config.guard_settings import GuardsSettings
from farebox.config.guards import DeclaredGuards
from guardrails.base import GuardInput
from guardrails.pii.guard import PIIGuard
from guardrails.pii.names import names_by_presidio
from pricing.errors import ConfigError

MISSING = importlib.util.find_spec("presidio_analyzer") is None
with_presidio = pytest.mark.skipif(
    MISSING, reason='Presidio is an optional extra: pip install -e ".[presidio]" to run this'
)


def settings(model: str) -> GuardsSettings:
    return GuardsSettings.model_validate({"pii": {"names": "presidio", "model": model}})


def test_without_presidio_the_project_does_not_load(monkeypatch: pytest.MonkeyPatch):
    names_by_presidio.cache_clear()
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    with pytest.raises(ConfigError, match=r"guards.pii: names = \"presidio\" needs Presidio: pip install"):
        DeclaredGuards(settings("en_core_web_sm"), {})


@with_presidio
def test_a_model_that_is_missing_is_told_and_never_fetched():
    with pytest.raises(ConfigError, match="'xx_nowhere' is not installed: python -m spacy download xx_nowhere"):
        DeclaredGuards(settings("xx_nowhere"), {})


@with_presidio
def test_names_that_presidio_finds_are_masked_and_come_back(tmp_path: Path):
    """The model is a rule of ours in spaCy's form: what a trained one finds is its own matter."""
    import spacy

    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "PERSON", "pattern": "Grace Hopper"}])
    nlp.to_disk(tmp_path / "model")
    guard = PIIGuard(names="presidio", model=str(tmp_path / "model"))
    text = "Ask Grace Hopper, grace@navy.example, about [NAME_1]."
    verdict = guard.check(GuardInput("input", "chat", "letters", "r", ("", text)))
    assert verdict.texts is not None
    assert verdict.vault is not None
    assert "Grace" not in verdict.texts[1]
    assert [span.kind for span in verdict.spans] == ["name", "email"]
    assert verdict.vault.restore(verdict.texts[1]) == text
