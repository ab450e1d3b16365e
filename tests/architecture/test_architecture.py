"""The structure of the code: what import-linter cannot say. Its contracts are in pyproject.toml, run by `make check`."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ["pricing", "guardrails", "tasks", "farebox", "flows"]
LONGEST_FUNCTION = 60


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> set[str]:
    """Every module a file imports from, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(str(node.module))
    return found


def test_the_transport_alone_opens_connections():
    """What others import of HTTP libraries: servers of our own, and clients that other libraries take or wait for."""
    clients = {"aiohttp", "http.client", "httpx", "httpx2", "requests", "urllib3"}
    found = {module_of(path) for path in sources() if imported(path) & clients}
    assert found - {module for module in found if module.startswith("tasks.sandbox.")} == {
        "farebox.integrations.mcp_connection",  # the MCP library's own client
        "farebox.integrations.openai",  # a client that answers in this process
        "farebox.prefect.server",  # waits for Prefect's server as Prefect's client does
        "farebox.runs.batch_waits",  # names the error that Prefect's client raises
        "farebox.web.batch_webhook",  # likewise
        "tasks.providers.connections",
        "tasks.providers.transport",
    }


def test_automations_import_farebox_and_their_own_helpers_only():
    below = {"pricing", "guardrails", "tasks"}
    for path in (ROOT / "flows").glob("*.py"):
        assert not {name for name in imported(path) if name.split(".")[0] in below}, path


def test_functions_stay_short():
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    ]
    assert long == []


def test_a_package_offers_what_it_says():
    for path in sources():
        if path.name == "__init__.py":
            package = importlib.import_module(module_of(path))
            for offered in getattr(package, "__all__", ()):
                assert getattr(package, offered) is not None, f"{module_of(path)}.{offered}"


def test_what_a_package_does_not_offer_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'pricing.ledger' has no attribute 'Nothing'"):
        _ = importlib.import_module("pricing.ledger").Nothing


def test_no_automation_is_named_like_a_package():
    assert not {path.stem for path in (ROOT / "flows").glob("*.py")} & {*PACKAGES, "tests", "docs", "benchmarks"}


def test_tests_import_nothing_from_test_modules():
    for path in sorted((ROOT / "tests").rglob("*.py")):
        assert not [name for name in imported(path) if name.split(".")[-1].startswith("test_")], path


@pytest.mark.parametrize("code", ["import tasks.ask, tasks.agent, tasks.llm_step", "import tasks, guardrails, pricing"])
def test_importing_the_tasks_loads_nothing_heavy(code: str):
    code = f"import sys; {code}; print(*sys.modules)"
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
