"""Names of persons, found by Presidio: an optional extra, since it brings a language model and half a gigabyte.

Only its recogniser of persons is asked; everything with a form of its own our own finders find better and faster.
Presidio fetches a language model that is missing; here it is an error, reported when the project is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from guardrails.pii.patterns import Entity

KIND = "name"
_LEAST_SCORE = 0.5
FindNames: TypeAlias = Callable[[str], list[Entity]]


def find_no_names(_: str) -> list[Entity]:
    """Nothing: names are found as far as they are known."""
    return []


@lru_cache(maxsize=4)
def names_by_presidio(model: str) -> FindNames:
    """Finds names with a spaCy model.

    Args:
        model: its package, like ``en_core_web_sm``, or the folder it lies in.

    Raises:
        ValueError: Presidio or the model is not installed.
    """
    try:
        import spacy
        from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
        from presidio_analyzer.nlp_engine import NlpEngineProvider
        from presidio_analyzer.predefined_recognizers import SpacyRecognizer
    except ImportError:
        raise ValueError('names = "presidio" needs Presidio: pip install -e ".[presidio]"') from None
    if not (spacy.util.is_package(model) or Path(model).is_dir()):
        raise ValueError(f"the language model {model!r} is not installed: python -m spacy download {model}")
    language = str(spacy.util.load_meta(_meta(model))["lang"])
    models = [{"lang_code": language, "model_name": model}]
    engine = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models}).create_engine()
    registry = RecognizerRegistry(supported_languages=[language])
    registry.add_recognizer(SpacyRecognizer(supported_language=language, supported_entities=["PERSON"]))
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=[language])

    def find_names(text: str) -> list[Entity]:
        found = analyzer.analyze(text, language, entities=["PERSON"], score_threshold=_LEAST_SCORE)
        return [Entity(result.start, result.end, KIND) for result in found]

    return find_names


def _meta(model: str) -> Path:
    import spacy

    folder = Path(model) if Path(model).is_dir() else spacy.util.get_package_path(model)
    return folder / "meta.json"
