"""Every example in a docstring runs and gives what it shows; every public name says what it is."""

import doctest
import importlib
from types import FunctionType, ModuleType

import pytest

import farebox
import guardrails
import pricing
import tasks
from tests.support.project import REPOSITORY

PACKAGES: tuple[ModuleType, ...] = (farebox, guardrails, pricing, tasks)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = sorted(
    ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
    for package in (*(package.__name__ for package in PACKAGES), "flows")
    for path in (REPOSITORY / package).rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_show(name: str):
    result = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package.__name__))
def test_public_names_have_docstrings(package: ModuleType):
    public = {name: getattr(package, name) for name in package.__all__}
    written = {name: value.__doc__ or "" for name, value in public.items() if isinstance(value, (type, FunctionType))}
    assert [name for name, text in written.items() if not text.strip() or text.startswith(f"{name}(")] == []
