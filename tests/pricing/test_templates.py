"""One factory of templates: sandboxed, strict, and HTML escaped."""

import ast
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from jinja2.exceptions import SecurityError

from pricing.templates import template_environment

ROOT = Path(__file__).parents[2]
HOSTILE = '<script>alert("1")</script>'


def test_every_environment_is_made_in_one_place():
    made = set()
    for package in ("pricing", "guardrails", "tasks", "farebox", "flows"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call):
                    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                    if name in {
                        "Environment",
                        "SandboxedEnvironment",
                        "ImmutableSandboxedEnvironment",
                        "FileSystemLoader",
                    }:
                        made.add(path.relative_to(ROOT).as_posix())
    assert made == {"pricing/templates.py"}


@pytest.mark.parametrize("output", ["text", "html"])
@pytest.mark.parametrize("exact", [False, True])
def test_templates_are_sandboxed_and_strict(output, exact, tmp_path: Path):
    environment = template_environment(tmp_path, output, exact=exact)
    with pytest.raises(UndefinedError):
        environment.from_string("{{ nothing }}").render()
    for escape in ("{{ ''.__class__.__mro__ }}", "{{ values.append(1) }}", "{{ values.__init__.__globals__ }}"):
        with pytest.raises(SecurityError):
            environment.from_string(escape).render(values=[])


def test_html_is_escaped_and_text_is_not(tmp_path: Path):
    rendered = {
        output: template_environment(tmp_path, output).from_string("<p>{{ value }}</p>").render(value=HOSTILE)
        for output in ("text", "html")
    }
    assert HOSTILE in rendered["text"]
    assert "<script" not in rendered["html"]


def test_exact_templates_keep_line_breaks(tmp_path: Path):
    source = "a\n{% if yes %}\nb\n{% endif %}\nc\n"
    assert template_environment(tmp_path, exact=True).from_string(source).render(yes=True) == "a\n\nb\n\nc\n"
    assert template_environment(tmp_path).from_string(source).render(yes=True) == "a\nb\nc\n"
    (tmp_path / "x.j2").write_text("{{ name | loud }}\n")
    own = template_environment([tmp_path], escape=lambda value: f"<{value}>", filters={"loud": str.upper})
    assert own.get_template("x.j2").render(name="ada") == "<ADA>\n"
