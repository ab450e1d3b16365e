"""Whose run it is: the user and the organisation it is for, and its tags. Budgets and wallets go by these."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

from pricing.limits import read_key


@dataclass(frozen=True, slots=True)
class Whose:
    """Names only, as the product that starts the run knows them; nothing about the person."""

    user: str | None = None
    org: str | None = None
    tags: tuple[str, ...] = ()


NOBODYS = Whose()
WHOSE_RUN: ContextVar[Whose] = ContextVar("farebox_whose_run", default=NOBODYS)
"""Whose a run is when whoever starts it says so: ``farebox run --user --org --tag``."""


def whose_run(parameters: Mapping[str, object]) -> Whose:
    """Whose the run with these parameters is.

    What its starter said counts before the automation's parameters named ``user``, ``org`` and ``tags``; the tags of
    its Prefect flow run are its tags too.

    Raises:
        UsageError: a name is none that budgets and wallets could go by.
    """
    said = WHOSE_RUN.get()
    tags = parameters.get("tags")
    named = tags if isinstance(tags, list | tuple | set | frozenset) else ()
    user, org = said.user or _name(parameters.get("user")), said.org or _name(parameters.get("org"))
    return Whose(
        user=read_key("user", user) if user else None,
        org=read_key("org", org) if org else None,
        tags=tuple(sorted({read_key("tag", tag) for tag in (*said.tags, *map(str, named), *_flow_run_tags())})),
    )


def _name(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) and str(value) else None


def _flow_run_tags() -> set[str]:
    if "prefect.context" not in sys.modules:
        return set()
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    return set(context.flow_run.tags) if context is not None and context.flow_run is not None else set()
