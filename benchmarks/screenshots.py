"""Every page of the report server as pictures: ``python -m benchmarks.screenshots`` (``make screenshots``).

An imaginary company's month is written into a ledger, with a run whose content is kept, one that waits for an approval
and targets in quarantine; each page is shown 1,400 and 390 pixels wide, by day and by night, in headless Chromium.
``--only due`` shows a run with a due time in Prefect and in the terminal, which takes some minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import due_walk, harness
from farebox.runtime import Runtime
from farebox.web import page_server
from tests.support.browser import MISSING, browser
from tests.support.web_company import TRACED, free_port, make_company

FOLDER = harness.ROOT / "docs" / "screenshots"
PAGES = {
    "overview": "/?since=ever",
    "automations": "/automations?since=ever",
    "automation": "/automations/daily-digest?since=ever",
    "runs": "/runs",
    "runs-filtered": "/runs?outcome=failed&automation=support-triage",
    "run": f"/runs/{TRACED}",
    "trace": f"/runs/{TRACED}/trace",
    "budgets": "/budgets",
    "approvals": "/approvals",
    "quotes": "/quotes",
    "guards": "/guards?since=ever",
    "targets": "/targets",
    "forecast": "/forecast",
    "not-found": "/runs/no-such-run",
}


@contextmanager
def served(folder: Path) -> Iterator[str]:
    runtime: Runtime = make_company(folder)
    try:
        port = free_port()
        with page_server(runtime, "127.0.0.1", port):
            yield f"http://127.0.0.1:{port}"
    finally:
        runtime.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=FOLDER)
    parser.add_argument("--kind", choices=("webp", "png"), default="webp")
    parser.add_argument("--only", nargs="*", choices=(*PAGES, "due"), default=[*PAGES, "due"])
    options = parser.parse_args()
    if MISSING:
        sys.exit(MISSING)
    harness.quiet_environment()
    options.to.mkdir(parents=True, exist_ok=True)
    if pages := [name for name in options.only if name in PAGES]:
        with harness.workplace() as folder, served(folder / "company") as address, browser() as page:
            for name in pages:
                for width in (1400, 390):
                    for scheme in ("light", "dark"):
                        page.visit(address + PAGES[name], width=width, scheme=scheme)
                        path = options.to / f"web-{name}-{width}-{scheme}.{options.kind}"
                        page.screenshot(path)
                        print(f"{path.name}: {path.stat().st_size // 1024} kB", flush=True)
    if "due" in options.only:
        with harness.workplace() as folder, browser() as page:
            due_walk.take_pictures(folder, page, lambda name: options.to / f"due-{name}.{options.kind}")


if __name__ == "__main__":
    main()
