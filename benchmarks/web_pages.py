"""How long each page of the report server takes: ``python -m benchmarks.web_pages``.

A history of ten million turns (a million runs; ``--turns``) is in the replica. Pages are asked for over HTTP, one after
the other, first as they are found after the server has made its usual pages, then again. What reads much is made beside
requests (``made in``: how long that took); any other page reads the replica while it is asked for.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median

import httpx

from benchmarks import harness, synthetic_history
from farebox.web import page_server
from farebox.web.app import PAGES
from farebox.web.site import Site
from farebox.web.view import PageRequest
from pricing.reports import runs
from tests.support.project import make_project
from tests.support.web_company import free_port

MOST_MS = 150
SAMPLES = 9
PATIENCE = 600.0


def paths(run_id: str, automation: str) -> list[str]:
    """Those with ``{n}`` are another page for each sample, so that none is shown again."""
    return [
        "/",
        "/?since=7d",
        "/?since=ever",
        "/automations",
        f"/automations/{automation}",
        "/runs?until=2026-09-1{n}",
        f"/runs?automation={automation}&outcome=failed&until=2026-09-1{{n}}",
        "/runs?owner=org-{n}",
        f"/runs?id={run_id[4:7]}{{n}}",
        "/runs?tag=nobody-has-it-{n}",
        f"/runs/{run_id[:7]}{{n}}",
        f"/runs/{run_id}/trace",
        "/budgets",
        "/approvals",
        "/quotes",
        "/guards",
        "/targets",
        "/forecast",
    ]


def milliseconds(client: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    answer = client.get(path, headers={"accept": "text/html"})
    harness.expect(answer.status_code == httpx.codes.OK)
    return (time.perf_counter() - began) * 1000


def made_in(site: Site) -> dict[str, float]:
    """Seconds to make each page that is kept."""
    found = {}
    for page in PAGES:
        if page.kept == "stale" and "{" not in page.path:
            began = time.perf_counter()
            page.view(site, PageRequest({}, {}))
            found[page.path] = time.perf_counter() - began
    return found


def measure(folder: Path) -> int:
    runtime = make_project(folder, "http://127.0.0.1:9").runtime()
    try:
        [newest] = runs(runtime.replica, limit=1)
        made = made_in(Site(runtime))
        port = free_port()
        with (
            page_server(runtime, "127.0.0.1", port),
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client,
        ):
            for path in made:
                milliseconds(client, path)  # what is made beside requests is there, and takes no CPU from what follows
            rows, slow = [], 0
            for path in paths(newest.run_id, newest.automation):
                first = milliseconds(client, path.format(n=0))
                cpu = time.process_time()
                again = [milliseconds(client, path.format(n=number)) for number in range(1, SAMPLES + 1)]
                cpu = (time.process_time() - cpu) * 1000 / SAMPLES
                slow += median(again) > MOST_MS
                own = f"{made[path]:.2f}" if path in made else ""
                rows.append((path, f"{first:.0f}", harness.spread(again, 0), f"{cpu:.0f}", own))
            heads = ("", "first, ms", "ms [quartiles]", "CPU ms", "made in, s")
            harness.table(f"pages, {SAMPLES} times each", heads, rows)
            print("every page below 150 ms" if not slow else f"{slow} pages take more than {MOST_MS} ms")
            return slow
    finally:
        runtime.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="where the history is, or is to be kept for another time")
    options = parser.parse_args()
    harness.quiet_environment()
    with harness.workplace() as own:
        folder: Path = options.folder or own
        if not (folder / ".farebox" / "replica.duckdb").exists():
            runtime = make_project(folder, "http://127.0.0.1:9").runtime()
            made = (
                harness.milliseconds(lambda: synthetic_history.fill(runtime.replica, runtime.store, options.turns))
                / 1000
            )
            runtime.close()
            print(f"{options.turns:,} turns were made and rolled up in {made:.0f} s", flush=True)
        measure(folder)


if __name__ == "__main__":
    main()
