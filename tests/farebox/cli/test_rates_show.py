"""``farebox rates show``: all targets, one of them, or those of a model; what commands say of arguments they do not take."""

import json
from collections.abc import Iterator

import pytest

from farebox.runtime import Runtime
from tests.support.command import Call
from tests.support.project import make_project


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with make_project(tmp_path_factory.mktemp("rates"), "http://127.0.0.1:9", documents=0).runtime_here() as opened:
        yield opened


def shown(call: Call, *arguments: str) -> set[str]:
    said = call("rates", "show", *arguments, "--json")
    assert said.code == 0, said.err
    return {line["target"] for line in json.loads(said.out)}


def test_a_target_or_a_part_of_a_model_chooses_what_is_shown(runtime: Runtime, call: Call):
    every = shown(call)
    models = {target.name: target.model for target in runtime.targets}
    assert set(models) == every
    assert len(every) > 1
    for name, model in models.items():
        assert shown(call, name) == {name}
        assert shown(call, model.upper()) == {other for other in models if model.lower() in models[other].lower()}
    table = call("rates", "show", next(iter(models)))
    assert table.code == 0
    assert "cache read" in table.out


@pytest.mark.parametrize("name", ["gpt-99", "", "  ", "[bold]x[/bold]", "--", "x" * 300])
def test_an_unknown_model_is_one_line_with_the_targets(runtime: Runtime, call: Call, name: str):
    said = call("rates", "show", *((name,) if name != "--" else ("--", "-x")))
    assert (said.code, said.out) == (2, "")
    assert "error: The project has no target and no model" in said.err
    assert all(target.name in said.err for target in runtime.targets)


@pytest.mark.parametrize(
    ("given", "command", "told"),
    [
        (("rates", "show", "haiku", "more"), "farebox rates show", "'more'"),
        (("runs", "list", "last"), "farebox runs list", "'last'"),
        (("batches", "collect", "now", "please"), "farebox batches collect", "'now', 'please'"),
        (("models", "x" * 300), "farebox models", repr("x" * 40)),
    ],
)
def test_an_argument_that_a_command_does_not_take_is_named(
    runtime: Runtime, call: Call, given: tuple[str, ...], command: str, told: str
):
    said = call(*given)
    assert (said.code, said.out) == (2, "")
    said_once = " ".join(said.err.split())
    assert said_once == f"error: `{command}` takes no argument {told}. next: See `{command} --help`."
