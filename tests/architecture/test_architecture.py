"""The house: imports go down only, rooms stay small, faces tell what there is."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = ["pricing", "guardrails", "tasks", "farebox", "flows"]
LONGEST_FUNCTION = 60


def rooms() -> list[Path]:
    return [path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path) for path in rooms()}


def imported(path: Path) -> set[str]:
    """Every module a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else str(node.module) for name in names}
    return found


@pytest.mark.parametrize("path", rooms(), ids=module_of)
def test_imports_go_down_only(path: Path):
    own = FLOORS.index(path.relative_to(ROOT).parts[0])
    up = [name for name in imported(path) if name.split(".")[0] in FLOORS[own + 1 :]]
    assert up == []


def test_flows_import_their_own_floor_only_through_the_front_door():
    below = {"pricing", "guardrails", "tasks"}
    for path in (ROOT / "flows").glob("*.py"):
        assert not {name for name in imported(path) if name.split(".")[0] in below}, path


def test_no_circles_between_files():
    modules = {module_of(path): path for path in rooms()}
    graph = {
        name: {other for other in imported(path) if other in modules and other != name}
        for name, path in modules.items()
    }
    for floor in FLOORS:  # a folder's face imports its rooms; a room never imports its folder
        for other in graph.values():
            other.discard(floor)
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"circle: {' → '.join([*trail[trail.index(name) :], name])}"
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("path", rooms(), ids=module_of)
def test_functions_stay_small(path: Path):
    source = path.read_text("utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < LONGEST_FUNCTION, node.name


@pytest.mark.parametrize("floor", ["pricing", "guardrails", "tasks", "flows"])
def test_a_floors_face_lists_its_rooms(floor: str):
    package = importlib.import_module(floor)
    found = sorted(info.name for info in pkgutil.iter_modules(package.__path__))
    assert list(package.__all__) == found


@pytest.mark.parametrize("name", ["farebox", "flows.sources", "tasks.providers", "tasks.sandbox", "pricing.reports"])
def test_a_face_offers_what_it_says(name: str):
    package = importlib.import_module(name)
    for offered in package.__all__:
        assert getattr(package, offered) is not None


def test_no_flow_is_named_like_a_floor():
    assert not {path.stem for path in (ROOT / "flows").glob("*.py")} & {*FLOORS, "tests", "docs", "benchmarks"}


def test_importing_the_tasks_loads_nothing_heavy():
    code = "import sys, tasks.ask, tasks.agent, tasks.llm_task; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    heavy = {
        "prefect",
        "sqlalchemy",
        "duckdb",
        "httpx",
        "aiohttp",
        "genai_prices",
        "alembic",
        "jinja2",
        "opentelemetry.sdk",
    }
    assert heavy.isdisjoint(loaded)
