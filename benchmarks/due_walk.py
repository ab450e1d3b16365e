"""A run with a due time in a new project, as a person starts it from Prefect's form: pictures of its stages.

``farebox new``, ``farebox init``, a due time and a schedule, ``farebox up``. The run is started from the form in headless
Chromium, sends its batch, is suspended, collected by the project's schedule and completed. The batches of a second run
expire, so that it is finished live, before it is due. Part of ``python -m benchmarks.screenshots``.
"""

from __future__ import annotations

import html
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from tasks.sandbox import Sandbox
from tests.support.browser import Page
from tests.support.waiting import PATIENCE, until
from tests.support.web_company import free_port

PICTURES: Final = ("form", "suspended", "batches", "report", "expired")
_WIDTH: Final = 1100
_LONGEST = 900.0
"""Seconds that a run may take here: each wave waits for the next minute of the collector's schedule."""
_TARGETS: Final = """
[sandbox]
url = "{url}"

[batches]
settle_seconds = 0.5

[[targets]]
name = "gpt-luna"
provider = "openai"
model = "gpt-6-luna"
tier = "light"
reasoning = "none"
"""
_DUE_SCHEDULE: Final = """    schedules:
      - cron: "0 1 * * *"
        timezone: UTC
        parameters: {due: "07:00"}
"""


class Walk:
    """A project with everything up.

    Args:
        root: the project's folder.
        sandbox: what answers it.
        server: the address of Prefect's server; that of the report pages is the next port's.
        pages: that.
    """

    def __init__(self, root: Path, sandbox: Sandbox, server: str, pages: str) -> None:
        self.sandbox = sandbox
        self.server = server
        self.pages = pages
        self._root = root

    def type(self, *command: str) -> str:
        """What a command prints, 110 columns wide."""
        environment = os.environ | {"COLUMNS": "110"}
        found = subprocess.run(
            [_farebox(), *command], cwd=self._root, env=environment, capture_output=True, text=True, check=True
        )
        return found.stdout

    def api(self, path: str, **body: object) -> Any:
        """What Prefect's server answers."""
        answer = httpx.post(f"{self.server}/api/{path}", json=body, timeout=PATIENCE)
        return answer.raise_for_status().json()

    def state_of(self, run_id: str) -> str:
        """The name of a flow run's state."""
        return str(httpx.get(f"{self.server}/api/flow_runs/{run_id}").raise_for_status().json()["state"]["name"])

    def rules(self, *rules: Mapping[str, object]) -> None:
        """Have the batches to come go so."""
        httpx.post(f"{self.sandbox.url}/_sandbox/batches", json=list(rules)).raise_for_status()

    def wait(self, run_id: str, state: str) -> None:
        """Wait for a state of a run, and no longer than for its end."""
        ends = {state, "Completed", "Failed", "Crashed", "Cancelled", "OverBudget"}
        until(f"run {state}", lambda: self.state_of(run_id) in ends, pause=1.0, seconds=_LONGEST)
        if (found := self.state_of(run_id)) != state:
            raise RuntimeError(f"run {run_id} is {found} instead of {state}")


def _farebox() -> str:
    return str(Path(sys.executable).with_name("farebox"))


@contextmanager
def walk(folder: Path) -> Iterator[Walk]:
    """A new project with a due time, and ``farebox up`` in it."""
    os.environ["PREFECT_HOME"] = str(folder / "prefect")
    os.environ.pop("PREFECT_LOGGING_LEVEL", None)  # the page of a run shows its log
    subprocess.run([_farebox(), "new", "my-automations"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    root = folder / "my-automations"
    subprocess.run([_farebox(), "init", "weekly-notes"], cwd=root, check=True, stdout=subprocess.DEVNULL)
    with Sandbox(folder / "sandbox.jsonl") as sandbox:
        _edit(
            root / "farebox.toml",
            lambda text: text[: text.index("# Models that answer")] + _TARGETS.format(url=sandbox.url),
        )
        _edit(root / "flows" / "weekly_notes.py", _with_due)
        _edit(root / "prefect.yaml", _with_schedule)
        port = free_port()
        process = subprocess.Popen(
            [_farebox(), "up", "--port", str(port)], cwd=root, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            if not any("Ctrl-C" in line for line in process.stdout or ()):
                raise RuntimeError("farebox up ended by itself")
            yield Walk(root, sandbox, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}")
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=PATIENCE)


def _edit(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text("utf-8")), "utf-8")


def _with_due(flow: str) -> str:
    """The automation as docs/due-times.md says: with a parameter for callers to choose."""
    wanted = {
        "from farebox import Budget, Quality": "from farebox import Budget, Due, Quality",
        'quality: Quality = "fast"\n)': 'quality: Quality = "fast", due: Due = None\n)',
        "premium ones for every step.\n": "premium ones for every step.\n        due: by when the answers are needed.\n",
    }
    for old, new in wanted.items():
        if old not in flow:
            raise RuntimeError(f"the new flow has no {old!r}")
        flow = flow.replace(old, new)
    return flow


def _with_schedule(deployments: str) -> str:
    """Started at 01:00, due at 07:00; results are collected every minute, for nobody waits ten here."""
    head, last = deployments.rsplit("    schedules:\n", 1)
    if "0 8 * * *" not in last:
        raise RuntimeError("the last deployment has another schedule")
    return head.replace('"*/10 * * * *"', '"* * * * *"') + _DUE_SCHEDULE


def take_pictures(folder: Path, page: Page, to: Callable[[str], Path]) -> None:
    """Walk both ways.

    Args:
        folder: empty, for the project.
        page: of a browser.
        to: where the picture of a name goes.
    """
    with walk(folder) as walked:
        walked.rules({"seconds": 60})
        run_id = start_from_form(walked, page, to("form"))
        walked.wait(run_id, "Suspended")
        shown(page, f"{walked.server}/runs/flow-run/{run_id}", "Suspended until")
        page.screenshot(to("suspended"))
        printed = "".join(f"$ farebox {command}\n{walked.type(command)}\n" for command in ("batches", "runs"))
        walked.wait(run_id, "Completed")
        batches = json.loads(walked.type("batches", "--json"))
        if [batch["completed"] for batch in batches] != [2]:
            raise RuntimeError(f"another batch than expected: {batches}")
        terminal(folder, page, f"{printed}$ farebox batches\n{walked.type('batches')}", to("batches"))
        shown(page, f"{walked.pages}/runs/{run_id}", "completed")
        page.screenshot(to("report"))
        walked.rules({"lines": 0, "seconds": 0})
        run_id = start_from_form(walked, page)
        while walked.state_of(run_id) != "Completed":
            httpx.post(f"{walked.sandbox.url}/_sandbox/clock", json={"seconds": 86_401}).raise_for_status()
            before = walked.state_of(run_id)
            until("next state", lambda: walked.state_of(run_id) != before, pause=0.5, seconds=_LONGEST)  # noqa: B023
            if (state := walked.state_of(run_id)) in {"Failed", "Crashed", "Cancelled"}:
                raise RuntimeError(f"run {run_id} is {state}")
        terminal(folder, page, f"$ farebox report last\n{walked.type('report', 'last')}", to("expired"))


def shown(page: Page, address: str, words: str) -> None:
    """Show a page, and wait until it says something: Prefect's are filled by scripts."""

    def says() -> bool:
        page.visit(address, width=_WIDTH, height=900, scheme="light")
        time.sleep(5.0)
        return words in page.evaluate("document.body.innerText")

    until(words, says)


def start_from_form(walked: Walk, page: Page, picture: Path | None = None) -> str:
    """Fill the form of the deployment, with the due time in six hours, and submit it; the id of the run."""
    found = walked.api("deployments/filter", deployments={"tags": {"all_": ["daily"]}})
    [deployment] = [one for one in found if "due" in one["parameter_openapi_schema"]["properties"]]
    shown(page, f"{walked.server}/deployments/deployment/{deployment['id']}/run", "if left empty")
    before = _runs(walked, deployment["id"])
    page.evaluate(_FILL)
    if picture:
        page.screenshot(picture)

    def submitted() -> set[str]:
        page.evaluate(_SUBMIT)  # once more, where the page was not ready for it
        return _runs(walked, deployment["id"]) - before

    [run_id] = until("submitted run", submitted, pause=5.0)
    return run_id


_FILL: Final = """(() => {
    const field = [...document.querySelectorAll('textarea')].at(-1);
    Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(field, '6h');
    field.dispatchEvent(new Event('input', {bubbles: true}));
})()"""
_SUBMIT: Final = f"""(() => {{
    if (!location.pathname.endsWith('/run')) return;
    {_FILL};
    document.querySelector('button[type=submit]').click();
}})()"""


def _runs(walked: Walk, deployment: str) -> set[str]:
    """The runs of a deployment that nobody scheduled."""
    found = walked.api("flow_runs/filter", deployments={"id": {"any_": [deployment]}})
    return {run["id"] for run in found if not run["auto_scheduled"]}


def terminal(folder: Path, page: Page, text: str, picture: Path) -> None:
    """A picture of what commands printed."""
    shown_as = folder / "terminal.html"
    style = "font: 14px/1.4 monospace; margin: 16px; background: #1e1e1e; color: #ddd"
    shown_as.write_text(f'<meta charset="utf-8"><body style="{style}"><pre>{html.escape(text.rstrip())}</pre>', "utf-8")
    page.open(shown_as, width=_WIDTH, height=20 * text.count("\n") + 80)
    page.screenshot(picture)
