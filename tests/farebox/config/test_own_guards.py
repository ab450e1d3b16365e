"""Guards and message templates of a team's own: found from the command line, and wrong ones reported at the start."""

from pathlib import Path

import pytest

from farebox.config.guard_settings import GuardsSettings
from farebox.config.guards import DeclaredGuards
from guardrails import check_templates
from guardrails.base import Reason
from guardrails.messages import explain
from guardrails.pipeline import Pipeline
from pricing import ConfigError
from tests.support.command import farebox
from tests.support.guardrail_docs import block
from tests.support.project import REPOSITORY, make_project

DECLARED = '[guards.tone]\nuse = "{use}"\nmode = "enforce"\nmost = 2\n'


def project_with(folder: Path, code: str, module: str = "tone") -> Path:
    """A project with one guard of its own; a folder within it, from which commands are started."""
    project = make_project(folder, "", documents=1, more=DECLARED.format(use=f"house_rules.{module}"))
    (project.root / "flows").symlink_to(REPOSITORY / "flows")
    (project.root / "house_rules").mkdir()
    (project.root / "house_rules" / f"{module}.py").write_text(code, "utf-8")
    within = project.root / "within"
    within.mkdir()
    return within


def test_farebox_run_and_doctor_find_it(tmp_path: Path):
    tone = block("python", "# checks/tone.py").replace("text.count(", "True or text.count(")
    within = project_with(tmp_path / "project", tone + "\nprint('the module of the house')\n")
    looked = farebox(within, "doctor")
    assert "the module of the house" in looked.out
    assert "There is no guard" not in looked.all
    ran = farebox(within, "run", "daily-digest", "--source", str(tmp_path / "project" / "documents"))
    assert "the module of the house" in ran.all
    assert "There is no guard" not in ran.all
    assert ran.code in {0, 4}, ran


CLASS = "class T:\n    name, version, direction, rank = 'tone', '1', '{0}', 1\n    def check(self, exchange): ...\n"
BOTH = CLASS.format("both") + "    def __init__(self, most: int): ...\n"
RAISES = CLASS.format("input") + "    def __init__(self, most: int): raise TypeError('most')\n"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("class ToneGuard(:\n", "SyntaxError"),
        ("import a_package_that_is_not_there\n", "No module named 'a_package_that_is_not_there'"),
        ("raise RuntimeError('at the import')\n", "RuntimeError: at the import"),
        (
            "class T:\n    name = 'tone'\n    def __init__(self, most: int): ...\n    def check(self, exchange): ...\n",
            "no version and no direction and no rank",
        ),
        (
            BOTH,
            "neither",
        ),
        (
            RAISES,
            "its class raised TypeError: most",
        ),
        ("x = 1\n", "There is no guard 'tone' in house_rules."),
    ],
)
def test_one_that_cannot_be_used_is_an_error_of_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, told: str, request: pytest.FixtureRequest
):
    module = f"tone_{abs(hash(request.node.name))}"
    (tmp_path / "house_rules_here").mkdir()
    (tmp_path / "house_rules_here" / f"{module}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    declared = {"tone": {"use": f"house_rules_here.{module}", "mode": "enforce", "most": 2}}
    with pytest.raises(ConfigError) as wrong:
        DeclaredGuards(GuardsSettings.model_validate(declared), {})
    assert told in wrong.value.message.replace("house_rules_here", "house_rules")
    assert wrong.value.next_step
    assert "\n" not in str(wrong.value)


GOOD = "{% block message %}Nein.{% endblock %}{% block next_step %}Bitte anders.{% endblock %}"


@pytest.mark.parametrize(
    ("name", "template", "told"),
    [
        (
            "scope.j2",
            "{% block message %}{{ automaton }}{% endblock %}{% block next_step %}x{% endblock %}",
            "automaton",
        ),
        ("scope.j2", "{% block message %}only this{% endblock %}", "next_step"),
        ("rate.j2", "{% block message %", "rate.j2"),
        ("leak.j2", "{% block message %}{{ 1 // 0 }}{% endblock %}{% block next_step %}x{% endblock %}", "leak.j2"),
        ("scop.j2", GOOD, "is of no reason. Rename it: did you mean scope.j2?"),
        ("wallet.j2", GOOD, "is of no reason"),
    ],
)
def test_a_broken_template_is_an_error_at_the_start(tmp_path: Path, name: str, template: str, told: str):
    (tmp_path / name).write_text(template)
    with pytest.raises(ConfigError) as wrong:
        DeclaredGuards(GuardsSettings(messages=tmp_path), {})
    assert told in str(wrong.value)


def test_a_folder_that_is_not_there_is_one_too(tmp_path: Path):
    with pytest.raises(ConfigError, match="is not there"):
        DeclaredGuards(GuardsSettings(messages=tmp_path / "words"), {})


def test_our_own_templates_and_those_that_use_every_fact_pass(tmp_path: Path):
    from guardrails import messages

    check_templates(messages._BUILT_IN)
    (tmp_path / "budget.j2").write_text(
        "{% block message %}{{ automation }} {{ budget }} {{ limit }} {{ short }} {{ wallet }} {{ asked_credits }} "
        "{{ available_credits }}{% endblock %}{% block next_step %}{{ resets }} {{ message }} {{ next_step }}{% endblock %}"
    )
    (tmp_path / "policy.j2").write_text(
        "{% block message %}{{ shouted }} marks{% endblock %}{% block next_step %}Less.{% endblock %}"
    )
    with pytest.raises(ConfigError, match="shouted"):
        check_templates(tmp_path)
    check_templates(tmp_path, guards_of_their_own=True)


async def test_a_guard_that_fails_tells_users_a_sentence():
    told = explain(Reason.GUARD_ERROR, {"automation": "letters", "error": "ZeroDivisionError"})
    assert "Error" not in told.message + told.next_step
    assert told.message == "This could not be checked for safety, so nothing was passed on."
    assert Pipeline([]).blocked(Reason.GUARD_ERROR, {"error": "KeyError"}).fields["error"] == "KeyError"
