"""The commands of the command line. The module that holds a command is loaded when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cyclopts import App

VERSION = "0.5.0"
HELP = "AI automations as Prefect flows that know their price before they run."


class Command(NamedTuple):
    """One line of ``farebox --help``."""

    help: str
    modules: tuple[str, ...]


COMMANDS = {
    "archive": Command("Move old runs out of the ledger, into Parquet files that reports still read.", ("archive",)),
    "batches": Command("Show batches that runs wait for; collect their results, or cancel them.", ("batches",)),
    "breakers": Command(
        "Show which targets are in quarantine; open and close circuit breakers by hand.", ("breakers",)
    ),
    "budgets": Command("List budgets, set limits, and show their history.", ("budgets",)),
    "calibrate": Command("Find and lock the cheapest route that is proven good enough.", ("calibrate",)),
    "cases": Command("Collect cases for `farebox calibrate`.", ("cases",)),
    "close": Command("Close a month: its figures are frozen, later findings are corrections.", ("close",)),
    "content": Command("Show and delete what is kept of prompts and answers.", ("content",)),
    "credits": Command("Grant credits to a user or an organisation, and show how they were spent.", ("credits",)),
    "demo": Command("Run the daily digest on this project's history and documents.", ("commands",)),
    "deploy": Command("Put the deployments of prefect.yaml on the Prefect server, with prices.", ("deploy",)),
    "doctor": Command("Check settings, keys, ledger and Prefect; with --economics, margins.", ("doctor",)),
    "forecast": Command("Forecast this month's spend and revenue, and which budget runs out.", ("forecast",)),
    "guards": Command("Show what guards did, review it, measure a judge, let a guard act.", ("guards",)),
    "import": Command("Import usage from elsewhere as history of an automation.", ("import_usage",)),
    "init": Command("Add an automation to the project: its flow, prompt, test and deployment.", ("init",)),
    "mcp": Command("Serve quotes, runs, reports, budgets and forecasts to assistants.", ("mcp",)),
    "metering": Command("Send outcomes to Stripe meters, OpenMeter or Lago.", ("metering",)),
    "models": Command("Show the targets: prices, keys, and recent latency and failures.", ("doctor",)),
    "new": Command("Create a project with a first automation in a folder of its own.", ("init",)),
    "packaging": Command("Show what an outcome costs and earns, and how to bill it.", ("packaging",)),
    "quote": Command("Show what a run would cost, without running it.", ("commands",)),
    "quotes": Command("Compare past quotes with what runs cost.", ("quotes",)),
    "rates": Command("Review prices, compare rate cards, install a newer price list.", ("rates", "rates_update")),
    "reconcile": Command("Compare a provider's bill with the ledger, and explain differences.", ("reconcile",)),
    "report": Command("Report what runs cost, and why: one run, an automation's, or all.", ("report",)),
    "routes": Command("Show where turns go, and why; check locked routes.", ("routes", "calibrate")),
    "run": Command("Run an automation now, here.", ("commands",)),
    "runs": Command("List past runs, newest first; continue one that died or failed.", ("runs",)),
    "schedule": Command("Show what scheduled runs will cost, and which of them exceed a budget.", ("deploy",)),
    "serve": Command("Run the deployments of prefect.yaml from this process.", ("deploy",)),
    "statement": Command("Issue an organisation's statement for a month: outcomes, charges, credits.", ("statement",)),
    "sync": Command("Bring the replica up to date with the ledger.", ("archive",)),
    "up": Command("Start server, deployments, worker and report pages in one process.", ("up",)),
    "web": Command("Serve the reports as web pages: runs, budgets, approvals, quotes, guards.", ("web",)),
}


def new_app() -> App:
    """An application without commands."""
    from cyclopts import App

    return App(name="farebox", help=HELP, version=VERSION, help_on_error=False, help_format="plaintext")


def print_help() -> None:
    """Print all commands, without loading any."""
    overview = new_app()
    for name, command in COMMANDS.items():
        overview.command(f"farebox.cli.{command.modules[0]}:{name}", name=name, help=command.help)
    overview.help_print([])


def load_all() -> App:
    """The application with every command loaded, for code that inspects all of them."""
    for command in COMMANDS.values():
        for module in command.modules:
            import_module(f"farebox.cli.{module}")
    made: App = globals()["app"]
    return made


app: App


def __getattr__(name: str) -> object:
    """The application, made when the first command is added to it."""
    if name != "app":
        raise AttributeError(name)
    made = globals()["app"] = new_app()
    return made
