"""Whose a run is, as Prefect passes it: also among the parameters that a flow takes as ``**more``."""

from typing import Any
from uuid import UUID

import pytest

from farebox import ask, automation, llm_task, plan
from pricing.db import schema
from tasks.sandbox import Sandbox
from tests.support.books import rows
from tests.support.project import Project, make_project

pytestmark = pytest.mark.usefixtures("prefect")
ACME = UUID(int=7)
TINY = f'[[budgets]]\nscope = "org"\nkey = "{ACME}"\nwindow = "day"\nlimit = "0.000001 USD"\n'


@llm_task(operation="say", tier="light", max_tokens=60)
def say(text: str) -> str:
    return ask("say.j2", text=text)


@automation(price="1 credit", plan=plan(say, calls=1, input_tokens=60, output_tokens=40))
def speak(text: str, **more: Any) -> str:
    assert "org" in more
    return say(text)


def ended(text: str, **more: Any) -> Any:
    """The state that a run ends in."""
    return speak(text, **more, return_state=True)


@pytest.mark.parametrize("org", [ACME, str(ACME)])
def test_a_budget_counts_for_an_org_among_further_parameters(project: Project, sandbox: Sandbox, org: object):
    with make_project(project.root, sandbox.url, more=TINY).runtime_here() as runtime:
        assert ended("Hi", org=org).name == "OverBudget"
        [settlement] = rows(runtime.ledger, schema.settlements)
        assert (settlement["outcome"], settlement["spent_nano"]) == ("over_budget", 0)
        assert ended("Hi", org="other").is_completed()
        assert {row["org_id"] for row in rows(runtime.ledger, schema.runs)} == {str(ACME), "other"}


@pytest.mark.parametrize("org", [1.5, True, b"acme", ["acme"], "ac\u3164me", "\u2800"])
def test_an_org_among_further_parameters_that_is_no_name_is_refused(project: Project, sandbox: Sandbox, org: object):
    with project.runtime_here() as runtime:
        state = ended("Hi", org=org)
        assert (state.name, rows(runtime.ledger, schema.runs)) == ("UsageError", [])
