"""Triage of support tickets: an agent looks up what it needs, decides, and drafts a reply for a person to send."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from farebox import Agent, Budget, Quality, ask, automation, llm_task, plan
from flows.sources import Ticket, load_rows, load_tickets

DATA = Path(__file__).parent / "data"


class Triage(BaseModel):
    category: Literal["billing", "bug", "access", "feature_request", "outage", "data", "other"]
    priority: Literal["urgent", "high", "normal", "low"]
    reason: Annotated[str, Field(max_length=400)]


class Case(BaseModel):
    ticket: str
    category: str
    priority: str
    reason: str
    reply: str


class Handover(BaseModel):
    opening: str
    cases: list[Case]


def look_up_account(customer: str) -> dict[str, str]:
    """The account of a customer by name: plan, seats, status, last invoice."""
    for row in load_rows(DATA / "accounts.csv", ["customer"]):
        if row["customer"].casefold() == customer.strip().casefold():
            return row
    raise LookupError("no such customer")


def known_incidents() -> list[dict[str, str]]:
    """Incidents under way: component, status, since when, note."""
    return load_rows(DATA / "status.csv", ["component", "status"])


agent = Agent(prompt="triage.j2", tools=[look_up_account, known_incidents], max_turns=4, max_tokens=300)


@llm_task(operation="triage", tier="light", max_tokens=300, max_turns=5)
def triage(ticket: Ticket) -> Triage:
    return agent.run(ticket=ticket, returns=Triage)


@llm_task(operation="reply", tier="light", max_tokens=400)
def reply(ticket: Ticket, decided: Triage) -> str:
    return ask("reply.j2", ticket=ticket, triage=decided)


@llm_task(operation="report", tier="premium", max_tokens=500)
def hand_over(cases: list[Case]) -> str:
    return ask("handover.j2", cases=cases)


def count(tickets: str) -> int:
    return len(load_tickets(tickets))


@automation(
    price="5 credits",
    budget=Budget(per_run="2 USD", per_day="10 USD"),
    plan=plan(
        agent,
        calls=lambda tickets: 3 * count(tickets),
        max_calls=lambda tickets: 4 * count(tickets),
        input_tokens=700,
        output_tokens=50,
    )
    + plan(triage, calls=count, input_tokens=600, output_tokens=80)
    + plan(reply, calls=count, input_tokens=350, output_tokens=120)
    + plan(hand_over, input_tokens=900, output_tokens=150),
)
def support_triage(tickets: str = str(DATA / "tickets.csv"), quality: Quality = "fast") -> Handover:
    """Triage every ticket of a CSV file and draft replies.

    Args:
        tickets: a CSV file with the columns id, customer, plan, subject, body, opened.
        quality: fast takes light models, best takes premium ones for every step.
    """
    found = load_tickets(tickets)
    decided = triage.map(found)
    drafts = reply.map(found, decided)
    cases = [
        Case(**decision.model_dump(), ticket=ticket.id, reply=draft)
        for ticket, decision, draft in zip(found, decided.result(), drafts.result(), strict=True)
    ]
    return Handover(opening=hand_over(cases), cases=cases)
